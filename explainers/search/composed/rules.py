"""Boxes in which no row keeps a constraint. What is not known here is decided row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Constraint
from ifonly.explainers.constraints.conditions import Changes, Comparison, Condition, Relation
from ifonly.explainers.constraints.forms import Implication, MostSet, OneStays, SetTogether
from ifonly.explainers.space import TOLERANCE
from ifonly.models.predictor import Row

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ValueBoxes:
    """Boxes as values."""

    factual: Row
    low: Floats
    """``(n_boxes, n_features)``; minus infinity where a value may be missing."""
    high: Floats
    must_change: Masks
    """``(n_boxes, n_features)``: no row of the box has the factual value."""
    may_change: Masks
    """Some row of the box has another."""


def refuted(constraints: Sequence[Constraint], boxes: ValueBoxes) -> Masks:
    """Of which boxes no row keeps all ``constraints``, ``(n_boxes,)``."""
    closed = np.zeros(len(boxes.low), dtype=np.bool_)
    for constraint in constraints:
        match constraint.form:
            case MostSet() as form:
                closed |= boxes.must_change.sum(axis=1) > form.count
            case OneStays() as form:
                closed |= boxes.must_change[:, sorted(form.columns)].all(axis=1)
            case SetTogether() as form:
                for rule in form.rules:
                    closed |= _breaks(rule, boxes)
            case Implication() as form:
                closed |= _breaks(form, boxes)
    return closed


def _breaks(rule: Implication, boxes: ValueBoxes) -> Masks:
    """Where every premise holds for all rows, and some conclusion for none."""
    found = np.zeros(len(boxes.low), dtype=np.bool_)
    for condition in rule.then:
        found |= _never(condition, boxes)
    for condition in rule.when:
        if found.any():
            found &= _always(condition, boxes)
    return found


def _never(condition: Condition, boxes: ValueBoxes) -> Masks:
    match condition:
        case Changes(column, does):
            return ~(boxes.may_change if does else ~boxes.must_change)[:, column]
        case Comparison():
            low, high, off = _sums(condition, boxes)
            match condition.relation:
                case Relation.LE | Relation.LT:
                    return low > off
                case Relation.GE | Relation.GT:
                    return high < -off
                case Relation.EQ:
                    return (low > off) | (high < -off)
    return np.zeros(len(boxes.low), dtype=np.bool_)


def _always(condition: Condition, boxes: ValueBoxes) -> Masks:
    match condition:
        case Changes(column, does):
            return (boxes.must_change if does else ~boxes.may_change)[:, column]
        case Comparison():
            low, high, off = _sums(condition, boxes)
            match condition.relation:
                case Relation.LE | Relation.LT:
                    return high < -off
                case Relation.GE | Relation.GT:
                    return low > off
                case Relation.NE:
                    return (low > off) | (high < -off)
    return np.zeros(len(boxes.low), dtype=np.bool_)


def _sums(condition: Comparison, boxes: ValueBoxes) -> tuple[Floats, Floats, Floats]:
    """Least and greatest total, and twice the tolerance with which it is compared."""
    fixed, size = condition.fixed(boxes.factual)
    n = len(boxes.low)
    low, high, sizes = np.full(n, fixed), np.full(n, fixed), np.full(n, size)
    for column, weight in condition.now:
        ends = weight * boxes.low[:, column], weight * boxes.high[:, column]
        low, high = low + np.minimum(*ends), high + np.maximum(*ends)
        sizes = sizes + np.maximum(np.abs(ends[0]), np.abs(ends[1]))
    lost = np.isnan(low) | np.isnan(high)
    off = 2.0 * TOLERANCE * np.maximum(sizes, 1.0)
    return (
        np.where(lost, -np.inf, low),
        np.where(lost, np.inf, high),
        np.where(np.isfinite(off), off, 0.0),
    )
