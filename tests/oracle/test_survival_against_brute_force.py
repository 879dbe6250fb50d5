"""Answers that must survive the sensors: against every reading that a model can tell apart."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.answer import Infeasible, Recourse
from ifonly.explainers.constraints import Origin, Source, Survives
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.infeasible_subsystem import with_only, without
from ifonly.explainers.native.kernel import FAILS
from ifonly.explainers.native.kernel import SURVIVES as SURVIVES_ALL
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.tables import Tables
from ifonly.models.graph.forms import TreeEnsemble
from ifonly.models.predictor import Predictor, Row, Rows, Scores
from ifonly.models.schema import Task
from tests.support.bruteforce import Predicate, settable
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal
from tests.support.consequences import Slopes, cheapest_action, speaks_of_row
from tests.support.deployed import Deployed, deployed_deep, deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS, missing_stays
from tests.support.questions import price, question

TASKS = tuple(Task)
AT_LEAST = {OPTIMAL: 60, INFEASIBLE: 15, ALREADY: 60}
TOLERANCES = (0.15, 8.0, 0.0, 0.0, 0.06)
STRICT = [k for k in KINDS if k.name not in ("may be filled", "against the factual")]
SURVIVES = Survives(TOLERANCES, origin=Origin(Source.REQUEST, "constraints.robust"))
NUMBERS = {0: 0, 1: 1, 4: 6}
"""Column of the graph of each number."""


DEEP = 20
"""Models from here on have trees of more leaves than a word has bits."""


@cache
def model(seed: int) -> Deployed:
    if seed >= DEEP:
        return deployed_deep(seed - DEEP, TASKS[seed % 3])
    return deployed_trees(seed, TASKS[seed % 3])


@cache
def engine(seed: int, patience: int = 300) -> Trees:
    return Trees(model(seed).form, SCHEMA, patience=patience)


def readings(deployed: Deployed, row: Row) -> Rows:
    """Every reading within tolerance of ``row`` that could matter: the ends, and both sides of
    every threshold between them."""
    core = deployed.form.core
    assert isinstance(core, TreeEnsemble)
    choices = []
    for j, (feature, value) in enumerate(zip(SCHEMA.features, row, strict=True)):
        off = TOLERANCES[j]
        if not off or np.isnan(value):
            choices.append([value])
            continue
        low, high = max(value - off, min(feature.lower, value)), min(value + off, feature.upper)
        cuts = core.threshold[core.column == NUMBERS[j]].astype(np.float32)
        sides = [cuts, *(np.nextafter(cuts, np.float32(s)) for s in (-np.inf, np.inf))]
        near = np.unique(np.concatenate(sides).astype(np.float64))
        choices.append([low, high, value, *near[(near >= low) & (near <= high)]])
    return np.array(list(itertools.product(*choices)))


def stays(problem: Problem, deployed: Deployed, row: Row) -> bool:
    return bool(problem.target.met(deployed.predictor.score(readings(deployed, row))).all())


def asked(seed: int, which: int | None = None) -> tuple[Problem, Deployed]:
    which = seed % 20 if which is None else which
    deployed = model(which)
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed, TASKS[which % 3])
    return replace(problem, constraints=(*problem.constraints, SURVIVES)), deployed


def least_cost(problem: Problem, deployed: Deployed) -> float:
    """Least cost of an allowed row in the target, and for every reading if that is demanded;
    infinity if there is none."""
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)]
    rows = np.array(list(itertools.product(*axes)))
    rows = rows[problem.target.met(deployed.predictor.score(rows))]
    rows = rows[problem.allowed(rows)]
    costs = problem.cost_of(rows)
    survives = problem.survives is not None
    holding = (i for i in np.argsort(costs) if not survives or stays(problem, deployed, rows[i]))
    return next((float(costs[i]) for i in holding), np.inf)


@pytest.mark.parametrize("patience", [300, 0])
@pytest.mark.parametrize("seed", range(60))
def test_the_answer_is_the_cheapest_row_that_survives_every_reading(
    tally: Tally, seed: int, patience: int
) -> None:
    check(tally, seed, seed % 20, patience)


@pytest.mark.parametrize("seed", range(8))
def test_of_trees_of_many_leaves_too(tally: Tally, seed: int) -> None:
    check(tally, seed, DEEP + seed % 4, 300)


def check(tally: Tally, seed: int, which: int, patience: int) -> None:
    problem, deployed = asked(seed, which)
    answer = explain(problem, deployed.predictor, engine=engine(which, patience))
    if tally.already(answer, problem, deployed.predictor, normal(TASKS[which % 3])):
        return
    best = least_cost(problem, deployed)
    tally.exact(answer, None if best == np.inf else best)
    if isinstance(answer, Recourse):
        assert stays(problem, deployed, np.array(answer.counterfactuals[0].row))


@pytest.mark.parametrize("seed", range(20))
def test_every_value_of_a_sufficient_range_survives(seed: int) -> None:
    problem, deployed = asked(seed)
    answer = explain(problem, deployed.predictor, engine=engine(seed % 20))
    if not isinstance(answer, Recourse):
        return
    row = np.array(answer.counterfactuals[0].row)
    for action in answer.counterfactuals[0].actions:
        if action.sufficient_range is None:
            continue
        low, high = action.sufficient_range
        for value in settable(
            SCHEMA.features[action.column], float(problem.factual[action.column])
        ):
            if low <= value <= high:
                other = row.copy()
                other[action.column] = value
                assert stays(problem, deployed, other)


@pytest.mark.parametrize("seed", range(40))
def test_what_blocks_a_robust_answer_blocks_and_every_member_is_needed(
    tally: Tally, seed: int
) -> None:
    """The demand itself may block: then something does that a reading may undo."""
    draw = np.random.default_rng(seed)
    kinds = [STRICT[int(k)] for k in draw.choice(len(STRICT), 4, replace=False)]
    which = seed % 20
    deployed = model(which)
    problem, _, _ = question(kinds, seed, TASKS[which % 3])
    problem = replace(problem, constraints=(*problem.constraints, SURVIVES))
    answer = explain(problem, deployed.predictor, engine=engine(which, 300 * (seed % 2)))
    if tally.already(answer, problem, deployed.predictor, normal(TASKS[which % 3])):
        return
    best = least_cost(problem, deployed)
    tally.exact(answer, None if best == np.inf else best)
    if not isinstance(answer, Infeasible):
        return
    assert least_cost(with_only(problem, answer.blocked_by), deployed) == np.inf
    for member in answer.blocked_by:
        rest = [c for c in answer.blocked_by if c is not member]
        assert least_cost(with_only(problem, rest), deployed) < np.inf
    ways_out = [least_cost(without(problem, c), deployed) for c in problem.constraints]
    found = answer.relaxation
    cost = np.inf if found is None else found.counterfactual.cost
    assert cost == pytest.approx(min(ways_out))


def test_an_engine_that_cannot_prove_it_is_not_eligible() -> None:
    problem, deployed = asked(1)
    never = Deadline.never()
    with pytest.raises(NotEligible, match="over the box"):
        Blackbox().search(problem, Meter(deployed.predictor, never), never)


def test_what_follows_must_survive_every_reading_too(tally: Tally) -> None:
    settled = [seed for seed in range(16) if survives_with_effects(tally, seed)]
    assert len(settled) >= 5


def survives_with_effects(tally: Tally, seed: int) -> bool:
    """Holds the answer to a walk over all actions; False if the engine leaves it to others, or the
    factual is in the target."""
    problem, deployed = asked(seed)
    kind, slopes = KINDS[seed % len(KINDS)], Slopes.random(seed)
    problem = replace(problem, consequences=slopes.consequences())
    try:
        answer = explain(problem, deployed.predictor, engine=engine(seed % 20))
    except NotEligible:
        return False
    met, predictor = normal(TASKS[seed % 20 % 3]), deployed.predictor
    if tally.already(answer, problem, predictor, met):
        return False
    of_action: list[Predicate] = [] if kind.name == "may be filled" else [missing_stays]
    of_row: list[Predicate] = [lambda row, _: stays(problem, deployed, row)]
    (of_row if speaks_of_row(kind) else of_action).append(kind.keeps)
    best = cheapest_action(slopes, problem.factual, predictor, met, of_action, of_row, price)
    tally.exact(answer, best)
    return True


class Counting:
    """A model that counts its rows."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.rows = 0

    def score(self, rows: Rows) -> Scores:
        self.rows += len(rows)
        return self._predictor.score(rows)


