"""Which features count most for a decision: a stated order, and nothing that was learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ifonly.explainers.reason import PrincipalReason
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Schema

DIGITS = 12


def distances(
    schema: Schema, factual: Row, references: Rows | None, scales: Sequence[float]
) -> tuple[float, ...]:
    """How far each reading is from the usual one: from the median of the reference rows in scales;
    of a category, and of a missing reading, the share of reference rows that have another."""
    if references is None or not len(references):
        return (0.0,) * len(schema)
    found = []
    for j, feature in enumerate(schema.features):
        column, own = references[:, j], float(factual[j])
        seen = column[~np.isnan(column)]
        if feature.kind.is_categorical or np.isnan(own):
            alike = np.isnan(column) if np.isnan(own) else column == own
            found.append(1.0 - float(alike.mean()))
        elif not seen.size:
            found.append(0.0)
        else:
            found.append(abs(own - float(np.median(seen))) / scales[j])
    return tuple(round(each, DIGITS) for each in found)


def ranked(
    sets: Sequence[Sequence[int]],
    distance: Sequence[float],
    turns_alone: Callable[[int], bool],
    most: int,
) -> tuple[PrincipalReason, ...]:
    """Up to ``most`` features of some sufficient reasons, the main one first, in the order that
    :class:`PrincipalReason` states."""
    columns = sorted({j for each in sets for j in each})
    found = [
        PrincipalReason(j, sum(j in each for each in sets) / len(sets), turns_alone(j), distance[j])
        for j in columns
    ]
    found.sort(key=lambda p: (-p.share, not p.alone, -p.distance, p.column))
    return tuple(found[:most])
