"""What a check found, with its numbers."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """One thing that was recomputed."""

    name: str
    """``grid``, ``bounds``, the dotted key of a limit, ``row``, ``cost``, ``target``, ``robust``,
    ``certainty``, ``bound``, ``range``, …"""
    holds: bool
    says: str
    """The numbers."""


class Report(NamedTuple):
    """Everything that was checked of one proposed answer."""

    checks: tuple[Check, ...]
    action: tuple[float, ...] = ()
    row: tuple[float, ...] = ()
    """What would be read, as the checker computes it."""
    cost: float = 0.0
    scores: tuple[float, ...] = ()
    """The deployed model's word on that row; empty if it was not asked."""

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not hold."""
        return tuple(f"{c.name}: {c.says}" for c in self.checks if not c.holds)
