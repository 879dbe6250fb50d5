"""How much of each node's own noise stays: learned from rows before and after.

The noise of a node is abducted on both sides *given its parents as they were read then*, so that
what was done to these in between does not matter; pairs between which the node itself was set say
nothing of it, and are left out. In normal scores by the fitted distribution a pair then is
``z' = rho z + sqrt(1 - rho**2) e``, or, in a share of pairs between which the regime changed, ``e``
alone. Given ``z`` that is right however the readings before were chosen (alarms are no random
rows), and the slope is right whether or not the fitted distribution still holds, which is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.marginal import NORMAL, Marginal
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.noise_stability import NodeStability
from ifonly.models.predictor import Rows

LEAST_PAIRS = 20
LEAST_EQUIPMENT = 8
"""Of fewer pieces pairs are taken to be independent draws, for want of anything better."""
OUTLYING = 5.0
"""Normal score beyond which a noise is left out: one of two million is."""
LEAST_REST = 1e-3
"""Least spread of what is drawn anew, in normal scores."""
NEAREST = 0.9999
"""To 1 that a correlation is estimated; sets of values that never differ have 1."""
LEAST_SPREAD = 0.3
"""Standard deviation, on Fisher's scale, by which the stability of nodes differs at least: of few
nodes that look alike nobody knows that they are."""
PRIOR_SPREAD = 1.5
"""The same where there are too few nodes to tell: a correlation anywhere."""
LEAST_NODES = 3
MOST_STEPS = 200
LEVEL, SPREAD = 0.2, 1.25
"""Size of a level, and factor of a spread, from which on what is drawn anew is not distributed as
the fitted noise."""
SURE = 3.5
"""Standard errors from 0 at which a level is free."""
STEP = 1e-4
"""Of differences, on the scales on which parameters are free."""

Groups = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows of the same equipment before and after, in schema order."""

    before: Rows
    """``(n, d)``"""
    after: Rows
    is_set: npt.NDArray[np.bool_]
    """``(n, d)``: what was set in between, or may have been."""
    equipment: Groups
    """``(n,)``: which piece each pair is of; pairs of one are not independent."""

    def __len__(self) -> int:
        return len(self.before)


class WhyNot(StrEnum):
    """Why nothing is said of a node."""

    CATEGORY = "category"
    NO_NOISE = "no noise"
    """Nobody says how it is distributed, or it does not vary."""
    FEW_PAIRS = "few pairs"


@dataclass(frozen=True)
class LearnedStability:
    """Of one node."""

    name: str
    pairs: int
    """That say something of it, outliers left out."""
    found: NodeStability | None = None
    why_not: WhyNot | None = None
    own_rho: float = math.nan
    """By its own pairs alone, before nodes are held together."""
    level: float = 0.0
    """By how much the noise is higher after than what stays of it, in standard deviations of the
    fitted noise."""
    spread: float = 1.0
    """Size of the noise after, by what it would be were what is drawn anew as the fitted noise."""
    is_clustered: bool = False
    """Whether the interval allows for pairs of one piece of equipment being alike."""

    @property
    def is_as_fitted(self) -> bool:
        """Whether what is drawn anew is distributed as the fitted noise, as far as can be told."""
        off = 2.0 / math.sqrt(max(1, self.pairs))
        factor = max(self.spread, 1.0 / max(self.spread, 1e-9))
        return abs(self.level) <= LEVEL + off and factor <= SPREAD * (1.0 + off)


def learn_stability(
    model: CausalModel, pairs: Pairs, categorical: Sequence[int] = ()
) -> tuple[LearnedStability, ...]:
    """How much of the noise of each column stays, in schema order.

    Parameters
    ----------
    model : CausalModel
        By whose mechanisms noise is abducted.
    pairs : Pairs
    categorical : sequence of int
        Columns that have no noise.

    Raises
    ------
    NotInvertible
        If no finite noise leads to a reading.
    """
    marginals = [model.marginal_noise(j) for j in range(model.n_columns)]
    own = [
        _of_node(model, pairs, j, None if noise is None else Marginal.of(noise), j in categorical)
        for j, noise in enumerate(marginals)
    ]
    return tuple(_together(own))


@dataclass(frozen=True, eq=False)
class _Estimate:
    learned: LearnedStability
    theta: float = math.nan
    """The correlation on Fisher's scale."""
    sd: float = math.nan
    degrees: float = math.inf


