"""The rows that a choice of pieces has left: all that may be cheaper and in the target."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest

from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.choices import Block, Choices
from ifonly.explainers.search.milp.grid_enumeration import GridCell, TooMany, listed
from ifonly.explainers.search.milp.model import LayeredModel
from ifonly.explainers.search.milp.network import Reach
from ifonly.explainers.search.milp.program import Program
from ifonly.models.schema import Task
from tests.support.deployed import deployed_layers
from tests.support.fine import with_counts
from tests.support.kinds import KINDS
from tests.support.questions import question

RELATED = [k for k in KINDS if k.name in ("linear of two", "cyclic", "if a category")]


def asked(seed: int, *, linear: bool, counts: int = 40) -> tuple[Problem, LayeredModel, Choices]:
    deployed = deployed_layers(seed, Task.BINARY, linear=linear)
    schema = with_counts((counts,) * 3)
    model = LayeredModel(deployed.form, schema)
    problem, _, _ = question((RELATED[seed % 3],), seed, Task.BINARY, schema)
    levers = model.levers(model.following(problem))
    return problem, model, Choices.add(Program(), problem, levers)


def cells(choices: Choices, draw: np.random.Generator) -> Block:
    """One piece of each lever, longer ones first."""
    chosen = []
    for own in choices.each:
        long = [choice for choice in own if choice.piece.steps]
        chosen.append(long[int(draw.integers(len(long)))] if long else own[0])
    steps = tuple(choice.piece.steps for choice in chosen)
    return Block(tuple(chosen), (0,) * len(chosen), steps)


def rows_of(choices: Choices, block: Block) -> np.ndarray:
    """All actions of a block, one by one."""
    rows = []
    for steps in itertools.product(*(range(n + 1) for n in block.last)):
        row = choices.problem.factual.copy()
        for place, (choice, step) in enumerate(zip(block.choices, steps, strict=True)):
            if not choices.is_alone(place, choice):
                row[choices.levers.each[place].column] = choice.piece.at(step)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("linear", [True, False])
def test_every_row_that_may_be_cheaper_and_in_the_target_is_listed(linear: bool) -> None:
    held = 0
    for seed in range(24):
        problem, model, choices = asked(seed, linear=linear)
        block = cells(choices, np.random.default_rng(seed))
        rows = rows_of(choices, block)
        costs, limits = problem.cost_of(rows), model.limits(problem)
        most = float(np.quantile(costs, 0.8))
        wanted = rows[(costs < most) & limits.told(rows).possible & problem.allowed(rows)]
        below = partial(model.below, problem, choices)
        found = np.concatenate([rows[:0], *listed(GridCell(choices, block), below, most, 1 << 20)])
        told = {row.tobytes() for row in found}
        assert len(told) == len(found)
        assert all(row.tobytes() in told for row in wanted)
        held += len(wanted)
    assert held > 500


def test_too_many_rows_are_refused_and_not_held() -> None:
    refused = 0
    for seed in range(24):
        problem, model, choices = asked(seed, linear=True)
        cell = GridCell(choices, cells(choices, np.random.default_rng(seed)))
        below = partial(model.below, problem, choices)
        count = sum(map(len, listed(cell, below, math.inf, 1 << 20)))
        if count:
            with pytest.raises(TooMany):
                list(listed(cell, below, math.inf, count - 1))
            refused += 1
    assert refused >= 10


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_besides_some_pieces_is_bounded(seed: int) -> None:
    _, _, choices = asked(seed, linear=True, counts=8)
    draw = np.random.default_rng(seed)
    block = cells(choices, draw)
    budget = 0.5 * choices.levers.most
    reach = Reach.of(choices, budget)
    own = zip(choices.each, block.choices, strict=True)
    ends = [[c is chosen] * len(c.piece.ends) for all_, chosen in own for c in all_]
    besides = np.array([end for piece in ends for end in piece])
    direction = draw.normal(size=(len(reach.constant), 1))
    bound = Reach(reach.ends, reach.costs, reach.starts, reach.constant, budget, besides)
    least = float(bound.least(direction)[0])
    pieces = [[(c, k) for c in each for k in range(c.piece.steps + 1)] for each in choices.each]
    for some in itertools.product(*pieces):
        if all(c is chosen for (c, _), chosen in zip(some, block.choices, strict=True)):
            continue
        if sum(c.piece.cost + k * c.piece.cost_rise for c, k in some) > budget:
            continue
        total = float((reach.constant @ direction)[0])
        for lever, (c, k) in zip(choices.levers.each, some, strict=True):
            inputs = c.piece.inputs + k * c.piece.inputs_rise
            total += float(inputs @ direction[lever.own, 0])
        assert total >= least - 1e-9
    assert reach.least(direction)[0] <= least + 1e-9
