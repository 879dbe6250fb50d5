"""Were records written at the time that they state? Held against the anchors of other chains.

An anchor has the ends of all chains that moved. A record of which an anchor of a day later knows
nothing, though a still later one does, was not there that day: it is backdated.

Clocks go wrong. What a chain has seen counts for its clock: a record is no earlier than those
before it in its chain, nor than the ends that anchors in its chain have. So a process whose clock
was set back is not accused, for it began by anchoring what is later than its clock. What is left
is said to be backdated; that clocks of two machines differed by more than a day is the one other
reason.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ifonly.service.store.chain import DAY_US, IntegrityFinding, Trouble, timestamp

APART_US = DAY_US
"""By how much a record must be too early."""
_NEVER = 2**62


@dataclass
class _Chain:
    """What is known of one chain; times are the earliest that they can have been."""

    times: array[int] = field(default_factory=lambda: array("q"))
    """Of each record that was read, in order."""
    sequences: array[int] = field(default_factory=lambda: array("q"))
    latest: int = 0
    anchors: array[int] = field(default_factory=lambda: array("q"))
    """Times of the anchors in it."""
    seen: list[tuple[int, int]] = field(default_factory=list)
    """Time of each anchor of another chain that has it, and the sequence that this has."""


class Order:
    """Is told of every record in its chain's order; says which cannot have been there."""

    def __init__(self) -> None:
        self._chains: dict[str, _Chain] = {}
        self._ends: list[tuple[str, int]] = []
        """Ends that the anchor has which is being read."""

    def _of(self, writer: str) -> _Chain:
        return self._chains.setdefault(writer, _Chain())

    def record(self, writer: str, sequence: Any, time_us: Any) -> None:
        """The next record of a chain."""
        if type(sequence) is int and type(time_us) is int:
            chain = self._of(writer)
            # Capped: a tampered time may be more than the array can hold.
            chain.latest = max(chain.latest, min(time_us, _NEVER))
            chain.sequences.append(sequence)
            chain.times.append(chain.latest)

    def anchored(self, by: str, writer: str, sequence: int, time_us: Any) -> None:
        """The record told of last, in the chain ``by``, has the end of the chain ``writer``: a
        record of that sequence and time."""
        chain = self._of(by)
        if type(time_us) is int:
            chain.latest = max(chain.latest, min(time_us, _NEVER))
        # A chain's own anchors prove nothing against its own clock.
        if by != writer:
            self._ends.append((writer, sequence))

    def anchor(self, by: str) -> None:
        """That was all that the anchor has."""
        chain = self._of(by)
        time = chain.latest
        chain.anchors.append(time)
        if chain.times:
            chain.times[-1] = time  # the anchor itself is no earlier than what it has
        for writer, sequence in self._ends:
            self._of(writer).seen.append((time, sequence))
        self._ends.clear()

    def findings(self) -> Iterator[IntegrityFinding]:
        """Every stretch of a chain that was not there when it says."""
        for writer, chain in self._chains.items():
            others = sorted(
                time for name, c in self._chains.items() if name != writer for time in c.anchors
            )
            done = 0
            # The sentinel holds records that no anchor has seen against the last anchor.
            for time, sequence in [*sorted(chain.seen), (_NEVER, _NEVER)]:
                if sequence > done:
                    yield from _backdated(writer, chain, done, time, others)
                    done = sequence


def _backdated(
    writer: str, chain: _Chain, after: int, seen_us: int, others: list[int]
) -> Iterator[IntegrityFinding]:
    """The records after ``after``: first seen by an anchor of the time ``seen_us``."""
    first = bisect_right(chain.sequences, after)  # they were read in order
    at = bisect_left(others, seen_us) - 1
    if first == len(chain.sequences) or at < 0 or others[at] <= chain.times[first] + APART_US:
        return
    sequence, said = chain.sequences[first], timestamp(chain.times[first])
    text = (
        f"record {sequence} says {said}, and an anchor of {timestamp(others[at])} has no such "
        "record: it was written later, or a clock was wrong by more than a day"
    )
    yield IntegrityFinding(writer, sequence, Trouble.BACKDATED, text, "audit_records.time_us")
