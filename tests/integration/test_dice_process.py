"""dice-ml itself, in its process: it answers, it can be killed, it can be absent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.dice.engine import Dice
from bench.dice.process import DiceProcess
from ifonly.explainers.answer import Recourse, Unknown
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter
from ifonly.models.repository import DeployedModel, load_folder

ARTIFACTS = Path(__file__).resolve().parents[2] / "models" / "artifacts"
SOON = 0.5
FOREVER = 86_400.0
"""A machine may be slow: only `timeout` of pytest gives up on a process that ought to answer."""
HANGING = "import time\nwhile True: time.sleep(1)"


@pytest.fixture(scope="module")
def model() -> DeployedModel:
    return load_folder(ARTIFACTS / "milling-machine" / "1")


@pytest.fixture(scope="module")
def problem(model: DeployedModel) -> Problem:
    """The first shipped example that raises the alarm."""
    decision = model.spec.decision
    policy = Policy.read(model.spec.policy, model.spec.schema, decision, reference=model.reference)
    for example in model.examples:
        if decision.decide(model.predictor.score(example.row[None, :]))[0] == decision.positive:
            return policy.problem(example.row, robust=False)
    raise AssertionError("no example raises the alarm")


@pytest.fixture(scope="module")
def process() -> Iterator[DiceProcess]:
    """For all tests of its method: it takes a second to import what it needs."""
    process = DiceProcess("random", longest=FOREVER)
    yield process
    process.close()


@pytest.mark.dice
def test_a_deadline_kills_it_and_the_next_question_is_answered(
    model: DeployedModel, problem: Problem, process: DiceProcess
) -> None:
    pytest.importorskip("dice_ml")
    engine = Dice(process)
    soon = Deadline.after(0.01)
    stopped = engine.search(problem, Meter(model.predictor, soon), soon)
    assert stopped.deadline_hit
    assert not len(stopped.candidates)
    never = Deadline.never()
    found = engine.search(problem, Meter(model.predictor, never), never)
    assert not found.deadline_hit
    assert len(found.candidates)


@pytest.mark.dice
@pytest.mark.parametrize("method", ["random", "genetic", "kdtree"])
def test_what_dice_finds_is_snapped_allowed_and_verified(
    method: str, model: DeployedModel, problem: Problem, process: DiceProcess
) -> None:
    pytest.importorskip("dice_ml")
    with (
        nullcontext(process)
        if method == "random"
        else closing(DiceProcess(method, longest=FOREVER)) as asked
    ):
        answer = explain(problem, model.predictor, engine=Dice(asked))
    assert isinstance(answer, Recourse | Unknown)
    if isinstance(answer, Recourse):
        assert answer.counterfactuals[0].lower_bound is None
        assert answer.work.engine == "dice"
    assert answer.work.rows > 100  # DiCE's own rows are counted


@pytest.mark.dice
def test_the_same_question_has_the_same_candidates(
    model: DeployedModel, problem: Problem, process: DiceProcess
) -> None:
    pytest.importorskip("dice_ml")
    never = Deadline.never()
    first, second = (
        Dice(process).search(problem, Meter(model.predictor, never), never).candidates
        for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_a_process_that_hangs_is_killed_at_the_deadline(
    model: DeployedModel, problem: Problem
) -> None:
    process = DiceProcess("kdtree", command=(sys.executable, "-c", HANGING))
    soon = Deadline.after(SOON)
    try:
        found = Dice(process).search(problem, Meter(model.predictor, soon), soon)
    finally:
        process.close()
    assert found.deadline_hit


def test_a_process_that_dies_makes_it_not_eligible(model: DeployedModel, problem: Problem) -> None:
    process = DiceProcess(
        "random", command=(sys.executable, "-c", "raise SystemExit(3)"), longest=FOREVER
    )
    never = Deadline.never()
    with pytest.raises(NotEligible, match="died"):
        Dice(process).search(problem, Meter(model.predictor, never), never)


def test_without_dice_ml_it_is_not_eligible(model: DeployedModel, problem: Problem) -> None:
    hidden = "import sys; sys.modules['dice_ml'] = None; from bench.dice.worker import main; main()"
    process = DiceProcess("random", command=(sys.executable, "-c", hidden), longest=FOREVER)
    never = Deadline.never()
    try:
        with pytest.raises(NotEligible, match="not installed"):
            Dice(process).search(problem, Meter(model.predictor, never), never)
    finally:
        process.close()


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="gradient"):
        DiceProcess("gradient")


def test_nothing_to_vary_needs_no_process(model: DeployedModel, problem: Problem) -> None:
    from ifonly.explainers.constraints import Immutable, Origin, Source

    fixed = tuple(
        Immutable(j, origin=Origin(Source.REQUEST, "constraints.freeze"))
        for j in range(len(problem.schema))
    )
    never = Deadline.never()
    process = DiceProcess("random", command=("no-such-program",))
    found = Dice(process).search(
        replace(problem, constraints=(*problem.constraints, *fixed)),
        Meter(model.predictor, never),
        never,
    )
    assert not len(found.candidates)
