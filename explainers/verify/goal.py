"""What the counterfactual's prediction must be, from the decision and the request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

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
        """How far one row's ``scores`` are inside: negative outside, NaN where one is; with a
        ``rounding``, by which they may differ between sessions, how far in all of them."""
        if any(map(math.isnan, scores)):
            return math.nan
        # The worse of the two ends counts.
        return min(map(self._margin, self._ends(scores, rounding)))

    def met(self, scores: Sequence[float], rounding: Rounding = UNKNOWN) -> bool:
        """Whether one row's ``scores`` are inside, as for :meth:`margin`; ties go as the decision
        goes: a score at the threshold is the positive class, the first of equal classes is
        decided."""
        if any(map(math.isnan, scores)):
            return False
        return all(map(self._met, self._ends(scores, rounding)))

    def _ends(self, scores: Sequence[float], rounding: Rounding) -> Iterable[Sequence[float]]:
        """The scores, or, where they may differ, the worst and the best that they may be for the
        wanted output: it as low as it may be and the others as high, and the other way round."""
        if not rounding:
            return (scores,)
        worst, best = [], []
        terms = zip(scores, rounding.flat, rounding.steep, strict=True)
        for k, (score, flat, steep) in enumerate(terms):
            # A score is nearest to its logistic's flat parts at 0 and 1,
            # where rounding moves it least.
            off = flat + steep * max(score * (1.0 - score), 0.0)
            # Rivals the other way: the wanted class at its lowest meets them at their highest.
            if self._is_one_of_many and k != self.wanted:
                off = -off
            worst.append(score - off)
            best.append(score + off)
        return worst, best

    @cached_property
    def _is_one_of_many(self) -> bool:
        return self.decision.task is Task.MULTICLASS

    def _margin(self, scores: Sequence[float]) -> float:
        measured = self._measured(scores)
        return min(measured - self.low, self.high - measured, self._lead(scores))

    def _met(self, scores: Sequence[float]) -> bool:
        if not self.low <= self._measured(scores) <= self.high:
            return False
        return self.wanted is None or self._decided(scores) == self.wanted

    def _decided(self, scores: Sequence[float]) -> int:
        if self._is_one_of_many:
            best = 0
            for k, score in enumerate(scores):
                # Strictly: of equal classes the first is decided, as by the deployed decision.
                if score > scores[best]:
                    best = k
            return best
        assert self.decision.threshold is not None
        is_positive = scores[0] >= self.decision.threshold
        return self.decision.positive if is_positive else 1 - self.decision.positive

    def _measured(self, scores: Sequence[float]) -> float:
        """Probability of the wanted class; without one, the score."""
        if self.wanted is None:
            return scores[0]
        if self._is_one_of_many:
            return scores[self.wanted]
        return 1.0 - scores[0] if self._is_the_other else scores[0]

    @cached_property
    def _is_the_other(self) -> bool:
        """Whether the score is the probability of the class that is not wanted."""
        return self.decision.task is Task.BINARY and self.wanted != self.decision.positive

    def _lead(self, scores: Sequence[float]) -> float:
        """How far the wanted class is ahead of every other."""
        if self.wanted is None:
            return math.inf
        if self._is_one_of_many:
            others = [s for k, s in enumerate(scores) if k != self.wanted]
            return scores[self.wanted] - max(others, default=-math.inf)
        assert self.decision.threshold is not None
        over = scores[0] - self.decision.threshold
        return over if self.wanted == self.decision.positive else -over


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
