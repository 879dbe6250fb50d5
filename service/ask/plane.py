"""The model's word over all settings of two levers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.service.ask.question import Question, problem_of
from ifonly.service.ask.trials import Trials, spread, tried
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
    held: Mapping[int, float] | None = None,
) -> Plane:
    """The model's word on every setting of two levers, ``most`` values of each at most, and those
    of the points ``through`` that are numbers; asked in one call. Both levers are set
    everywhere, and so are those of ``held``, each to its value; what follows from them moves, all
    else stays.

    Raises
    ------
    GraphError
        If the model cannot score the rows.
    """
    problem = problem_of(model, question)
    xs, ys = (
        np.union1d(spread(problem.single_axes[j], most), [x for x in places if not math.isnan(x)])
        for j, places in zip(
            levers, zip(*through, strict=True) if through else ((), ()), strict=True
        )
    )
    held = {j: value for j, value in (held or {}).items() if j not in levers}
    values = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    values = np.hstack([values, np.tile([*held.values()], (len(values), 1))])
    (found,) = tried(model, question, problem, [Trials((*levers, *held), values)])
    shape = (len(ys), len(xs))
    return Plane(
        levers,
        xs,
        ys,
        found.scores.reshape(*shape, -1),
        found.flips.reshape(shape),
        found.suffices.reshape(shape),
        found.allowed.reshape(shape),
    )
