"""Common changes that were found a moment ago: whoever looks again, or from another desk, is shown
what was found for the same alarms, and nothing is searched or recorded a second time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from ifonly.service.audit.alarm_readings import AlarmReading
from ifonly.service.served.registry import ServedModel

MOST = 64
"""Answers that are kept: those that were looked at last."""


@dataclass(frozen=True, slots=True)
class FoundRemedy:
    """What was found, for which alarms, and when."""

    reply: Mapping[str, Any]
    """As the API replies it."""
    rows: tuple[AlarmReading, ...]
    model: ServedModel
    """That was asked."""
    time_us: int


@dataclass(frozen=True, slots=True)
class FloodRemedy:
    """What was found last for a flood."""

    mark: str
    """Of its alarms then."""
    found: FoundRemedy


class RemedyMemory:
    """Of one process, on its event loop."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, FoundRemedy] = OrderedDict()
        self._floods: OrderedDict[Hashable, FloodRemedy] = OrderedDict()
        self._under_way: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def get(self, key: Hashable) -> FoundRemedy | None:
        if key in self._found:
            self._found.move_to_end(key)
        return self._found.get(key)

    def put(self, key: Hashable, found: FoundRemedy) -> None:
        self._found[key] = found
        self._found.move_to_end(key)
        while len(self._found) > MOST:
            self._found.popitem(last=False)

    def of_flood(self, key: Hashable) -> FloodRemedy | None:
        """What was found last for a flood, by who may see what and when it began."""
        return self._floods.get(key)

    def put_of_flood(self, key: Hashable, found: FloodRemedy) -> None:
        self._floods[key] = found
        self._floods.move_to_end(key)
        while len(self._floods) > MOST:
            self._floods.popitem(last=False)

    def alone(self, key: Hashable) -> AbstractAsyncContextManager[object]:
        """Open while one looks for it: the others wait, and then find what was found."""
        # Weak: a lock is there as long as somebody holds it or waits for it.
        return self._under_way.setdefault(key, asyncio.Lock())


def key_of(model: ServedModel, body: Mapping[str, Any], rows: tuple[AlarmReading, ...]) -> Hashable:
    """What must be the same for an answer to be: the model with its documents, the question, and
    each alarm's reading."""
    deployed = model.deployed
    documents = (deployed.model_sha256, deployed.spec_sha256, deployed.causal_sha256)
    asked = repr(sorted((n, v) for n, v in body.items() if n not in ("instances", "records")))
    return model.name, documents, asked, tuple((row.record, row.row) for row in rows)
