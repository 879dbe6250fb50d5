"""The model's word along each lever, the others as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.problem import Problem
from ifonly.service.ask.question import Question
from ifonly.service.ask.trials import Floats, Trials, TrialScores, spread, tried
from ifonly.service.served.registry import ServedModel


@dataclass(frozen=True, eq=False)
class LeverCurve:
    """What the model says along one lever."""

    lever: int
    values: Floats
    """``(n,)``, ascending."""
    said: TrialScores
    """Of each."""


def curves_of(
    model: ServedModel,
    question: Question,
    problem: Problem,
    settings: Mapping[int, float],
    levers: Sequence[int],
    most: int,
) -> list[LeverCurve]:
    """The model's word on ``most`` values at most of each of ``levers``, the others set as
    ``settings`` say or not set; what follows moves. All curves are asked in one call.

    ``problem``: what ``question`` is. Raises as :func:`ifonly.service.ask.trials.tried`.
    """
    asked = []
    for lever in levers:
        here = [settings.get(lever, float(problem.factual[lever]))]
        # Where it stands is on its curve too, so that the two cannot disagree; NaN is no place.
        values = np.union1d(
            spread(problem.single_axes[lever], most), [x for x in here if not math.isnan(x)]
        )
        others = {j: value for j, value in settings.items() if j != lever}
        columns = (lever, *others)
        rows = np.column_stack([values, np.tile([*others.values()], (len(values), 1))])
        asked.append(Trials(columns, rows))
    if not asked:
        return []
    said = tried(model, question, problem, asked)
    return [
        LeverCurve(lever, settings.values[:, 0], each)
        for lever, settings, each in zip(levers, asked, said, strict=True)
    ]
