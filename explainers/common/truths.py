"""Rules over boxes of rows: what may be kept is never said to be broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.constraints import (
    Changes,
    Comparison,
    Condition,
    Constraint,
    IsIn,
    Range,
    Relation,
    Rule,
)
from ifonly.explainers.space import TOLERANCE, Mask
from ifonly.models.predictor import Rows


@dataclass(frozen=True, eq=False)
class RowBoxes:
    """Boxes of rows, each of one alarm; all ``(m, n_features)``."""

    before: Rows
    lower: Rows
    upper: Rows

    @property
    def size(self) -> int:
        return len(self.before)


def may_keep(constraint: Constraint, boxes: RowBoxes) -> Mask:
    """In which boxes a row may keep a constraint, ``(m,)``; of a kind that is not known here, in
    all."""
    match constraint:
        case Range(column=j, lower=low, upper=high):
            outside = (boxes.lower[:, j] > high) | (boxes.upper[:, j] < low)
            return np.asarray(~outside)
        case Rule(then=then, when=when):
            return np.asarray(~(_all_always(when, boxes) & _any_never(then, boxes)))
    return np.ones(boxes.size, dtype=np.bool_)


def _all_always(conditions: Sequence[Condition], boxes: RowBoxes) -> Mask:
    found = np.ones(boxes.size, dtype=np.bool_)
    for condition in conditions:
        found &= truth(condition, boxes)[0]
    return found


def _any_never(conditions: Sequence[Condition], boxes: RowBoxes) -> Mask:
    found = np.zeros(boxes.size, dtype=np.bool_)
    for condition in conditions:
        found |= truth(condition, boxes)[1]
    return found


def truth(condition: Condition, boxes: RowBoxes) -> tuple[Mask, Mask]:
    """In which boxes a condition is true of every row, and in which of none."""
    match condition:
        case Changes(column=j, does=does):
            low, high, was = boxes.lower[:, j], boxes.upper[:, j], boxes.before[:, j]
            same = (low == was) & (high == was) | np.isnan(low) & np.isnan(was)
            # A missing bound says nothing of what the reading becomes.
            other = (low > was) | (high < was) | np.isnan(was) & ~np.isnan(low)
            return (other, same) if does else (same, other)
        case IsIn(column=j, codes=codes, inside=inside, of_factual=of_factual):
            value = boxes.before[:, j] if of_factual else boxes.lower[:, j]
            is_one = of_factual | (boxes.lower[:, j] == boxes.upper[:, j]) | np.isnan(value)
            fits = (np.isin(value, list(codes)) == inside) & ~np.isnan(value)
            return is_one & fits, is_one & ~fits
        case Comparison():
            return _compared(condition, boxes)
    nothing = np.zeros(boxes.size, dtype=np.bool_)
    return nothing, nothing


def _compared(condition: Comparison, boxes: RowBoxes) -> tuple[Mask, Mask]:
    low = np.full(boxes.size, condition.constant)
    size = np.full(boxes.size, abs(condition.constant))
    for j, weight in condition.before:
        term = weight * boxes.before[:, j]
        low, size = low + term, size + np.abs(term)
    high = low.copy()
    for j, weight in condition.now:
        one, other = weight * boxes.lower[:, j], weight * boxes.upper[:, j]
        low, high = low + np.minimum(one, other), high + np.maximum(one, other)
        size = size + np.maximum(np.abs(one), np.abs(other))
    # What reads a missing value is not true; infinite bounds are of what nobody can tell.
    read = [boxes.before[:, j] for j, _ in condition.before]
    read += [boxes.lower[:, j] for j, _ in condition.now]
    lost = np.any([np.isnan(column) for column in read], axis=0) if read else np.isnan(low)
    # Twice, as where rules narrow axes: rows measure their terms one by one.
    margin = 2 * TOLERANCE * np.maximum(size, 1.0)
    margin = np.where(np.isfinite(margin), margin, 0.0)
    never = np.zeros(boxes.size, dtype=np.bool_)
    always = never
    match condition.relation:
        case Relation.LE | Relation.LT:
            always, never = high < -margin, low > margin
        case Relation.GE | Relation.GT:
            always, never = low > margin, high < -margin
        case Relation.EQ:
            never = (low > margin) | (high < -margin)
        case Relation.NE:
            always = (low > margin) | (high < -margin)
    return np.asarray(always & ~lost), np.asarray(never | lost)
