"""Routes of questions about a model: the usual request goes straight to its endpoint."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.doors.http.context import context_of
from service.doors.http.request_path import Endpoint, QuestionRoute
from service.wire.base import Wire

LONGEST_NAME = 128


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


class AskingRoute(QuestionRoute):
    """A route whose endpoint takes ``model``, ``selected``, ``request`` (the body), ``state`` and
    ``recording``.

    FastAPI takes as long to find out what these are as some questions take to answer. Where the
    query is empty, nothing is preferred and the body is as documented there is nothing to find
    out; everything else, and what is wrong with it, is left to FastAPI.
    """

    def endpoint_of(self, framework: Endpoint) -> Endpoint:
        asked = self.body_field and self.body_field.field_info.annotation
        assert isinstance(asked, type)
        assert issubclass(asked, Wire)  # every question has a body

        async def ask(request: Request) -> Response:
            arguments = await _plain(request, asked)
            if arguments is None:
                return await framework(request)
            response: Response = await self.endpoint(**arguments)
            return response

        return ask


async def _plain(request: Request, asked: type[Wire]) -> dict[str, Any] | None:
    """The endpoint's arguments, where they are plain to see."""
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
    context = context_of(request)
    return {
        "model": model,
        # An empty query, so every default.
        "selected": QuestionSelection(),
        "request": wanted,
        "state": context.state,
        "recording": context.recorder(),
    }
