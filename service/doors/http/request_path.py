"""What happens to a request of the API, from top to bottom.

Before this, and around every request: its id and its log line (:mod:`.request_log`), the names by
which the service may be asked (:mod:`.hosts`), the size and the time of its body (:mod:`.limits`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from ifonly.models.errors import UnknownModel
from ifonly.service.access import Role
from ifonly.service.ask.problems import RequestProblem
from ifonly.service.doors.http import authentication, permissions
from ifonly.service.doors.http.access_records import record_look
from ifonly.service.doors.http.arguments import Endpoint, check_query, plain_first, query_of
from ifonly.service.doors.http.body import JsonRequest, check_media_type
from ifonly.service.doors.http.context import Context
from ifonly.service.doors.http.idempotency import answered_once, read_name
from ifonly.service.doors.http.problems import accepted_by, answered, problem_in
from ifonly.service.scheduling import worker_pools
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire.replies import Audit


@dataclass(frozen=True, slots=True)
class Manner:
    """How a kind of route treats its requests."""

    records_failures: bool = False
    """Whether what is refused, and what fails, is recorded: of questions about a model."""
    takes_names: bool = False
    """Whether clients may name a request, to be answered once."""
    names_parts: bool = False
    """Whether they may name one that asks several questions, each to be answered once."""
    has_plain_arguments: bool = False
    """Whether :func:`plain_first` can find what its endpoints take."""
    takes_bytes: bool = False
    """Whether its endpoints read the body themselves, once it is unpacked."""


@dataclass(frozen=True, slots=True)
class RouteRules:
    """What is asked of the requests of one route."""

    manner: Manner
    template: str
    roles: frozenset[Role]
    is_whole: bool
    """Whether it tells of everything, and is for nobody who may see a part."""
    takes_json: bool
    query: frozenset[str]
    """Names of the parameters that it knows."""

    @property
    def question(self) -> str:
        """What records call it."""
        return self.template.rpartition("/")[2]


class PublicRoute(APIRoute):
    """A route for everybody: what its query may have is all that is looked at."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        known = query_of(self)
        answer: Endpoint = super().get_route_handler()

        async def checked(request: Request) -> Response:
            check_query(request, known)
            return await answer(request)

        return checked


class ApiRoute(APIRoute):
    """A route of the API: FastAPI finds its arguments, :func:`handle` does all that is before."""

    manner: ClassVar[Manner] = Manner()

    # Runs when the service is built: a route that the table lacks fails then.
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        methods = self.methods or set()
        rules = RouteRules(
            self.manner,
            self.path_format,
            permissions.allowed(methods, self.path_format),
            permissions.tells_all(methods, self.path_format),
            takes_json=self.body_field is not None,
            query=query_of(self),
        )
        answer: Endpoint = super().get_route_handler()
        if self.manner.has_plain_arguments and self.body_field is not None:
            answer = plain_first(self.endpoint, self.body_field.field_info.annotation, answer)
        return partial(handle, rules, answer)


class ClientRoute(ApiRoute):
    """Questions in a form of other services' clients, several in one request."""

    manner = Manner(records_failures=True, names_parts=True)


class ClientBytesRoute(ApiRoute):
    """The same, whose bodies are not only JSON."""

    manner = Manner(records_failures=True, names_parts=True, takes_bytes=True)


class BytesRoute(ApiRoute):
    """One that reads its body itself."""

    manner = Manner(takes_bytes=True)


class OnceRoute(ApiRoute):
    """One whose requests a client may name, to be answered once."""

    manner = Manner(takes_names=True)


class StreamRoute(ApiRoute):
    """One about a model, whose body is read while it is answered."""

    manner = Manner(records_failures=True)


class QuestionRoute(ApiRoute):
    """One about a model: what is refused is recorded."""

    manner = Manner(records_failures=True, takes_names=True)


class PlainQuestionRoute(ApiRoute):
    """The same, most of whose requests have plain arguments."""

    manner = Manner(records_failures=True, takes_names=True, has_plain_arguments=True)


async def handle(rules: RouteRules, endpoint: Endpoint, request: Request) -> Response:
    """Who asks, and may they? Not too often, and in turn. What is its body? Was it answered
    before? Then its answer, and a record of who looked at it; or what is wrong with it."""
    context = Context.begun(request)
    try:
        # Who asks comes before the body: nobody unknown makes us read one.
        principal = await authentication.admit(request, rules.roles, tells_all=rules.is_whole)
        context.admit(principal)
        # The rate comes before the turn: who asks too often takes no place that others need.
        await context.state.rates.admit(principal.actor)
        # Thread pools share by actor, and read it from this variable.
        worker_pools.asking.set(principal.actor)
        async with context.state.admission.entered(principal.actor):
            check_query(request, rules.query)
            # The body is read within the turn: requests that wait cost the event loop nothing.
            if rules.takes_json or rules.manner.takes_bytes:
                request = await _read(request, context, is_json=rules.takes_json)
            if rules.manner.takes_names:
                response = await answered_once(request, context, partial(endpoint, request))
            else:
                if rules.manner.names_parts:
                    await read_name(request, context)
                response = await endpoint(request)
            # Recorded before the reply leaves: a look that cannot be recorded shows nothing.
            await record_look(request, context, rules.template, response)
            return response
    # Nobody is left to be told.
    except ClientDisconnect:
        raise
    except Exception as error:
        problem = problem_in(request, error)
        # A failure that nobody foresaw is recorded before it goes on to the log.
        audit = await _recorded(rules, request, context, problem)
        if problem is None:
            raise
        # Of one that was recorded, with its place.
        told = {} if audit is None else {"audit": audit.model_dump(mode="json")}
        return answered(problem, request.url.path, error, accepted_by(request), **told)


async def _read(request: Request, context: Context, *, is_json: bool) -> Request:
    """The same with its body, unpacked, which is perhaps strict JSON."""
    if is_json:
        check_media_type(request.headers)
    strict = JsonRequest(request.scope, request.receive)
    context.body = await strict.body()
    if is_json:
        await strict.json()
    return strict


async def _recorded(
    rules: RouteRules, request: Request, context: Context, problem: RequestProblem | None
) -> Audit | None:
    """Where what went wrong is recorded; None if it is not: nobody known asked, or no question."""
    if not rules.manner.records_failures or context.principal is None:
        return None
    model = _model(request, context)
    asked, path = rules.question, request.url.path
    return await context.recorder().failure(model, asked, context.body, problem, path)


def _model(request: Request, context: Context) -> ServedModel | None:
    """That the question is about, if they may see it."""
    if "model" not in request.path_params:
        return context.model
    # `find`, not `get`: a model that is out of service was asked all the same.
    try:
        version = request.path_params.get("version", request.query_params.get("version"))
        return context.state.registry.find(request.path_params["model"], version)
    except UnknownModel:
        return None
