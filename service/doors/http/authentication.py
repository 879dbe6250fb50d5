"""Whose request is it, and may they? Asked before anything of the body is read."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from fastapi import Request

from ifonly.service.access import ANYONE, Principal, Role
from ifonly.service.doors.http.context import AppState, application, context_of
from ifonly.service.errors import Forbidden, ServiceError, Unauthenticated
from ifonly.service.store.keys import PREFIX

if TYPE_CHECKING:  # as `doors.by_settings` says: imported where there is an issuer
    from ifonly.service.doors.http.oidc import Issuer

MAX_TOKEN = 8_192
CHECK_SECONDS = 5.0
"""Between two looks whether a listener's key, token or session has ended."""


async def admit(request: Request, roles: frozenset[Role], *, tells_all: bool = False) -> Principal:
    """Whoever asks, if one of their roles is among ``roles``; ``tells_all``: and they may see
    everything.

    Raises
    ------
    Unauthenticated
        If nobody known asks.
    Forbidden
        If they have none of the roles, or a scope.
    StoreUnavailable, StoreDamaged
        If the keys cannot be read.
    """
    state = application(request)
    # Loggers of deployed models can say who they are in a URL alone, which becomes `Basic`. Nowhere
    # else: a browser sends that again by itself, to whatever page asks it to.
    is_logger = Role.SENDER in roles
    if state.settings.no_auth:
        principal = ANYONE
    else:
        principal = await find(_token(request, takes_basic=is_logger), state)
    if not principal.roles & roles:
        need = ", ".join(sorted(roles))
        has = ", ".join(sorted(principal.roles)) or "none"
        raise Forbidden(f"this is for the roles {need}; {principal.actor} has {has}")
    if tells_all:
        check_whole(principal)
    return principal


async def is_still(request: Request) -> bool:
    """Whether whoever was admitted would be again, as the same: for what goes on after a reply
    has begun. Not if it cannot be known."""
    state = application(request)
    if state.settings.no_auth:
        return True
    try:
        # Roles and scope are compared too: a change of either ends what was begun before.
        return bool(await find(_token(request), state) == context_of(request).principal)
    except ServiceError:
        return False


class Admitted:
    """Asks again now and then whether somebody who listens may go on."""

    def __init__(self, ask: Callable[[], Awaitable[bool]]) -> None:
        self._ask = ask
        self._next = time.monotonic() + CHECK_SECONDS

    async def still(self) -> bool:
        if time.monotonic() < self._next:
            return True
        self._next = time.monotonic() + CHECK_SECONDS
        return await self._ask()


def check_whole(principal: Principal) -> None:
    """Raises
    ------
    Forbidden
        If they may see a part only.
    """
    if not principal.scope.is_everything:
        raise Forbidden(f"this tells of everything, and {principal.actor} has a scope")


def _token(request: Request, *, takes_basic: bool = False) -> str:
    header = request.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if not header:
        # Nothing was tried: RFC 6750, 3.1 then wants no error code in the reply.
        raise Unauthenticated("an API key or a token is needed", was_tried=False)
    token = token.strip()
    if takes_basic and scheme.lower() == "basic":
        scheme, token = "bearer", _password(token)
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN or not token.isascii():
        raise Unauthenticated("Authorization is not `Bearer` and a token", was_tried=True)
    return token


def _password(credentials: str) -> str:
    """Of ``Basic`` (RFC 7617); empty if there is none."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


async def find(token: str, state: AppState) -> Principal:
    """Whoever holds a key or a token.

    Raises
    ------
    Unauthenticated
        If nobody does (any more).
    StoreUnavailable, StoreDamaged
        If the keys cannot be read.
    """
    found: Principal | None = None
    # The prefix decides: no issuer's token begins so.
    if token.startswith(PREFIX):
        keyring = state.store.keyring
        if keyring.should_load(token):
            # Threads for strangers: who tries keys holds up nobody who is known (decision 0084).
            await state.door.run(keyring.load)
        found = keyring.find(token)
    elif state.issuer is not None:
        await _with_its_key(state.issuer, token)
        found = await state.door.run(partial(state.issuer.find, token, waits=False))
    if found is None:
        raise Unauthenticated("this key or token is not accepted", was_tried=True)
    return found


async def _with_its_key(issuer: Issuer, token: str) -> None:
    """Wait, in no thread, until the issuer was asked for the key of a token, if it has to be."""
    from ifonly.service.doors.http.oidc import FETCH_SECONDS

    asked = issuer.asked_for(token)
    if asked is not None:
        # An issuer that does not answer looks like an unknown key: both are refused alike.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(asked), FETCH_SECONDS)
