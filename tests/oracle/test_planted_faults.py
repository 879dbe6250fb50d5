"""Faults planted by machine, one at a time: no row that does not hold is published.

``python -m bench.mutants`` does the same at large (docs/benchmarks/mutants.md).
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from bench.mutants import oracle
from bench.mutants.campaign import Campaign, MutantVerdict, sampled
from bench.mutants.modules import FAST
from bench.mutants.planting import Mutant, mutants_of
from bench.mutants.questions import Questions, all_cases

SLIPS = {
    "a comparison of rules": ("explainers.constraints.conditions", "Comparison._compare"),
    "the cost": ("explainers.cost", "Cost._of_one"),
    "the cost of many rows": ("explainers.cost", "Cost.of"),
    "the target": ("explainers.target", "Target._met"),
    "what follows": ("explainers.causal.model", "CausalModel.counterfactual"),
    "what is read of it": ("explainers.causal.consequences", "CausalConsequences.read"),
}
TELLING = ("blackbox", "in the README", "fitted interventional")
"""Parts of the names of questions that meet them."""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Some of the questions, asked without a fault first."""
    return _asking(TELLING, tmp_path_factory.mktemp("models"))


def _asking(telling: Sequence[str], folder: Path) -> Campaign:
    some = [case for case in all_cases() if any(part in case.name for part in telling)]
    return Campaign(Questions(some, folder))


@cache
def _campaign(folder: Path) -> Campaign:
    return Campaign(Questions(all_cases(), folder))


def _faults(slip: str) -> list[Mutant]:
    module, function = SLIPS[slip]
    found = [m for m in mutants_of(module) if m.function == function]
    assert len(found) >= 2, f"{function} is no longer there"
    return found


@pytest.mark.parametrize(
    ("slip", "says"),
    [
        ("a comparison of rules", "`total >= -tolerance` → `total < -tolerance`"),
        ("the cost", "`for … in differing(row, before)` skips the first"),
        ("the cost", "`total += self.of_feature(column, row[column], before[colu...` dropped"),
        ("the target", "`self.decision.decide(scores) == self.wanted` → "
                       "`self.decision.decide(scores) != self.wanted`"),
        ("the target", "`inside &= self.decision.decide(scores) == self.wanted` dropped"),
        ("what follows", "`if causes` → `if False`"),
        ("what is read of it", "`if whole` → `if False`"),
    ],
)  # fmt: skip
def test_a_slip_in_a_shared_definition_is_rejected(
    slip: str, says: str, campaign: Campaign
) -> None:
    fault = next(fault for fault in _faults(slip) if fault.says == says)
    result = campaign.try_out(fault, random.Random(0))
    assert result.has(MutantVerdict.REJECTED), result
    assert not result.has(MutantVerdict.WRONG), result.why


@pytest.mark.parametrize(
    ("module", "function", "says"),
    [
        ("explainers.causal.graph", "Graph.sources", "`if j in acted` → `if True`"),
        ("explainers.causal.certainty", "certainty", "`if shift` → `if not shift`"),
    ],
)
def test_how_sure_an_answer_is_and_what_leads_where_are_told_as_the_checker_finds_them(
    module: str, function: str, says: str, tmp_path: Path
) -> None:
    """Both were published as the engines had them."""
    (fault,) = (m for m in mutants_of(module) if (m.function, m.says) == (function, says))
    result = _asking(["backtracking"], tmp_path).try_out(fault, random.Random(0))
    assert len(result.verdicts) == 3
    assert not result.has(MutantVerdict.WRONG), result.why
    assert not result.has(MutantVerdict.FALSE), result.why


@pytest.mark.slow
def test_the_replies_to_all_fixed_questions_are_what_a_walk_finds(tmp_path: Path) -> None:
    assert len(Campaign(Questions(all_cases(), tmp_path)).before) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("slip", SLIPS)
