"""What the counterfactual's prediction must be."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Origin, Source
from ifonly.explainers.errors import InvalidTarget
from ifonly.models.predictor import Scores
from ifonly.models.rounding import UNKNOWN, Rounding
from ifonly.models.schema import Decision, Task, plain

BY_REQUEST = Origin(Source.REQUEST, "target.probability")


@dataclass(frozen=True)
class Demand:
    """A probability that the wanted class must have besides being decided."""

    wanted: int
    lower: float
    upper: float
    origin: Origin

    @property
    def columns(self) -> frozenset[int]:
        """As of a constraint: it reads all features."""
        return frozenset()


@dataclass(frozen=True)
class Target:
    """A set of scores: a class, a probability of that class, a score interval, or all of them.

    Raises
    ------
    InvalidTarget
        If the model has no such class or score.
    """

    decision: Decision
    wanted: int | None = None
    """Position of the class that must be decided."""
    lower: float = -math.inf
    """Least probability of the wanted class; without a class, least score."""
    upper: float = math.inf
    """The same, at most."""
    origin: Origin = BY_REQUEST
    """Who asks for the probability, or for the decision alone."""
    rounding: Rounding = UNKNOWN
    """How far scores may differ between sessions: rows must be in the target in all of them."""
    is_loose: bool = False
    """Rows must be in the target in one session that :attr:`rounding` allows, not in all of them:
    of what stands against a proof."""

    def __post_init__(self) -> None:
        if self.wanted is None and math.isinf(self.lower) and math.isinf(self.upper):
            raise InvalidTarget("target", "names neither a class nor a score to reach")
        if not self.lower <= self.upper:
            raise InvalidTarget(
                "target", f"asks for at least {plain(self.lower)} and at most {plain(self.upper)}"
            )
        if self.wanted is None:
            if self.decision.task is Task.MULTICLASS:
                raise InvalidTarget(
                    "target", "a multi-class model needs a class, not a score alone"
                )
            return
        if not 0 <= self.wanted < len(self.decision.classes):
            raise InvalidTarget("target.class", f"{self.wanted} is not a class", self.wanted)
        if self.decision.task is not Task.MULTICLASS and self.decision.threshold is None:
            raise InvalidTarget("target.class", "this model has no limit that decides a class")
        bounded = not (math.isinf(self.lower) and math.isinf(self.upper))
        if bounded and self.decision.task is Task.REGRESSION:
            raise InvalidTarget("target.probability", "a regression gives no probabilities")

    @cached_property
    def demand(self) -> Demand | None:
        """What is asked for besides the decision, if anything is."""
        if self.wanted is None or (math.isinf(self.lower) and math.isinf(self.upper)):
            return None
        return Demand(self.wanted, self.lower, self.upper, self.origin)

    @cached_property
    def decision_alone(self) -> Target:
        """The same without its demand."""
        return self if self.demand is None else replace(self, lower=-math.inf, upper=math.inf)

    @cached_property
    def plain(self) -> Target:
        """The same by the scores as they are."""
        return replace(self, rounding=UNKNOWN) if self.rounding else self

    def firm(self, rounding: Rounding) -> Target:
        """The same in every session; ``rounding`` is that of the model."""
        if rounding not in self._firm:
            self._firm[rounding] = replace(self, rounding=rounding)
        return self._firm[rounding]

    @cached_property
    def _firm(self) -> dict[Rounding, Target]:
        return {}

    @cached_property
    def opposites(self) -> tuple[Target, ...] | None:
        """Targets in one of which every row is that is not in this one, rounding included: a row
        that one session of the model puts outside is in one of them. They may overlap, and hold
        some rows more that are within rounding of this one's edge. None where there are no such
        targets: of several classes where a probability is asked for besides."""
        if self.decision.task is not Task.MULTICLASS:
            return _beside(self)
        if self.demand is not None:
            return None
        rivals = (k for k in range(len(self.decision.classes)) if k != self.wanted)
        # A rival is ahead by the scores that suit it best.
        return tuple(replace(self, wanted=k, is_loose=not self.is_loose) for k in rivals)

    def needs_nothing(self, scores: Scores) -> npt.NDArray[np.bool_]:
        """Which factuals there is nothing to change of, by their ``scores``, ``(n_rows,)``.

        What the policy demands, it demands of a change. A factual that is decided as wanted has
        no decision to flip, however sure it is; whoever wants it surer says so in the request.
        What the model says of it, it says by the scores as they are.
        """
        by_policy = self.origin.source is Source.POLICY
        # By the plain scores: rounding is asked of answers, not of what the machine has decided.
        return (self.decision_alone if by_policy else self).plain.met(scores)

    def met(self, scores: Scores) -> npt.NDArray[np.bool_]:
        """Which rows of ``scores`` are in the target, ``(n_rows,)``. NaN never is.

        Where there is a :attr:`rounding`: in the target whatever the scores are within it. That is
        so if they are with the wanted output as low and all others as high as they may be, and
        the other way round: the target is an interval of the wanted output, and wants it to be the
        largest.
        """
        if not self.rounding:
            return self._met(scores)
        low, high = self._ends(scores)
        if self.is_loose:
            return self._met(low) | self._met(high)
        met = self._met(low)
        # Both ends: the target may be an interval.
        return met & self._met(high) if met.any() else met

    def _ends(self, scores: Scores) -> tuple[Scores, Scores]:
        """Scores that are as bad and as good as rounding may make them for the wanted output."""
        off = self.rounding.of(scores)
        if self.decision.task is Task.MULTICLASS:
            # The worst case for the wanted class: it is low while its rivals are high.
            off[:, np.arange(scores.shape[1]) != self.wanted] *= -1.0
        return scores - off, scores + off

    def _met(self, scores: Scores) -> npt.NDArray[np.bool_]:
        measured = self.measure(scores)
        inside: npt.NDArray[np.bool_] = (measured >= self.lower) & (measured <= self.upper)
        if self.decision.task is Task.MULTICLASS:
            # A class can be the largest beside a NaN; such a row proves nothing.
            inside &= ~np.isnan(scores).any(axis=1)
        if self.wanted is not None:
            inside &= self.decision.decide(scores) == self.wanted
        return inside

    def shortfall(self, scores: Scores) -> npt.NDArray[np.float64]:
        """How far each row is from the target: 0 inside or on its edge, larger is farther.

        A guide for searches; :meth:`met` alone decides.
        """
        return np.maximum(-self.margin(scores), 0.0)

    def margin(self, scores: Scores) -> npt.NDArray[np.float64]:
        """How far each row is inside the target, ``(n_rows,)``: 0 on its edge, negative outside.
        By the worst scores within the :attr:`rounding`, as :meth:`met`."""
        if not self.rounding:
            return self._margin(scores)
        low, high = self._ends(scores)
        either = np.maximum if self.is_loose else np.minimum
        return np.asarray(either(self._margin(low), self._margin(high)))

    def _margin(self, scores: Scores) -> npt.NDArray[np.float64]:
        measured = self.measure(scores)
        inside = np.minimum(measured - self.lower, self.upper - measured)
        return np.minimum(inside, self._class_margin(scores))

    def measure(self, scores: Scores) -> npt.NDArray[np.float64]:
        """Probability of the wanted class; without a class, the score."""
        if self.wanted is None:
            return scores[:, 0]
        if self.decision.task is Task.MULTICLASS:
            return scores[:, self.wanted]
        positive = scores[:, 0]
        is_probability = self.decision.task is Task.BINARY
        # The model scores its positive class; the other's probability is what is left.
        if self.wanted == self.decision.positive or not is_probability:
            return positive
        return 1.0 - positive

    def _class_margin(self, scores: Scores) -> npt.NDArray[np.float64]:
        if self.wanted is None:
            return np.full(len(scores), np.inf)
        if self.decision.task is Task.MULTICLASS:
            rivals = scores.copy()
            # So that the class is not its own rival.
            rivals[:, self.wanted] = -np.inf
            ahead = np.asarray(rivals.max(axis=1), dtype=np.float64)
            return np.asarray(scores[:, self.wanted] - ahead)
        assert self.decision.threshold is not None
        over: npt.NDArray[np.float64] = scores[:, 0] - self.decision.threshold
        return over if self.wanted == self.decision.positive else -over


_MOST = 1e150
"""More than any score; its square is still a number."""
_HALVINGS = 2_200
"""No two floats are farther apart."""


def _beside(target: Target) -> tuple[Target, ...]:
    """Scores below and above the interval that ``target`` is of the one score."""
    places = _places(target)
    inside = np.flatnonzero(target.met(places[:, None]))
    # Edges are found with rounding in them: what is beside them are scores as they are.
    beside = replace(target.plain, wanted=None, lower=-_MOST, upper=_MOST, is_loose=False)
    if not len(inside):
        return (beside,)
    found = []
    first, last = int(inside[0]), int(inside[-1])
    if first > 0:
        below = math.nextafter(_edge(target, places[first], places[first - 1]), -math.inf)
        found.append(replace(beside, lower=-math.inf, upper=below))
    if last + 1 < len(places):
        above = math.nextafter(_edge(target, places[last], places[last + 1]), math.inf)
        found.append(replace(beside, lower=above, upper=math.inf))
    return tuple(found)


def _places(target: Target) -> npt.NDArray[np.float64]:
    """Scores, ascending, from the least to the greatest that there are, between two of which the
    target begins or ends once at most."""
    decision = target.decision
    is_share = decision.task is Task.BINARY
    ends = [0.0, 1.0] if is_share else [-_MOST, 0.0, _MOST]
    is_other = is_share and target.wanted not in (None, decision.positive)
    edges = [1.0 - e if is_other else e for e in (target.lower, target.upper)]
    if decision.threshold is not None:
        edges.append(decision.threshold)
    found = [*ends]
    for edge in (e for e in edges if math.isfinite(e)):
        off = float(target.rounding.of(np.array([[edge]]))[0, 0]) if target.rounding else 0.0
        off = max(2.0 * off, 1e-6 * max(1.0, abs(edge)))
        found += [edge - off, edge, edge + off]
    places = np.unique(np.clip(found, ends[0], ends[-1]))
    return np.unique(np.concatenate([places, 0.5 * places[1:] + 0.5 * places[:-1]]))


def _edge(target: Target, inside: float, outside: float) -> float:
    """The last score in the target on the way from ``inside`` to ``outside``."""
    for _ in range(_HALVINGS):
        middle = 0.5 * inside + 0.5 * outside
        # Between two neighbouring floats nothing is left.
        if middle in (inside, outside):
            break
        if target.met(np.array([[middle]]))[0]:
            inside = middle
        else:
            outside = middle
    return inside
