"""Set these: what would the model say, and what would that break?"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.answer import Prediction
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.errors import NoTime
from ifonly.explainers.causal.timing import Duration
from ifonly.explainers.constraints import Constraint
from ifonly.explainers.space import Axis, changed
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.service.ask.over_time import IsMet, OverTime, broken_in, course, over_time
from ifonly.service.ask.predict import predict
from ifonly.service.ask.question import Rung
from ifonly.service.served.causal_model import ServedCausal
from ifonly.service.served.registry import ServedModel

DRAWS = 1_000
"""Draws of the noise of what follows, on the second rung."""


@dataclass(frozen=True)
class OffGridValue:
    """A value that cannot be set as it stands, and the values beside it that can."""

    column: int
    value: float
    nearest: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Draws:
    """What an intervention leads to, for many draws of the noise of what follows."""

    rows: Rows
    scores: Scores
    decided: npt.NDArray[np.int64]
    """``(n,)``, -1 where nothing decides."""
    effects: tuple[int, ...]

    def mean(self, action: Row) -> Row:
        row = action.copy()
        row[list(self.effects)] = self.rows[:, self.effects].mean(axis=0)
        return row


@dataclass(frozen=True, eq=False)
class WhatIf:
    """What is predicted once some features are set, and what that would break."""

    id: uuid.UUID
    model: ServedModel
    rung: Rung
    factual: Row
    columns: tuple[int, ...]
    """What is set."""
    row: Row
    """What would be read; on the second rung, by the mean of what is drawn."""
    before: Prediction
    after: Prediction
    broken: tuple[Constraint, ...]
    off_grid: tuple[OffGridValue, ...]
    cost: float
    unreadable: tuple[int, ...] = ()
    """What would follow is outside what the schema lets be read."""
    causal: ServedCausal | None = None
    draws: Draws | None = None
    over: OverTime | None = None
    """What comes before ``row``, step by step."""


def what_if(
    model: ServedModel,
    factual: Row,
    settings: Mapping[int, float],
    rung: Rung,
    over: Duration | None = None,
) -> WhatIf:
    """What the model says once columns are set to values, and what follows by ``rung``. A column
    set to what it reads already is held there: it does not follow its causes. ``over``: how long
    to look on, step by step; by the third rung only.

    Raises
    ------
    NoTime
        If over time is asked for, and when something follows has no number; or too long.
    CausalError
        If what follows cannot be told.
    GraphError
        If the model cannot score the rows.
    """
    causal = None if rung is Rung.ASSOCIATION else model.causal
    action, columns = factual.copy(), tuple(sorted(settings))
    action[list(columns)] = [settings[j] for j in columns]
    draws = None if rung is not Rung.INTERVENTION else _drawn(model, factual, action, columns)
    follows = model.moves if causal is None else causal.consequences
    row = _followed(follows, factual, action, columns) if draws is None else draws.mean(action)
    seen = None
    if over is not None:
        if causal is None or rung is not Rung.COUNTERFACTUAL:
            raise NoTime(
                f"it is answered of this machine, by the rung counterfactual and not {rung.value}"
            )
        seen = course(causal, factual, columns, action, causal.timed().horizon(over))
    # One call for all: a call costs more than a row.
    rows = np.array([factual, row]) if seen is None else np.vstack([factual, row, seen.rows])
    before, after, *said = predict(model, rows)
    limits = (*model.policy.constraints, *(causal.constraints if causal else ()))
    # Rules of what is set look at the action; all others at what would be read.
    of = {True: action[np.newaxis], False: row[np.newaxis]}
    moved = np.flatnonzero(changed(of[True], factual)[0])
    return WhatIf(
        uuid.uuid4(),
        model,
        rung,
        factual,
        columns,
        row,
        before,
        after,
        tuple(c for c in limits if not c.holds(of[c.of_action], factual)[0]),
        tuple(o for j in moved if (o := _off_grid(model, int(j), float(action[j]))) is not None),
        float(model.policy.cost.of(of[True], factual)[0]),
        _unreadable(model, action, row),
        causal,
        draws,
        None
        if seen is None
        else over_time(seen, before, said, _wanted(model), broken_in(seen, factual, limits)),
    )


def _wanted(model: ServedModel) -> IsMet | None:
    """Whether the decision is the one that is desired; None where none is."""
    decision = model.decision
    if decision.desired is None:
        return None
    return lambda scores: decision.decide(scores) == decision.desired


def _followed(
    consequences: CausalConsequences | None, factual: Row, action: Row, columns: tuple[int, ...]
) -> Row:
    """Raises
    ------
    CausalError
        If what follows cannot be told. What was not read, and follows, may stay unread.
    """
    if consequences is None or not columns:
        return action
    # The model itself, not its consequences: it says why where it cannot tell what follows.
    rows = consequences.read(
        consequences.model.counterfactual(factual, columns, action[np.newaxis, columns])
    )
    read = [j for j in consequences.follows(columns) if not np.isnan(factual[j])]
    consequences.model.check_told(factual, read, rows)
    return np.asarray(rows[0])


def _drawn(model: ServedModel, factual: Row, action: Row, columns: tuple[int, ...]) -> Draws:
    assert model.causal is not None
    consequences = model.causal.consequences
    rng = np.random.default_rng(0)  # the same question, the same answer
    rows = consequences.model.interventional(rng, DRAWS, columns, action[list(columns)], factual)
    effects = consequences.follows(columns)
    stays = sorted({*range(len(action))} - {*effects})
    rows[:, stays] = action[stays]  # computed from its noise, a reading changes its last digit
    consequences.model.check_told(factual, effects, rows)
    scores = model.deployed.predictor.score(rows)
    return Draws(rows, scores, model.decision.decide(scores), effects)


def _unreadable(model: ServedModel, action: Row, row: Row) -> tuple[int, ...]:
    followed = np.flatnonzero(changed(row[np.newaxis], action)[0])
    features = model.schema.features
    return tuple(int(j) for j in followed if not features[j].lower <= row[j] <= features[j].upper)


def _off_grid(model: ServedModel, column: int, value: float) -> OffGridValue | None:
    feature = model.schema.features[column]
    if feature.resolution is None or np.isnan(value):
        return None
    axis = Axis.of(feature, np.nan)
    if value in axis:
        return None
    below = axis.below(value)
    numbers = len(axis) - axis.has_missing
    beside = [i for i in (below - 1, below) if 0 <= i < numbers]
    nearest = axis.values(np.array(beside, dtype=np.int64))
    return OffGridValue(column, value, tuple(float(v) for v in nearest))
