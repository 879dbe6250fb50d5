"""While several actors ask, none has more than a few requests under way; alone, any number."""

from __future__ import annotations

import asyncio

import pytest

from ifonly.service.errors import ShareSpent
from ifonly.service.scheduling import admission as module
from ifonly.service.scheduling import presence
from ifonly.service.scheduling.admission import AT_ONCE, AdmissionQueue


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request turns out to be slow, and nobody is forgotten, however slow the machine is."""
    monkeypatch.setattr(module, "HARD_SECONDS", 600.0)
    monkeypatch.setattr(presence, "ACTIVE_SECONDS", 600.0)


class Crowd:
    """Requests that stay until they are told to leave."""

    def __init__(self, queue: AdmissionQueue) -> None:
        self._queue = queue
        self.inside: list[str] = []
        self.may_leave = asyncio.Event()

    async def come(self, actor: str) -> None:
        async with self._queue.entered(actor):
            self.inside.append(actor)
            await self.may_leave.wait()

    def coming(self, actor: str, how_many: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.come(actor)) for _ in range(how_many)]


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_who_is_alone_is_not_held_up() -> None:
    async def main() -> None:
        crowd = Crowd(AdmissionQueue())
        tasks = crowd.coming("a", 30)
        await settled()
        assert len(crowd.inside) == 30
        crowd.may_leave.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_while_others_ask_a_few_are_under_way_and_the_rest_come_later() -> None:
    async def main() -> None:
        crowd = Crowd(AdmissionQueue())
        tasks = crowd.coming("other", 1)
        await settled()
        tasks += crowd.coming("many", 30)
        await settled()
        assert crowd.inside == ["other"] + ["many"] * AT_ONCE
        tasks += crowd.coming("third", 1)
        await settled()
        assert crowd.inside[-1] == "third"
        crowd.may_leave.set()
        await asyncio.gather(*tasks)
        assert crowd.inside.count("many") == 30

    asyncio.run(main())


def test_who_asks_in_another_process_counts() -> None:
    async def main() -> None:
        stamps = presence.shared()
        here, there = (Crowd(AdmissionQueue(presence.Presence(stamps))) for _ in range(2))
        tasks = there.coming("other", 1)
        await settled()
        tasks += here.coming("many", AT_ONCE + 1)
        await settled()
        assert here.inside == ["many"] * AT_ONCE
        here.may_leave.set()
        there.may_leave.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_a_request_that_goes_away_while_it_waits_leaves_nothing_behind() -> None:
    async def main() -> None:
        queue = AdmissionQueue()
        crowd = Crowd(queue)
        tasks = crowd.coming("other", 1)
        await settled()
        tasks += crowd.coming("many", AT_ONCE)
        await settled()
        gone = crowd.coming("many", 5)
        await settled()
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        crowd.may_leave.set()
        await asyncio.gather(*tasks)
        await asyncio.gather(*crowd.coming("many", AT_ONCE + 1))
        assert crowd.inside.count("many") == 2 * AT_ONCE + 1

    asyncio.run(main())


def test_what_turns_out_to_be_slow_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(module, "HARD_SECONDS", 0.0)
        crowd = Crowd(AdmissionQueue())
        tasks = crowd.coming("other", 1) + crowd.coming("many", 8)
        while len(crowd.inside) < 9:
            await asyncio.sleep(0.001)
        crowd.may_leave.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_more_than_may_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)

    async def main() -> None:
        crowd = Crowd(AdmissionQueue())
        tasks = crowd.coming("other", 1)
        await settled()
        tasks += crowd.coming("many", AT_ONCE + 3)
        await settled()
        with pytest.raises(ShareSpent, match="3 requests that wait"):
            await crowd.come("many")
        crowd.may_leave.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
