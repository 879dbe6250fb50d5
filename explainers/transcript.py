"""A question that was put together in Python, written out for the checker.

The service hands the checker the documents themselves. Where there are none (a notebook, a test),
this says of each constraint what it declares, by its fields alone; the checker evaluates it by
its own code. Two things are taken as they are given: constraints of a kind of the caller's own,
and consequences of which a caller's Python is the only document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ifonly.explainers.consequences import Consequences, PossibleGraph, is_redrawn
from ifonly.explainers.constraints import (
    Changes,
    Comparison,
    Condition,
    Constraint,
    Direction,
    Immutable,
    IsIn,
    LeavesOne,
    MaxChange,
    MaxChanges,
    NotMissing,
    OnlyTo,
    Plausible,
    Range,
    Rule,
    Scorer,
    Settable,
    Survives,
)
from ifonly.explainers.cost import Cost, FeatureCost
from ifonly.explainers.problem import Problem
from ifonly.explainers.target import Target
from ifonly.explainers.verify import limits, rules
from ifonly.explainers.verify.goal import ScoreGoal
from ifonly.explainers.verify.limits import Limit
from ifonly.explainers.verify.price import FeaturePrice, Price
from ifonly.explainers.verify.reading import Reading, exact
from ifonly.explainers.verify.rulebook import Terms
from ifonly.explainers.verify.what_follows import PossibleWorld
from ifonly.models.predictor import Rows


def terms_of(problem: Problem) -> Terms:
    """What an answer to ``problem`` must keep, as its parts declare it."""
    survives = problem.survives
    consequences = problem.consequences
    return Terms(
        problem.schema,
        goal_of(problem.target),
        # Survival is no limit on one row: the checker has a test of its own for it.
        tuple(limit_of(c, problem) for c in problem.constraints if not isinstance(c, Survives)),
        price_of(problem.cost),
        None if consequences is None else GivenConsequences.of(consequences),
        consequences is not None and not consequences.severs,
        () if survives is None else survives.tolerances,
        frozenset(c.origin.key for c in problem.constraints if isinstance(c, Survives)),
        problem.seed,
    )


def goal_of(target: Target) -> ScoreGoal:
    """The same target."""
    return ScoreGoal(target.decision, target.wanted, target.lower, target.upper)


def price_of(cost: Cost) -> Price:
    """The same cost, in decimals."""
    return Price(tuple(map(_feature_price, cost.features)), exact(cost.change_penalty))


def _feature_price(cost: FeatureCost) -> FeaturePrice:
    matrix = cost.matrix
    return FeaturePrice(
        exact(cost.weight),
        exact(cost.scale),
        exact(cost.fixed),
        None if matrix is None else tuple(tuple(map(exact, row)) for row in matrix),
        cost.nominal,
    )


def limit_of(constraint: Constraint, problem: Problem) -> Limit:
    """The same constraint."""
    key = constraint.origin.key
    match constraint:
        case Immutable(column=j):
            return limits.stays(key, j)
        case NotMissing(column=j):
            return limits.stays_present(key, j)
        case Direction(column=j, sense=sense):
            return limits.one_way(key, j, sense.value)
        case Settable(column=j, lower=low, upper=high):
            return limits.set_within(key, j, low, high)
        case Range(column=j, lower=low, upper=high):
            return limits.ends_within(key, j, low, high)
        case MaxChange(column=j, amount=amount):
            return limits.moves_at_most(key, j, amount)
        case OnlyTo(column=j, values=values):
            return limits.only_to(key, j, values)
        case MaxChanges(count=count):
            return limits.few_changes(key, count)
        case LeavesOne(levers=levers):
            return limits.leaves_one(levers, key)
        case Plausible(scorer=scorer, lower=low, upper=high):
            return limits.scored_within(key, _Scored(scorer), low, high)
        case Rule():
            return _rule(constraint, problem)
    return _given(constraint)


@dataclass(frozen=True, eq=False)
class _Scored:
    scorer: Scorer

    def __call__(self, row: Sequence[float]) -> float:
        return float(self.scorer.score(np.array([row], dtype=np.float64))[0, 0])


def _rule(rule: Rule, problem: Problem) -> Limit:
    statement = rules.Statement(
        tuple(_condition(c, problem) for c in rule.when),
        tuple(_condition(c, problem) for c in rule.then),
        tuple(sorted(rule.columns)),
    )
    columns = statement.columns
    return Limit(rule.origin.key, rule.text, statement.holds, columns, of_action=False)


def _condition(condition: Condition, problem: Problem) -> rules.Test:
    match condition:
        case Changes(column=j, does=does):
            return rules.changes(j) if does else rules.stays(j)
        case IsIn(column=j, codes=codes, inside=inside, of_factual=of_factual):
            # A missing category is in neither set, so what reads it is not true.
            every = frozenset(range(len(problem.schema.features[j].categories)))
            return rules.is_one_of(j, of_factual, codes if inside else every - codes)
        case Comparison(now=now, before=before, constant=constant, relation=relation):
            weights = {(j, False): exact(w) for j, w in now}
            weights |= {(j, True): exact(w) for j, w in before}
            return rules.compares(weights, exact(constant), relation.value)
    return lambda after, before: bool(condition.true(after.values, before.values))


def _given(constraint: Constraint) -> Limit:
    """A limit of a kind that is not known here: it says itself what keeps it."""

    def holds(now: Reading, was: Reading) -> bool:
        return bool(np.all(constraint.kept(now.values, was.values)))

    name = type(constraint).__name__
    return Limit(constraint.origin.key, name, holds, of_action=constraint.of_action)


@dataclass(frozen=True, eq=False)
class GivenConsequences:
    """What follows by a caller's own model, taken as it is given."""

    consequences: Consequences
    gamma: float
    floor: float

    @classmethod
    def of(cls, consequences: Consequences) -> GivenConsequences:
        demands = consequences.flows(())
        return cls(consequences, demands.gamma, demands.floor)

    def effects(self, columns: Sequence[int], is_history: bool) -> frozenset[int]:
        return frozenset(self.consequences.effects(columns))

    def via(self, columns: Sequence[int]) -> dict[int, tuple[int, ...]]:
        return {j: self.consequences.via(columns, j) for j in self.consequences.effects(columns)}

    def row(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool
    ) -> list[float]:
        columns, values = _arrays(settings)
        found: list[float] = self.consequences.rows(np.array(factual), columns, values)[0].tolist()
        return found

    @property
    def by_main(self) -> GivenConsequences:
        graphs = self.consequences.graphs
        return replace(self, consequences=graphs[0].consequences) if graphs else self

    def worlds(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool
    ) -> list[PossibleWorld]:
        own = self.consequences
        if not own.effects(sorted(settings)) and not is_redrawn(own):
            return []
        graphs = own.graphs or (PossibleGraph("", 1.0, True, own),)
        return [
            PossibleWorld(
                g.name,
                g.weight,
                g.is_held,
                _plausible(g.consequences.now, factual, settings),
                _later(g.consequences, factual, settings),
            )
            for g in graphs
        ]


