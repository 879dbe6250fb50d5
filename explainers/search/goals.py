"""A target as linear limits on the raw outputs of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.target import Target
from ifonly.models.graph.forms import GraphForm, Link
from ifonly.models.schema import Task

NUDGE = 1e-6
"""Relative doubt about a score computed from a raw output: the link in float32."""

RAW = 1e300
"""Beyond it a raw value is none."""
NEAR = np.array([-1e-4, -1e-5, -1e-6, -1e-7, 0.0, 1e-7, 1e-6, 1e-5, 1e-4])
"""How far from such a value it is looked, relative to it: float32 has steps of 1e-7."""
STEP = 2.0**-22
"""Four units of rounding of a float32 score near 1, of which some graphs make those near 0. No
logistic score is farther from our own: those of ONNX Runtime were three at most
(``tests/unit/graph/test_links.py``)."""

FLAT = 64.0
"""So far from a raw value, a logistic function no longer moves if it does not move between."""

NARROWINGS = 5

UNTOLD = 2.0**20
"""More than raw outputs of classes differ by."""

MOST_TARGETS = 256
"""Targets whose goals a model remembers: clients may invent as many as they care to."""


@dataclass(frozen=True, eq=False)
class LinearGoal:
    """``weights @ raw <= limit``, sure outside ``band`` on either side of the limit."""

    weights: npt.NDArray[np.float64]
    limit: float
    band: float


def goals_of(target: Target, form: GraphForm, n_raw: int) -> tuple[LinearGoal, ...]:
    """Limits whose conjunction is the target.

    Raises
    ------
    NotEligible
        If the target is not such a conjunction (a probability after a softmax).
    """
    if target.decision.task is Task.MULTICLASS:
        return tuple(_multiclass(target, form, n_raw))
    if n_raw != 1:
        raise NotEligible("exact", f"the graph has {n_raw} raw outputs for one score")
    return tuple(_scalar(target, form))


def _multiclass(target: Target, form: GraphForm, n_raw: int) -> Iterator[LinearGoal]:
    wanted = target.wanted
    assert wanted is not None
    bounded = not (np.isinf(target.lower) and np.isinf(target.upper))
    # The largest score is the largest raw output only if the link keeps their order.
    if not form.keeps_order or n_raw != len(target.decision.classes):
        raise NotEligible("exact", f"classes are decided after {form.link}")
    for rival in range(n_raw):
        if rival != wanted:
            weights = np.zeros(n_raw)
            # Ahead of each rival: raw of the rival less raw of the wanted is at most 0.
            weights[rival], weights[wanted] = 1.0, -1.0
            yield _ahead(target, form, weights, rival)
    if not bounded:
        return
    if form.link is not Link.IDENTITY:
        raise NotEligible("exact", "a probability after a softmax is no limit on raw outputs")
    unit = np.eye(n_raw)[wanted]
    # A lower limit with its sign turned, as goals are upper limits.
    if target.lower > -np.inf:
        yield LinearGoal(-unit, -target.lower - _flat(target, wanted), NUDGE)
    if target.upper < np.inf:
        yield LinearGoal(unit, target.upper - _flat(target, wanted), NUDGE)


def _flat(target: Target, output: int) -> float:
    return target.rounding.flat[output] if target.rounding else 0.0


def _ahead(
    target: Target, form: GraphForm, weights: npt.NDArray[np.float64], rival: int
) -> LinearGoal:
    """The wanted output is ahead of a rival's by more than rounding can make up for.

    After a softmax it certainly is not where the raw outputs are equal, and certainly is where
    ``tanh(d / 2) (s + t)``, the difference of two scores whose raw outputs differ by ``d``, is at
    least their rounding: one of ``k`` classes that is the largest has a score of ``1 / k`` at
    least. Of other links nothing is known but their order, so the model is asked.
    """
    assert target.wanted is not None
    if not target.rounding:
        return LinearGoal(weights, 0.0, NUDGE)
    flat = _flat(target, target.wanted) + _flat(target, rival)
    # Loose: the two roundings may speak for the wanted output as well.
    sign = 1.0 if target.is_loose else -1.0
    # Scores are the raw outputs, so the two roundings are what must lie between.
    if form.link is Link.IDENTITY:
        return LinearGoal(weights, sign * flat, NUDGE)
    enough = flat * len(weights) + max(target.rounding.steep)
    sure = 2.0 * np.arctanh(enough) if form.link is Link.SOFTMAX and enough < 1.0 else UNTOLD
    # Between "surely not" at 0 and "surely" at `sure` lies doubt: half of it on each side.
    return LinearGoal(weights, sign * 0.5 * float(sure), NUDGE + 0.5 * float(sure))


def _scalar(target: Target, form: GraphForm) -> Iterator[LinearGoal]:
    """The raw values in the target are an interval, since link and target are monotone."""
    raw = _samples(target, form)
    met = target.met(form.scores_of(raw[:, None]))
    inside = np.flatnonzero(met)
    if not len(inside):
        # No raw value is in the target: a limit that nothing reaches.
        yield LinearGoal(np.ones(1), -np.inf, 0.0)
        return
    first, last = inside[0], inside[-1]
    if not met[first : last + 1].all():
        raise NotEligible("exact", "the target is not an interval of the raw output")
    if last + 1 < len(raw):
        edge = _edge(target, form, raw[last], raw[last + 1])
        yield LinearGoal(np.ones(1), edge, _doubt(form, edge))
    if first > 0:
        edge = _edge(target, form, raw[first], raw[first - 1])
        yield LinearGoal(-np.ones(1), -edge, _doubt(form, edge))


def _samples(target: Target, form: GraphForm) -> npt.NDArray[np.float64]:
    """Raw values between which, one by one, the target changes at most once: some of every size,
    some on both sides of each raw value at whose score it changes, and some between those, for an
    interval of scores may be narrow, and the scores in it rounded."""
    # Every size from 1e-6 to 1e36: a target may begin at any of them.
    size = 2.0 ** np.arange(-20, 121)
    grid = np.concatenate([-size[::-1], [0.0], size])
    if form.link is not Link.IDENTITY:
        grid = np.concatenate([grid, np.linspace(-40.0, 40.0, 2001)])
    ends = np.unique([form.finish.least_raw(score) for score in _edges(target)])
    # Scores that no raw output reaches have no place to look around.
    ends = ends[np.abs(ends) < RAW]
    around = ends[:, None] + np.maximum(np.abs(ends), 1e-3)[:, None] * NEAR
    return np.unique(np.concatenate([grid, around.ravel(), 0.5 * (ends[1:] + ends[:-1])]))


def _edges(target: Target) -> list[float]:
    """Scores at which the target begins or ends, rounding or none."""
    decision = target.decision
    is_other = decision.task is Task.BINARY and target.wanted not in (None, decision.positive)
    ends = [1.0 - e if is_other else e for e in (target.lower, target.upper)]
    if decision.threshold is not None:
        ends.append(decision.threshold)
    finite = [e for e in ends if np.isfinite(e)]
    off = [float(target.rounding.of(np.array([[e]]))[0, 0]) for e in finite]
    return [e + sign * r for e, r in zip(finite, off, strict=True) for sign in (-1.0, 0.0, 1.0)]


def _edge(target: Target, form: GraphForm, inside: float, outside: float) -> float:
    """The last raw value in the target on the way from ``inside`` to ``outside``."""
    # Halving ends where no float lies between; towards 0 that could take a thousand steps.
    for _ in range(200):
        middle = 0.5 * (inside + outside)
        if middle in (inside, outside):
            break
        if target.met(form.scores_of(np.array([[middle]])))[0]:
            inside = middle
        else:
            outside = middle
    return inside


def _doubt(form: GraphForm, edge: float) -> float:
    """How far the raw value may move while its score moves by rounding only. A side on which the
    score moves no more at all (a logistic function that has reached 0) says nothing of that."""
    # No link, so only the float32 of the score itself is in doubt.
    if form.link is Link.IDENTITY:
        return NUDGE * max(1e-3, abs(edge))

    def score_at(raw: float) -> float:
        return float(form.scores_of(np.array([[raw]]))[0, 0])

    score = score_at(edge)
    seen = STEP if form.link is Link.LOGISTIC else max(2 * NUDGE * score, STEP)
    sides = [sign for sign in (-1.0, 1.0) if score_at(edge + sign * FLAT) != score]

    def moves(doubt: float) -> bool:
        return all(abs(score_at(edge + sign * doubt) - score) > seen for sign in sides)

    doubt = NUDGE
    # Far out the link is flat: there a wide range of raw values has the same score.
    while doubt < 16.0 and not moves(doubt):
        doubt *= 2.0
    return _narrowed(moves, doubt)


def _narrowed(moves: Callable[[float], bool], doubt: float) -> float:
    """Not half of ``doubt``, as doubling leaves it, but hardly more than where it ``moves``."""
    low = 0.5 * doubt
    # Nothing to narrow: the least doubt was enough, or none would be.
    if doubt <= NUDGE or not moves(doubt):
        return doubt
    for _ in range(NARROWINGS):
        middle = 0.5 * (low + doubt)
        low, doubt = (low, middle) if moves(middle) else (middle, doubt)
    return doubt
