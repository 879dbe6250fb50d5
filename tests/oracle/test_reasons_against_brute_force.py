"""Sufficient reasons on generated models: what walking every row, and every set, finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ifonly.explainers.reason import ReasonStatus
from ifonly.explainers.reasons.hitting import bits, mask_of, smallest
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.schema import Task
from tests.support.deployed import deployed_layers, deployed_trees
from tests.support.generated import SCHEMA, Stumps
from tests.support.kinds import ConstraintKind
from tests.support.minimal_reasons import OF_CHANGES, OF_ROWS, asked, faults

TASKS = tuple(Task)


def check(seed: int, task: Task, kinds: list[ConstraintKind], family: str) -> str:
    if family == "trees":
        deployed = deployed_trees(seed % 7, task)
        engine: Engine = Trees(deployed.form, SCHEMA)
    else:
        deployed = deployed_layers(seed % 3, task, linear=family == "linear")
        engine = engines_for(deployed.form, SCHEMA)
    answer, walk = asked(seed, task, kinds, deployed.predictor, engine)
    assert not faults(answer, walk)
    return "nothing" if answer.reasons[0].columns == () else answer.status.value


@pytest.mark.parametrize("task", TASKS)
def test_minimal_sets_are_what_walking_every_row_and_set_finds(task: Task) -> None:
    kinds = itertools.cycle([[], [OF_ROWS[0]], [OF_ROWS[3], OF_CHANGES[0]], [OF_ROWS[2]]])
    found = {check(seed, task, kind, "trees") for seed, kind in zip(range(14), kinds, strict=False)}
    assert ReasonStatus.SMALLEST.value in found


@pytest.mark.parametrize("family", ["linear", "relu"])
def test_those_of_other_graphs_are_too(family: str) -> None:
    for seed, task in enumerate(TASKS):
        check(seed, task, [OF_ROWS[seed]], family)


def test_a_model_that_nobody_can_read_is_walked_where_it_can_be() -> None:
    answer, walk = asked(5, Task.BINARY, [], Stumps.random(5), Blackbox())
    assert not faults(answer, walk)


def test_the_smallest_set_that_meets_all_is_no_larger_than_any() -> None:
    draw = np.random.default_rng(0)
    for _ in range(60):
        sets = [mask_of(np.flatnonzero(draw.random(6) < 0.4).tolist()) or 1 for _ in range(5)]
        without = [mask_of(draw.choice(6, 2, replace=False).tolist()) for _ in range(2)]
        found = smallest(sets, without, range(6))
        walked = [
            s
            for s in range(64)
            if all(s & one for one in sets) and not any(s & w == w for w in without)
        ]
        assert (found is None) == (not walked)
        if found is not None:
            assert found in walked
            assert len(bits(found)) == min(map(int.bit_count, walked))
