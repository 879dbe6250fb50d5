"""Answers that hold whatever the sensors' tolerances make of the readings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifonly.explainers.constraints.base import Constraint, Source
from ifonly.explainers.constraints.cells import Axes, Cells, Factual, Kept
from ifonly.explainers.constraints.forms import Readings
from ifonly.explainers.constraints.given import Given, ReadingContext, Table
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Schema


@dataclass(frozen=True)
class Survives(Constraint):
    """The prediction is in the target for every reading within the sensors' tolerances of the
    row, rounding included: each reading of feature ``j`` within ``± tolerances[j]``, and within
    its bounds.

    It is a statement about the model's prediction, which a row alone cannot keep or break: an
    engine that cannot prove it over the whole box is not eligible (see
    :attr:`ifonly.explainers.problem.Problem.survives`), and ``verify`` tries readings of the box.
    """

    tolerances: tuple[float, ...]
    """In each feature's unit; 0 where there is none, and for categories."""

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    @cached_property
    def form(self) -> Readings:
        return Readings(self.tolerances)

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        # The row alone says nothing of it: engines that cannot prove it are not eligible.
        return True

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        return axes

    def readings(self, row: Row, schema: Schema, seed: int, count: int) -> Rows:
        """Some readings of the box: corners, half of them, and points inside."""
        rng = np.random.default_rng(seed)
        shares = rng.uniform(-1.0, 1.0, (count, len(row)))
        # Corners: every sensor as far off as it may be.
        shares[::2] = np.sign(shares[::2])
        readings = row + shares * np.array(self.tolerances)
        # Categories have no tolerance, so nothing of them is cut.
        lower = np.array([-np.inf if f.kind.is_categorical else f.lower for f in schema.features])
        upper = np.array([np.inf if f.kind.is_categorical else f.upper for f in schema.features])
        # A row that is outside its bounds itself stays there: only errors are cut.
        return np.asarray(np.clip(readings, np.minimum(lower, row), np.maximum(upper, row)))


def read_tolerances(features: Table, schema: Schema) -> tuple[float, ...]:
    """How far each feature's sensor may be off, by the tables of ``policy.features``; empty if
    none says so.

    Raises
    ------
    InvalidPolicy
        If one is of a category, or no number of at least 0.
    """
    declared = [_tolerance(name, features, schema) for name in schema.names]
    if all(given is None for given in declared):
        return ()
    return tuple(0.0 if given is None else given.number() for given in declared)


def _tolerance(name: str, features: Table, schema: Schema) -> Given | None:
    table = features.get(name, {})
    assert isinstance(table, Mapping)
    if TOLERANCE.name not in table:
        return None
    path = ("policy", "features", name, TOLERANCE.name)
    value = table[TOLERANCE.name]
    given = Given(value, path, Source.POLICY, ReadingContext(schema), schema[name])
    given.number_column()
    return given


def _nothing(given: Given) -> Iterator[Survives]:
    """A tolerance alone demands nothing."""
    yield from ()


def _read(given: Given) -> Iterator[Survives]:
    if not given.flag():
        return
    tolerances = given.context.tolerances
    if not any(tolerances):
        raise given.fault("is true, but no feature of this model declares a tolerance", True)
    yield Survives(tolerances, origin=given.origin)


TOLERANCE = ConstraintKey(
    "tolerance",
    {
        "title": "Sensor tolerance",
        "description": "Numbers only: how far a reading may be off, in the feature's unit, either "
        "way.",
        "type": "number",
        "minimum": 0,
        "default": 0,
    },
    _nothing,
)
KIND = ConstraintKind(
    Survives,
    place=110,
    of_feature=TOLERANCE,
    of_policy=ConstraintKey(
        "robust",
        {
            "title": "Survive the sensors",
            "description": "Whether every answer must survive all readings within the declared "
            "sensor tolerances.",
            "type": "boolean",
            "default": False,
        },
        _read,
    ),
    of_request=ConstraintKey(
        "robust",
        {
            "type": "boolean",
            "description": "Whether the answer must survive every reading within the sensor "
            "tolerances that the model's policy declares: proven over the whole box.",
        },
        _read,
    ),
)
