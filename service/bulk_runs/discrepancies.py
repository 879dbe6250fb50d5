"""What comes out when answers are held against what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SAMPLE = 200
"""Rows that are asked again, if nobody says otherwise."""


@dataclass(frozen=True)
class Discrepancy:
    """One thing that is not as it was written, or does not hold."""

    where: str
    says: str


@dataclass
class RunVerification:
    """What came out."""

    manifest: Mapping[str, Any]
    found: list[Discrepancy] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""
    asked: int = 0
    """Rows that were asked again."""
    record: str | None = None
    """Id of the record that it was held against."""

    @property
    def holds(self) -> bool:
        return not self.found

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "run": self.manifest["id"],
            "record": self.record,
            "asked": self.asked,
            "found": [asdict(each) for each in self.found],
            "notes": self.notes,
        }

    def against(self, where: str, says: str) -> None:
        self.found.append(Discrepancy(where, says))


@dataclass(frozen=True)
class RowsToAsk:
    """Which rows are asked again."""

    rows: tuple[str, ...] = ()
    """By their id, or by their number; none: a sample."""
    sample: int = SAMPLE
    everything: bool = False
    given: str | None = None
    """Where the input is now; None: where it was."""
