"""What compiled code answers where something follows is what numpy answers, and what a walk over
all actions does: for every kind of mechanism, rule, target and demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import Abstained, Answer, Infeasible, Recourse, Unknown
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.native import kernel
from ifonly.explainers.search.engine import Meter, range_by_asking
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.space import LONGEST_LISTED, changed
from ifonly.models.predictor import Row
from ifonly.models.schema import Kind, Schema
from tests.oracle.conftest import is_whole
from tests.support.checks import INFEASIBLE, OPTIMAL, Tally
from tests.support.effects import MECHANISMS, Asked, ask, cheapest_trusted
from tests.support.fine import with_counts
from tests.support.generated import SCHEMA
from tests.support.native import SURVIVES

NEVER = Deadline.never()
PARTS, OFTEN, SELDOM = 8, range(240), range(240, 4_240)
SURVIVING = range(60)
ALONG, ALONG_SELDOM = range(160), range(160, 2_160)
FINE, MIDDLING = with_counts((6_000,) * 3), with_counts((60,) * 3)
GRIDS = (FINE, MIDDLING, SCHEMA)
AT_LEAST = {OPTIMAL: 120, INFEASIBLE: 40}
TAKEN = {
    "verdicts": 300,
    "sure enough": 40,
    "not sure enough": 10,
    "no bounds in numpy": 3,
    "abstained": 2,
    "values known": 200,
    "values in doubt": 100,
    "ranges": 300,
    "surviving ranges": 10,
    "surviving": 3,
    "past the factual value": 20,
    "axes of thousands": 20,
    **{f"by {kind}": 20 for kind in MECHANISMS},
}
"""How often each path must have been taken."""


@pytest.fixture(scope="module")
def paths(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts what compiled code is asked, and what it says."""
    found, patch = Counter[str](), pytest.MonkeyPatch()
    search, along = kernel.search_effects, kernel.judge_along

    def searched(t: Any, a: Any, f: Any, most: int) -> int:
        status = search(t, a, f, most)
        found["verdicts"] += status == kernel.VERDICT
        found["not sure enough"] += status == kernel.DONE and f.surest is not None
        return status

    def judged(t: Any, a: Any, f: Any, at: Any, column: int, some: Any, out: Any) -> None:
        along(t, a, f, at, column, some, out)
        found["values known"] += int((out == kernel.HOLDS).sum())
        found["values in doubt"] += int((out == kernel.IN_DOUBT).sum())

    patch.setattr(kernel, "search_effects", searched)
    patch.setattr(kernel, "judge_along", judged)
    yield found
    patch.undo()
    if is_whole(request) and not request.session.testsfailed:
        missing = {kind: found[kind] for kind, least in TAKEN.items() if found[kind] < least}
        assert not missing, f"{missing}, of {dict(found)}"


def told(asked: Asked, trees: Trees, *, compiled: bool) -> Answer | None:
    """None where the engine leaves the question to others."""
    assert asked.problem.consequences is not None
    problem = replace(asked.problem, consequences=replace(asked.problem.consequences))  # type: ignore[type-var]
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(CausalConsequences, "compiled", None)
        try:
            # At a pole numpy takes infinity times 0, and then bounds nothing.
            with np.errstate(invalid="ignore"):
                return explain(problem, asked.predictor, engine=trees)
        except NotEligible:
            return None


def check(seed: int, tally: Tally, paths: Counter[str], asked: Asked | None = None) -> None:
    """One question, by compiled code, by numpy and by a walk over all actions."""
    asked = ask(seed) if asked is None else asked
    trees, before = Trees(asked.deployed.form, SCHEMA), paths["verdicts"]
    answer, theirs = (told(asked, trees, compiled=compiled) for compiled in (True, False))
    if answer is None:
        assert theirs is None
        return
    paths.update(f"by {kind}" for kind in set(asked.mechanisms))
    # Whoever answers with effects, and without a word of the caller, has decided on trust.
    if isinstance(answer, Recourse) and paths["verdicts"] == before:
        paths["sure enough"] += bool(answer.counterfactuals[0].effects)
        survives = asked.problem.survives is not None
        paths["surviving"] += survives and bool(answer.counterfactuals[0].effects)
    if theirs is None:
        paths["no bounds in numpy"] += 1
    else:
        assert type(answer) is type(theirs)
        assert said(answer) == pytest.approx(said(theirs), abs=1e-9)
    # Of rows that survive the sensors the walk knows nothing.
    if asked.problem.survives is not None:
        return
    best, doubted, _ = cheapest_trusted(asked.firm, asked.predictor)
    if best is None and doubted:
        assert isinstance(answer, Abstained)
        paths["abstained"] += 1
    else:
        tally.exact(answer, best)


def said(answer: Answer) -> list[float]:
    """Cost, bound and gap."""
    assert isinstance(answer, Recourse | Infeasible | Abstained | Unknown)
    if not isinstance(answer, Recourse):
        return []
    first = answer.counterfactuals[0]
    # No bound where the checker, which tries some readings, refuted what both had proven of all.
    bounds = [np.inf if x is None else x for x in (first.lower_bound, first.gap)]
    return [first.cost, *bounds]


