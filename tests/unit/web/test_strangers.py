"""Strangers are served one at a time, with the event loop free for others between them."""

from __future__ import annotations

import asyncio

import pytest

from ifonly.service.doors.pages import strangers as module
from ifonly.service.doors.pages.strangers import Strangers
from ifonly.service.errors import Overloaded


def test_strangers_are_served_one_at_a_time_and_the_loop_turns_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    inside, most = 0, 0

    async def visit(strangers: Strangers) -> None:
        nonlocal inside, most
        async with strangers.admitted():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def main() -> None:
        strangers = Strangers()
        visits = [asyncio.create_task(visit(strangers)) for _ in range(4)]
        turns = 0
        while not visits[0].done():
            await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await visit(strangers)
        while not all(v.done() for v in visits):
            turns += 1
            await asyncio.sleep(0.001)
        await asyncio.gather(*visits)
        assert turns > 10  # a rest of hundredths of a second is many turns of the loop

    asyncio.run(main())
    assert most == 1
