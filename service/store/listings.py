"""Lists of records that no single column tells apart: the same as :data:`~.tables.LISTED`, of a
record that was read."""

from __future__ import annotations

from ifonly.service.store.chain import Facts
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.terms import RecordList

UNPROVEN = ("feasible", "unknown", "abstained")
UPKEEP = frozenset(
    {
        RecordKind.ANCHOR,
        RecordKind.KEY,
        RecordKind.JOB,
        RecordKind.MODEL,
        RecordKind.SIGN_IN,
        RecordKind.ACCESS,
        RecordKind.HOLD,
        RecordKind.ERASURE,
        RecordKind.BULK,
    }
)


def is_listed(facts: Facts, listing: RecordList) -> bool:
    """Whether a record that says ``facts`` is in a list."""
    match listing:
        case RecordList.UPKEEP:
            return facts.kind in UPKEEP
        case RecordList.UNPROVEN:
            return facts.kind == RecordKind.EXPLANATION and facts.status in UNPROVEN
        case RecordList.FRAGILE:
            return facts.kind == RecordKind.EXPLANATION and _is_fragile(facts.detail)


def _is_fragile(detail: object) -> bool:
    said = detail.get("suggestion") if isinstance(detail, dict) else None
    return isinstance(said, dict) and said.get("robust") == 0