@pytest.mark.parametrize("part", range(PARTS))
def test_the_answer_is_that_of_numpy_and_of_a_walk_over_all_actions(
    part: int, tally: Tally, paths: Counter[str]
) -> None:
    for seed in OFTEN[part::PARTS]:
        check(seed, tally, paths)


@pytest.mark.parametrize("part", range(2))
def test_what_must_survive_the_sensors_is_what_numpy_finds(
    part: int, tally: Tally, paths: Counter[str]
) -> None:
    for seed in SURVIVING[part::2]:
        asked = ask(seed)
        constraints = asked.problem.constraints
        if asked.problem.survives is None:
            constraints = (*constraints, SURVIVES)
        problem = replace(asked.problem, constraints=constraints)
        check(seed, tally, paths, replace(asked, problem=problem))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("part", range(10 * PARTS))
def test_the_same_of_thousands(part: int, tally: Tally, paths: Counter[str]) -> None:
    for seed in SELDOM[part :: 10 * PARTS]:
        check(seed, tally, paths)


# --- how far a value may go -----------------------------------------------------------------------


def some_answers(asked: Asked, trees: Trees, meter: Meter) -> list[Row]:
    """What the search finds, and the same with other values: whatever would do as an answer."""
    problem, draw = asked.firm, np.random.default_rng(0)
    found = list(trees.search(problem, meter, NEVER).candidates[:2])
    for row in list(found):
        for j in problem.movable.tolist():
            axis, other = problem.axes_if_set[j], row.copy()
            (other[j],) = axis.values(draw.integers(len(axis), size=1))
            found.append(other)
    actions = np.array(found).reshape(-1, len(problem.schema))
    led = problem.rows_of(actions)
    does = problem.allowed(actions, led) & problem.target.met(meter.score(led))
    also = trees._survival(problem)
    if also is not None:
        does[does] = also(led[does])
    does[does] = problem.trust(actions[does], meter.score).holds
    return list(actions[does])[:8]


def check_ranges(
    seed: int,
    schema: Schema,
    paths: Counter[str],
    asked_of: Callable[[int, Schema], Asked] = ask,
) -> None:
    """Both ends of every range, by the tables and by asking value by value."""
    asked = asked_of(seed, schema)
    # Along an edge there are as many rows as the grid is fine: survival is asked of each.
    if schema is FINE and asked.problem.survives is not None:
        return
    if schema is MIDDLING and seed % 2 and asked.problem.survives is None:
        also_survives = (*asked.problem.constraints, SURVIVES)
        asked = replace(asked, problem=replace(asked.problem, constraints=also_survives))
    problem, trees = asked.firm, Trees(asked.deployed.form, schema)
    meter = Meter(asked.predictor, NEVER)
    try:
        rows = some_answers(asked, trees, meter)
    except NotEligible:
        return
    for row in rows:
        for j in np.flatnonzero(changed(row[None, :], problem.factual)[0]).tolist():
            is_read = schema.features[j].kind is not Kind.NOMINAL
            if not is_read or row[j] not in problem.axes[j] or trees._stays_inert(problem, row, j):
                continue
            found = trees.sufficient_range(problem, meter, row, j)
            also = trees._survival(problem)
            assert found == range_by_asking(problem, meter, row, j, also), (seed, row, j)
            paths["ranges"] += 1
            paths["surviving ranges"] += also is not None and found[0] < found[1]
            paths["axes of thousands"] += len(problem.axes[j]) > LONGEST_LISTED
            # With it the lever is not set, and may follow.
            paths["past the factual value"] += bool(found[0] < problem.factual[j] < found[1])


@pytest.mark.parametrize("part", range(PARTS))
def test_ranges_are_those_found_by_asking(part: int, paths: Counter[str]) -> None:
    for seed in ALONG[part::PARTS]:
        check_ranges(seed, GRIDS[seed % 3], paths)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("part", range(10 * PARTS))
def test_ranges_of_thousands(part: int, paths: Counter[str]) -> None:
    for seed in ALONG_SELDOM[part :: 10 * PARTS]:
        check_ranges(seed, GRIDS[seed % 3], paths)


# --- threads --------------------------------------------------------------------------------------


def test_threads_may_share_laws_and_tables() -> None:
    """Each with a search and scratch of its own."""
    asked = [a for a in map(ask, range(60)) if a.problem.survives is None][:24]
    engines = {id(a.deployed): Trees(a.deployed.form, SCHEMA) for a in asked}

    def costs(a: Asked) -> tuple[list[float], float | None]:
        # A question of its own, whose causes and engine are shared.
        problem, meter = replace(a.firm), Meter(a.predictor, NEVER)
        try:
            found = engines[id(a.deployed)].search(problem, meter, NEVER)
        except NotEligible:
            return [], None
        return problem.cost_of(found.candidates[:1]).tolist(), found.lower_bound

    alone = [costs(a) for a in asked]
    assert sum(bool(found) for found, _ in alone) >= 10
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(costs, [*asked, *asked])) == [*alone, *alone]
