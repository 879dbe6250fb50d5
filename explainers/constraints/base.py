"""What every constraint is: where it was declared, what keeps it, what it leaves of the axes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np

from ifonly.explainers.constraints.cells import Axes, Cells, Factual, Kept, replaced
from ifonly.explainers.constraints.forms import Form, Opaque, OwnValues
from ifonly.explainers.space import Axis, Mask
from ifonly.explainers.speaker import Words
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Labels


class Source(StrEnum):
    SCHEMA = "schema"
    POLICY = "policy"
    REQUEST = "request"


@dataclass(frozen=True)
class Origin:
    """Where a constraint was declared, and why."""

    source: Source
    key: str
    """Dotted path within the spec or the request, e.g. ``policy.rules.0``."""
    why: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Constraint:
    """Base of all constraints."""

    of_action: ClassVar[bool] = False
    """Whether it speaks of what is set, and not of the row that this leads to."""

    words: ClassVar[Words] = {}
    """Its own words, by language; of a language that is not in it, the language's folder has
    them."""
    asks_a_model: ClassVar[bool] = False
    """Whether telling if rows keep it costs as much as a model call."""

    origin: Origin = field(kw_only=True)

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        """Whether the row (or action) of ``cells`` keeps the constraint; of columns, each of their
        rows, ``(n_rows,)``, or one truth for all."""
        raise NotImplementedError

    def holds(self, rows: Rows, factual: Row) -> Mask:
        """Which of ``rows`` (or actions) keep the constraint, ``(n_rows,)``."""
        kept = self.kept(rows.T, factual)
        # A kind may answer with one truth for all rows.
        return np.asarray(kept) if np.ndim(kept) else np.full(len(rows), kept, dtype=np.bool_)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        """``axes`` less values that no row keeping this constraint can have."""
        raise NotImplementedError

    @property
    def columns(self) -> frozenset[int]:
        """Features that the constraint reads; empty if it reads all of them."""
        raise NotImplementedError

    @cached_property
    def form(self) -> Form:
        """What engines see of it."""
        # The safe default: every exact engine refuses it, none takes it for something else.
        return Opaque()


@dataclass(frozen=True)
class Single(Constraint):
    """A constraint on one feature."""

    column: int

    @property
    def columns(self) -> frozenset[int]:
        return frozenset({self.column})

    @cached_property
    def form(self) -> Form:
        return OwnValues(self.column) if self.of_action else Opaque()

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        narrowed = self.cut(axes[self.column], float(factual[self.column]))
        return replaced(axes, self.column, narrowed)

    def cut(self, axis: Axis, factual: float) -> Axis:
        raise NotImplementedError


class Scorer(Protocol):
    """Anything that gives each row one number: a :class:`ifonly.models.predictor.Predictor` will
    do."""

    def score(self, rows: Rows) -> Scores: ...
