"""Server-sent events: told at a change, at silence, and to nobody who may not hear them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from ifonly.service.doors.http import streams
from ifonly.service.doors.http.authentication import Admitted
from ifonly.service.errors import Overloaded


class Always(Admitted):
    """Until ``looks`` were taken."""

    def __init__(self, looks: int) -> None:
        self._left = looks

    async def still(self) -> bool:
        self._left -= 1
        return self._left >= 0


def looking(values: Iterator[str]) -> Callable[[], Awaitable[str]]:
    async def look() -> str:
        value = next(values)
        if value == "busy":
            raise Overloaded(1)
        return value

    return look


def heard(*values: str, told: str | None = None, stopped: bool = False) -> list[str | None]:
    async def listen() -> list[str | None]:
        closing = asyncio.Event()
        if stopped:
            closing.set()
        admitted = Always(len(values))
        found = streams.changes(looking(iter(values)), told, 0.0, closing, admitted)
        return [each async for each in found]

    return asyncio.run(listen())


def test_what_changes_is_told_once() -> None:
    assert heard("a", "a", "b", "b", "a") == ["a", "b", "a"]
    assert heard("a", "b", told="a") == ["b"]


def test_whoever_cannot_look_now_looks_again() -> None:
    assert heard("a", "busy", "busy", "b") == ["a", "b"]


def test_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SILENCE_SECONDS", 0.0)
    assert heard("a", "a", "b", "b") == ["a", None, "b", None]
    assert streams.STILL_THERE == b": still there\n\n"


def test_nothing_is_told_once_the_service_is_told_to_stop() -> None:
    assert heard("a", "b", stopped=True) == []
