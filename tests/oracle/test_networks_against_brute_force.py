"""Branch and bound for networks: its claim is what walking every row finds, by itself."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.networks import search
from ifonly.explainers.search.networks.arrays import BoxEffort
from ifonly.explainers.search.networks.engine import Networks
from ifonly.models.schema import Task
from tests.support.checks import normal, optimum
from tests.support.deployed import Deployed, deployed_layers, deployed_units
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.onnx_units import CURVED, STRAIGHT
from tests.support.questions import question

TASKS = tuple(Task)
BEYOND = {"gelu", "swish"}
"""Curves that are not bounded by lines."""
SHAPES = ("layers", *STRAIGHT, *(shape for shape in CURVED if shape not in BEYOND))
QUESTIONS = 2


@cache
def model(shape: str, seed: int, task: Task) -> tuple[Deployed, Networks]:
    made = (
        deployed_layers(seed, task, linear=False)
        if shape == "layers"
        else deployed_units(seed, task, shape)
    )
    return made, Networks(made.form, SCHEMA)


def searched(shape: str, seed: int, kinds: list[int]) -> tuple[SearchOutcome, float]:
    """What the engine found and claims, and the cost of the cheapest row of a walk."""
    task = TASKS[seed % 3]
    deployed, engine = model(shape, seed % 5, task)
    problem, _, kept = question([KINDS[k] for k in kinds], seed, task)
    never = Deadline.never()
    found = engine.search(problem, Meter(deployed.predictor, never), never)
    assert found.is_proven(problem)
    best = optimum(problem, deployed.predictor, kept, normal(task))
    return found, np.inf if best is None else best


def is_asked(shape: str, seed: int) -> bool:
    """Whether the factual of the question is not in the target yet."""
    task = TASKS[seed % 3]
    deployed, _ = model(shape, seed % 5, task)
    problem, _, _ = question([], seed, task)
    return not bool(
        problem.target.needs_nothing(deployed.predictor.score(problem.factual[None]))[0]
    )


def check(shape: str, seeds: range, most: int) -> int:
    asked = 0
    for seed in seeds:
        if asked == most or not is_asked(shape, seed):
            continue
        found, best = searched(shape, seed, [seed % len(KINDS), (5 * seed) % len(KINDS)])
        assert found.lower_bound == pytest.approx(best, rel=1e-9)
        asked += 1
    return asked


@pytest.mark.parametrize("shape", SHAPES)
def test_the_claim_is_what_walking_every_row_finds(shape: str) -> None:
    assert check(shape, range(100, 130), QUESTIONS) == QUESTIONS


@pytest.mark.parametrize("shape", ["layers", "autoencoder", "worst error"])
def test_boxes_that_are_not_listed_are_halved_to_the_same_claim(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds and halves alone prove it: by one row at a time, with few steps."""
    monkeypatch.setattr(search, "find_incumbent", lambda *_: None)
    monkeypatch.setattr(BoxEffort, "listed", 1)
    monkeypatch.setattr(BoxEffort, "steps", 1)
    monkeypatch.setattr(BoxEffort, "first_steps", 1)
    assert check(shape, range(400, 430), QUESTIONS) == QUESTIONS


@pytest.mark.long
@pytest.mark.parametrize("shape", ["layers", "autoencoder", "worst error"])
def test_many_boxes_that_are_not_listed_are_halved_to_the_same_claim(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "find_incumbent", lambda *_: None)
    monkeypatch.setattr(BoxEffort, "listed", 1)
    assert check(shape, range(2_000, 2_200), 60) == 60


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_many_claims_are_what_walking_every_row_finds(shape: str) -> None:
    assert check(shape, range(1_000, 1_300), 80) == 80


def test_a_curve_without_lines_is_left_to_others() -> None:
    deployed = deployed_units(0, Task.BINARY, "swish")
    with pytest.raises(NotEligible, match="bounded by no lines"):
        Networks(deployed.form, SCHEMA)


def test_a_search_that_is_cut_says_what_it_knows() -> None:
    """At once: a bound that no row is below, whatever was found."""
    seed = next(s for s in range(100, 130) if is_asked("layers", s))
    task = TASKS[seed % 3]
    deployed, engine = model("layers", seed % 5, task)
    problem, _, kept = question([], seed, task)
    past = Deadline.after(-1.0)
    found = engine.search(problem, Meter(deployed.predictor, past), past)
    best = optimum(problem, deployed.predictor, kept, normal(task))
    assert found.deadline_hit
    assert found.lower_bound is not None
    assert found.lower_bound <= (np.inf if best is None else best)