@pytest.mark.parametrize("seed", range(8))
def test_the_readings_that_verification_tries_are_counted(seed: int) -> None:
    problem, deployed = asked(seed)
    counting = Counting(deployed.predictor)
    answer = explain(problem, counting, engine=engine(seed % 20))
    assert answer.work.rows == counting.rows
    if isinstance(answer, Recourse):
        assert counting.rows > 128


@pytest.mark.parametrize("seed", range(6))
def test_a_reading_whose_sum_is_the_limit_itself_is_in_the_target(seed: int) -> None:
    """To the last bit, in the order in which a row's own score is added up."""
    problem, _ = asked(seed)
    instance = engine(seed)._in_arrays(problem)
    t, q, draw = instance.tables, instance.question, np.random.default_rng(seed)
    split = 0
    for _ in range(40):
        at = np.array([draw.integers(size) for size in q.size])
        entry = q.off[:-1] + at
        ends = zip(q.near[entry], q.far[entry], strict=True)
        cells = np.array(list(itertools.product(*(range(a, b + 1) for a, b in ends))))
        if not 1 < len(cells) <= 200:
            continue
        sums = np.array([_sums(t, each) for each in cells])
        limit = sums.max(axis=0)
        split += 1
        arena = Arena.of(t)
        for one, survival in ((limit, SURVIVES_ALL), (np.nextafter(limit, -np.inf), FAILS)):
            assert entry_points.survives(t, replace(q, limit=one), arena, at.copy()) == survival
    assert split


def _sums(t: Tables, cell: np.ndarray) -> list[float]:
    """Of each goal, the values of the leaves that a row of these cells reaches."""
    within = ((t.leaf_lo <= cell) & (cell <= t.leaf_hi)).all(axis=1)
    kept = np.unpackbits(t.full.view(np.uint8), bitorder="little").astype(bool)
    sums = []
    for g, total in enumerate(t.constant.tolist()):
        for tree in range(t.groups[g], t.groups[g + 1]):
            leaves = slice(64 * t.words[tree], 64 * t.words[tree + 1])
            total += float(t.value[leaves][(within & kept)[leaves]][0])
        sums.append(total)
    return sums
