"""Affine causal models drawn at random over the generated schema, with plausible other slopes; and
a walk over all actions that works out by hand what each leads to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal import CausalMembers, CausalModel, Graph
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.function import Members
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.causal.members import MemberMechanism
from ifonly.explainers.target import Target
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Schema
from tests.support.bruteforce import Predicate, settable
from tests.support.consequences import readable
from tests.support.generated import SCHEMA
from tests.support.questions import MODE_COSTS, PENALTY, RANGES

PRESSURE, SPEED, MODE, GRADE, FLOW = range(5)
SPAN = (2.0, 90.0, 2.0, 2.0, 0.7)
MEMBERS = 12


@dataclass(frozen=True)
class DrawnAffine:
    """Who follows from whom, causes first; and by which slopes."""

    order: tuple[int, ...]
    causes: dict[int, tuple[int, ...]]
    slopes: dict[int, np.ndarray]
    """``(1 + MEMBERS, n_causes)`` of every effect with a mechanism: the believed ones first."""
    gamma: float
    floor: float

    @classmethod
    def random(cls, seed: int, before: Row) -> DrawnAffine:
        """Chains, forks, colliders and movers; sometimes a category that follows in a way that
        nobody knows. A missing reading has no effects."""
        draw = np.random.default_rng([seed, 7])
        order = tuple(int(j) for j in draw.permutation(5))
        causes: dict[int, tuple[int, ...]] = {}
        slopes = {}
        for place, j in enumerate(order):
            is_number = j in (PRESSURE, SPEED, FLOW)
            chance = 0.6 if is_number else 0.05
            own = [i for i in order[:place] if draw.random() < chance and not np.isnan(before[i])]
            if not own:
                continue
            causes[j] = tuple(sorted(own))
            if is_number:
                sizes = np.array([SPAN[j] / SPAN[i] for i in causes[j]])
                believed = 0.6 * draw.normal(size=len(own)) * sizes
                spread = draw.choice([0.0, 0.1, 0.4]) * draw.normal(size=(MEMBERS, len(own)))
                slopes[j] = np.concatenate([believed[None], believed + spread * sizes])
        gamma, floor = draw.choice([0.0, 1.0, 2.5]), draw.choice([0.0, 0.5, 0.9])
        return cls(order, causes, slopes, float(gamma), float(floor))

    def consequences(self) -> CausalConsequences:
        graph = Graph(tuple(self.causes.get(j, ()) for j in range(5)))
        mechanisms = tuple(
            Mechanism(linear(0.5, self.slopes[j][0])) if j in self.slopes else None
            for j in range(5)
        )
        model = CausalModel(SCHEMA.names, graph, mechanisms)
        members = tuple(
            MemberMechanism(lines(self.slopes[j][1:]), None, len(self.causes[j]))
            if j in self.slopes
            else None
            for j in range(5)
        )
        plausible = CausalMembers(model, MEMBERS, members)
        return CausalConsequences(
            model, plausible, self.gamma, self.floor, np.zeros(5), whole=(SPEED,)
        )

    def follow(self, actions: Rows, before: Row, member: int) -> Rows:
        """What actions lead to, ``(n, 5)``, before rounding; NaN where nobody knows."""
        is_set = (actions != before) & ~(np.isnan(actions) & np.isnan(before))
        now, touched = actions.copy(), is_set.copy()
        for j in self.order:
            causes = self.causes.get(j, ())
            follows = touched[:, list(causes)].any(axis=1) & ~is_set[:, j]
            if not follows.any():
                continue
            touched[:, j] |= follows
            moved = np.full(len(actions), np.nan)
            if j in self.slopes:
                slopes = self.slopes[j][member]
                moved = before[j] + (now[:, list(causes)] - before[list(causes)]) @ slopes
            now[follows, j] = moved[follows]
        return now

    def sure(self, actions: Rows, before: Row, margin: Callable[[Rows], np.ndarray]) -> np.ndarray:
        """Which actions may be answered with, of those that lead into the target."""
        margins = np.array(
            [margin(_told(self, actions, before, member)) for member in range(1, MEMBERS + 1)]
        )
        is_set = (actions != before) & ~(np.isnan(actions) & np.isnan(before))
        idle = np.ones(len(actions), dtype=bool)
        for j, causes in self.causes.items():
            above = self._above(causes)
            idle &= is_set[:, j] | ~is_set[:, sorted(above)].any(axis=1)
        lower = margins.mean(axis=0) - self.gamma * margins.std(axis=0, ddof=1)
        return np.asarray(idle | ((lower >= 0.0) & ((margins >= 0.0).mean(axis=0) >= self.floor)))

    def _above(self, causes: Sequence[int]) -> set[int]:
        found = set(causes)
        for i in causes:
            found |= self._above(self.causes.get(i, ()))
        return found


def lines(slopes: np.ndarray) -> Members:
    """Sums of parents, by the ``(k, p)`` slopes of each version."""
    return lambda parents: np.matmul(parents, slopes[:, :, None])[..., 0]


def prices(rows: Rows, before: Row) -> np.ndarray:
    """The design's formula for :func:`tests.support.questions.policy`, on arrays."""
    total = np.zeros(len(rows))
    for j in range(5):
        moves = (rows[:, j] != before[j]) & ~(np.isnan(rows[:, j]) & np.isnan(before[j]))
        if j == MODE:
            far = np.array(MODE_COSTS)[int(before[j]), rows[:, j].astype(int)]
        elif np.isnan(before[j]):
            far = np.ones(len(rows))
        else:
            far = (
                np.abs(rows[:, j] - before[j])
                * (2.0 if j == SPEED else 1.0)
                / (1.0 if math.isnan(RANGES[j]) else RANGES[j])
            )
        total += np.where(moves, far + PENALTY + (0.25 if j == FLOW else 0.0), 0.0)
    return total


