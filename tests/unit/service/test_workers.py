"""Questions are answered in a bounded number of threads; too many waiting are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial

import pytest

from service.api.state import Workers
from service.errors import Overloaded


def test_the_event_loop_turns_while_questions_are_answered() -> None:
    release = threading.Event()

    def answer(number: int) -> int:
        assert release.wait(30)
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


def test_no_more_questions_wait_than_may_even_in_one_burst() -> None:
    release = threading.Event()

    async def main() -> Sequence[object]:
        workers = Workers(threads=1, max_waiting=2)
        burst = [asyncio.create_task(workers.run(lambda: release.wait(30))) for _ in range(9)]
        await asyncio.wait(burst, return_when=asyncio.FIRST_COMPLETED)
        release.set()
        answered = await asyncio.gather(*burst, return_exceptions=True)
        assert await workers.run(lambda: "free again") == "free again"
        return answered

    answered = asyncio.run(main())
    assert answered[:3] == [True] * 3
    assert all(isinstance(refusal, Overloaded) for refusal in answered[3:])
    assert len(answered[3:]) == 6


def test_a_question_that_fails_leaves_its_place() -> None:
    async def main() -> None:
        workers = Workers(threads=1, max_waiting=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await workers.run(lambda: 1 / 0)

    asyncio.run(main())
