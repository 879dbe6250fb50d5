"""Who signed in and out, as records: by what, never with what they typed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import Request

from ifonly.service.access import ANYONE, Principal
from ifonly.service.audit.drafts import Drafting
from ifonly.service.doors.http.context import application, context_of
from ifonly.service.doors.pages.visit import pages_of
from ifonly.service.store import idempotency, sessions
from ifonly.service.store.chain import Facts
from ifonly.service.store.idempotency import Named
from ifonly.service.store.journal import Draft, RecordedWrite
from ifonly.service.store.kinds import RecordKind

SIGNED_IN, FAILED, SIGNED_OUT = "signed_in", "sign_in_failed", "signed_out"
KEY, ACCOUNT = "key", "account"
"""What somebody signed in by."""


async def begin(
    request: Request, new: sessions.NewSession, by: str, once: str | None = None
) -> None:
    """Keep a session, and record that it was begun; ``once``: what it was begun with, which begins
    no other one, here or in another process.

    Raises
    ------
    AlreadyAnswered
        If that has begun one.
    JournalFull, StoreUnavailable
        If it cannot be recorded: then it is not begun either.
    """
    scope = new.principal.scope.in_words
    detail = {"by": by} | ({} if scope is None else {"scope": scope})
    facts = _facts(request, new.principal, SIGNED_IN, detail)
    work = sessions.begin(new, facts)
    if once is not None:
        # No client can call a request so: its key would have a space in it.
        work = idempotency.once(Named.of(facts.actor, f"sign-in {once}", ()), work)
    await _done(request, work)


async def end(request: Request, principal: Principal, token: str) -> None:
    """The same for its end."""
    await _done(request, sessions.end(token, _facts(request, principal, SIGNED_OUT)))


async def failed(request: Request, by: str) -> None:
    """Record that somebody did not get in."""
    # Counted rather than recorded each: whoever tries keys must not fill the disk.
    others = pages_of(request).failures.told(time.monotonic())
    if others is not None:
        detail = {"by": by, "others": others}
        await _done(request, Draft(_facts(request, ANYONE, FAILED, detail)))


def _facts(
    request: Request, principal: Principal, status: str, detail: dict[str, Any] | None = None
) -> Facts:
    drafting = Drafting(principal, context_of(request).started)
    return drafting.plain(kind=RecordKind.SIGN_IN, status=status, detail=detail)


async def _done(request: Request, work: Draft | RecordedWrite) -> None:
    await asyncio.wrap_future(application(request).store.journal.append(work))