def _later(
    consequences: Consequences, factual: Sequence[float], settings: Mapping[int, float]
) -> list[list[list[float]]]:
    """The same when the action is carried out; empty where all noise stays."""
    if not is_redrawn(consequences):
        return []
    asked: list[list[list[float]]] = []

    def margin(rows: Rows) -> Rows:
        asked.append(rows.tolist())
        return np.zeros(len(rows))

    given = np.array(factual), *_arrays(settings)
    told = consequences.trust(*given, margin).later
    # What is asked first is of now.
    later = asked[len(_plausible(consequences.now, factual, settings)) :]
    share = 0.0 if told is None else float(told[0])
    if not later or not share:
        return [[[np.inf] * len(factual)]]
    few = min(later, key=len)
    lost = round(len(few) / share) - len(few)
    return [[*few, *[[np.inf] * len(factual)] * lost], *(a for a in later if a is not few)]


def _plausible(
    consequences: Consequences, factual: Sequence[float], settings: Mapping[int, float]
) -> list[list[list[float]]]:
    """The rows whose margins are asked for together, and as many lost ones as are found lost."""
    asked: list[list[list[float]]] = []

    def margin(rows: Rows) -> Rows:
        asked.append(rows.tolist())
        return np.zeros(len(rows))

    columns, values = _arrays(settings)
    # By a margin that is met everywhere the chance is the share that is not lost.
    told = float(consequences.trust(np.array(factual), columns, values, margin).chance[0])
    if told == 1.0:
        return asked
    # The worst of them tells: the fewest rows asked for are the share `told` of all; if all were
    # lost, one lost row says so.
    few = min(asked, key=len) if told else []
    lost = round(len(few) / told) - len(few) if told else 1
    return [[*few, *[[np.inf] * len(factual)] * lost], *(a for a in asked if a is not few)]


def _arrays(settings: Mapping[int, float]) -> tuple[list[int], Rows]:
    columns = sorted(settings)
    return columns, np.array([[settings[j] for j in columns]], dtype=np.float64)
