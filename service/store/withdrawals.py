"""Reviews that stand as said: without those that whoever said them took back.

The chain is append-only: what was said stays in it. A review of the status :data:`WITHDRAW` is
about the same explanation, and its detail names the review that it takes back. It counts only if
the same actor gave both: nobody takes back the word of somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ifonly.service.store.chain import Record

WITHDRAW = "withdraw"
"""Status of a review that takes back another."""
TAKES_BACK = "withdraws"
"""Member of its detail: the id of that other."""


def withdrawn(said: Iterable[Record]) -> Mapping[str, str]:
    """Of reviews that stand, those that were taken back: the id of each, and of the record that
    did so first."""
    said = list(said)
    whose = {(r.facts.id, r.facts.about, r.facts.actor) for r in said if not is_withdrawal(r)}
    found: dict[str, str] = {}
    for record in said:
        taken = taken_back(record)
        if taken is not None and (taken, record.facts.about, record.facts.actor) in whose:
            found.setdefault(taken, record.facts.id)
    return found


def is_withdrawal(record: Record) -> bool:
    return record.facts.status == WITHDRAW


def taken_back(record: Record) -> str | None:
    """The id of the review that a record takes back; None if it takes back none."""
    detail = record.facts.detail
    named = detail.get(TAKES_BACK) if isinstance(detail, Mapping) else None
    return named if is_withdrawal(record) and isinstance(named, str) else None


def in_force(said: Iterable[Record]) -> list[Record]:
    """Of reviews that stand, those that still count, in their order."""
    said = list(said)
    gone = withdrawn(said)
    return [r for r in said if not is_withdrawal(r) and r.facts.id not in gone]
