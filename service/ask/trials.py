"""What the model says of many settings, all asked in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.problem import Problem
from ifonly.explainers.space import Axis
from ifonly.models.predictor import Scores
from ifonly.service.ask.question import Question
from ifonly.service.served.registry import ServedModel

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trials:
    """Columns that are set, and to what: ``values`` is ``(n, len(columns))``."""

    columns: tuple[int, ...]
    values: Floats


@dataclass(frozen=True, eq=False)
class TrialScores:
    """What the model says of settings; each array is of ``n``."""

    scores: Scores
    flips: Bools
    """Whether the target's decision (without a class: its score) is met."""
    suffices: Bools
    """Whether that is as probable as is demanded of an answer."""
    allowed: Bools
    """Whether every constraint on the row is kept."""


def tried(
    model: ServedModel, question: Question, problem: Problem, asked: Sequence[Trials]
) -> list[TrialScores]:
    """What the model says of each of ``asked``, by one call. What is set is set everywhere; what
    follows from it moves, all else stays.

    Raises
    ------
    GraphError
        If the model cannot score the rows.
    """
    actions = [_actions(problem, settings) for settings in asked]
    rows = [
        each if problem.consequences is None
        else problem.consequences.rows(problem.factual, settings.columns, settings.values)
        for each, settings in zip(actions, asked, strict=True)
    ]  # fmt: skip
    told = [
        ~np.any(np.isinf(row) | np.isnan(row) & ~np.isnan(action), axis=1)
        for action, row in zip(actions, rows, strict=True)
    ]
    # Untold rows are scored as their actions, so that one call does all; `told` masks them.
    scored = [
        np.where(known[:, np.newaxis], row, action)
        for action, row, known in zip(actions, rows, told, strict=True)
    ]
    scores = model.deployed.predictor.score(np.concatenate(scored))
    of_each = np.split(scores, np.cumsum([len(each) for each in scored])[:-1])
    return [
        TrialScores(
            said,
            question.target.decision_alone.met(said) & known,
            question.target.met(said) & known,
            problem.allowed(action, row) & known,
        )
        for said, known, action, row in zip(of_each, told, actions, rows, strict=True)
    ]


def _actions(problem: Problem, settings: Trials) -> Floats:
    actions = np.repeat(problem.factual[np.newaxis], len(settings.values), axis=0)
    actions[:, list(settings.columns)] = settings.values
    return actions


def spread(axis: Axis, most: int) -> Floats:
    """At most ``most`` values of an axis from end to end, its numbers only."""
    numbers = len(axis) - axis.has_missing
    places = np.linspace(0, numbers - 1, min(most, numbers)).round().astype(np.int64)
    return axis.values(places)


def stretches(mask: Bools) -> Iterator[tuple[int, int]]:
    """First and last place of each run of true."""
    ends = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    yield from zip(ends[::2].tolist(), (ends[1::2] - 1).tolist(), strict=True)
