"""Who looks at a page, in which language, in which light."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.access import ANYONE, Principal, Role
from ifonly.service.doors.demonstration import Demonstration
from ifonly.service.doors.http.context import AppState, application
from ifonly.service.doors.pages.cookies import Cookies, new_token
from ifonly.service.doors.pages.failures import Failures
from ifonly.service.doors.pages.remedy_memory import RemedyMemory
from ifonly.service.doors.pages.strangers import Strangers
from ifonly.service.errors import Forbidden, Overloaded, ServiceError
from ifonly.service.settings import Settings
from ifonly.service.store import sessions
from ifonly.service.words.catalogue import preferred

if TYPE_CHECKING:  # as `doors.by_settings` says: imported where a setting names them
    from ifonly.service.doors.pages.accounts import Accounts

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")
LANGUAGE, THEME = "ifonly_language", "ifonly_theme"
"""Cookies; of no value to anybody else."""
FORM_TOKEN = "csrf"
HEADER_TOKEN = "X-CSRF-Token"
MAX_DIGITS = 10
"""Of a number in a form."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page."""

    principal: Principal | None
    """None: nobody is signed in."""
    token: str
    """The browser's; what its forms must send follows from it."""
    is_new: bool
    """Whether the browser is yet to be given it."""
    form_token: str
    language: Language
    theme: Theme
    path: str
    """With its query: where to come back to."""
    has_accounts: bool
    demonstration: Demonstration | None
    """The simulated machines, once they have begun."""

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset() if self.principal is None else self.principal.roles


@dataclass(frozen=True)
class Pages:
    """What the pages of one application share, made when it starts."""

    settings: Settings
    cookies: Cookies
    accounts: Accounts | None
    """With which one may sign in, beside keys."""
    failures: Failures
    strangers: Strangers
    remedies: RemedyMemory

    def give(self, response: Response, token: str, request: Request) -> None:
        """Have the browser keep ``token``."""
        self.cookies.give(response, token, request, self.settings.session_seconds)


def pages_of(request: Request) -> Pages:
    pages = request.app.state.pages
    assert isinstance(pages, Pages)
    return pages


def visit_of(request: Request) -> Visit:
    """Of a request that :func:`read_visit` has read."""
    visit = request.state.visit
    assert isinstance(visit, Visit)
    return visit


async def read_visit(request: Request) -> Visit:
    """Who it is, in which language and in which light; :func:`visit_of` has it from now on, also
    if who it is cannot be known: what went wrong is then told to nobody in particular.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If sessions cannot be read.
    """
    cookies, state = pages_of(request).cookies, application(request)
    given = cookies.token(request)
    token = given or new_token()
    request.state.visit = visit = Visit(
        None,
        token,
        given is None,
        cookies.form_token(token),
        _language(request),
        next((t for t in THEMES if t == request.cookies.get(THEME)), "auto"),
        _path(request),
        not state.settings.no_auth,
        plant if (plant := state.demonstration) is not None and plant.has_begun else None,
    )
    request.state.visit = visit = replace(visit, principal=await _principal(state, given))
    return visit


async def _principal(state: AppState, token: str | None) -> Principal | None:
    if state.settings.no_auth:
        return ANYONE
    if token is None:
        return None
    look = partial(sessions.find, state.store.database, state.store.keyring, token)
    # Shared by token: whoever clicks much waits behind themselves.
    return await state.door.run(look, actor=token)


async def is_still(request: Request) -> bool:
    """Whether the session of this request's visit still is whose it was. Not if it cannot be
    known; but that nobody has time to look is no answer."""
    visit = visit_of(request)
    try:
        return await _principal(application(request), visit.token) == visit.principal
    except Overloaded:
        return True
    except ServiceError:
        return False


def _language(request: Request) -> Language:
    chosen = request.cookies.get(LANGUAGE)
    for language in LANGUAGES:
        if language == chosen:
            return language
    return preferred(request.headers.get("accept-language", ""))


def _path(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


async def check_form(request: Request, visit: Visit) -> None:
    """A request that changes something must come from a page that this browser was given.

    Raises
    ------
    Forbidden
        If it does not.
    """
    # Browsers send this header, programs need not; the token below decides in any case.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("the request comes from a page of another site")
    given = request.headers.get(HEADER_TOKEN)
    if given is None:
        given = await form_value(request, FORM_TOKEN)
    # is_new: a browser without our cookie has been given no page whose token could be right.
    if visit.is_new or not pages_of(request).cookies.is_form_token(given, visit.token):
        raise Forbidden("the page is too old, or cookies are off: load it again")


async def form_value(request: Request, name: str) -> str:
    """A field of the request's form; empty if it has none, or a file.

    Raises
    ------
    HTTPException
        If the body is no form.
    """
    value = (await request.form()).get(name, "")
    if not isinstance(value, str):
        raise HTTPException(400)
    return value


def whole(text: str) -> int | str:
    """``text`` as the number that it spells; as it is if that is none, or longer than any here."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < MAX_DIGITS else text


def without(path: str, *names: str) -> str:
    """``path`` without these parameters: what was told once is not told again."""
    parts = urlsplit(path)
    kept = [(n, v) for n, v in parse_qsl(parts.query, keep_blank_values=True) if n not in names]
    return parts.path + (f"?{urlencode(kept)}" if kept else "")


def local(path: str) -> str:
    """``path`` if it leads to a page of ours; else the first page."""
    # Browsers take `//host` for another site, and a backslash for a slash.
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path
    # isprintable: no end of a line may come into the header Location.
    return path if is_ours and path.isprintable() else "/"
