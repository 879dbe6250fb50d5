"""Terms in which the store's contents are told: names alone, for whoever reads them elsewhere.

Importing this imports nothing else: a client reads replies without a database.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (State.DONE, State.CANCELLED)


class Trouble(StrEnum):
    """What can be wrong with a chain."""

    ALTERED = "altered"
    MOVED = "moved"
    MISSING = "missing"
    UNLINKED = "unlinked"
    CUT = "cut"
    PAYLOAD_ALTERED = "payload_altered"
    PAYLOAD_MISSING = "payload_missing"
    FORGED = "forged"
    """It stands where no chain has it."""
    BACKDATED = "backdated"
    CONTRADICTED = "contradicted"
    """A row of another table says what no record says."""
    UNREADABLE = "unreadable"
    NOT_IN_LOG = "not_in_log"
    """Or not as the log has it."""
    HEAD = "head"
    """A head of the log was not signed so, or is of other records."""


class Format(StrEnum):
    JSONL = "jsonl"
    PARQUET = "parquet"


class RecordList(StrEnum):
    """Lists of records that no single column tells apart."""

    UNPROVEN = "unproven"
    """Explanations that claim no proof: feasible, unknown, abstained."""
    FRAGILE = "fragile"
    """Explanations whose answer is known not to survive every reading within the tolerances."""
    UPKEEP = "upkeep"
    """What nobody asked and nobody judged: anchors, keys, jobs, models, sign-ins, looks, holds,
    erasures."""


class Content(StrEnum):
    """What has become of what a record tells of."""

    KEPT = "kept"
    ERASED = "erased"
    NONE = "none"
