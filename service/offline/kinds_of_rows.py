"""How an effect differs between kinds of rows, and what it is for rows like one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ifonly.explainers.causal.cate import (
    EffectCalibration,
    EffectForm,
    GroupEffect,
    LikeRow,
    effects_by_kind,
    like_row,
)
from ifonly.explainers.causal.effect import EstimatedEffect, Learners, Observed
from ifonly.models.predictor import Row
from ifonly.models.repository.reference import Table
from ifonly.models.schema import Schema
from ifonly.service.offline.compared_rows import Array, Flags, UnreadableRows, covariates_of
from ifonly.service.offline.grouped_rows import RowGrouping, groups_of


@dataclass(frozen=True, eq=False)
class AskedRow:
    """One machine's reading."""

    row: Row
    """Of the model's features."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Cells of columns beside them."""


@dataclass(frozen=True, eq=False)
class KindsAsked:
    table: Table
    schema: Schema
    used: Flags
    """Rows that are compared."""
    held: tuple[str, ...]
    by: Sequence[RowGrouping]
    like: Sequence[AskedRow]


@dataclass(frozen=True, eq=False)
class KindsRead:
    """What was asked, as far as the rows go: groups of them, and each row's covariates."""

    groups: tuple[tuple[str, tuple[tuple[str, Flags], ...]], ...]
    rows: tuple[Array, ...]


@dataclass(frozen=True)
class KindsFound:
    form: EffectForm
    """How the effect depends on what is held fixed."""
    groups: tuple[tuple[str, tuple[GroupEffect, ...]], ...]
    calibration: EffectCalibration
    like: tuple[LikeRow, ...]
    """Of each row that was asked for."""


def read_kinds(asked: KindsAsked, observed: Observed) -> KindsRead:
    """Of the ``observed`` rows, before anything is estimated of them.

    Raises
    ------
    UnreadableRows
        If rows cannot be grouped so, or one that is asked for does not say what is held fixed.
    """
    return KindsRead(
        tuple((g.name, groups_of(asked.table, asked.schema, g, asked.used)) for g in asked.by),
        tuple(_covariates(asked, observed, each, k) for k, each in enumerate(asked.like, 1)),
    )


def find_kinds(
    read: KindsRead, observed: Observed, learners: Learners, found: EstimatedEffect
) -> KindsFound:
    """Of the average effect that was ``found`` in the ``observed`` rows."""
    kept = found.kept
    covariates = observed.covariates[kept]
    names = tuple(column.name for column in observed.columns)
    groups = [(name, [(told, own[kept]) for told, own in parts]) for name, parts in read.groups]
    kinds = effects_by_kind(covariates, found.scores, found.fold[0][kept], groups)
    treated = observed.treated.astype(np.float64)
    told = []
    for row in read.rows:
        (propensity,) = learners.propensity(observed.covariates, treated, row[None, :])
        told.append(like_row(kinds.law, row, float(propensity), names, covariates, found.scores))
    return KindsFound(kinds.law.terms.form, kinds.groups, kinds.calibration, tuple(told))


def _covariates(asked: KindsAsked, observed: Observed, row: AskedRow, number: int) -> Array:
    """What is held fixed, of one row, in the columns of the ``observed`` ones."""
    table, n = asked.table, len(asked.table.rows)
    lacking = [name for name in asked.held if name in table.others and name not in row.others]
    if lacking:
        raise UnreadableRows(
            f"--row {number} does not say {', '.join(lacking)}: held fixed, as are "
            f"{', '.join(asked.held)}"
        )
    # Of one more row of the table: it is read as all others are. What was done is not said of it.
    others = {name: (*cells, row.others.get(name, "")) for name, cells in table.others.items()}
    own = np.full(table.rows.shape[1], np.nan)
    own[: len(row.row)] = row.row
    longer = Table(np.vstack([table.rows, own]), others)
    columns, covariates = covariates_of(longer, asked.schema, asked.held)
    if columns != observed.columns:
        new = sorted({c.name for c in {*columns} ^ {*observed.columns}})
        raise UnreadableRows(f"--row {number}: no logged row reads the same in {', '.join(new)}")
    found = np.asarray(covariates[n])
    if not np.isfinite(found).all():
        gaps = {c.name for c, v in zip(columns, found, strict=True) if not np.isfinite(v)}
        missing = ", ".join(sorted(gaps))
        raise UnreadableRows(f"--row {number}: {missing} is missing, and is held fixed")
    return found
