"""What is kept of an effect on the real outcome, so that answers may speak of it.

One JSON file beside the model, named with its digest in ``causal.toml``. It counts only while the
graph by which it was identified is the graph that is accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ifonly.explainers.causal.effect import Covariate, LeftOut, Mark, Refutation
from ifonly.explainers.causal.estimand import Estimand, Strategy
from ifonly.explainers.causal.sensitivity import Benchmark, EValue, Sensitivity, Strength
from ifonly.explainers.causal.spec import CausalSpec
from ifonly.models.errors import SpecError
from ifonly.models.schema import Labels

FORMAT = 2
"""Of files that are written; 1 named no estimand, and is read."""


@dataclass(frozen=True)
class Evidence:
    """One contrast: rows in which a feature was so, and like rows in which it was otherwise."""

    feature: str
    before: tuple[float, float]
    """Least and greatest reading of the rows that are compared with."""
    after: tuple[float, float]
    """Least and greatest reading of the treated rows."""
    outcome: Labels
    is_share: bool
    """Whether the outcome is one that happens or not: the effect is then of its share."""
    effect: float
    interval: tuple[float, float]
    """Bounds of the effect, at 95 %."""
    naive: float
    adjusted_for: tuple[str, ...]
    rows: int
    treated: int
    trimmed: float
    refutations: tuple[Refutation, ...]
    graph_sha256: str
    data: str
    data_sha256: str
    estimated_at: str
    attached_by: str
    estimand: Estimand
    left_out: tuple[LeftOut, ...]
    """Who was trimmed."""
    strategy: Strategy
    through: tuple[str, ...]
    """Mediators of a front door, or instruments."""
    first_stage: float | None
    """F of instruments."""
    sensitivity: Sensitivity | None
    """What would undo it; None in files of format 1, which did not say."""

    def covers(self, feature: str, before: float, after: float) -> bool:
        """Whether moving ``feature`` so is what was compared."""
        return (
            # Outside of what was compared the effect may be any.
            feature == self.feature
            and self.before[0] <= before <= self.before[1]
            and self.after[0] <= after <= self.after[1]
        )

    def speaks_of(self, spec: CausalSpec) -> bool:
        """Whether it was identified by the graph of ``spec``."""
        return self.graph_sha256 == graph_digest(spec)

    def write(self) -> bytes:
        table = {"format": FORMAT, **asdict(self)}
        return json.dumps(table, ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def read(cls, data: bytes, file: str) -> Evidence:
        """Raises
        ------
        SpecError
            If it is no such file.
        """
        try:
            table = json.loads(data)
            written = table.pop("format")
            if written == 1:
                table |= _unnamed(table["trimmed"])
            elif written != FORMAT:
                raise ValueError(f"the format is {written}, neither 1 nor {FORMAT}")
            return cls(**_typed(table))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SpecError(file, "", f"is no effect: {error}") from error


def graph_digest(spec: CausalSpec) -> str:
    """SHA-256 of who acts on whom, hidden common causes included; how they act is left out."""
    # Sorted, so that the order in the file does not matter; mechanisms are left out on purpose.
    arrows = sorted([e.cause, e.effect] for e in spec.edges)
    hidden = sorted(sorted(c.between) for c in spec.hidden)
    return hashlib.sha256(json.dumps([arrows, hidden]).encode()).hexdigest()


def read_evidence(
    spec: CausalSpec, files: Mapping[str, bytes], file: str = "causal.toml"
) -> tuple[Evidence, ...]:
    """The effects that ``spec`` names; ``files`` are bytes by path, ``file`` is how errors call it.

    Raises
    ------
    SpecError
        If one is missing, or is not what its digest says.
    """
    found = []
    for i, named in enumerate(spec.effects):
        data = files.get(named.file)
        if data is None:
            raise SpecError(file, f"effects[{i}].file", f"{named.file} is missing")
        digest = hashlib.sha256(data).hexdigest()
        if digest != named.sha256:
            problem = f"is {named.sha256}, but {named.file} has {digest}"
            raise SpecError(file, f"effects[{i}].sha256", problem)
        found.append(Evidence.read(data, named.file))
    return tuple(found)


def _unnamed(trimmed: float) -> dict[str, Any]:
    """What a file of format 1 meant and did not say."""
    estimand = Estimand.ATE_COMPARABLE if trimmed else Estimand.ATE
    return {
        "estimand": estimand,
        "left_out": (),
        "strategy": Strategy.BACK_DOOR,
        "through": (),
        "first_stage": None,
        "sensitivity": None,
    }


def _typed(table: dict[str, Any]) -> dict[str, Any]:
    pairs = {key: tuple(map(float, table[key])) for key in ("before", "after", "interval")}
    return {
        **table,
        **pairs,
        "adjusted_for": tuple(table["adjusted_for"]),
        "refutations": tuple(Refutation(**row) for row in table["refutations"]),
        "estimand": Estimand(table["estimand"]),
        "strategy": Strategy(table["strategy"]),
        "through": tuple(table["through"]),
        "left_out": tuple(map(_left_out, table["left_out"])),
        "sensitivity": table["sensitivity"] and _sensitivity(table["sensitivity"]),
    }


def _sensitivity(table: dict[str, Any]) -> Sensitivity:
    benchmarks = (
        Benchmark(**{**row, "strength": Strength(**row["strength"])}) for row in table["benchmarks"]
    )
    e_value = table["e_value"] and EValue(**table["e_value"])
    return Sensitivity(**{**table, "e_value": e_value, "benchmarks": tuple(benchmarks)})


def _left_out(table: dict[str, Any]) -> LeftOut:
    marks = (Mark(**{**m, "covariate": Covariate(**m["covariate"])}) for m in table["marks"])
    return LeftOut(table["treated"], table["rows"], tuple(marks))
