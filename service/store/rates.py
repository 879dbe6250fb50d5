"""How often who may ask, and how long search for it: buckets in the store, for all processes.

A process takes a handful of tokens at a time and gives them out itself: asking costs a commit
once a handful, and no matter how many processes there are, no more is given out than was poured
in. What a process has taken and does not use is lost, at most a handful.

What a search will cost is known once it has cost it. Its bucket is paid from afterwards, and may
owe something then: who owes waits until it is filled again.

A bucket that was filled in the future (by a clock that ran ahead) is taken to be filled now.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import TooOften
from ifonly.service.store.chain import now_us
from ifonly.service.store.database import Database
from ifonly.service.store.journal import UnrecordedWrite
from ifonly.service.store.tables import rate_buckets

HANDFUL_SECONDS = 0.1
"""A process takes what fills in so much time."""
SKEW_US = 5_000_000
"""By how much clocks of processes may differ: what one has poured another does not pour again."""
SEARCH = "search "
"""Before an actor's name: the bucket of their search-seconds. No actor's name begins so."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a bucket fills, and how much it holds."""

    per_second: float
    burst: int

    @property
    def handful(self) -> int:
        return max(1, min(self.burst, round(self.per_second * HANDFUL_SECONDS)))


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process got: some tokens, or how long until there is one."""

    tokens: int
    wait_seconds: float = 0.0


def take(actor: str, rate: Rate) -> UnrecordedWrite[Taken]:
    """Up to a handful of tokens out of the actor's bucket."""

    def change(connection: sa.Connection) -> Taken:
        # Read when it runs, which may be later than it was asked for.
        now = now_us()
        level, stamp = _level(connection, actor, rate.per_second, rate.burst, now)
        tokens = min(rate.handful, math.floor(level))
        _put(connection, actor, level - tokens, stamp)
        return Taken(tokens, 0.0 if tokens else (1.0 - level) / rate.per_second)

    return change


@dataclass(frozen=True, slots=True)
class SearchShare:
    """The share of processor time that an actor's searches may take."""

    per_second: float
    """CPU-seconds of search a second, in the long run."""
    burst: float
    """CPU-seconds at once."""


def spend(actor: str, seconds: float, share: SearchShare) -> UnrecordedWrite[float]:
    """``seconds`` of processor time were searched for the actor; what is left of their share,
    negative if they owe."""

    def change(connection: sa.Connection) -> float:
        own = SEARCH + actor
        level, stamp = _level(connection, own, share.per_second, share.burst, now_us())
        _put(connection, own, level - seconds, stamp)
        return level - seconds

    return change


def left(database: Database, actor: str, share: SearchShare) -> float:
    """What is left of an actor's share now.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        row = connection.execute(
            sa.select(rate_buckets).where(rate_buckets.c.actor == SEARCH + actor)
        ).one_or_none()
    if row is None:
        return share.burst
    return _filled(row, share.per_second, share.burst, now_us())[0]


def _level(
    connection: sa.Connection, actor: str, per_second: float, burst: float, now: int
) -> tuple[float, int]:
    """The tokens in a bucket now (a new one is full), and the time up to which it is filled."""
    # Inserted first, so that there is a row to lock: else two would each pour a full bucket.
    connection.execute(
        sa.text(
            "INSERT INTO rate_buckets (actor, tokens, filled_us) "
            "VALUES (:actor, :tokens, :now) ON CONFLICT DO NOTHING"
        ),
        {"actor": actor, "tokens": float(burst), "now": now},
    )
    own = sa.select(rate_buckets).where(rate_buckets.c.actor == actor)
    return _filled(connection.execute(own.with_for_update()).one(), per_second, burst, now)


def _filled(row: sa.Row[Any], per_second: float, burst: float, now: int) -> tuple[float, int]:
    if row.filled_us > now + SKEW_US:  # its clock ran ahead: nothing is poured, and time goes on
        return min(float(burst), row.tokens), now
    # A clock that runs a little behind another's pours nothing in.
    poured = max(0, now - row.filled_us) / 1e6 * per_second
    return min(float(burst), row.tokens + poured), max(now, row.filled_us)


def _put(connection: sa.Connection, actor: str, level: float, stamp: int) -> None:
    connection.execute(
        sa.update(rate_buckets)
        .where(rate_buckets.c.actor == actor)
        .values(tokens=level, filled_us=stamp)
    )


class Tokens:
    """What one process has of one actor's tokens. Not thread-safe: used on the event loop."""

    def __init__(self) -> None:
        self._left = 0
        self._empty_until = 0.0

    def spend(self) -> bool:
        """Whether there was one; if not, :func:`take` some and ``put`` them.

        Raises
        ------
        TooOften
            If the bucket was empty just now.
        """
        wait = self._empty_until - time.monotonic()
        if self._left:
            self._left -= 1
            return True
        if wait > 0:
            raise TooOften(wait)
        return False

    def put(self, taken: Taken) -> None:
        self._left += taken.tokens
        if not taken.tokens:
            self._empty_until = time.monotonic() + taken.wait_seconds