def _of_node(
    model: CausalModel, pairs: Pairs, j: int, marginal: Marginal | None, is_category: bool
) -> _Estimate:
    name = model.names[j]
    if is_category or marginal is None:
        why = WhyNot.CATEGORY if is_category else WhyNot.NO_NOISE
        return _Estimate(LearnedStability(name, 0, why_not=why))
    columns = [j, *model.graph.parents[j]]
    read = np.isfinite(pairs.before[:, columns]).all(axis=1)
    read &= np.isfinite(pairs.after[:, columns]).all(axis=1) & ~pairs.is_set[:, j]
    some = np.flatnonzero(read)
    z0, z1 = (marginal.score(_noise(model, side[some], j)) for side in (pairs.before, pairs.after))
    inside = np.maximum(np.abs(z0), np.abs(z1)) <= OUTLYING
    outliers, n = int((~inside).sum()), int(inside.sum())
    z0, z1, groups = z0[inside], z1[inside], pairs.equipment[some[inside]]
    if n < LEAST_PAIRS:
        return _Estimate(LearnedStability(name, n, why_not=WhyNot.FEW_PAIRS))
    pieces = len(np.unique(groups))
    known = NodeStability(1.0, pairs=n, equipment=pieces, outliers=outliers)
    if (z0 == z1).all():
        return _Estimate(LearnedStability(name, n, known, own_rho=1.0))
    law = _fitted(z0, z1)
    is_clustered = pieces >= LEAST_EQUIPMENT
    sd = _deviation(z0, z1, law, groups if is_clustered else np.arange(n))
    # The square of what stays, and so what is read then were all distributed as fitted.
    stays = law.rho**2 * float((z0 * z0).mean())
    expected, seen = stays + 1.0 - law.rho**2, stays + law.spread**2
    learned = LearnedStability(
        name,
        n,
        replace(known, rho=law.rho, redrawn=law.redrawn),
        own_rho=law.rho,
        level=law.level,
        spread=math.sqrt(seen / expected),
        is_clustered=is_clustered,
    )
    degrees = float(pieces - 1 if is_clustered else n - 1)
    return _Estimate(learned, math.atanh(law.rho), sd, degrees)


def _noise(model: CausalModel, rows: Rows, j: int) -> Array:
    mechanism = model.mechanisms[j]
    if mechanism is None:
        return rows[:, j]
    return mechanism.noise_of(rows[:, model.graph.parents[j]], rows[:, j])


# --- one node -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Law:
    """``z' = level + rho z + spread e``, or in a share of pairs ``e`` alone."""

    rho: float
    level: float
    spread: float
    redrawn: float = 0.0

    def log_density(self, z0: Array, z1: Array) -> Array:
        """Of each ``z1`` given its ``z0``."""
        kept = (1.0 - self.redrawn) * self.kept(z0, z1)
        return np.asarray(np.log(kept + self.redrawn * _density(z1) + 1e-300))

    def kept(self, z0: Array, z1: Array) -> Array:
        return _density((z1 - self.level - self.rho * z0) / self.spread) / self.spread

    @property
    def free(self) -> list[float]:
        """The same without bounds, what is 0 left out: the correlation on Fisher's scale first."""
        own = [math.atanh(self.rho), math.log(self.spread)]
        share = min(self.redrawn, 1.0 - 1e-9)
        own += [math.log(share / (1.0 - share))] if share else []
        return [*own, self.level] if self.level else own

    def at(self, free: Sequence[float]) -> _Law:
        """One with other numbers in the place of :attr:`free`."""
        left = list(free[2:])
        share = 1.0 / (1.0 + math.exp(-left.pop(0))) if self.redrawn else 0.0
        return _Law(math.tanh(free[0]), left[0] if left else 0.0, math.exp(free[1]), share)


def _fitted(z0: Array, z1: Array) -> _Law:
    """A part is drawn anew altogether only where pairs surely show it."""
    alone, mixed = _line(z0, z1, np.ones(len(z0))), _mixture(z0, z1)
    gain = float((mixed.log_density(z0, z1) - alone.log_density(z0, z1)).sum())
    # Twice the gain against what one parameter more has by chance (Schwarz 1978).
    return mixed if 2.0 * gain > math.log(len(z0)) + 2.0 else alone


def _line(z0: Array, z1: Array, weights: Array, redrawn: float = 0.0) -> _Law:
    """By least squares, the spread free: how noise is distributed is known from rows alone, and
    what is off in that must not pass for stability. The level is free where it surely is not 0: in
    series that hardly move a free one takes for drift what stays (Kendall 1954)."""
    alone = _through(z0, z1, weights, 0.0, 0.0, redrawn)
    total = weights.sum()
    m0, m1 = float(weights @ z0 / total), float(weights @ z1 / total)
    level = m1 - alone.rho * m0
    if abs(level) <= SURE * alone.spread / math.sqrt(total):
        return alone
    return _through(z0, z1, weights, m0, m1, redrawn)


def _through(z0: Array, z1: Array, weights: Array, m0: float, m1: float, redrawn: float) -> _Law:
    """The line through a point."""
    square = float(weights @ (z0 - m0) ** 2)
    slope = float(weights @ ((z0 - m0) * (z1 - m1))) / square if square > 0.0 else 0.0
    slope = min(max(slope, -NEAREST), NEAREST)
    rest = z1 - m1 - slope * (z0 - m0)
    spread = math.sqrt(float(weights @ rest**2) / max(float(weights.sum()) - 1.0, 1.0))
    return _Law(slope, m1 - slope * m0, max(spread, LEAST_REST), redrawn)


