"""Proofs that a record is in the log, for replies."""

from __future__ import annotations

import asyncio
from functools import partial

from ifonly.service.audit.runtime import Runtime
from ifonly.service.errors import ServiceError
from ifonly.service.store import translog
from ifonly.service.store.database import Database
from ifonly.service.store.translog import LogBroken
from ifonly.service.wire.replies import Proof as Wire

PROOF_SECONDS = 5.0
"""How long a reply waits for a head that has its record."""
LOOK_SECONDS = 0.1
"""How often it looks where another process signs."""


def find(database: Database, writer: str, sequence: int) -> Wire | None:
    """The proof by the newest head; None if that lacks the record, or the log is damaged."""
    try:
        found = translog.proof_of(database, writer, sequence)
    except LogBroken:
        return None
    return None if found is None else Wire(**found.as_json())


async def wait(runtime: Runtime, writer: str, sequence: int) -> Wire | None:
    """As :func:`find`; waits for the next head if none has the record yet. Of a damaged log no head
    will have it: None."""
    look = partial(translog.proof_of, runtime.store.database, writer, sequence)
    end = asyncio.get_running_loop().time() + PROOF_SECONDS
    try:
        while (found := await runtime.readers.run(look)) is None:
            # Asked after the look: a record that a head already has needs no waiting.
            if asyncio.get_running_loop().time() > end:
                return None
            await _next_head(runtime)
    except LogBroken:
        return None
    return Wire(**found.as_json())


async def _next_head(runtime: Runtime) -> None:
    # Another process signs: all that can be done here is to look again.
    if runtime.sequencer is None:
        await asyncio.sleep(LOOK_SECONDS)
        return
    signed = asyncio.wrap_future(runtime.sequencer.demand())
    try:
        await asyncio.wait_for(signed, PROOF_SECONDS)
    except (TimeoutError, ServiceError, LogBroken, ValueError):
        await asyncio.sleep(LOOK_SECONDS)  # it is logged where it was signed
