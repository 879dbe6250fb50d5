"""What the counterfactual's prediction must be, from the decision and the request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.predictor import Scores
from ifonly.models.rounding import UNKNOWN, Rounding
from ifonly.models.schema import Decision, Task


@dataclass(frozen=True)
class ScoreGoal:
    """A class, a probability of it, or a score's interval."""

    decision: Decision
    wanted: int | None
    """Position of the class that must be decided; None: the score alone counts."""
    low: float = -math.inf
    """Least probability of that class; without one, least score."""
    high: float = math.inf

    @cached_property
    def alone(self) -> ScoreGoal:
        """The decision, however sure."""
        return self if self.wanted is None else replace(self, low=-math.inf, high=math.inf)

    def margin(self, scores: Sequence[float], rounding: Rounding = UNKNOWN) -> float:
        """As :meth:`margins`, of one row's ``scores``."""
        return float(self.margins(np.array([scores]), rounding)[0])

    def met(self, scores: Sequence[float], rounding: Rounding = UNKNOWN) -> bool:
        """As :meth:`all_met`, of one row's ``scores``."""
        return bool(self.all_met(np.array([scores]), rounding)[0])

    def margins(self, scores: Scores, rounding: Rounding = UNKNOWN) -> npt.NDArray[np.float64]:
        """How far each row of ``scores``, ``(n, n_outputs)``, is inside, ``(n,)``: negative
        outside, NaN where a score is; with a ``rounding``, by which they may differ between
        sessions, how far in all of them."""
        # The worse of the two ends counts.
        found = np.minimum.reduce([self._margins(end) for end in self._ends(scores, rounding)])
        return np.where(np.isnan(scores).any(axis=1), math.nan, found)

    def all_met(self, scores: Scores, rounding: Rounding = UNKNOWN) -> npt.NDArray[np.bool_]:
        """Which rows of ``scores`` are inside, ``(n,)``, as for :meth:`margins`; ties go as the
        decision goes: a score at the threshold is the positive class, the first of equal classes
        is decided."""
        met = np.asarray(~np.isnan(scores).any(axis=1))
        for end in self._ends(scores, rounding):
            met &= self._met(end)
        return met

    def _ends(self, scores: Scores, rounding: Rounding) -> Iterable[Scores]:
        """The scores, or, where they may differ, the worst and the best that they may be for the
        wanted output: it as low as it may be and the others as high, and the other way round."""
        if not rounding:
            return (scores,)
        flat, steep = np.array(rounding.flat), np.array(rounding.steep)
        # A score is nearest to its logistic's flat parts at 0 and 1, where rounding moves it least.
        off = flat + steep * np.maximum(scores * (1.0 - scores), 0.0)
        if self._is_one_of_many:
            # Rivals the other way: the wanted class at its lowest meets them at their highest.
            off[:, np.arange(scores.shape[1]) != self.wanted] *= -1.0
        return scores - off, scores + off

    @cached_property
    def _is_one_of_many(self) -> bool:
        return self.decision.task is Task.MULTICLASS

    def _margins(self, scores: Scores) -> npt.NDArray[np.float64]:
        measured = self._measured(scores)
        inside = np.minimum(measured - self.low, self.high - measured)
        return np.asarray(np.minimum(inside, self._lead(scores)))

    def _met(self, scores: Scores) -> npt.NDArray[np.bool_]:
        measured = self._measured(scores)
        inside: npt.NDArray[np.bool_] = (self.low <= measured) & (measured <= self.high)
        return inside if self.wanted is None else inside & self._is_decided(scores)

    def _is_decided(self, scores: Scores) -> npt.NDArray[np.bool_]:
        """Whether the wanted class is."""
        if self._is_one_of_many:
            # Of equal classes the first is decided, as by the deployed decision.
            return np.asarray(scores.argmax(axis=1) == self.wanted)
        assert self.decision.threshold is not None
        is_positive = scores[:, 0] >= self.decision.threshold
        return np.asarray(is_positive == (self.wanted == self.decision.positive))

    def _measured(self, scores: Scores) -> npt.NDArray[np.float64]:
        """Probability of the wanted class; without one, the score."""
        if self.wanted is None:
            return scores[:, 0]
        if self._is_one_of_many:
            return scores[:, self.wanted]
        return 1.0 - scores[:, 0] if self._is_the_other else scores[:, 0]

    @cached_property
    def _is_the_other(self) -> bool:
        """Whether the score is the probability of the class that is not wanted."""
        return self.decision.task is Task.BINARY and self.wanted != self.decision.positive

    def _lead(self, scores: Scores) -> npt.NDArray[np.float64]:
        """How far the wanted class is ahead of every other."""
        if self.wanted is None:
            return np.full(len(scores), math.inf)
        if self._is_one_of_many:
            others = np.delete(scores, self.wanted, axis=1).max(axis=1, initial=-math.inf)
            return np.asarray(scores[:, self.wanted] - others)
        assert self.decision.threshold is not None
        over = scores[:, 0] - self.decision.threshold
        return np.asarray(over if self.wanted == self.decision.positive else -over)


def read_goal(
    asked: Mapping[str, Any] | None, decision: Decision, policy: Mapping[str, Any]
) -> ScoreGoal:
    """What a request's ``target`` asks for; without one, or without a probability, what the
    policy demands: the desired class, as probable as ``policy.target.probability`` says.

    Raises
    ------
    ValueError
        If no class is named and none is desired, or there is no such class.
    """
    asked = asked or {}
    if asked.get("score") is not None:
        return ScoreGoal(decision, None, *_ends_of(asked["score"]))
    wanted = decision.desired
    if asked.get("class") is not None:
        wanted = decision.class_names.index(asked["class"])
    if wanted is None:
        raise ValueError("target names no class, and this model desires none")
    if asked.get("probability") is not None:
        low, high = _ends_of(asked["probability"])
        # An end at 0 or 1 says nothing.
        return ScoreGoal(
            decision, wanted, low if low > 0.0 else -math.inf, high if high < 1.0 else math.inf
        )
    least = policy.get("target", {}).get("probability", {}).get("min")
    # Demanded of the desired class only: nobody demands that a failure be sure.
    demanded = wanted == decision.desired and least
    return ScoreGoal(decision, wanted, float(least) if demanded else -math.inf)


def _ends_of(table: Mapping[str, Any]) -> tuple[float, float]:
    low, high = table.get("min"), table.get("max")
    return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))
