"""What a reply says of the deployed model's word, against that word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ifonly.explainers.verify.report import Check
from ifonly.models.schema import Decision, Task

SCORED = 1e-6
"""How far two sessions may be apart that add a model's float32 in another order."""


def predicted(said: Mapping[str, Any], scores: Sequence[float], decision: Decision) -> Check:
    decided = int(decision.decide(np.array([scores]))[0])
    name = decision.class_names[decided] if decided >= 0 else None
    # Replies tell the probability of the class that is decided.
    number, expected = said.get("probability"), scores[0]
    if decision.task is Task.REGRESSION:
        number = said.get("score")
    elif decision.task is Task.MULTICLASS:
        expected = scores[decided]
    elif decided != decision.positive:
        expected = 1.0 - scores[0]
    fits = said.get("class") == name and number is not None and scored(number, expected)
    if decision.task is Task.MULTICLASS:
        each = zip(decision.class_names, scores, strict=True)
        # Each class on its own: a reply could tell another's number.
        fits = fits and all(scored(said["probabilities"][k], score) for k, score in each)
    told = f"{said.get('class')} {number} claimed, {name} {expected} by the deployed model"
    return Check("prediction", fits, told)


def scored(said: float, score: float) -> bool:
    """The same word of a model, of another session too."""
    return abs(float(said) - score) <= SCORED * max(1.0, abs(score))
