"""What is done in any case is done, whoever waits for it no more."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest

from ifonly.service.promises import promised


def test_a_task_that_is_cancelled_takes_nothing_from_the_others() -> None:
    async def main() -> int:
        shared: Future[int] = promised()
        tasks = [asyncio.ensure_future(_wait(shared)) for _ in range(2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert not shared.cancel()
        shared.set_result(7)
        return await tasks[1]

    assert asyncio.run(main()) == 7


async def _wait(future: Future[int]) -> int:
    return await asyncio.wrap_future(future)
