"""A question's time begins with its search; where it went is told part by part."""

from __future__ import annotations

import time
from itertools import count

import pytest

from ifonly.service.ask.budget import LEAST_PATIENCE_SECONDS, Budget, Stopwatch
from ifonly.service.scheduling.time_slices import Turns
from ifonly.service.settings import Settings


def test_a_deadline_begins_with_the_search_and_not_when_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks, turn = count(100.0, 10.0), Turns().search("")
    monkeypatch.setattr(turn, "clock", lambda: next(ticks))
    budget = Budget(2_000, asked=0.0, turn=turn)
    assert budget.deadline().at == 102.0
    assert budget.deadline().at == 112.0  # begun later, it ends later


def test_a_request_gets_what_it_asks_for_up_to_the_limit() -> None:
    settings = Settings(default_deadline_ms=300, max_deadline_ms=500)
    assert [Budget.of(asked, settings).ms for asked in (None, 40, 9_000)] == [300, 40, 500]


def test_waiting_is_given_up_after_as_long_as_the_search_gets_and_not_at_once() -> None:
    assert Budget(30_000).patience == 30.0
    assert Budget(1).patience == LEAST_PATIENCE_SECONDS


def test_what_waited_and_what_was_searched_are_told_apart() -> None:
    spent = Stopwatch(time.perf_counter() - 3.0)
    with spent("search"):
        pass
    with spent("search"):
        pass
    told = spent.times()
    assert told.queued_ms >= 3_000.0 > told.search_ms >= 0.0
    assert told.verify_ms == told.complete_ms == 0.0


def test_what_waited_for_nothing_says_so() -> None:
    assert Stopwatch(None).times().queued_ms == 0.0
