"""The model's word over all settings of two levers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.space import Axis
from ifonly.service.ask.question import Question, problem_of
from ifonly.service.served.registry import ServedModel


@dataclass(frozen=True, eq=False)
class Plane:
    """What the model says over the plane of two levers."""

    levers: tuple[int, int]
    xs: npt.NDArray[np.float64]
    ys: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    """``(len(ys), len(xs), n_scores)``."""
    flips: npt.NDArray[np.bool_]
    """``(len(ys), len(xs))``: whether the target's decision (without a class: its score) is met."""
    suffices: npt.NDArray[np.bool_]
    """The same shape: whether that is as probable as is demanded of an answer."""
    allowed: npt.NDArray[np.bool_]
    """The same shape: whether every constraint is kept."""


def plane_of(
    model: ServedModel,
    question: Question,
    levers: tuple[int, int],
    most: int,
    through: Sequence[tuple[float, float]] = (),
) -> Plane:
    """The model's word on every setting of two levers, ``most`` values of each at most, and those
    of the points ``through``; asked in one call. Both levers are set everywhere; what follows
    from them moves, all else stays.

    Raises
    ------
    GraphError
        If the model cannot score the rows.
    """
    problem = problem_of(model, question)
    xs, ys = (
        np.union1d(_spread(problem.single_axes[j], most), [point[k] for point in through])
        for k, j in enumerate(levers)
    )
    values = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    actions = np.repeat(problem.factual[np.newaxis], len(values), axis=0)
    actions[:, list(levers)] = values
    consequences = problem.consequences
    rows = actions if consequences is None else consequences.rows(problem.factual, levers, values)
    told = ~np.any(np.isinf(rows) | np.isnan(rows) & ~np.isnan(actions), axis=1)
    # Untold rows are scored as their actions, so that one call does all; `told` masks them.
    scores = model.deployed.predictor.score(np.where(told[:, np.newaxis], rows, actions))
    shape = (len(ys), len(xs))
    return Plane(
        levers,
        xs,
        ys,
        scores.reshape(*shape, -1),
        (question.target.decision_alone.met(scores) & told).reshape(shape),
        (question.target.met(scores) & told).reshape(shape),
        (problem.allowed(actions, rows) & told).reshape(shape),
    )


def _spread(axis: Axis, most: int) -> npt.NDArray[np.float64]:
    """Values of an axis from end to end, its numbers only."""
    numbers = len(axis) - axis.has_missing
    places = np.linspace(0, numbers - 1, min(most, numbers)).round().astype(np.int64)
    return axis.values(places)
