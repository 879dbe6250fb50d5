"""Named ways out: each is what its name says, by a walk over all rows and all readings."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.answer import Counterfactual, Recourse
from ifonly.explainers.beside import Beside
from ifonly.explainers.constraints import Origin, Source, Survives
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.space import Mask
from ifonly.explainers.terms import DEARER, FACTORS, Status, WayName
from ifonly.explainers.ways import Ways, ways
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Task
from tests.support.bruteforce import settable
from tests.support.consequences import Slopes
from tests.support.deployed import Deployed, deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.pieces import TOLERANCES, Pieces
from tests.support.questions import question

TASKS = tuple(Task)
MODELS = 6


@cache
def model(seed: int) -> Deployed:
    return deployed_trees(seed, TASKS[seed % 3])


@cache
def engine(seed: int) -> Portfolio:
    return Portfolio((Trees(model(seed).form, SCHEMA), Blackbox()))


def asked(seed: int) -> tuple[Problem, Deployed]:
    """A quarter of them already demands that the tolerances be survived; of a third
    something follows from what is set."""
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed, TASKS[seed % MODELS % 3])
    if seed % 4 == 1:
        survives = Survives(TOLERANCES, origin=Origin(Source.POLICY, "policy.robust"))
        problem = replace(problem, constraints=(*problem.constraints, survives))
    if seed % 3 == 2:
        problem = replace(problem, consequences=Slopes.random(seed).consequences())
    return problem, model(seed % MODELS)


@cache
def pieces(seed: int) -> Pieces:
    return Pieces.of(model(seed))


@dataclass(frozen=True)
class Walk:
    """Every allowed action that flips, cheapest first."""

    pieces: Pieces
    met: Mask
    """Of each piece."""
    rows: Rows
    costs: Row
    sets: Mask
    """Which features each sets, ``(n, n_features)``."""

    @classmethod
    def over(cls, problem: Problem, deployed: Deployed, known: Pieces) -> Walk:
        before = problem.factual
        axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, before, strict=True)]
        actions = np.array(list(itertools.product(*axes)))
        rows = problem.rows_of(actions)
        keeps = problem.allowed(actions, rows)
        keeps[keeps] = problem.target.met(deployed.predictor.score(rows[keeps]))
        keeps[keeps] = problem.trust(actions[keeps], deployed.predictor.score).holds
        actions, rows = actions[keeps], rows[keeps]
        order = np.argsort(problem.cost_of(actions), kind="stable")
        met = problem.target.met(known.scores.reshape(-1, known.scores.shape[-1]))
        met = met.reshape(known.scores.shape[:-1])
        if problem.survives is not None:
            order = np.array([i for i in order if known.survives(met, rows[i], 1.0)], dtype=int)
        actions, rows = actions[order], rows[order]
        sets = ~((actions == before) | (np.isnan(actions) & np.isnan(before)))
        return cls(known, met, rows, problem.cost_of(actions), sets)

    def least(self, of: Mask) -> float:
        return float(self.costs[of][0]) if of.any() else np.inf

    def margin(self, row: Row) -> float:
        """The greatest of the factors that a row survives."""
        # Whoever survives a wider box survives a narrower one.
        lost = bisect_left(FACTORS, True, key=lambda f: not self.pieces.survives(self.met, row, f))
        return FACTORS[lost - 1] if lost else 0.0

    def most_robust(self, most: float) -> tuple[float, float]:
        """The greatest factor that an action of at most that cost survives, and the least cost of
        those that do."""
        within = self.rows[self.costs <= most + 1e-9]
        margins = np.array([self.margin(row) for row in within])
        return float(margins.max()), float(self.costs[np.argmax(margins)])


def told(seed: int, problem: Problem, deployed: Deployed) -> tuple[Recourse, Ways] | None:
    asks = engine(seed % MODELS)
    answer = explain(problem, deployed.predictor, engine=asks)
    if not isinstance(answer, Recourse):
        return None
    beside = Beside.of(problem, deployed.predictor, answer.work, engine=asks)
    return answer, ways(beside, answer, TOLERANCES)


def levers(found: Counterfactual) -> frozenset[int]:
    return frozenset(action.column for action in found.actions)


def held(walk: Walk, answer: Recourse, found: Ways, tally: Counter[str]) -> None:
    """Every way is what it claims, and every claim is a proof."""
    by = {way.name: way for way in found.ways}
    smallest, first = by[WayName.SMALLEST], answer.counterfactuals[0]
    assert smallest.found == first
    assert smallest.status is Status.OPTIMAL
    assert first.cost == pytest.approx(walk.least(np.ones(len(walk.costs), bool)))
    assert not found.work.rejected

    fewest = by[WayName.FEWEST]
    assert fewest.found is not None
    assert fewest.status is Status.OPTIMAL
    counts = walk.sets.sum(axis=1)
    assert len(fewest.found.actions) == counts.min()
    assert fewest.found.cost == pytest.approx(walk.least(counts == counts.min()))

    other, own = by[WayName.OTHER], sorted(levers(first))
    shared = walk.sets[:, own].sum(axis=1)
    if other.found is None:
        assert other.status is Status.INFEASIBLE
        assert shared.min() == len(own)
    else:
        assert other.status is Status.OPTIMAL
        assert len(levers(other.found) & set(own)) == shared.min() < len(own)
        assert other.found.cost == pytest.approx(walk.least(shared == shared.min()))
    tally["none with others"] += other.found is None

    robust = by[WayName.ROBUST]
    factor, least = walk.most_robust(DEARER * first.cost)
    if robust.found is None:
        assert robust.status is Status.INFEASIBLE
        assert factor == 0.0
    else:
        assert robust.status is Status.OPTIMAL
        assert robust.survives == factor
        assert robust.found.cost == pytest.approx(least)
    tally["none robust"] += robust.found is None

    for way in found.ways:
        if way.found is not None:
            assert way.survives == walk.margin(np.array(way.found.row))
            same = [
                o.name for o in found.ways[: found.ways.index(way)]
                if o.found is not None and settings(o.found) == settings(way.found)
            ]  # fmt: skip
            assert way.same_as == next(iter(same), None)
            tally[f"{way.name} differs"] += way.same_as is None


def settings(found: Counterfactual) -> list[tuple[int, float]]:
    return [(a.column, a.counterfactual) for a in found.actions]


@pytest.mark.parametrize(
    "seeds", [range(90), pytest.param(range(90, 600), marks=pytest.mark.long)], ids=["some", "many"]
)
def test_each_way_is_the_best_of_what_it_is_named_for(seeds: range) -> None:
    tally: Counter[str] = Counter()
    for seed in seeds:
        problem, deployed = asked(seed)
        found = told(seed, problem, deployed)
        if found is not None:
            held(Walk.over(problem, deployed, pieces(seed % MODELS)), *found, tally)
            tally["with effects"] += problem.consequences is not None
            tally["robust"] += problem.survives is not None
            tally["asked"] += 1
    least = {"asked": 40, "with effects": 10, "robust": 8, "other_levers differs": 20}
    least |= {"most_robust differs": 15, "fewest_levers differs": 2, "none with others": 3}
    missing = {kind: tally[kind] for kind in least if tally[kind] < least[kind]}
    assert not missing, tally
