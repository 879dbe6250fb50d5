"""Who asks is known in every process that was given the same memory, and for a while only."""

from __future__ import annotations

import multiprocessing

import pytest

from ifonly.service.scheduling import presence as module
from ifonly.service.scheduling.presence import Presence, shared


def _ask(stamps: module.Stamps, actor: str) -> None:
    Presence(stamps).note(actor)


def test_others_are_those_who_asked_whoever_asks_oneself() -> None:
    presence = Presence()
    assert presence.others("a") == 0
    presence.note("a")
    assert (presence.others("a"), presence.others("b")) == (0, 1)
    presence.note("b")
    assert (presence.others("a"), presence.others("b"), presence.others("c")) == (1, 1, 2)


def test_who_asked_in_another_process_is_known_here() -> None:
    stamps = shared()
    here = Presence(stamps)
    process = multiprocessing.get_context("spawn").Process(target=_ask, args=(stamps, "there"))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert here.others("here") == 1
    assert Presence().others("here") == 0  # that one is of a process of its own


def test_who_asked_long_ago_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    presence = Presence()
    presence.note("a")
    monkeypatch.setattr(module, "ACTIVE_SECONDS", 0.0)
    assert presence.others("b") == 0
