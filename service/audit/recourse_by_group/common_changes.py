"""One change for many, as it was recorded: what was sought for which alarms, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from ifonly.service.store.chain import Payload, Record

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CommonChange:
    """One answer. Of an erased one only the claim is known."""

    id: str
    time_us: int
    status: str
    erased: bool = False
    alarms: int = 0
    cleared: int = 0
    """By the best change; 0 where none clears any."""
    bound: int = 0
    """No change clears more: proven."""
    settings: tuple[Said, ...] = ()
    """Of the best change, as replies have them."""
    text: Mapping[str, str] | None = None
    """Its sentence, by language; None: it has none."""

    @property
    def is_most(self) -> bool:
        """Whether none is proven to clear more."""
        return not self.erased and self.cleared == self.bound


def common_changes(found: Iterable[tuple[Record, Payload | None]]) -> tuple[CommonChange, ...]:
    """Of records of the kind ``common``, in their order."""
    return tuple(_change(record, payload) for record, payload in found)


def _change(record: Record, payload: Payload | None) -> CommonChange:
    facts = record.facts
    if payload is None:
        return CommonChange(facts.id, facts.time_us, facts.status or "", erased=True)
    return told_of(from_json(payload.content)["answer"], facts.id, facts.time_us)


def told_of(answer: Said, identity: str, time_us: int) -> CommonChange:
    """Of a reply, as the API tells it."""
    best = answer["best"] or {}
    return CommonChange(
        identity,
        time_us,
        answer["status"],
        alarms=answer["alarms"],
        cleared=best.get("coverage", 0),
        bound=answer["bound"],
        settings=tuple(best.get("settings", ())),
        text=best.get("text") or answer.get("text"),
    )
