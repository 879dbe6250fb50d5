"""Parts of ``causal.toml`` that had failed a check when it was accepted, and who rests on them.

By what moves: step by step along the edges, for each action anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.models.schema import Schema

Below = Callable[[Iterable[int], bool], frozenset[int]]
"""What may move when columns are set, or, in another past, their backgrounds."""


@dataclass(frozen=True)
class FailedPart:
    """One entry of ``doubts``."""

    key: str
    check: str
    columns: tuple[int, ...]
    """A node, or both ends of an edge, declared or missing; empty: the whole."""

    def is_rested_on(self, acted: Iterable[int], below: Below, is_history: bool) -> bool:
        """Whether something that it speaks of may move otherwise than is said."""
        own = frozenset(acted)
        following = below(own, is_history)
        if len(self.columns) < 2:
            return bool(following & frozenset(self.columns) if self.columns else following)
        a, b = self.columns
        # A node that is set has its value, whatever leads into it; no past is set.
        free = frozenset(self.columns) if is_history else frozenset(self.columns) - own
        if self.check == "idle edge":
            return b in free and (a in own or a in following)
        return any(
            effect in free and (cause in own or cause in following or effect in following)
            for cause, effect in ((a, b), (b, a))
            # What is missing closes no loop.
            if self.check != "missing edge" or cause not in below([effect], False)
        )


def read_failed(document: Mapping[str, Any], schema: Schema) -> tuple[FailedPart, ...] | None:
    """What the file lists; None where it lists nothing, not even that nothing had failed."""
    if "doubts" not in document:
        return None
    return tuple(
        FailedPart(f"causal.doubts.{i}", table["check"], _columns(table, schema))
        for i, table in enumerate(document["doubts"])
    )


def _columns(table: Mapping[str, Any], schema: Schema) -> tuple[int, ...]:
    names: Sequence[str] = table.get("between") or [n for n in [table.get("node")] if n]
    return tuple(map(schema.index, names))
