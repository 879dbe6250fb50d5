"""What one mode of a problem says of effects, as the compiled search reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifonly.explainers.consequences import Compiled, Consequences
from ifonly.explainers.native import kernel
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.trees.arrays import Floats, Ints
from ifonly.explainers.search.trees.flat_rules import offsets
from ifonly.explainers.search.trees.modes import Mode
from ifonly.explainers.target import Target
from ifonly.models.graph.forms import GraphForm, Link
from ifonly.models.predictor import Row
from ifonly.models.schema import Task

_LINKS = {Link.IDENTITY: kernel.IDENTITY, Link.LOGISTIC: kernel.LOGISTIC}


@dataclass(frozen=True, eq=False)
class Effects:
    """Columns by what becomes of them, what may follow, and how sure an action must be."""

    set: Ints
    """Columns that may be set."""
    followers: Ints
    """Columns that may follow."""
    openers: Ints
    """Columns that may be set and from which something follows."""
    lower: Floats
    """``(n_followers,)`` what each of the followers may read, at least."""
    upper: Floats
    off: Floats
    """``(n_followers,)`` tolerance of each follower's sensor; 0 where no answer must survive it."""
    reads_from: Floats
    """``(n_followers,)`` bounds of each follower, beyond which its sensor reads nothing."""
    reads_to: Floats
    via_first: Ints
    via: Ints
    """``via[via_first[k] : via_first[k + 1]]``: from what the ``k``-th follower follows."""
    link: int
    """What scores are of the one raw output: IDENTITY, LOGISTIC, or NO_LINK that is known."""
    margin: Floats
    """What makes a sum over trees a margin: see :func:`margin_of`."""
    demands: Floats
    """Standard deviations that the margin keeps from the target's edge, over plausible mechanisms,
    and the least share of them by which it is met."""

    @cached_property
    def native(self) -> kernel.Effects:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return kernel.Effects(self)

    @classmethod
    def of(
        cls,
        mode: Mode,
        lower: Row,
        upper: Row,
        consequences: Consequences,
        compiled: Compiled,
        margin: Margin,
        problem: Problem,
    ) -> Effects:
        """What a mode says, in arrays."""
        followers = [problem.schema.features[j] for j in mode.followers]
        tolerances = None if problem.survives is None else problem.survives.tolerances
        via = [consequences.via(mode.set, j) for j in mode.followers]
        return cls(
            set=_columns(mode.set),
            followers=_columns(mode.followers),
            openers=_columns(mode.openers),
            lower=lower,
            upper=upper,
            off=np.array([tolerances[j] if tolerances else 0.0 for j in mode.followers]),
            reads_from=np.array([feature.lower for feature in followers], dtype=np.float64),
            reads_to=np.array([feature.upper for feature in followers], dtype=np.float64),
            via_first=offsets(via),
            via=_columns([j for group in via for j in group]),
            link=margin.link,
            margin=margin.numbers,
            demands=np.array([compiled.gamma, compiled.floor]),
        )


@dataclass(frozen=True, eq=False)
class Margin:
    """How far inside the target a row is, by the sum over its trees."""

    link: int
    """As that of :class:`Effects`."""
    numbers: Floats
    """``(7,)``: slope and intercept of the raw output in the sum; 1 where the score must be high,
    -1 where it must be low, and the limit that it is compared with; the two parts of how far scores
    may be rounded (:class:`~ifonly.models.rounding.Rounding`); how far a raw output is known."""


UNKNOWN = Margin(kernel.NO_LINK, np.zeros(kernel.MARGIN_SLOTS))


def margin_of(
    target: Target, form: GraphForm, goals: Sequence[LinearGoal], base: Row, band: Row
) -> Margin:
    """The margin of :meth:`Target.margin`, where compiled code can tell it: of one score that must
    be on one side of one limit.

    Parameters
    ----------
    target : Target
    form : GraphForm
    goals : sequence of LinearGoal
        Of the target.
    base : ndarray, shape (n_raw,)
        What is in every sum.
    band : ndarray, shape (n_goals,)
        How far sums are known.
    """
    one_sided = len(goals) == 1 and math.isfinite(goals[0].limit) and len(base) == 1
    if not one_sided or form.link not in _LINKS or target.decision.task is Task.MULTICLASS:
        return UNKNOWN
    weight = float(goals[0].weights[0])
    # The goal wants the sum low: the score rises with the raw output, so with the sum by `weight`.
    toward = -math.copysign(1.0, weight)
    limits = [edge for side, edge in _limits(target) if side == toward]
    if not limits or len(limits) != len(_limits(target)):
        return UNKNOWN
    limit = max(limits) if toward > 0 else min(limits)
    flat, steep = (
        (target.rounding.flat[0], target.rounding.steep[0]) if target.rounding else (0.0, 0.0)
    )
    slope, intercept = 1.0 / weight, float(base[0])
    numbers = [slope, intercept, toward, limit, flat, steep, float(band[0]) / abs(weight)]
    return Margin(_LINKS[form.link], np.array(numbers))


def _limits(target: Target) -> list[tuple[float, float]]:
    """Limits of the one score, each with 1 where it must be above, -1 where below."""
    decision, found = target.decision, list[tuple[float, float]]()
    other = decision.task is Task.BINARY and target.wanted not in (None, decision.positive)
    for side, bound in ((1.0, target.lower), (-1.0, target.upper)):
        if math.isfinite(bound):
            # Of the class that is not scored: what is left of 1.
            found.append((-side, 1.0 - bound) if other else (side, bound))
    if target.wanted is not None:
        assert decision.threshold is not None
        found.append((1.0 if target.wanted == decision.positive else -1.0, decision.threshold))
    return found


def _columns(columns: Sequence[int]) -> Ints:
    return np.array(columns, dtype=np.int64)
