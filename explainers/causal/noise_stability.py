"""How much of each node's own noise is left when a remedy is carried out: what a file declares.

A remedy is found for one reading and carried out some time later. Meanwhile the background may be
drawn anew, wholly or in part (Wang, Plečko and Bareinboim 2026): the noise that abduction found is
then not the noise under which the action acts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ifonly.explainers.causal.timing import Duration


@dataclass(frozen=True)
class NodeStability:
    """Of one node, between a reading and the moment in which a remedy found for it acts."""

    rho: float
    """Correlation of its noise before and after, in normal scores: 1 stays, 0 is drawn anew."""
    interval: tuple[float, float] | None = None
    """95 % interval of it; None: it is known."""
    redrawn: float = 0.0
    """Share of pairs between which the noise was drawn anew altogether."""
    pairs: int = 0
    equipment: int = 0
    outliers: int = 0

    @property
    def stays(self) -> bool:
        """Whether nothing of it is ever drawn anew."""
        return self.rho == 1.0 and self.interval in (None, (1.0, 1.0)) and not self.redrawn


@dataclass(frozen=True)
class NoiseStability:
    """Of all nodes of which it is known, and where that comes from."""

    nodes: Mapping[str, NodeStability] = field(default_factory=dict)
    after: Duration | None = None
    """How long after the reading a remedy was carried out; None: nobody said."""
    source: str = ""
    data_sha256: str = ""
    learned_at: str = ""


def read_stability(table: Mapping[str, Any], after: Duration | None) -> NoiseStability:
    """What ``[stability]`` of ``causal.toml`` says."""
    return NoiseStability(
        {name: _node(own) for name, own in table["nodes"].items()},
        after,
        table.get("source", ""),
        table.get("data_sha256", ""),
        table.get("learned_at", ""),
    )


def _node(table: Mapping[str, Any]) -> NodeStability:
    ends = table.get("interval")
    return NodeStability(
        float(table["rho"]),
        None if ends is None else (float(ends[0]), float(ends[1])),
        float(table.get("redrawn", 0.0)),
        *(int(table.get(key, 0)) for key in ("pairs", "equipment", "outliers")),
    )


def stability_tables(found: NoiseStability) -> Iterator[tuple[str, dict[str, object]]]:
    """Each table of ``[stability]``, by its dotted path; the inverse of :func:`read_stability`."""
    after = found.after
    yield (
        "",
        {
            "after": None if after is None else {after.unit.value: after.amount},
            "source": found.source,
            "data_sha256": found.data_sha256,
            "learned_at": found.learned_at,
        },
    )
    for name, own in found.nodes.items():
        yield (
            name,
            {
                "rho": own.rho,
                "interval": None if own.interval is None else list(own.interval),
                "redrawn": own.redrawn or None,
                "pairs": own.pairs or None,
                "equipment": own.equipment or None,
                "outliers": own.outliers or None,
            },
        )
