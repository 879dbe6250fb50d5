"""The same blocking set, whether constraints are left out one by one or several at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.constraints import Immutable, Origin, Single, Source, Survives
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.infeasible_subsystem import infeasible_subsystem, liftable, with_only
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.space import Axis
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Task
from tests.support.deployed import deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.questions import question

STRICT = [k for k in KINDS if k.name not in ("may be filled", "against the factual")]


def asked(seed: int) -> Problem:
    draw = np.random.default_rng(seed)
    kinds = [STRICT[int(k)] for k in draw.choice(len(STRICT), 6, replace=False)]
    return question(kinds, seed, Task.REGRESSION)[0]


@pytest.mark.parametrize("seed", range(40))
def test_the_set_does_not_depend_on_how_it_is_asked_for(seed: int) -> None:
    problem, draw = asked(seed), np.random.default_rng(seed)
    own = {id(each): k for k, each in enumerate(liftable(problem))}
    # Any family of sets that block: whatever holds one of them blocks, too.
    blocking = [
        # At times of none: no row at all is in the target.
        frozenset(draw.choice(len(own), int(draw.integers(0, 4)), replace=False).tolist())
        for _ in range(int(draw.integers(1, 5)))
    ]
    proofs = []

    def reaches(some: Problem) -> bool:
        names = frozenset(own[id(each)] for each in liftable(some))
        blocked = any(each <= names for each in blocking)
        proofs.append(blocked)
        return not blocked

    one_by_one = infeasible_subsystem(problem, reaches).blocked_by
    in_turn = sum(proofs)
    proofs.clear()
    at_once = infeasible_subsystem(problem, reaches, is_quick=True).blocked_by
    assert [own[id(b)] for b in at_once] == [own[id(b)] for b in one_by_one]
    assert sum(proofs) <= in_turn


@pytest.mark.parametrize("seed", range(6))
def test_what_is_not_settled_is_kept_but_for_what_others_say_already(seed: int) -> None:
    problem = asked(seed)
    for is_quick in (False, True):
        kept = infeasible_subsystem(problem, lambda _: None, is_quick=is_quick).blocked_by
        gone = [each for each in liftable(problem) if each not in kept]
        assert all(isinstance(each, Single) and each.of_action for each in gone)
        # As much is allowed as before.
        left = with_only(problem, kept)
        rows = rows_around(problem)
        assert (left.allowed(rows) == problem.allowed(rows)).all()


def rows_around(problem: Problem) -> Rows:
    """Some actions, most of which some constraint forbids."""
    draw = np.random.default_rng(0)
    rows = np.repeat(problem.factual[None, :], 400, axis=0)
    for j, feature in enumerate(problem.schema.features):
        values = Axis.of(feature, float(problem.factual[j])).values()
        moved = draw.random(len(rows)) < 0.4
        rows[moved, j] = draw.choice(values, int(moved.sum()))
    return rows


def test_nothing_is_searched_where_constraints_say_nothing() -> None:
    """Readings that nobody could set are also frozen: thirty of them are no thirty proofs."""
    problem = asked(0)
    frozen = replace(
        problem,
        constraints=tuple(
            Immutable(j, origin=Origin(Source.REQUEST, f"constraints.freeze.{j}"))
            for j in range(len(problem.schema))
            for _ in range(2)
        ),
    )
    searches = []

    def reaches(some: Problem) -> bool:
        searches.append(some)
        return True

    kept = infeasible_subsystem(frozen, reaches).blocked_by
    assert len(kept) == len(searches) == len({each.origin.key for each in kept})


def test_what_is_dearer_than_is_of_use_is_not_looked_for() -> None:
    """The bound says so, and nothing else is asked; what is cheaper is found as ever."""
    deployed = deployed_trees(3, Task.BINARY)
    engine = Trees(deployed.form, SCHEMA, patience=0)
    for seed in range(12):
        problem, _, _ = question((), seed, Task.BINARY)
        meter = Meter(deployed.predictor, Deadline.never())
        whole = engine.search(problem, meter, Deadline.never())
        if not len(whole.candidates):
            continue
        cost = float(problem.cost_of(whole.candidates[:1])[0])
        if cost == 0.0:
            continue
        useless = replace(problem, below=cost)
        found = engine.search(useless, meter, Deadline.never())
        assert not len(found.candidates)
        assert found.lower_bound == cost
        assert found.is_proven(useless)
        assert not found.is_infeasible
        useful = replace(problem, below=1.01 * cost)
        found = engine.search(useful, meter, Deadline.never())
        assert float(problem.cost_of(found.candidates[:1])[0]) == cost
        assert found.is_proven(useful)


def test_a_row_that_need_not_survive_says_nothing_of_what_must() -> None:
    origin = Origin(Source.POLICY, "policy.target.robust")
    survives = Survives((0.1,) * len(SCHEMA), origin=origin)
    frozen = tuple(Immutable(j, origin=Origin(Source.REQUEST, f"freeze.{j}")) for j in range(3))
    problem = replace(asked(0), constraints=(survives, *frozen))

    def reaches(some: Problem) -> Row | bool:
        # Every row is in the target, and none survives.
        return problem.factual if some.survives is None else False

    assert infeasible_subsystem(problem, reaches).blocked_by == (survives,)
