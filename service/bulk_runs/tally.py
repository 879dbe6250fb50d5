"""What a whole run came to, counted part by part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifonly.service.bulk_runs.answering import BAD
from ifonly.service.bulk_runs.parts import AnsweredPart

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST_LEVERS = 50


@dataclass
class RunTally:
    """Adds up parts."""

    rows: int = 0
    cut: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    levers: Counter[str] = field(default_factory=Counter)
    """Answers that set a feature."""
    sparsity: Counter[int] = field(default_factory=Counter)
    """Answers by how many features they set."""
    blockers: Counter[str] = field(default_factory=Counter)
    """Rows without an answer by rule that is among those that leave none."""
    faults: Counter[str] = field(default_factory=Counter)
    """Faults by field."""
    _costs: list[Any] = field(default_factory=list)

    def add(self, part: AnsweredPart) -> None:
        self.rows += part.rows
        self.cut += part.cut
        self.counts.update(part.counts)
        actions = part.output.column("actions")
        levers = pc.struct_field(pc.list_flatten(actions), "feature")
        self.levers.update(_counted(levers))
        lengths = pc.list_value_length(actions).drop_null()
        self.sparsity.update({k: n for k, n in _counted(lengths).items() if k})
        self.blockers.update(_counted(pc.list_flatten(part.output.column("blocked_by"))))
        self.faults.update({k or "": n for k, n in _counted(part.problems.column("field")).items()})
        self._costs.append(part.output.column("cost").drop_null().to_numpy())

    @property
    def bad(self) -> int:
        """Rows that could not be answered."""
        return sum(self.counts[status] for status in BAD)

    def as_json(self) -> dict[str, Any]:
        costs = np.concatenate(self._costs) if self._costs else np.empty(0)
        return {
            "rows": self.rows,
            "counts": dict(sorted(self.counts.items())),
            "deadline_hit": self.cut,
            "cost_quantiles": np.quantile(costs, QUANTILES).tolist() if len(costs) else [],
            "levers": dict(self.levers.most_common(MOST_LEVERS)),
            "sparsity": {str(k): n for k, n in sorted(self.sparsity.items())},
            "blocked_by": dict(self.blockers.most_common(MOST_LEVERS)),
            "faults": dict(self.faults.most_common(MOST_LEVERS)),
        }


def _counted(values: pa.Array) -> dict[Any, int]:
    found = pc.value_counts(values)
    return {each["values"]: each["counts"] for each in found.to_pylist()}
