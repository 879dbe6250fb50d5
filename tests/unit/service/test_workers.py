"""Questions are answered in a bounded number of threads; too many waiting are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from ifonly.service.errors import Overloaded, ShareSpent
from ifonly.service.scheduling.worker_pools import Workers


def test_the_event_loop_turns_while_questions_are_answered() -> None:
    release = threading.Event()

    def answer(number: int) -> int:
        assert release.wait(600)
        return number

    async def main() -> list[int]:
        workers = Workers(threads=2, max_waiting=8)
        tasks = [asyncio.create_task(workers.run(partial(answer, k))) for k in range(5)]
        while workers.waiting < 3:
            await asyncio.sleep(0)  # the loop goes on although both threads are held
        assert not any(task.done() for task in tasks)
        release.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_a_question_costs_the_event_loop_one_call_and_no_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> tuple[int, int]:
        loop, tasks = asyncio.get_running_loop(), len(asyncio.all_tasks())
        workers, calls = Workers(threads=1, max_waiting=0), 0
        wake = loop.call_soon_threadsafe

        def counted(*given: Any, **named: Any) -> asyncio.Handle:
            nonlocal calls
            calls += 1
            return wake(*given, **named)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        made = await workers.run(lambda: len(asyncio.all_tasks(loop)))
        return calls, made - tasks

    assert asyncio.run(main()) == (1, 0)


def test_a_question_that_ends_an_iteration_fails() -> None:
    """No future takes a StopIteration: whoever asked would wait for ever."""

    async def main() -> None:
        with pytest.raises(RuntimeError) as raised:
            await Workers(threads=1, max_waiting=0).run(lambda: next(iter(())))
        assert isinstance(raised.value.__cause__, StopIteration)

    asyncio.run(main())


def test_no_more_questions_wait_than_may_even_in_one_burst() -> None:
    release = threading.Event()

    async def main() -> Sequence[object]:
        workers = Workers(threads=1, max_waiting=2)
        burst = [asyncio.create_task(workers.run(lambda: release.wait(600))) for _ in range(9)]
        await asyncio.wait(burst, return_when=asyncio.FIRST_COMPLETED)
        release.set()
        answered = await asyncio.gather(*burst, return_exceptions=True)
        assert await workers.run(lambda: "free again") == "free again"
        return answered

    answered = asyncio.run(main())
    assert answered[:3] == [True] * 3
    assert all(isinstance(refusal, Overloaded) for refusal in answered[3:])
    assert len(answered[3:]) == 6


def test_a_question_for_which_no_thread_is_free_in_time_is_refused_and_leaves_its_place() -> None:
    release = threading.Event()

    async def main() -> None:
        workers = Workers(threads=1, max_waiting=1)
        first = asyncio.create_task(workers.run(lambda: release.wait(30)))
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(Overloaded):
                await workers.run(lambda: "never asked", patience=0.001)
        release.set()
        assert await first
        assert await workers.run(lambda: "free again", patience=30.0) == "free again"

    asyncio.run(main())


def test_a_question_that_fails_leaves_its_place() -> None:
    async def main() -> None:
        workers = Workers(threads=1, max_waiting=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await workers.run(lambda: 1 / 0)

    asyncio.run(main())


def test_questions_that_are_answered_at_once_do_not_wait_for_slow_ones() -> None:
    """Two long proofs hold both threads: counted is what is answered meanwhile."""
    release = threading.Event()

    async def main() -> None:
        workers = Workers(threads=2, max_waiting=64, slow=2, patience=0.01)
        hard = [asyncio.create_task(workers.run(lambda: release.wait(600))) for _ in range(2)]
        easy = [workers.run(partial(int, k)) for k in range(50)]
        assert await asyncio.gather(*easy) == list(range(50))
        assert not any(task.done() for task in hard)
        release.set()
        assert await asyncio.gather(*hard) == [True, True]
        assert await asyncio.gather(*(workers.run(lambda: 1) for _ in range(4))) == [1] * 4

    asyncio.run(main())


def test_no_more_slow_questions_go_on_at_once_than_may() -> None:
    release = threading.Event()

    async def main() -> None:
        workers = Workers(threads=1, max_waiting=8, slow=1, patience=0.01)
        hard = [asyncio.create_task(workers.run(lambda: release.wait(600))) for _ in range(3)]
        while workers.waiting != 1:  # one goes on as a slow one, one has the thread
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert workers.waiting == 1
        release.set()
        assert await asyncio.gather(*hard) == [True] * 3

    asyncio.run(main())


def test_a_question_whose_client_went_away_keeps_its_place_until_it_is_over() -> None:
    release, begun = threading.Event(), threading.Event()

    def answer() -> bool:
        begun.set()
        return release.wait(600)

    async def main() -> None:
        workers = Workers(threads=1, max_waiting=0)
        task = asyncio.create_task(workers.run(answer))
        while not begun.is_set():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(Overloaded):
            await workers.run(lambda: True)
        release.set()
        while True:
            try:
                assert await workers.run(lambda: True)
                return
            except Overloaded:
                await asyncio.sleep(0.001)

    asyncio.run(main())


def test_one_actor_may_not_keep_another_from_a_thread() -> None:
    """Hard questions of one hold every thread that they may; another's are answered meanwhile."""
    release = threading.Event()

    async def main() -> None:
        workers = Workers(threads=1, max_waiting=8, slow=2, patience=0.001, kept=1)
        hard = [
            asyncio.create_task(workers.run(lambda: release.wait(600), actor="hog"))
            for _ in range(7)
        ]
        while workers.waiting != 4:  # three have a thread
            await asyncio.sleep(0.001)
        for number in range(20):
            assert await workers.run(partial(int, number), actor="other") == number
        release.set()
        assert await asyncio.gather(*hard) == [True] * 7

    asyncio.run(main())