@dataclass(frozen=True)
class Cheapest:
    """What a walk over all actions found."""

    sure: float | None
    """Least cost of an action that may be answered with."""
    likely: bool
    """Whether any leads into the target by what is believed."""


def all_actions(schema: Schema, before: Row, still: Sequence[int] = ()) -> Rows:
    """Every action over every set of levers but ``still``, cheapest first."""
    axes = [
        [float(v)] if j in still else settable(f, float(v))
        for j, (f, v) in enumerate(zip(schema.features, before, strict=True))
    ]
    actions = np.array(list(itertools.product(*axes)))
    return actions[np.argsort(prices(actions, before), kind="stable")]


def cheapest_of(
    drawn: DrawnAffine,
    actions: Rows,
    before: Row,
    score: Callable[[Rows], Scores],
    target: Target,
    of_action: Sequence[Predicate] = (),
    of_row: Sequence[Predicate] = (),
) -> Cheapest:
    """Of ``actions``, cheapest first; each rule is a predicate of the action or of its row."""
    found, likely = answers_of(drawn, actions, before, score, target, of_action, of_row)
    cost = float(prices(found[:1], before)[0]) if len(found) else None
    return Cheapest(cost, likely)


def answers_of(
    drawn: DrawnAffine,
    actions: Rows,
    before: Row,
    score: Callable[[Rows], Scores],
    target: Target,
    of_action: Sequence[Predicate] = (),
    of_row: Sequence[Predicate] = (),
) -> tuple[Rows, bool]:
    """Those of ``actions`` that may be answered with, and whether any leads into the target by what
    is believed."""
    rows, known = _read(drawn, actions, before)
    hit = known[target.met(score(rows[known]))]
    kept = [i for i in hit if _is_kept(actions[i], rows[i], before, of_action, of_row)]
    if not kept:
        return actions[:0], False
    actions = actions[kept]
    return actions[drawn.sure(actions, before, lambda r: target.margin(score(r)))], True


def allowed_rows(
    drawn: DrawnAffine,
    actions: Rows,
    before: Row,
    of_action: Sequence[Predicate] = (),
    of_row: Sequence[Predicate] = (),
) -> Rows:
    """What every action leads to that is allowed."""
    rows, known = _read(drawn, actions, before)
    kept = [i for i in known if _is_kept(actions[i], rows[i], before, of_action, of_row)]
    return np.asarray(rows[kept])


def _read(
    drawn: DrawnAffine, actions: Rows, before: Row
) -> tuple[Rows, np.typing.NDArray[np.int64]]:
    """What actions lead to, whole numbers rounded; and of which of them that is known."""
    rows = _told(drawn, actions, before, 0)
    return rows, np.flatnonzero((~np.isnan(rows) | np.isnan(before)).all(axis=1))


def _told(drawn: DrawnAffine, actions: Rows, before: Row, member: int) -> Rows:
    """What actions lead to by one of the mechanisms, as it is read."""
    rows = drawn.follow(actions, before, member)
    follows = (rows != actions) & ~(np.isnan(rows) & np.isnan(actions))
    rows[:, SPEED] = np.where(follows[:, SPEED], np.rint(rows[:, SPEED]), rows[:, SPEED])
    return rows


def _is_kept(
    action: Row,
    row: Row,
    before: Row,
    of_action: Sequence[Predicate],
    of_row: Sequence[Predicate],
) -> bool:
    return (
        readable(row.tolist())
        and all(keeps(action, before) for keeps in of_action)
        and all(keeps(row, before) for keeps in of_row)
    )
