"""Questions about networks in which something follows, or whose answers must survive the sensors,
and a walk over every action, written apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ifonly.explainers.answer import Abstained, Answer, Infeasible, Recourse
from ifonly.explainers.constraints import Origin, Source, Survives
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.portfolio import Portfolio, engines_for
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Task
from tests.support.affine import DrawnAffine, all_actions, answers_of, prices
from tests.support.bruteforce import Predicate
from tests.support.consequences import speaks_of_row
from tests.support.deployed import Deployed, deployed_layers, deployed_units
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS, ConstraintKind, missing_stays
from tests.support.onnx_units import CURVED, STRAIGHT
from tests.support.questions import question

TASKS = tuple(Task)
BEYOND = {"gelu", "swish"}
"""Curves that are not bounded by lines."""
SHAPES = ("layers", *STRAIGHT, *(shape for shape in CURVED if shape not in BEYOND))
TOLERANCES = np.array([0.15, 8.0, 0.0, 0.0, 0.06])
SHARES = (0.1, 0.3, 1.0)
GRID = 9
"""Readings of each sensor that the walk looks at."""
CLOSER = 4_000
EDGE = 1e-4
"""How near a reading must come to the edge of the target for a row to be in doubt."""


@cache
def model(shape: str, seed: int, task: Task) -> tuple[Deployed, Portfolio]:
    deployed = (
        deployed_layers(seed, task, linear=False)
        if shape == "layers"
        else deployed_units(seed, task, shape)
    )
    return deployed, engines_for(deployed.form, SCHEMA)


@dataclass(frozen=True)
class Followed:
    """One question."""

    problem: Problem
    deployed: Deployed
    engine: Portfolio
    drawn: DrawnAffine | None
    kind: ConstraintKind
    tolerances: Row | None

    @classmethod
    def of(cls, seed: int, *, follows: bool, survives: bool) -> Followed:
        draw = np.random.default_rng([seed, 11])
        task, shape = TASKS[seed % 3], SHAPES[seed % len(SHAPES)]
        kind = KINDS[int(draw.integers(len(KINDS)))]
        problem, _, _ = question((kind,), seed, task)
        drawn = DrawnAffine.random(seed, problem.factual) if follows else None
        if drawn is not None:
            problem = replace(problem, consequences=drawn.consequences())
        tolerances = TOLERANCES * draw.choice(SHARES) if survives else None
        if tolerances is not None:
            origin = Origin(Source.REQUEST, "constraints.robust")
            robust = Survives(tuple(tolerances.tolist()), origin=origin)
            problem = replace(problem, constraints=(*problem.constraints, robust))
        return cls(problem, *model(shape, seed % 7, task), drawn, kind, tolerances)

    def rules(self) -> tuple[list[Predicate], list[Predicate]]:
        """Of the action, and of its row."""
        of_row = [self.kind.keeps] if speaks_of_row(self.kind) else []
        of_action = [] if of_row else [self.kind.keeps]
        if self.kind.name != "may be filled":
            of_action.append(missing_stays)
        return of_action, of_row

    def answers(self) -> tuple[Rows, bool]:
        """Every action that is an answer but for its sensors, cheapest first; and whether any is in
        the target by what is believed."""
        before, target = self.problem.factual, self.problem.target
        actions = all_actions(SCHEMA, before)
        drawn = self.drawn or DrawnAffine((0, 1, 2, 3, 4), {}, {}, 0.0, 0.0)
        score = self.deployed.predictor.score
        return answers_of(drawn, actions, before, score, target, *self.rules())

    def readings(self, row: Row, seed: int = 0, more: int = 0) -> Rows:
        """Some readings of a row: a grid over its sensors, and ``more`` at random."""
        assert self.tolerances is not None
        shares = np.linspace(-1.0, 1.0, GRID)
        sensors = [j for j in range(5) if self.tolerances[j] and not np.isnan(row[j])]
        grid = np.array(np.meshgrid(*[shares] * len(sensors))).reshape(len(sensors), -1).T
        if more:
            draw = np.random.default_rng(seed)
            grid = np.concatenate([grid, draw.uniform(-1.0, 1.0, (more, len(sensors)))])
        rows = np.repeat(row[None, :], len(grid), axis=0)
        rows[:, sensors] += grid * self.tolerances[sensors]
        for j in sensors:
            feature = SCHEMA.features[j]
            rows[:, j] = np.clip(rows[:, j], min(feature.lower, row[j]), max(feature.upper, row[j]))
        return rows

    def least_margin(self, action: Row, more: int = 0) -> float:
        """Of the readings of the row that an action leads to."""
        row = self.problem.rows_of(action[None, :])[0]
        scores = self.deployed.predictor.score(self.readings(row, more=more))
        return float(self.problem.target.margin(scores).min())

    def told_wrong(self, answer: Answer) -> str | None:
        """What is wrong about an answer; None if nothing is. Costs nearer than a thousand
        millionth are one; rows whose readings come near the edge of the target are passed over."""
        found, likely = self.answers()
        costs = prices(found, self.problem.factual)
        best, doubt = np.inf, np.inf
        for action, cost in zip(found, costs, strict=True):
            margin = np.inf
            if self.tolerances is not None:
                margin = self.least_margin(action)
                margin = (
                    min(margin, self.least_margin(action, CLOSER)) if margin >= EDGE else margin
                )
            if margin >= EDGE:
                best = float(cost)
                break
            if margin > -EDGE:
                doubt = min(doubt, float(cost))
        return _wrong(answer, best, min(best, doubt), likely=likely)


def _wrong(answer: Answer, most: float, least: float, *, likely: bool) -> str | None:
    """``most`` is what the cheapest sure answer costs, ``least`` what the cheapest in doubt."""
    slack = 1e-9 * max(1.0, most if np.isfinite(most) else 1.0)
    if answer.work.rejected:
        return f"rejected: {answer.work.rejected}"
    match answer:
        case Recourse():
            first = answer.counterfactuals[0]
            bound = first.cost if first.gap == 0.0 else (first.lower_bound or 0.0)
            if first.cost < least - slack:
                return f"{first.cost} is no answer's cost: {least}"
            return f"bound {bound}, and {most} is there" if bound > most + slack else None
        case Infeasible():
            return f"impossible, and {most} is there" if most < np.inf else None
        case Abstained():
            return None if most == np.inf and likely else f"not sure, and {most} is there"
        case _:
            return None
