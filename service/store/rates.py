"""How often who may ask: a bucket of tokens each, in the store, so that all processes share it.

A process takes a handful of tokens at a time and gives them out itself: asking costs a commit
once a handful, and no matter how many processes there are, no more is given out than was poured
in. What a process has taken and does not use is lost, at most a handful.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import sqlalchemy as sa

from service.errors import TooOften
from service.store.chain import now_us
from service.store.journal import Change
from service.store.tables import rate_buckets

HANDFUL_SECONDS = 0.1
"""A process takes what fills in so much time."""


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


def take(actor: str, rate: Rate) -> Change[Taken]:
    """Up to a handful of tokens out of the actor's bucket."""

    def change(connection: sa.Connection) -> Taken:
        now = now_us()
        own = rate_buckets.c.actor == actor
        connection.execute(
            sa.text(
                "INSERT INTO rate_buckets (actor, tokens, filled_us) "
                "VALUES (:actor, :tokens, :now) ON CONFLICT DO NOTHING"
            ),
            {"actor": actor, "tokens": float(rate.burst), "now": now},
        )
        row = connection.execute(sa.select(rate_buckets).where(own).with_for_update()).one()
        # A clock that was set back, or runs behind another's, pours nothing in.
        poured = max(0, now - row.filled_us) / 1e6 * rate.per_second
        level = min(float(rate.burst), row.tokens + poured)
        tokens = min(rate.handful, math.floor(level))
        connection.execute(
            sa.update(rate_buckets)
            .where(own)
            .values(tokens=level - tokens, filled_us=max(now, row.filled_us))
        )
        return Taken(tokens, 0.0 if tokens else (1.0 - level) / rate.per_second)

    return change


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
