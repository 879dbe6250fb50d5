"""Hard searches give way; their clocks stand still meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ifonly.service.scheduling import time_slices as module
from ifonly.service.scheduling.round_robin import Rotation
from ifonly.service.scheduling.time_slices import Turn, Turns

LONG = 600.0


def until(is_so: Callable[[], bool]) -> None:
    last = time.monotonic() + LONG
    while not is_so():
        assert time.monotonic() < last, "it does not come to be"
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look is the end of a slice, and nothing runs just because it has waited."""
    monkeypatch.setattr(module, "HARD_SECONDS", 0.0)
    monkeypatch.setattr(module, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(module, "FIRM_SECONDS", 0.0)
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(module, "LONGEST_QUIET_SECONDS", LONG)


class Search:
    """A thread that looks at its deadline again and again until it is told to end."""

    def __init__(self, turn: Turn, log: list[str], name: str) -> None:
        self.turn = turn
        self.looks = 0
        self._log = log
        self._name = name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        deadline = self.turn.deadline(LONG)
        with self.turn:
            while not self._over.is_set() and not deadline.expired():
                self.looks += 1
                self._log.append(self._name)

    def tell(self) -> None:
        self._over.set()

    def join(self) -> None:
        self._thread.join(LONG)
        assert not self._thread.is_alive()


@contextmanager
def ended(*searches: Search) -> Iterator[None]:
    try:
        yield
    finally:
        for search in searches:
            search.tell()
        for search in searches:
            search.join()


def test_things_are_taken_an_actor_at_a_time() -> None:
    queue: Rotation[int] = Rotation()
    for item in range(5):
        queue.put("many", item)
    queue.put("one", 10)
    queue.put("two", 20)
    queue.put("two", 21)
    queue.remove("many", 3)
    queue.remove("many", 99)
    assert (len(queue), queue.actors, queue.count("many")) == (7, 3, 4)
    assert queue.pop(lambda actor: actor == "two") == ("two", 20)
    taken = [queue.pop() for _ in range(6)]
    assert taken == [("many", 0), ("one", 10), ("two", 21), ("many", 1), ("many", 2), ("many", 4)]
    assert queue.pop() is None
    assert queue.actors == 0


def test_hard_searches_run_one_at_a_time_and_each_gets_on() -> None:
    turns, log = Turns(), list[str]()
    one = Search(turns.search("a", background=True), log, "one")
    until(lambda: one.looks > 0)
    two = Search(turns.search("b", background=True), log, "two")
    with ended(one, two):
        until(lambda: two.looks > 10)
        before = one.looks
        until(lambda: one.looks > before + 10)


def test_an_actor_with_many_hard_searches_has_as_many_turns_as_one_with_one() -> None:
    turns, log = Turns(), list[str]()
    many = [Search(turns.search("many", background=True), log, "many") for _ in range(7)]
    until(lambda: all(search.looks for search in many))
    one = Search(turns.search("one", background=True), log, "one")
    with ended(one, *many):
        until(lambda: one.looks > 0)
        start, before = len(log), one.looks
        until(lambda: one.looks >= before + 30)
        theirs = log[start:].count("many")
    assert theirs <= 2 * 30 + 20


def test_while_a_short_question_is_answered_hard_searches_wait_and_it_costs_them_nothing() -> None:
    turns = Turns()
    hard = Search(turns.search("a", background=True), [], "hard")
    with ended(hard):
        until(lambda: hard.looks > 0)
        with turns.brief():
            until(lambda: turns.is_wanted)
            looks, clock, waited = hard.looks, time.monotonic(), hard.turn.waited
            time.sleep(0.05)
            assert hard.looks == looks
            passed = time.monotonic() - clock
        until(lambda: hard.looks > looks)
        assert hard.turn.waited - waited >= 0.05
        assert passed >= 0.05


def test_a_hard_search_that_has_waited_long_enough_runs_whatever_else_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_QUIET_SECONDS", 0.001)
    turns = Turns()
    with turns.brief():
        hard = Search(turns.search("a", background=True), [], "hard")
        with ended(hard):
            until(lambda: hard.looks > 3)


def test_a_question_is_short_until_it_turns_out_to_be_hard() -> None:
    turns = Turns()
    turn = turns.search("a")
    with turn:
        assert turns.short == 1
        turn.give_way()
        assert turns.short == 0
    with turns.search("a"):
        assert turns.short == 1
    assert turns.short == 0


def test_when_the_service_stops_all_searches_end() -> None:
    turns = Turns()
    searches = [Search(turns.search(str(k), background=True), [], "") for k in range(3)]
    until(lambda: any(search.looks for search in searches))
    with turns.brief():
        turns.stop()
        for search in searches:
            search.join()


@pytest.mark.parametrize("stopped", [True, False])
def test_a_search_that_begins_when_nobody_wants_to_know_any_more_ends_at_once(
    stopped: bool,
) -> None:
    turns = Turns()
    if stopped:
        turns.stop()
    with turns.search("late", is_over=lambda: not stopped) as late:
        assert late.deadline(LONG).expired()


def test_hard_searches_are_paid_for_and_short_ones_and_jobs_are_not() -> None:
    paid = list[tuple[str, float]]()
    turns = Turns(charge=lambda actor, seconds: paid.append((actor, seconds)))
    with turns.search("short"):
        pass
    with turns.search("job", background=True) as job:
        job.give_way()
    with turns.search("hard") as hard:
        spin = time.thread_time() + 0.02
        while time.thread_time() < spin:
            hard.give_way()
    assert [actor for actor, _ in paid] == ["hard"]
    assert sum(seconds for _, seconds in paid) >= 0.02


def test_who_waits_for_another_process_leaves_the_place_to_others() -> None:
    """A hard search whose model is elsewhere: meanwhile another one runs, and short questions are
    held up by nobody. What it waits for the wire is its own time."""
    turns, log = Turns(at_once=1), list[str]()
    mine = turns.search("mine", background=True)
    with mine:
        before = mine.waited
        with mine.away():
            assert mine.waited == before
            other = Search(turns.search("other", background=True), log, "other")
            with ended(other):
                until(lambda: other.looks > 10)
    short = turns.search("short")
    with short:
        assert turns.short == 1
        with short.away():
            assert turns.short == 0
        assert turns.short == 1
    assert turns.short == 0
