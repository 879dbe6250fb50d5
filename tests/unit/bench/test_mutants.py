"""Faults planted in forked processes, and what is known of a question by a walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import hatch_build
from bench.mutants import forks, oracle
from bench.mutants.modules import FAST, KERNEL
from bench.mutants.mutant import Mutant
from bench.mutants.planting import is_ready, live, mutants_of, plant
from bench.mutants.questions import Questions, all_cases
from bench.mutants.truth import Faults, faults
from ifonly.explainers import search
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.space import Axis
from ifonly.models.schema import Feature, Kind
from tests.support.native import instance

STEPS = Feature("torque", Kind.CONTINUOUS, "Nm", 0.0, 1.0, Decimal("0.25"))


def _fault(module: str, function: str, says: str) -> Mutant:
    return next(m for m in mutants_of(module) if m.function == function and m.says == says)


SPARED = {
    "box_provers", "box_rules", "boxes", "carried_out", "composed.drawing", "composed.enclosures",
    "composed.engine", "composed.hulls", "composed.levers", "composed.lines", "composed.machines",
    "composed.members", "composed.pricing", "composed.rules", "composed.search", "contradiction",
    "counterexample", "linear", "networks.arrays", "profiles", "relu", "sharing", "trees.alike",
    "trees.arrays", "trees.boxes", "trees.column_boxes", "trees.contradiction",
    "trees.entry_points", "trees.reach", "trees.reference", "trees.tables",
}  # fmt: skip
"""Names of the two engines of `milp`, what calls the compiled search, the tests' twin, fields; what
common changes, reasons and what is carried out later ask, what rows share, joint boxes and
windows: faults of their own,
beside their oracles. Of `composed` every interval and every line is held against the rows in it."""


def test_faults_are_planted_in_every_module_of_the_search() -> None:
    root = Path(search.__path__[0])
    files = [f.relative_to(root) for f in root.rglob("*.py") if f.stem != "__init__"]
    found = {".".join(file.with_suffix("").parts) for file in files}
    planted = {m.removeprefix("ifonly.explainers.search.") for m in FAST}
    assert found - planted == SPARED


SAFE = {"arena", "arrays", "bounded_simplex", "causal_binding", "cell_descent", "checks", "effects",
        "effects_binding", "entries", "fields", "handover", "lagrangian_binding", "laws",
        "leaves_binding", "merging_binding", "networks_binding", "owned", "parts", "question",
        "range_minimum", "score_search_binding", "tables", "unit_arrays"}  # fmt: skip
"""Arrays, and what is handed over; malformed arrays try that.
Prices by a simplex: whatever they are, what is made of them holds; rows of a descent are put to the
model. Least numbers of ranges are too short for faults of their own; priced boxes are held against
a walk over every row."""


def test_faults_are_planted_in_every_part_of_the_compiled_search() -> None:
    found = {file.stem for file in hatch_build.FOLDER.glob("*.hpp")}
    assert found - {m.removeprefix("ifonly.explainers.native.") for m in KERNEL} == SAFE
    assert all(len(mutants_of(part)) > 20 for part in KERNEL)


@pytest.mark.long
@pytest.mark.slow
def test_a_fault_in_the_compiled_search_is_run_and_forgotten_with_its_process() -> None:
    found = mutants_of("ifonly.explainers.native.cells")
    fault = next(m for m in found if m.function == "least_cost" and "total -= " in m.says)
    assert is_ready(fault)

    def work() -> Iterator[float]:
        plant(fault)
        yield dearest()

    before = dearest()
    assert before > 0.0
    assert forks.run(work) == ([-before], "")
    assert dearest() == before


def dearest() -> float:
    """What the last value of every axis costs, by the compiled search."""
    q, cost = instance(0).question, np.empty(1)
    # Handed over anew: what was before is of the extension without the fault.
    q = replace(q, long=replace(q.long), rules=replace(q.rules))
    entry_points.least_costs(q, q.most[None], q.most[None], cost)
    return float(cost[0])


def test_a_fault_is_run_by_everybody_and_forgotten_with_its_process() -> None:
    fault = _fault("ifonly.explainers.space", "Axis.__len__", "`self.count + len(self.others)` → "
                   "`self.count - len(self.others)`")  # fmt: skip
    axis = Axis.of(STEPS, 0.1)

    def work() -> Iterator[int]:
        plant(fault)
        yield len(axis)

    told, died = forks.run(work)
    assert (told, died) == ([4], "")
    assert len(axis) == 6


def test_work_that_does_not_end_is_ended_and_what_it_said_is_kept() -> None:
    def work() -> Iterator[int]:
        yield 1
        while True:
            pass

    assert forks.run(work, patience=0) == ([1], "SIGXCPU")


@pytest.mark.slow
def test_tests_that_fail_or_do_not_end_by_a_fault_have_seen_it_and_those_that_pass_have_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault = _fault("ifonly.explainers.space", "Axis.__len__", "`self.count + len(self.others)` → "
                   "`self.count - len(self.others)`")  # fmt: skip
    axis = Axis.of(STEPS, 0.1)

    def passes() -> None:
        assert axis is not None

    def fails() -> None:
        assert len(axis) == 6

    def never_ends() -> None:
        while len(axis) != 6:
            pass

    def always_fails() -> None:
        raise ValueError

    monkeypatch.setattr(oracle, "SECONDS", 1)
    for runs, seen in (
        ([passes], None),
        ([passes, fails, passes], "fails: AssertionError"),
        ([passes, never_ends], "never_ends: does not end"),
        ([always_fails], None),  # without the fault too
    ):
        calls = [[(run.__name__, run) for run in runs]]
        assert oracle.caught_by(fault, calls, seconds=1) == seen


def test_the_tests_nearest_to_a_fault_are_tried_first() -> None:
    modules = oracle.calls(0)
    first = {}
    for name in (
        "causal.backtracking",
        "search.milp.network",
        "native.survival",
        "cost",
    ):
        fault = Mutant(f"ifonly.explainers.{name}", "f", 0, 0, 0, "")
        near = [own[0][0].partition("::")[0] for own in modules if oracle._is_near(fault, own)]
        first[name] = near
    assert first == {
        "causal.backtracking": ["oracle.test_backtracking_against_brute_force"],
        "search.milp.network": [
            "oracle.test_linear_and_relu_against_brute_force",
            "oracle.test_effects_in_linear_programs",
            "unit.explainers.test_milp",
        ],
        "native.survival": ["oracle.test_survival_against_brute_force"],
        "cost": [],
    }


def test_every_fault_is_another_code() -> None:
    def same_as_before() -> Iterator[list[str]]:
        same = []
        for fault in mutants_of("ifonly.explainers.cost"):
            function = live(fault.module, fault.function)
            assert function is not None
            before = function.__code__
            plant(fault)
            if function.__code__ == before:
                same.append(str(fault))
            function.__code__ = before
        yield same

    assert forks.run(same_as_before) == ([[]], "")


def test_the_walk_tells_a_wrong_row_and_a_false_claim_from_a_true_reply(tmp_path: Path) -> None:
    case = next(c for c in all_cases() if c.name.startswith("trees binary 4 "))
    questions = Questions([case], tmp_path)
    truth = next(iter(questions.truths.values()))
    i = next(i for i in range(len(truth.actions)) if truth.prices[i] == truth.least())
    row, cost = truth.actions[i], float(truth.prices[i])
    moved = np.flatnonzero(row != truth.factual)
    one = {
        "action": {int(j): float(row[j]) for j in moved}, "row": row.tolist(), "cost": cost,
        "lower_bound": cost, "enumerated": 0, "ranges": {}, "effects": [], "chance": None,
        "scores": truth.score(row[None])[0].tolist(), "survival": None, "outside": [],
    }  # fmt: skip
    reply = {"status": "optimal", "found": [one]}
    assert faults(truth, reply) == Faults()
    assert faults(truth, {**reply, "found": [{**one, "cost": cost + 0.1}]}).wrong
    assert faults(truth, {**reply, "found": [{**one, "lower_bound": cost + 0.1}]}).false
    off = {**one, "row": [*row[:4].tolist(), row[4] + 0.05]}
    assert faults(truth, {**reply, "found": [off]}).wrong
    assert faults(truth, {"status": "already_target", "found": []}).wrong
    # Of a factual that is there it is wrong to know nothing, and not to be refused by the checker.
    there, unknown = replace(truth, factual=row, _walked={}), {"status": "unknown", "found": []}
    assert faults(there, {**unknown, "rejected": []}).wrong
    assert faults(there, {**unknown, "rejected": ["the documents differ"]}) == Faults()
