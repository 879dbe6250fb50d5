"""What happens to a request of a page, from top to bottom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ifonly.explainers.wording import Language
from ifonly.service import logs
from ifonly.service.access import Role
from ifonly.service.ask.localized import detail_of, title_of
from ifonly.service.ask.problems import RequestProblem, failed
from ifonly.service.doors.http import authentication, permissions
from ifonly.service.doors.http.access_records import record_look
from ifonly.service.doors.http.arguments import check_query, query_of
from ifonly.service.doors.http.context import Context
from ifonly.service.doors.http.health import asks_for_html
from ifonly.service.doors.http.problems import headers_of, problem_in
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.visit import Visit, check_form, pages_of, read_visit, visit_of
from ifonly.service.errors import Forbidden, ServiceError, Unauthenticated
from ifonly.service.scheduling import worker_pools
from ifonly.service.words.catalogue import say

Endpoint = Callable[[Request], Awaitable[Response]]
READS = ("GET", "HEAD")
KEPT = ("Retry-After", "Allow")
"""Headers of a refusal that a page has too."""


@dataclass(frozen=True, slots=True)
class PageRules:
    """What is asked of the requests of one page."""

    template: str
    roles: frozenset[Role] | None
    """None: it is for everybody, signed in or not."""
    is_whole: bool
    """Whether it tells of everything, and is for nobody who may see a part."""
    query: frozenset[str]
    """Names of the parameters that it knows."""


class NotOfThesePages(Forbidden):
    """Whoever looks has none of the roles of a page."""

    def __init__(self, roles: frozenset[Role]) -> None:
        self.roles = sorted(roles)
        super().__init__(f"this page is for the roles {', '.join(self.roles)}")


class PageRoute(APIRoute):
    """A route of the pages: FastAPI finds its arguments, :func:`handle` does all before that."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        (method,) = self.methods or {""}
        rules = PageRules(
            self.path_format,
            permissions.may_see(method, self.path_format),
            permissions.tells_all({method}, self.path_format),
            query_of(self),
        )
        return partial(handle, rules, super().get_route_handler())


async def handle(rules: PageRules, endpoint: Endpoint, request: Request) -> Response:
    """Who is it? Whoever is not signed in, in turn. May they, and not too often? Did a page of
    ours send them? Then the page, and a record of who looked; or what went wrong, in HTML."""
    context = Context.begun(request)
    try:
        visit = await read_visit(request)
        async with await _strangers_in_turn(request, visit):
            return await _shown(rules, endpoint, request, context, visit)
    except ClientDisconnect:
        raise
    except Exception as error:
        return refusal(request, error)
    finally:
        await request.close()  # files that came with a form, also with a refused one


async def _strangers_in_turn(request: Request, visit: Visit) -> AbstractAsyncContextManager[None]:
    """Whoever is signed in comes at once; the others in turn, each with their form read: nobody
    waits for a client who is slow to send one."""
    if visit.principal is not None:
        return nullcontext()
    if request.method not in READS:
        with suppress(HTTPException):  # read again, it is refused
            await request.form()
    return pages_of(request).strangers.admitted()


async def _shown(
    rules: PageRules, endpoint: Endpoint, request: Request, context: Context, visit: Visit
) -> Response:
    if rules.roles is None:
        return await _answered(rules, endpoint, request, visit)
    if visit.principal is None:
        raise Unauthenticated("nobody is signed in", was_tried=False)
    if not visit.principal.roles & rules.roles:
        raise NotOfThesePages(rules.roles)
    if rules.is_whole:
        authentication.check_whole(visit.principal)
    actor = visit.principal.actor
    await context.state.rates.admit(actor)
    worker_pools.asking.set(actor)
    context.admit(visit.principal)
    async with context.state.admission.entered(actor):
        response = await _answered(rules, endpoint, request, visit)
        await record_look(request, context, rules.template, response)
        return response


async def _answered(
    rules: PageRules, endpoint: Endpoint, request: Request, visit: Visit
) -> Response:
    check_query(request, rules.query)
    if request.method not in READS:
        await check_form(request, visit)
    response = await endpoint(request)
    if visit.is_new and "set-cookie" not in response.headers:
        pages_of(request).give(response, visit.token, request)
    return response


def refusal(request: Request, error: Exception) -> Response:
    """What went wrong, as a page, or as a part of one for htmx."""
    if isinstance(error, Unauthenticated):
        return _to_sign_in(request)
    problem = problem_in(request, error)
    if problem is None:
        logs.logger.error("failed: %s", logs.where(error))
        problem = failed()
    return _told(request, problem, error)


def _to_sign_in(request: Request) -> Response:
    visit = visit_of(request)
    if is_part(request):
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    back = quote(visit.path) if request.method in READS else "/"
    # A page that leads there, not a redirect: somebody who followed a link of another site was
    # sent without their strict cookie, and comes with it only from a page of ours.
    return page(request, "onward.html", 401, to=f"/sign-in?next={back}")


def _told(request: Request, problem: RequestProblem, error: Exception) -> Response:
    path = request.url.path
    headers = {k: v for k, v in headers_of(problem, path, error).items() if k in KEPT}
    template = "refusal_part.html" if is_part(request) else "refusal.html"
    said, visit = problem.said(path), visit_of(request)
    detail, language = _detail(error, said, visit.language)
    return page(
        request,
        template,
        problem.kind.status,
        headers,
        title=title_of(problem.kind.slug, said["title"], visit.language),
        detail=detail,
        detail_language=language,
        identity=said["request_id"],
    )


def _detail(error: Exception, said: Mapping[str, Any], tag: Language) -> tuple[str, Language]:
    """What is wrong, and in which language that is said."""
    if isinstance(error, NotOfThesePages):
        roles = ", ".join(say(f"account.{role}", tag) for role in error.roles)
        return say("refusal.needs", tag, roles=roles), tag
    return detail_of(said, tag)


def install(app: FastAPI) -> None:
    """Say it in HTML, too, when a browser asks for a page that is not there."""
    otherwise = app.exception_handlers[HTTPException]

    async def handle(request: Request, error: Exception) -> Response:
        is_page = asks_for_html(request.headers)
        if not is_page or request.url.path.startswith("/api/"):
            return await otherwise(request, error)  # type: ignore[misc, no-any-return]
        with suppress(ServiceError):  # that there is no such page is known all the same
            await read_visit(request)
        return refusal(request, error)

    app.add_exception_handler(HTTPException, handle)