def test_no_slip_in_a_shared_definition_ends_in_a_wrong_row(
    slip: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    every = _campaign(tmp_path_factory.getbasetemp())
    results = [every.try_out(m, random.Random(0)) for m in _faults(slip)]
    assert not [(str(r.mutant), r.why) for r in results if r.has(MutantVerdict.WRONG)]


LOOSE = (
    ("constraints.max_change", "MaxChange.kept", "→ `abs(cells[self.column] - before) > self"),
    ("causal.members", "CausalMembers.counterfactual", "`now[j] = now[j] + acted[j]` dropped"),
    ("causal.basis", "Expansion._slopes", "`self.precisions * self.centres` → "),
    ("causal.certainty", "certainty", "`if shift` → `if not shift`"),
    ("causal.graph", "Graph.sources", "`if j in acted` → `if True`"),
    ("causal.build", "_Builder.mechanism", "given.kind == 'root'` → `if True`"),
    ("causal.build", "_terms", "`0` → `-1`"),
    ("causal.backtracking", "BacktrackingConsequences.rows", "`j not in moved` → `j in moved`"),
    (
        "causal.backtracking",
        "BacktrackingConsequences._shifts",
        "`values - factual[list(columns)]` → ",
    ),
    ("causal.intervals", "weigh", "`np.minimum(weights, 0.0)` → `np.maximum(weights, 0.0)`"),
    ("search.milp.choices", "Choices.action", "skips the first"),
    ("search.milp.choices", "Choices.chosen", "→ `min(own"),
    ("search.milp.choices", "Choices.action", "row[lever.column] = choice.piece.at"),
    ("search.milp.following", "_piece", "`high - low` → `high + low`"),
    ("search.milp.network", "Reach._prices", "→ `np.minimum(cost"),
    ("search.milp.network", "intervals", "`low @ up + high @ down` → "),
)
"""Faults that no oracle test was seen to tell, when tests were tried in any order."""
LOOSE_IN_KERNEL = (
    ("search.trees.primal_heuristic", "_line_of", "range(len(mask))` skips the first"),
    ("search.trees.tree_merging", "_join", "`0` → `1`"),
    ("search.trees.survival_kernel", "_widen", "`a.cell_lo[sp, j] = here - step` dropped"),
    ("search.trees.survival_kernel", "survives", "`sp -= 1` → `sp += 1`"),
    ("search.trees.survival_kernel", "_least", "lowest_bit(mask[w]))` → `w * 64 - "),
    ("search.trees.survival_kernel", "_note_fragile", "a.cell_lo[sp, j]` → `if False`"),
    ("search.trees.survival_kernel", "_note_fragile", "a.cell_hi[sp, j]` → `if False`"),
    ("search.trees.survival_kernel", "_narrow", "→ `t.cells[j] - a.cell_hi[sp, j]`"),
    ("search.trees.survival_kernel", "_narrow", "→ `t.cells[j] - a.cell_lo[sp, j]`"),
    ("search.trees.survival_kernel", "_most", "`w * 64` → `w / 64`"),
)
IN_PLAIN_PYTHON = """
import json, sys
from bench.mutants import plain
plain.install()
from tests.oracle.test_planted_faults import unseen
print(json.dumps([unseen(*fault) for fault in json.loads(sys.argv[1])]))
"""


def unseen(module: str, function: str, says: str) -> list[str]:
    """Which faults of that name no oracle test sees, the nearest tried first."""
    faults = [m for m in mutants_of(f"explainers.{module}") if m.function == function]
    faults = [m for m in faults if says in m.says]
    assert faults, f"{function} has no {says}"
    return [str(m) for m in faults if oracle.caught_by(m, oracle.calls(0)) is None]


@pytest.mark.slow
@pytest.mark.parametrize("fault", LOOSE, ids=lambda fault: " ".join(fault))
def test_a_fault_that_was_missed_once_is_seen_by_the_oracle_tests(
    fault: tuple[str, str, str],
) -> None:
    assert unseen(*fault) == []


@pytest.mark.slow
def test_faults_of_the_kernel_that_were_missed_once_are_seen_by_the_oracle_tests() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_PLAIN_PYTHON, json.dumps(LOOSE_IN_KERNEL)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == [[]] * len(LOOSE_IN_KERNEL)


@pytest.mark.slow
def test_no_fault_anywhere_ends_in_a_wrong_row(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    every = _campaign(tmp_path_factory.getbasetemp())
    rng = random.Random(1)
    results = [
        every.try_out(m, rng) for m in sampled({name: mutants_of(name) for name in FAST}, 150, rng)
    ]
    assert not [(str(r.mutant), r.why) for r in results if r.has(MutantVerdict.WRONG)]
    assert sum(r.is_changed for r in results) >= 30
