"""A linear causal model over the generated schema, and the same by hand, one row at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.models.predictor import Predictor, Row
from tests.support.bruteforce import Predicate, Values, moved, settable
from tests.support.generated import SCHEMA
from tests.support.kinds import ConstraintKind

PRESSURE, SPEED, MODE, GRADE, FLOW = range(5)


@dataclass(frozen=True)
class Slopes:
    """speed follows pressure and grade; flow follows pressure and speed."""

    speed: tuple[float, float]
    flow: tuple[float, float]

    @classmethod
    def random(cls, seed: int) -> Slopes:
        draw = np.random.default_rng(seed)
        a, b, c, d = draw.normal(size=4)
        return cls((20.0 * a, 10.0 * b), (0.1 * c, 0.004 * d))

    def consequences(
        self, gamma: float = 0.0, *, whole: tuple[int, ...] = (SPEED,)
    ) -> CausalConsequences:
        """``whole``: what is rounded where it follows; on a grid of fractions, nothing."""
        graph = Graph.of(5, [(PRESSURE, SPEED), (GRADE, SPEED), (PRESSURE, FLOW), (SPEED, FLOW)])
        mechanisms = {
            SPEED: Mechanism(linear(5.0, np.array(self.speed))),
            FLOW: Mechanism(linear(-0.1, np.array(self.flow))),
        }
        model = CausalModel(SCHEMA.names, graph, tuple(mechanisms.get(j) for j in range(5)))
        members = draw_members(model, np.random.default_rng(0), 3)
        return CausalConsequences(model, members, gamma, 0.5, np.zeros(5), whole=whole)

    def follow(self, action: Sequence[float], before: Sequence[float]) -> list[float]:
        """What the action leads to, by hand."""
        row, is_set = list(action), moved(action, before)
        squeeze = action[PRESSURE] - before[PRESSURE]
        speed = action[SPEED]
        if not is_set[SPEED] and (is_set[PRESSURE] or is_set[GRADE]):
            better = action[GRADE] - before[GRADE]
            speed = before[SPEED] + self.speed[0] * squeeze + self.speed[1] * better
            row[SPEED] = float(round(speed))
        if not is_set[FLOW] and any(is_set[j] for j in (PRESSURE, SPEED, GRADE)):
            faster = speed - before[SPEED]
            row[FLOW] = before[FLOW] + self.flow[0] * squeeze + self.flow[1] * faster
        return row


def speaks_of_row(kind: ConstraintKind) -> bool:
    return kind.rule is not None or "ranges" in kind.request


def readable(row: Sequence[float]) -> bool:
    return all(
        f.kind.is_categorical or math.isnan(v) or f.lower <= v <= f.upper
        for f, v in zip(SCHEMA.features, row, strict=True)
    )


def cheapest_action(
    slopes: Slopes,
    factual: Row,
    predictor: Predictor,
    met: Callable[[np.ndarray], np.ndarray],
    of_action: Sequence[Predicate],
    of_row: Sequence[Predicate],
    cost: Callable[[Values, Values], float],
) -> float | None:
    """Every action over every set of levers: the least cost of one that is allowed and whose row
    is in the target."""
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, factual, strict=True)]
    before = factual.tolist()
    actions = list(itertools.product(*axes))
    rows = [slopes.follow(a, before) for a in actions]
    best: float | None = None
    for i in np.flatnonzero(met(predictor.score(np.array(rows)))):
        price = cost(actions[i], before)
        if (
            (best is None or price < best)
            and readable(rows[i])
            and all(keeps(actions[i], before) for keeps in of_action)
            and all(keeps(rows[i], before) for keeps in of_row)
        ):
            best = price
    return best
