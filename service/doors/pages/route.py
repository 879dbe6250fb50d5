"""What is asked before any page: who is it, may they, and did a page of ours send them?"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service import logs
from service.access import Role
from service.doors.http import authentication, errors, permissions
from service.doors.http.looking import looked
from service.doors.http.state import AppState
from service.doors.pages.cookies import Cookies
from service.doors.pages.rendering import page, title_of
from service.doors.pages.strangers import Strangers
from service.doors.pages.visit import Visit, check_form, visit_of
from service.errors import Forbidden, Unauthenticated
from service.scheduling import worker_pools

Handle = Callable[[Request], Awaitable[Response]]
READS = ("GET", "HEAD")


class PageRoute(APIRoute):
    """A route of the pages: admits by session, checks forms, and says in HTML what went wrong.

    ``request.state`` then has the ``visit``, and the ``principal`` whom records name.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        (method,) = self.methods or {""}
        roles = permissions.may_see(method, self.path_format)
        tells_all = permissions.tells_all({method}, self.path_format)

        async def served(request: Request) -> Response:
            visit = await visit_of(request, request.app.state.cookies)
            request.state.visit = visit
            try:
                async with await _admission(request, visit):
                    return await shown(request)
            finally:
                await request.close()  # files that came with a form, also with a refused one

        async def shown(request: Request) -> Response:
            try:
                return await _served(request, roles, handle, self.path_format, tells_all=tells_all)
            except ClientDisconnect:
                raise
            except Exception as error:
                return refusal(request, error)

        return served


async def _admission(request: Request, visit: Visit) -> AbstractAsyncContextManager[None]:
    """Whoever is signed in comes at once; the others in turn, each with their form read: nobody
    waits for a client who is slow to send one."""
    if visit.principal is not None:
        return nullcontext()
    if request.method not in READS:
        with suppress(HTTPException):  # read again, it is refused
            await request.form()
    strangers: Strangers = request.app.state.strangers
    return strangers.admitted()


async def _served(
    request: Request,
    roles: frozenset[Role] | None,
    handle: Handle,
    template: str,
    *,
    tells_all: bool,
) -> Response:
    cookies: Cookies = request.app.state.cookies
    state: AppState = request.app.state.ifonly
    visit: Visit = request.state.visit
    if roles is not None:
        if visit.principal is None:
            raise Unauthenticated("nobody is signed in", was_tried=False)
        if not visit.principal.roles & roles:
            raise Forbidden(f"this page is for the roles {', '.join(sorted(roles))}")
        if tells_all:
            authentication.check_whole(visit.principal)
        await state.rates.admit(visit.principal.actor)
        worker_pools.asking.set(visit.principal.actor)
        request.state.principal = visit.principal
        async with state.floor.entered(visit.principal.actor):
            response = await _answered(request, visit, cookies, handle)
            return await looked(request, template, response)
    return await _answered(request, visit, cookies, handle)


async def _answered(request: Request, visit: Visit, cookies: Cookies, handle: Handle) -> Response:
    state: AppState = request.app.state.ifonly
    if request.method not in READS:
        await check_form(request, visit, cookies)
    response = await handle(request)
    if visit.is_new and "set-cookie" not in response.headers:
        cookies.give(response, visit.token, request, state.settings.session_seconds)
    return response


def refusal(request: Request, error: Exception) -> Response:
    """What went wrong, as a page, or as a part of one for htmx."""
    if isinstance(error, Unauthenticated):
        return _to_sign_in(request)
    response = errors.answer_to(request, error)
    if response is None:
        logs.logger.error("failed: %s", logs.where(error))
        response = errors.internal_error(request.url.path)
    return _shown(request, response)


def _to_sign_in(request: Request) -> Response:
    visit: Visit = request.state.visit
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    back = quote(visit.path) if request.method in READS else "/"
    # A page that leads there, not a redirect: somebody who followed a link of another site was
    # sent without their strict cookie, and comes with it only from a page of ours.
    return page(request, "onward.html", 401, to=f"/sign-in?next={back}")


def _shown(request: Request, response: Response) -> Response:
    problem = json.loads(bytes(response.body))
    slug = problem["type"].rpartition(":")[2]
    template = "refusal_part.html" if "hx-request" in request.headers else "refusal.html"
    return page(
        request,
        template,
        response.status_code,
        {k: v for k, v in response.headers.items() if k in ("retry-after", "allow")},
        title=title_of(slug, problem["title"], request.state.visit),
        detail=problem["detail"],
        identity=problem["request_id"],
    )


def install(app: FastAPI) -> None:
    """Say it in HTML, too, when a browser asks for a page that is not there."""
    otherwise = app.exception_handlers[HTTPException]

    async def handle(request: Request, error: Exception) -> Response:
        is_page = "text/html" in request.headers.get("accept", "")
        if not is_page or request.url.path.startswith("/api/"):
            return await otherwise(request, error)  # type: ignore[misc, no-any-return]
        request.state.visit = await visit_of(request, app.state.cookies)
        return refusal(request, error)

    app.add_exception_handler(HTTPException, handle)
