"""Which explanations a sample is of, and which of them it has: the same for whoever draws again.

A population is what records say of themselves, up to where each chain went when it was drawn:
what is written or erased later is no part of the question. The sample are those with the smallest
tickets, SHA-256 of the seed and the explanation's id (R. Rivest, *Consistent Sampling with
Replacement*, arXiv:1808.10016; here without). So it depends on no order, no generator and no
version, and a greater sample with the same seed holds the smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ifonly.service.audit.suggestions import suggestion_of
from ifonly.service.store.chain import Facts, microseconds, timestamp
from ifonly.service.store.explanations import NOTHING_TO_CHANGE
from ifonly.service.store.kinds import RecordKind


@dataclass(frozen=True, slots=True)
class ReviewPopulation:
    """Explanations, by what their records say."""

    since_us: int
    until_us: int
    """Excluded."""
    model: str | None = None
    status: str | None = None
    """The claim; None: all but those with nothing to change."""
    group: str | None = None
    """:attr:`ifonly.service.audit.suggestions.Suggestion.key`."""
    ends: Mapping[str, int] = field(default_factory=dict)
    """By chain, how many records it had when the population was fixed."""

    def has(self, writer: str, sequence: int, facts: Facts) -> bool:
        """Whether a record is in it."""
        return sequence <= self.ends.get(writer, 0) and self.would_have(facts)

    def would_have(self, facts: Facts) -> bool:
        """The same, wherever it stands in its chain."""
        of = (
            facts.status != NOTHING_TO_CHANGE
            if self.status is None
            else facts.status == self.status
        )
        return (
            facts.kind == RecordKind.EXPLANATION
            and of
            and self.since_us <= facts.time_us < self.until_us
            and self.model in (None, facts.model)
            and (self.group is None or suggestion_of(facts).key == self.group)
        )

    def said(self) -> dict[str, Any]:
        """As the plan's record has it."""
        named = {"model": self.model, "status": self.status, "group": self.group}
        times = {"since": timestamp(self.since_us), "until": timestamp(self.until_us)}
        chosen = {name: value for name, value in named.items() if value is not None}
        return {**chosen, **times, "ends": dict(self.ends)}

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """Of :meth:`said`.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is none.
        """
        return cls(
            microseconds(said["since"]),
            microseconds(said["until"]),
            said.get("model"),
            said.get("status"),
            said.get("group"),
            dict(said["ends"]),
        )


def ticket(seed: str, identity: str) -> bytes:
    """By which explanations are ordered: SHA-256 of ``SEED,ID`` in UTF-8."""
    return hashlib.sha256(f"{seed},{identity}".encode()).digest()


def drawn(seed: str, identities: Iterable[str], size: int) -> tuple[str, ...]:
    """The ``size`` with the smallest tickets, in the order of these; all, if there are no more.

    >>> drawn("1", ["a", "b", "c"], 2)
    ('a', 'c')
    """
    return tuple(sorted(identities, key=lambda each: ticket(seed, each))[:size])


def digest_of(identities: Iterable[str]) -> str:
    """Of a population: SHA-256 of its ids, sorted, a line each."""
    return hashlib.sha256("".join(f"{each}\n" for each in sorted(identities)).encode()).hexdigest()
