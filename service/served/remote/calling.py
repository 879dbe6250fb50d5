"""Calls that are tried again: a prediction changes nothing, so asking twice does no harm."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ifonly.service.served.remote.breaker import Breaker
from ifonly.service.served.remote.failures import CallFailed, FailureKind

ATTEMPTS = 3
BACKOFF_SECONDS = 0.05
"""Before the second attempt; twice as long before each further one."""

T = TypeVar("T")


def persistently(
    once: Callable[[float], T],
    breaker: Breaker,
    until: float,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """What ``once`` gives, given the seconds that it may take.

    Tried again where nobody answered or who answered was busy, never where it was slow or said
    something else, and never beyond ``until`` (on ``clock``'s scale).

    Raises
    ------
    CallFailed
        How the last attempt ended.
    PredictorUnclear
        If what it said cannot be read.
    """
    for attempt in range(1, ATTEMPTS + 1):
        breaker.enter()
        try:
            found = once(until - clock())
        except CallFailed as error:
            breaker.failed(error)
            wait = max(BACKOFF_SECONDS * 2 ** (attempt - 1), error.after)
            may_help = error.how in (FailureKind.AWAY, FailureKind.BUSY)
            if not may_help or attempt == ATTEMPTS or clock() + wait >= until:
                raise
            sleep(wait)
        except BaseException:
            # Words that cannot be read are an answer, and the breaker is no judge of them.
            breaker.succeeded()
            raise
        else:
            breaker.succeeded()
            return found
    raise AssertionError("unreachable")