def _mixture(z0: Array, z1: Array) -> _Law:
    """By expectation and maximisation, from a start at which most stays."""
    law = _Law(0.95, 0.0, 0.3, 0.2)
    for _ in range(MOST_STEPS):
        kept = (1.0 - law.redrawn) * law.kept(z0, z1)
        is_new = law.redrawn * _density(z1) / (law.redrawn * _density(z1) + kept + 1e-300)
        before, law = law, _line(z0, z1, 1.0 - is_new, float(is_new.mean()))
        if max(abs(law.rho - before.rho), abs(law.redrawn - before.redrawn)) < 1e-7:
            break
    return law


def _density(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi))


def _deviation(z0: Array, z1: Array, law: _Law, groups: Groups) -> float:
    """Standard deviation of the correlation on Fisher's scale: curvature and scores, those of one
    group together (Liang and Zeger 1986)."""

    def value(at: Sequence[float]) -> Array:
        return law.at(at).log_density(z0, z1)

    start = law.free
    p, here = len(start), value(start)
    scores = np.stack([_slope(value, start, i) for i in range(p)], axis=1)
    curvature = np.empty((p, p))
    for i in range(p):
        for k in range(p):
            if i == k:
                second = value(_moved(start, i, STEP)) + value(_moved(start, i, -STEP)) - 2.0 * here
                curvature[i, i] = float(second.sum()) / STEP**2
            else:
                up = _slope(value, _moved(start, k, STEP), i).sum()
                down = _slope(value, _moved(start, k, -STEP), i).sum()
                curvature[i, k] = float(up - down) / (2.0 * STEP)
    sums = np.zeros((int(groups.max()) + 1, p))
    np.add.at(sums, groups, scores)
    sums = sums[np.unique(groups)]
    g = len(sums)
    bread = np.linalg.pinv(-curvature)
    covariance = bread @ (sums.T @ sums) @ bread * (g / max(1, g - 1))
    return math.sqrt(max(float(covariance[0, 0]), 1e-12))


def _moved(at: Sequence[float], i: int, step: float) -> list[float]:
    return [x + step * (k == i) for k, x in enumerate(at)]


def _slope(value: object, at: Sequence[float], i: int) -> Array:
    assert callable(value)
    return np.asarray((value(_moved(at, i, STEP)) - value(_moved(at, i, -STEP))) / (2.0 * STEP))


# --- all of them ------------------------------------------------------------------------------


def _together(own: Sequence[_Estimate]) -> Iterator[LearnedStability]:
    """Each drawn towards what the others have in common, the more the less its own pairs say."""
    known = [e for e in own if math.isfinite(e.sd)]
    middle, spread, off = _common(known)
    for each in own:
        found = each.learned.found
        if found is None or not math.isfinite(each.sd):
            yield each.learned
            continue
        trusted = spread**2 / (spread**2 + each.sd**2)
        theta = trusted * each.theta + (1.0 - trusted) * middle
        sd = math.sqrt(trusted * each.sd**2 + ((1.0 - trusted) * off) ** 2)
        reach = _student(each.degrees) * sd
        low, rho, high = (
            round(min(max(math.tanh(theta + sign * reach), -NEAREST), NEAREST), 4)
            for sign in (-1.0, 0.0, 1.0)
        )
        redrawn = round(found.redrawn, 4)
        yield replace(
            each.learned, found=replace(found, rho=rho, interval=(low, high), redrawn=redrawn)
        )


def _common(known: Sequence[_Estimate]) -> tuple[float, float, float]:
    """Mean and standard deviation over nodes, on Fisher's scale, and that of the mean (DerSimonian
    and Laird 1986)."""
    if len(known) < LEAST_NODES:
        return 0.0, PRIOR_SPREAD, 0.0
    theta, variance = (np.array(x) for x in zip(*((e.theta, e.sd**2) for e in known), strict=True))
    weights = 1.0 / variance
    mean = float(weights @ theta / weights.sum())
    excess = float(weights @ (theta - mean) ** 2) - (len(known) - 1)
    scale = float(weights.sum() - (weights @ weights) / weights.sum())
    between = max(excess / scale if scale > 0.0 else 0.0, LEAST_SPREAD**2)
    weights = 1.0 / (variance + between)
    mean = float(weights @ theta / weights.sum())
    return mean, math.sqrt(between), math.sqrt(1.0 / float(weights.sum()))


def _student(degrees: float) -> float:
    """The 97.5 % quantile of Student's t, by the normal's (Abramowitz and Stegun 26.7.5)."""
    z = NORMAL.inv_cdf(0.975)
    first = (z**3 + z) / 4.0
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    third = (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0
    return z + first / degrees + second / degrees**2 + third / degrees**3
