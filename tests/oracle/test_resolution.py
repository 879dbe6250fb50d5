"""What a question costs does not depend on how fine the grid is: model rows and calls, and memory,
counted on grids of a hundred and of a million values."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Answer, Recourse
from ifonly.explainers.constraints import Origin, Source, Survives
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Schema, Task
from tests.support.deployed import Deployed, as_served, deployed_layers, deployed_trees
from tests.support.fine import with_counts
from tests.support.kinds import KINDS
from tests.support.questions import question

COARSE, FINE = with_counts((100,) * 3), with_counts((1_000_000,) * 3)
RATIO = 1.5
FAMILIES = ("trees", "linear", "relu", "blackbox")
SEEDS = range(24)
SURVIVES = Survives((0.15, 8.0, 0.0, 0.0, 0.06), origin=Origin(Source.REQUEST, "robust"))


class Counting:
    """A served model that keeps the rows it is asked about."""

    def __init__(self, deployed: Deployed) -> None:
        served = as_served(deployed)
        self._score, self.rounding = served.score, served.rounding
        self.asked: list[Rows] = []

    def score(self, rows: Rows) -> Scores:
        self.asked.append(rows)
        return self._score(rows)


@dataclass
class Spent:
    rows: int = 0
    in_doubt: int = 0
    calls: int = 0
    peak: int = 0
    asked: int = 0


def deployed_as(family: str, seed: int) -> Deployed:
    if family in ("trees", "blackbox"):
        return deployed_trees(seed, Task.BINARY)
    return deployed_layers(seed, Task.BINARY, linear=family == "linear")


def engine_of(family: str, deployed: Deployed, schema: Schema) -> Engine:
    return Blackbox() if family == "blackbox" else engines_for(deployed.form, schema)


def edge(problem: Problem, deployed: Deployed, rows: Rows) -> int:
    """How many of ``rows`` float32 may put on either side of the limit: their exact raw output is
    within a hundred-thousandth of it (the band itself is a few millionths)."""
    raw = deployed.form.raw(rows)[:, 0]
    scores = 1.0 / (1.0 + np.exp(-raw))
    off = problem.target.rounding.of(scores[:, None])[:, 0]
    return int((np.abs(scores + off - 0.5) < 1e-5).sum())


def measured(family: str, schema: Schema, kinds: int = 0) -> Spent:
    spent = Spent()
    for seed in SEEDS:
        deployed = deployed_as(family, seed)
        engine, model = engine_of(family, deployed, schema), Counting(deployed)
        draw = np.random.default_rng(seed)
        some = [KINDS[int(k)] for k in draw.choice(len(KINDS), kinds, replace=False)]

        def ask() -> tuple[Problem, Answer]:
            problem, _, _ = question(some, seed, Task.BINARY, schema)  # noqa: B023
            return problem, explain(problem, model, engine=engine)  # noqa: B023

        if isinstance(ask()[1], AlreadyTarget):  # and what is made once for a model is made
            continue
        model.asked.clear()
        problem, answer = ask()
        firm = problem.firm(model.rounding)
        spent.rows += answer.work.rows
        spent.calls += answer.work.runs
        spent.in_doubt += edge(firm, deployed, np.concatenate(model.asked))
        tracemalloc.start()
        ask()
        spent.peak += tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        spent.asked += 1
    assert spent.asked >= 8
    return spent


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(f, marks=[pytest.mark.slow, pytest.mark.long])
        if f in ("relu", "blackbox")
        else f
        for f in FAMILIES
    ],
)
def test_rows_calls_and_memory_are_those_of_a_coarse_grid(family: str) -> None:
    coarse, fine = measured(family, COARSE), measured(family, FINE)
    assert fine.calls <= RATIO * coarse.calls
    assert fine.peak <= RATIO * coarse.peak
    if family in ("linear", "relu"):
        # Of rows that float32 may put on either side of the limit, and that are cheaper than the
        # answer, the model is asked about each: the finer the grid, the more there are.
        assert fine.rows - fine.in_doubt <= RATIO * coarse.rows
        assert fine.in_doubt <= 40 * fine.asked
    else:
        assert fine.rows <= RATIO * coarse.rows


def test_rules_do_not_make_trees_list_an_axis() -> None:
    coarse, fine = measured("trees", COARSE, kinds=2), measured("trees", FINE, kinds=2)
    assert fine.rows <= RATIO * coarse.rows
    assert fine.calls <= RATIO * coarse.calls
    assert fine.peak <= RATIO * coarse.peak


def test_readings_that_must_survive_do_not_make_trees_list_an_axis() -> None:
    peaks, proven = {}, 0
    for name, schema in (("coarse", COARSE), ("fine", FINE)):
        peaks[name] = 0
        for seed in range(12):
            deployed = deployed_trees(seed, Task.BINARY)
            engine = engines_for(deployed.form, schema)
            problem, _, _ = question((), seed, Task.BINARY, schema)
            problem = replace(problem, constraints=(*problem.constraints, SURVIVES))
            answer = explain(problem, deployed.predictor, engine=engine)
            if isinstance(answer, Recourse):
                assert answer.counterfactuals[0].gap == 0.0
                proven += 1
            problem = replace(problem)
            tracemalloc.start()
            explain(problem, deployed.predictor, engine=engine)
            peaks[name] += tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert proven >= 8
    assert peaks["fine"] <= RATIO * peaks["coarse"]
