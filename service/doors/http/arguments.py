"""Arguments of questions about a model; where they are plain, found without FastAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ifonly.service.doors.http.context import context_of
from ifonly.service.errors import MAX_FAULTS, Fault, InvalidRequest, MalformedBody, RequestPart
from ifonly.service.settings import Settings
from ifonly.service.wire import validation
from ifonly.service.wire.base import Wire
from ifonly.service.wire.requests import ExplanationRequest
from ifonly.service.wire.strict_json import read_json

Endpoint = Callable[[Request], Awaitable[Response]]
LONGEST_NAME = 128
# Each of them may be twelve bytes of the request's head, which has 65,536.
MAX_QUESTION = 4_096
"""Characters of what is asked of every row, in a query."""


class Selection(BaseModel):
    """Which version of the model is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str | None = Field(
        None, min_length=1, max_length=LONGEST_NAME, description="Default: the latest version."
    )


class QuestionSelection(Selection):
    """Which version is asked, and whether the reply waits for its proof."""

    proof: bool = Field(
        False,
        description="Wait for the next signed head of the log (about a commit), and reply with "
        "the proof that the record is in it.",
    )


def _webhook(description: str) -> Any:
    return Field(None, min_length=1, max_length=2_048, description=description)


def _question() -> Any:
    return Field(
        None,
        max_length=MAX_QUESTION,
        description="JSON: what is asked of every row, a request for an explanation without its "
        "`instance`. A line of JSON that says otherwise goes before it.",
    )


TOLD = "Told once the job has ended (`job.done`, `job.failed`, `job.cancelled`), signed."


class JobSelection(Selection):
    """Which version is asked, and who is told of the job's end."""

    webhook: str | None = _webhook(f"A URL that is {TOLD[0].lower()}{TOLD[1:]}")
    question: str | None = _question()


class StreamSelection(Selection):
    """Which version is asked, and what."""

    question: str | None = _question()


class ExplanationSelection(QuestionSelection):
    """The same of an explanation, which may become a job."""

    webhook: str | None = _webhook(f"With `Prefer: respond-async`: a URL. {TOLD}")


ANY = "*"
"""Instead of a name: whatever comes is let pass."""
C = TypeVar("C", bound=Callable[..., Any])


def reads_query(*names: str) -> Callable[[C], C]:
    """Of an endpoint: it looks at these query parameters itself."""

    def marked(endpoint: C) -> C:
        endpoint.query = names  # type: ignore[attr-defined]
        return endpoint

    return marked


def query_of(route: APIRoute) -> frozenset[str]:
    """Names of the query parameters that a route knows."""
    names: set[str] = {*getattr(route.endpoint, "query", ())}
    for field in route.dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= {f.alias or name for name, f in kind.model_fields.items()}
        else:
            names.add(field.alias)
    return frozenset(names)


def check_query(request: Request, known: frozenset[str]) -> None:
    """Raises
    ------
    InvalidRequest
        If the query has a parameter that is not ``known``: ignored, it would be one that somebody
        relies on.
    """
    if not request.scope["query_string"] or ANY in known:
        return
    told = f"known are {', '.join(sorted(known))}" if known else "there is none"
    faults = [
        Fault((name,), f"{name} is no query parameter here; {told}", value, parameter=name)
        for name, value in request.query_params.items()
        if name not in known
    ]
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults[: MAX_FAULTS + 1])


def plain_first(
    ask: Callable[..., Awaitable[Response]], asked: object, otherwise: Endpoint
) -> Endpoint:
    """``ask`` with its arguments ``model``, ``selected``, ``request`` (a body of type ``asked``)
    and ``recording`` where these are plain to see: the query is empty, nothing is preferred, the
    body is as documented. Everything else, and what is wrong with it, is left to ``otherwise``.

    FastAPI takes as long to find them out as some questions take to answer (a tenth of the
    processor's time of a prediction).
    """
    assert isinstance(asked, type)
    assert issubclass(asked, Wire)  # every question has a body

    async def answer(request: Request) -> Response:
        arguments = await _plain(request, asked)
        return await otherwise(request) if arguments is None else await ask(**arguments)

    return answer


async def _plain(request: Request, asked: type[Wire]) -> dict[str, Any] | None:
    model = request.path_params["model"]
    # FastAPI reads queries and Prefer, and refuses what is wrong in them.
    if request.scope["query_string"] or "prefer" in request.headers:
        return None
    if len(model) > LONGEST_NAME:
        return None
    try:
        wanted = asked.model_validate(await request.json())
    # FastAPI validates the body again and refuses it: refusals have one wording.
    except ValidationError:
        return None
    return {
        "model": model,
        # An empty query, so every default.
        "selected": ExplanationSelection(),
        "request": wanted,
        "recording": context_of(request).recorder(),
    }


def question_of(text: str | None) -> Mapping[str, Any]:
    """What is asked of every row.

    Raises
    ------
    InvalidRequest
        If that is no request for an explanation without its instance.
    """
    if text is None:
        return {}
    try:
        asked = read_json(text.encode(errors="replace"))
        if not isinstance(asked, dict) or "instance" in asked:
            problem = "question is no JSON object without instance"
            raise InvalidRequest(RequestPart.REQUEST, [Fault((), problem)])
        validation.read(ExplanationRequest, {**asked, "instance": {"-": None}})
    except InvalidRequest as error:
        faults = [replace(fault, parameter="question") for fault in error.faults]
        raise InvalidRequest(RequestPart.REQUEST, faults) from None
    except MalformedBody as error:
        problem = f"question is not JSON: {error.problem.removeprefix('the body is not JSON: ')}"
        fault = Fault((), problem, text, parameter="question")
        raise InvalidRequest(RequestPart.REQUEST, [fault]) from None
    return asked


def checked_webhook(url: str | None, settings: Settings) -> str | None:
    """``url``, if a webhook may be sent there.

    Raises
    ------
    InvalidRequest
        If not: whoever may ask for jobs does not choose which hosts of the plant are asked.
    """
    if url is None:
        return None
    from ifonly.service.sending.webhooks import why_not

    problem = why_not(url, settings.webhook_patterns)
    if problem is not None:
        fault = Fault(("webhook",), problem, url, parameter="webhook")
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    return url