def test_places_in_the_queue_are_shared_and_who_has_more_is_told_so() -> None:
    release = threading.Event()

    async def main() -> None:
        workers = Workers(threads=1, max_waiting=4)
        first = asyncio.create_task(workers.run(lambda: release.wait(600), actor="hog"))
        await asyncio.sleep(0)
        waits = [asyncio.create_task(workers.run(lambda: 1, actor="hog")) for _ in range(4)]
        await asyncio.sleep(0)
        others = [asyncio.create_task(workers.run(lambda: 2, actor="other")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ShareSpent) as refused:
            await workers.run(lambda: 3, actor="hog")
        assert (refused.value.used, refused.value.limit) == (5, 2)
        release.set()
        assert await asyncio.gather(first, *waits, *others) == [True, 1, 1, 1, 1, 2, 2]

    asyncio.run(main())


def test_actors_are_taken_in_turn() -> None:
    release = threading.Event()
    answered: list[str] = []

    async def main() -> None:
        workers = Workers(threads=1, max_waiting=64)
        first = asyncio.create_task(workers.run(lambda: release.wait(600)))
        await asyncio.sleep(0)
        tasks = [
            asyncio.create_task(workers.run(partial(answered.append, actor), actor=actor))
            for actor in ["many"] * 6 + ["few"] * 2
        ]
        while workers.waiting < 8:
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, *tasks)

    asyncio.run(main())
    assert answered == ["many", "few", "many", "few", "many", "many", "many", "many"]


def test_one_actor_has_so_many_questions_at_once_and_no_more() -> None:
    release = threading.Event()

    async def main() -> None:
        workers = Workers(threads=4, max_waiting=64, most_each=2)
        held = [
            asyncio.create_task(workers.run(lambda: release.wait(600), actor="hog"))
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        with pytest.raises(ShareSpent, match="2 questions at once; one may have 2"):
            await workers.run(lambda: 1, actor="hog")
        assert await workers.run(lambda: 1, actor="other") == 1
        release.set()
        assert await asyncio.gather(*held) == [True, True]

    asyncio.run(main())
