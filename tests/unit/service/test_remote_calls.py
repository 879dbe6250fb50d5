"""Calls to a predictor: tried again, broken off, joined; one slow row starves no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from ifonly.models.predictor import Rows
from ifonly.service.errors import PredictorUnclear
from ifonly.service.served.remote import breaker as breaking
from ifonly.service.served.remote.batching import Batcher
from ifonly.service.served.remote.breaker import Breaker
from ifonly.service.served.remote.calling import ATTEMPTS, persistently
from ifonly.service.served.remote.failures import CallFailed, FailureKind

URL = "http://models.example/v1/models/m:predict"


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Breaker:
    return Breaker(URL, clock)


def failing(
    *ways: FailureKind | None, after: float = 0.0
) -> tuple[Callable[[float], str], list[float]]:
    """A call that ends so, one way after another (None: with a word), and the seconds it had."""
    had: list[float] = []

    def once(seconds: float) -> str:
        had.append(seconds)
        how = ways[len(had) - 1]
        if how is None:
            return "word"
        raise CallFailed(f"{URL} failed", how, after=after)

    return once, had


# --- tried again --------------------------------------------------------------------------


def test_a_call_is_tried_again_where_nobody_answered(clock: Clock, circuit: Breaker) -> None:
    once, had = failing(FailureKind.AWAY, FailureKind.BUSY, None)
    assert persistently(once, circuit, 110.0, clock.sleep, clock) == "word"
    assert clock.slept == [0.05, 0.1]
    # Each attempt has what is left, and no more.
    assert had == pytest.approx([10.0, 9.95, 9.85])


@pytest.mark.parametrize("how", [FailureKind.LATE, FailureKind.SAID])
def test_a_call_that_was_slow_or_answered_is_not(
    clock: Clock, circuit: Breaker, how: FailureKind
) -> None:
    once, had = failing(how, None)
    with pytest.raises(CallFailed):
        persistently(once, circuit, 110.0, clock.sleep, clock)
    assert len(had) == 1


def test_attempts_end(clock: Clock, circuit: Breaker) -> None:
    once, had = failing(*[FailureKind.AWAY] * 9)
    with pytest.raises(CallFailed):
        persistently(once, circuit, 1e9, clock.sleep, clock)
    assert len(had) == ATTEMPTS


def test_nobody_waits_beyond_the_time_of_the_question(clock: Clock, circuit: Breaker) -> None:
    once, had = failing(FailureKind.BUSY, None, after=2.0)
    with pytest.raises(CallFailed):
        persistently(once, circuit, 101.5, clock.sleep, clock)
    assert (len(had), clock.slept) == (1, [])


def test_who_asks_to_be_left_alone_is(clock: Clock, circuit: Breaker) -> None:
    once, _ = failing(FailureKind.BUSY, None, after=2.0)
    persistently(once, circuit, 110.0, clock.sleep, clock)
    assert clock.slept == [2.0]


def test_words_that_cannot_be_read_are_an_answer(clock: Clock, circuit: Breaker) -> None:
    def once(seconds: float) -> str:
        raise PredictorUnclear("html", "numbers")

    for _ in range(2 * breaking.MOST_FAILURES):
        with pytest.raises(PredictorUnclear):
            persistently(once, circuit, 110.0, clock.sleep, clock)
    assert not circuit.is_open


# --- broken off ---------------------------------------------------------------------------


def test_who_lets_us_wait_is_left_alone_until_one_probe_comes_back(
    clock: Clock, circuit: Breaker
) -> None:
    circuit.enter()
    circuit.failed(CallFailed("late", FailureKind.LATE))
    with pytest.raises(CallFailed, match="is not asked for 5 s: late"):
        circuit.enter()
    clock.now += 5.0
    circuit.enter()  # the probe
    with pytest.raises(CallFailed):
        circuit.enter()  # and nobody beside it
    circuit.succeeded()
    circuit.enter()
    circuit.enter()


def test_a_probe_that_fails_doubles_the_pause_up_to_a_limit(clock: Clock, circuit: Breaker) -> None:
    circuit.failed(CallFailed("late", FailureKind.LATE))
    for pause in (5.0, 10.0, 20.0, 40.0, 60.0, 60.0):
        clock.now += pause - 0.01
        with pytest.raises(CallFailed):
            circuit.enter()
        clock.now += 0.02
        circuit.enter()
        circuit.failed(CallFailed("away", FailureKind.AWAY))


def test_a_failure_is_counted_once_whoever_reports_it(clock: Clock, circuit: Breaker) -> None:
    """The call itself, and whoever waited for it: the second must not undo a doubled pause."""
    late = CallFailed("late", FailureKind.LATE)
    circuit.failed(late)
    circuit.failed(late)
    clock.now += 5.0
    circuit.enter()
    circuit.failed(late)
    circuit.failed(late)
    clock.now += 9.9
    with pytest.raises(CallFailed, match="for 10 s"):
        circuit.enter()
    clock.now += 0.2
    circuit.enter()


def test_failures_in_a_row_open_it_and_an_error_of_one_row_does_not(circuit: Breaker) -> None:
    for _ in range(breaking.MOST_FAILURES - 1):
        circuit.failed(CallFailed("away", FailureKind.AWAY))
    circuit.failed(CallFailed("500", FailureKind.SAID))
    assert not circuit.is_open
    for _ in range(breaking.MOST_FAILURES):
        circuit.failed(CallFailed("away", FailureKind.AWAY))
    assert circuit.is_open


def test_a_refusal_of_the_circuit_itself_is_no_failure(clock: Clock, circuit: Breaker) -> None:
    circuit.failed(CallFailed("late", FailureKind.LATE))
    once, had = failing(None)
    for _ in range(3):
        with pytest.raises(CallFailed):
            persistently(once, circuit, 110.0, clock.sleep, clock)
    clock.now += 5.0
    assert persistently(once, circuit, 200.0, clock.sleep, clock) == "word"
    assert len(had) == 1


# --- joined -------------------------------------------------------------------------------


class Server:
    """Doubles each row's number. Rows of ``held`` wait until :attr:`go`; rows of ``poison`` refuse
    the whole call."""

    def __init__(self, *, held: frozenset[float] = frozenset(), poison: float = -1.0) -> None:
        self.held, self.poison = held, poison
        self.go = threading.Event()
        self.begun = threading.Event()
        self.calls: list[list[float]] = []

    def __call__(self, rows: Rows) -> list[Any]:
        numbers = rows[:, 0].tolist()
        self.calls.append(numbers)
        self.begun.set()
        if self.poison in numbers:
            raise CallFailed(f"{URL} answered 500", FailureKind.SAID)
        if self.held & set(numbers):
            self.go.wait(30)
        return [2 * number for number in numbers]


def rows_of(*numbers: float) -> Rows:
    return np.array([[number] for number in numbers])


def asked(
    batcher: Batcher, pool: ThreadPoolExecutor, *numbers: float, seconds: float = 20.0
) -> Any:
    return pool.submit(batcher.ask, rows_of(*numbers), time.monotonic() + seconds)


def test_who_asks_alone_goes_at_once_and_many_rows_are_parted() -> None:
    server = Server()
    assert Batcher(server, 3, window=30.0).ask(rows_of(*range(7)), time.monotonic() + 20) == [
        0, 2, 4, 6, 8, 10, 12,
    ]  # fmt: skip
    assert server.calls == [[0, 1, 2], [3, 4, 5], [6]]


def test_questions_at_the_same_time_are_one_call_and_each_has_its_own_words() -> None:
    server = Server(held=frozenset({0.0}))
    batcher = Batcher(server, 8, window=30.0)
    with ThreadPoolExecutor(9) as pool:
        first = asked(batcher, pool, 0.0)
        assert server.begun.wait(20)
        # While that call is on its way: full with the eighth, so that none waits for the window.
        others = [asked(batcher, pool, float(k)) for k in range(1, 9)]
        assert [other.result(20) for other in others] == [[2.0 * k] for k in range(1, 9)]
        server.go.set()
        assert first.result(20) == [0.0]
    assert [len(call) for call in server.calls] == [1, 8]


def test_one_slow_row_starves_no_other() -> None:
    """Those in its call ask alone after half of their time; later ones are not behind it."""
    server = Server(held=frozenset({0.0, 99.0}))
    batcher = Batcher(server, 2, window=30.0)
    with ThreadPoolExecutor(4) as pool:
        held = asked(batcher, pool, 0.0)
        assert server.begun.wait(20)
        slow = asked(batcher, pool, 99.0)
        beside = asked(batcher, pool, 1.0, seconds=2.0)
        assert beside.result(20) == [2.0]
        later = [asked(batcher, pool, 2.0), asked(batcher, pool, 3.0)]
        assert [each.result(20) for each in later] == [[4.0], [6.0]]
        assert not slow.done()
        server.go.set()
        assert (held.result(20), slow.result(20)) == ([0.0], [198.0])
    assert [1.0] in server.calls


def test_a_row_that_is_refused_loses_no_other() -> None:
    server = Server(held=frozenset({0.0}), poison=99.0)
    batcher = Batcher(server, 2, window=30.0)
    with ThreadPoolExecutor(3) as pool:
        held = asked(batcher, pool, 0.0)
        assert server.begun.wait(20)
        bad, good = asked(batcher, pool, 99.0), asked(batcher, pool, 1.0)
        assert good.result(20) == [2.0]
        with pytest.raises(CallFailed, match="answered 500"):
            bad.result(20)
        server.go.set()
        held.result(20)


def test_whoever_waits_leaves_when_their_time_is_over() -> None:
    server = Server(held=frozenset({0.0}))
    with pytest.raises(CallFailed, match="in time"):
        Batcher(server, 8).ask(rows_of(0.0), time.monotonic() + 0.05)
    server.go.set()


def test_a_server_that_is_away_is_not_asked_once_more_by_each() -> None:
    """Only what others' rows may have done is worth asking alone."""
    calls: list[int] = []
    go, begun = threading.Event(), threading.Event()

    def call(rows: Rows) -> list[Any]:
        calls.append(len(rows))
        if len(calls) == 1:
            begun.set()
            go.wait(20)
        raise CallFailed(f"{URL}: refused", FailureKind.AWAY)

    batcher = Batcher(call, 4, window=30.0)
    with ThreadPoolExecutor(5) as pool:
        first = asked(batcher, pool, 0.0)
        assert begun.wait(20)
        others = [asked(batcher, pool, float(k)) for k in range(4)]
        for other in others:
            assert isinstance(other.exception(20), CallFailed)
        go.set()
        assert isinstance(first.exception(20), CallFailed)
    assert calls == [1, 4]


def test_where_no_thread_is_left_nobody_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server = Server()
    batcher = Batcher(server, 8, window=30.0)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(CallFailed, match="can't start new thread"):
            batcher.ask(rows_of(1.0), time.monotonic() + 600)
    # Nor is it counted as on its way: else the next question waited for others' company.
    assert batcher.ask(rows_of(1.0), time.monotonic() + 20) == [2.0]
