"""What everyone is asked: a model, a target, what may be set, and what change costs.

Plain values that go to every worker as JSON, so this module needs nothing but the standard
library and numpy: it is imported in the peers' own environments too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StudyLever:
    """One feature: how it enters the graph, what it may be set to, what that costs."""

    name: str
    kind: str
    """``continuous``, ``integer``, ``nominal`` or ``ordinal``."""
    lower: float
    upper: float
    resolution: str
    """Decimal text of the grid's step."""
    scale: float
    """A change by this much costs 1."""
    column: int
    """First of its columns in the graph's matrix."""
    categories: tuple[str, ...] = ()
    unit: str = ""

    @property
    def width(self) -> int:
        return len(self.categories) if self.kind == "nominal" else 1

    @property
    def is_number(self) -> bool:
        return not self.categories

    @property
    def decimals(self) -> int:
        exponent = Decimal(self.resolution).as_tuple().exponent
        assert isinstance(exponent, int)
        return max(0, -exponent)


@dataclass(frozen=True)
class StudyLinear:
    """``sum(weights[name] * name) >= limit``"""

    weights: Mapping[str, float]
    limit: float

    @property
    def text(self) -> str:
        total = " + ".join(f"{weight:g} * {name}" for name, weight in self.weights.items())
        return f"{total} >= {self.limit:g}".replace("+ -", "- ")


@dataclass(frozen=True)
class StudyRule:
    """An if-then rule; ``binary`` says it as two equalities where that can be done."""

    text: str
    binary: tuple[tuple[str, float], tuple[str, float]] | None = None


@dataclass(frozen=True)
class Rules:
    """What the plant forbids. The grid and the bounds belong to the levers."""

    immutable: tuple[str, ...] = ()
    directions: Mapping[str, str] = field(default_factory=dict)
    linear: tuple[StudyLinear, ...] = ()
    implications: tuple[StudyRule, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        return (*(r.text for r in self.linear), *(r.text for r in self.implications))


@dataclass(frozen=True)
class StudySetup:
    """One model and one setting; the questions are rows."""

    dataset: str
    model: str
    setting: str
    """``free`` (nothing but bounds) or ``rules``."""
    kind: str
    """``xgboost``, ``lightgbm``, ``forest``, ``linear`` or ``network``."""
    task: str
    """``binary`` or ``regression``: one score, and a threshold that decides."""
    threshold: float
    wants_below: bool
    """Whether the target is ``score < threshold`` rather than ``score >= threshold``."""
    levers: tuple[StudyLever, ...]
    rules: Rules
    folder: str
    """The deployed model: ``model.onnx`` and ``spec.toml``."""
    native: str
    """What the training library saved, for peers that read trees rather than ask the model."""
    reference: str
    """``.npz`` with ``rows`` (codes) and ``wanted`` (true label is in the target) of training."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(lever.name for lever in self.levers)

    @property
    def key(self) -> str:
        return f"{self.dataset}/{self.model}/{self.setting}"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> StudySetup:
        table: dict[str, Any] = json.loads(text)
        rules = table["rules"]
        table["levers"] = tuple(
            StudyLever(**{**lever, "categories": tuple(lever["categories"])})
            for lever in table["levers"]
        )
        table["rules"] = Rules(
            tuple(rules["immutable"]),
            rules["directions"],
            tuple(StudyLinear(**r) for r in rules["linear"]),
            tuple(_implication(r) for r in rules["implications"]),
        )
        return cls(**table)

    def references(self) -> tuple[Matrix, npt.NDArray[np.bool_]]:
        """Training rows in codes, ``(n, n_levers)``, and whether their label is wanted."""
        with np.load(Path(self.reference)) as stored:
            return stored["rows"], stored["wanted"]

    def encode(self, rows: Matrix) -> Matrix:
        """Rows of codes as the graph's matrix: nominal levers one-hot, the others as they are."""
        matrix = np.zeros((len(rows), sum(lever.width for lever in self.levers)))
        for j, lever in enumerate(self.levers):
            if lever.kind == "nominal":
                matrix[np.arange(len(rows)), lever.column + rows[:, j].astype(np.intp)] = 1.0
            else:
                matrix[:, lever.column] = rows[:, j]
        return matrix

    def decode(self, matrix: Matrix) -> Matrix:
        """The inverse of :meth:`encode`."""
        rows = np.empty((len(matrix), len(self.levers)))
        for j, lever in enumerate(self.levers):
            part = matrix[:, lever.column : lever.column + lever.width]
            rows[:, j] = part.argmax(axis=1) if lever.kind == "nominal" else part[:, 0]
        return rows


def _implication(table: Mapping[str, Any]) -> StudyRule:
    pair: Sequence[Sequence[Any]] | None = table["binary"]
    if pair is None:
        return StudyRule(table["text"])
    (when, is_), (then, must_be) = pair
    return StudyRule(table["text"], ((when, is_), (then, must_be)))
