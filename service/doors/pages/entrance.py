"""Routes that everybody needs: the first page, signing in and out, language and light."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.access import Principal
from ifonly.service.doors.http import authentication
from ifonly.service.doors.http.arguments import ANY, reads_query
from ifonly.service.doors.http.context import Shared, application
from ifonly.service.doors.pages import sign_ins
from ifonly.service.doors.pages.cookies import FLOW, new_token
from ifonly.service.doors.pages.rendering import is_part, page, places
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import (
    LANGUAGE,
    THEME,
    THEMES,
    form_value,
    local,
    pages_of,
    visit_of,
)
from ifonly.service.errors import AlreadyAnswered, Unauthenticated
from ifonly.service.store import sessions
from ifonly.service.store.chain import now_us
from ifonly.service.store.keys import PREFIX

if TYPE_CHECKING:  # as `doors.by_settings` says: imported where a setting names them
    from ifonly.service.doors.pages.accounts import Accounts

T = TypeVar("T")

router = APIRouter(route_class=PageRoute, include_in_schema=False)

YEAR = 31_536_000
MAX_KEY = 256
Next = Annotated[str, Query(max_length=2_048)]


@router.get("/")
async def first_page(request: Request) -> Response:
    """Wherever whoever asks begins."""
    visit = visit_of(request)
    found = places(visit.principal)
    return RedirectResponse(found[0].path, 303) if found else page(request, "nowhere.html")


@router.get("/sign-in")
async def sign_in_page(request: Request, next: Next = "/") -> Response:
    """Who are you?"""
    visit = visit_of(request)
    if visit.principal is not None:
        return RedirectResponse(local(next), 303)
    return _asked(request, next)


def _asked(request: Request, back: str, *, failed: bool = False) -> Response:
    accounts = pages_of(request).accounts
    status = 401 if failed else 200
    return page(
        request,
        "sign_in.html",
        status,
        back=local(back),
        failed=failed,
        has_accounts=accounts is not None,
    )


async def _failed(request: Request, back: str, by: str) -> Response:
    await sign_ins.failed(request, by)
    return _asked(request, back, failed=True)


@router.post("/sign-in")
async def sign_in(request: Request, state: Shared) -> Response:
    """By API key."""
    back = local(await form_value(request, "next"))
    key = (await form_value(request, "key")).strip()
    try:
        # Keys only: a token of the issuer that is pasted here must not become a session.
        if not key.startswith(PREFIX) or len(key) > MAX_KEY:
            raise Unauthenticated("not a key", was_tried=True)
        principal = await authentication.find(key, state)
    except Unauthenticated:
        return await _failed(request, back, sign_ins.KEY)
    response = RedirectResponse(back, 303)
    # The session ends with this key.
    await _begin(request, response, principal, principal.actor.partition(":")[2])
    return response


async def _begin(
    request: Request,
    response: Response,
    principal: Principal,
    key: str | None = None,
    once: str | None = None,
) -> None:
    pages = pages_of(request)
    seconds = pages.settings.session_seconds
    new = sessions.NewSession(new_token(), principal, now_us() + seconds * 1_000_000, key)
    await sign_ins.begin(request, new, sign_ins.ACCOUNT if key is None else sign_ins.KEY, once)
    pages.give(response, new.token, request)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """The session is over, wherever its cookie may be."""
    visit = visit_of(request)
    if visit.principal is not None:
        await sign_ins.end(request, visit.principal, visit.token)
    response = RedirectResponse("/sign-in", 303)
    # Another token: forms of pages that are still open are worth nothing.
    pages_of(request).give(response, new_token(), request)
    return response


@router.get("/sign-in/account")
async def to_issuer(request: Request, next: Next = "/") -> Response:
    """To the issuer, who knows the plant's accounts."""
    accounts = _accounts(request)
    where, said = await _outside(request, partial(accounts.begin, local(next)))
    response = RedirectResponse(where, 303)
    pages_of(request).cookies.give_flow(response, said, request)
    return response


@router.get("/sign-in/account/reply")
# Issuers add what they like, and it is to be ignored (RFC 6749, 4.1.2).
@reads_query(ANY)
async def from_issuer(
    request: Request,
    code: Annotated[str, Query(max_length=4_096)] = "",
    state: Annotated[str, Query(max_length=256)] = "",
) -> Response:
    """Back from there, with a code."""
    said = pages_of(request).cookies.flow(request)
    if not code or said is None or not _is_same(said["state"], state):
        return await _failed(request, "/", sign_ins.ACCOUNT)
    finish = partial(_accounts(request).finish, code, said)
    try:
        principal = await _outside(request, finish)
    except Unauthenticated:
        return await _failed(request, "/", sign_ins.ACCOUNT)
    # A page, not a redirect: the browser came from another site, and would not send a strict
    # cookie along with where such a redirect leads.
    response = page(request, "onward.html", to=local(said["back"]))
    # `once` is the reply's state: sent again, to any process, it begins no second session.
    try:
        await _begin(request, response, principal, once=state)
    except AlreadyAnswered:
        return await _failed(request, "/", sign_ins.ACCOUNT)
    response.delete_cookie(FLOW)
    return response


def _is_same(ours: str, given: str) -> bool:
    return hmac.compare_digest(ours.encode(), given.encode())


async def _outside(request: Request, ask: Callable[[], T]) -> T:
    """Ask the issuer, who may take its time, in threads that are for that."""
    return await application(request).outside.run(ask)


def _accounts(request: Request) -> Accounts:
    accounts = pages_of(request).accounts
    if accounts is None:
        raise Unauthenticated("nobody can sign in with an account here", was_tried=False)
    return accounts


@router.post("/preferences")
async def prefer(request: Request) -> Response:
    """Another language, or another light; then the same page again."""
    back = local(await form_value(request, "back"))
    response: Response = RedirectResponse(back, 303)
    if is_part(request):
        # Language and light are the whole page's: htmx is told to load it anew.
        response = Response(status_code=200, headers={"HX-Refresh": "true"})
    for name, cookie, known in (("language", LANGUAGE, LANGUAGES), ("theme", THEME, THEMES)):
        chosen = await form_value(request, name)
        if chosen in known:
            response.set_cookie(cookie, chosen, max_age=YEAR, httponly=True, samesite="lax")
    return response
