"""Faults planted by machine, one at a time: no row that does not hold is published.

``python -m bench.mutants`` does the same at large (docs/benchmarks/mutants.md).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from bench.mutants import oracle
from bench.mutants.campaign import Campaign, MutantVerdict, sampled
from bench.mutants.modules import FAST
from bench.mutants.mutant import Mutant
from bench.mutants.planting import mutants_of
from bench.mutants.questions import Questions, all_cases
from tests.support.thinning import thinned

SLIPS = {
    "a comparison of rules": ("ifonly.explainers.constraints.conditions", "Comparison._compare"),
    "the cost": ("ifonly.explainers.cost", "Cost._of_one"),
    "the cost of many rows": ("ifonly.explainers.cost", "Cost.of"),
    "the target": ("ifonly.explainers.target", "Target._met"),
    "what follows": ("ifonly.explainers.causal.model", "CausalModel.counterfactual"),
    "what is read of it": ("ifonly.explainers.causal.consequences", "CausalConsequences.read"),
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
        ("ifonly.explainers.causal.graph", "Graph.sources", "`if j in acted` → `if True`"),
        ("ifonly.explainers.causal.certainty", "certainty", "`if shift` → `if not shift`"),
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
@pytest.mark.long
@pytest.mark.parametrize("slip", SLIPS)
def test_no_slip_in_a_shared_definition_ends_in_a_wrong_row(
    slip: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    every = _campaign(tmp_path_factory.getbasetemp())
    results = [every.try_out(m, random.Random(0)) for m in _faults(slip)]
    assert not [(str(r.mutant), r.why) for r in results if r.has(MutantVerdict.WRONG)]


LONG = pytest.mark.long

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
    ("search.milp.choices", "Choices.action", "row[lever.column] = choice.piece.at"),
    ("search.milp.network", "Reach._prices", "→ `np.minimum(cost"),
    ("search.milp.network", "intervals", "`low @ up + high @ down` → "),
)
"""Faults that no oracle test was seen to tell, when tests were tried in any order."""
RARE = (
    ("search.milp.choices", "Choices.action", "skips the first"),
    ("search.milp.choices", "Choices.chosen", "→ `min(own"),
    ("search.milp.following", "_piece", "`high - low` → `high + low`"),
)
"""The same, seen by few questions of many: half a minute each, most of it HiGHS."""
LOOSE_IN_KERNEL = (
    (
        "native.primal_heuristic",
        "sum_line_of",
        "w = 0; w < mask.size(); ++w) mask[w] &= up[w] & down[w];` → `for (Whole w = 1",
    ),
    ("native.merging", "join", "`f.count[other] = 0;` → `f.count[other] = 1;`"),
    ("native.survival", "widen_end", "→ `if (true || above(there)) {`"),
    ("native.survival", "survive_between", "`--sp;` → `++sp;`"),
    ("native.survival", "is_above", "→ `total += t.value[w * 64 - lowest_bit(word)];`"),
    (
        "native.survival",
        "note_fragile",
        "q.far[first] < a.cell_lo[sp][j]) ++first;` → `while (first < end && q.far[first] >= ",
    ),
    (
        "native.survival",
        "note_fragile",
        "q.near[last] > a.cell_hi[sp][j]) --last;` → `while (last >= q.off[j] && q.near[last] <= ",
    ),
    ("native.survival", "keep_leaves", "→ `const Words up = t.at_most[t.cells[j] - "),
    ("native.survival", "keep_leaves", "t.at_least[t.cells[j] - low];`"),
    ("native.survival", "greatest_leaf", "→ `greatest = w / 64 + "),
)
"""The same of the compiled search."""


def unseen(module: str, function: str, says: str) -> list[str]:
    """Which faults of that name no oracle test sees, the nearest tried first."""
    faults = [m for m in mutants_of(f"ifonly.explainers.{module}") if m.function == function]
    faults = [m for m in faults if says in m.says]
    assert faults, f"{function} has no {says}"
    # The order of the tests is drawn: a new one may stand before the one that sees it.
    seconds = 4 * oracle.SECONDS
    return [str(m) for m in faults if oracle.caught_by(m, oracle.calls(0), seconds) is None]


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    # Each of the kernel's is compiled for.
    [
        *thinned(LOOSE, 4),
        *LOOSE_IN_KERNEL[:1],
        *(pytest.param(f, marks=LONG) for f in (*RARE, *LOOSE_IN_KERNEL[1:])),
    ],
    ids=lambda fault: " ".join(fault),
)
def test_a_fault_that_was_missed_once_is_seen_by_the_oracle_tests(
    fault: tuple[str, str, str],
) -> None:
    assert unseen(*fault) == []


@pytest.mark.slow
@LONG
def test_no_fault_anywhere_ends_in_a_wrong_row(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    every = _campaign(tmp_path_factory.getbasetemp())
    rng = random.Random(1)
    results = [
        every.try_out(m, rng) for m in sampled({name: mutants_of(name) for name in FAST}, 90, rng)
    ]
    assert not [(str(r.mutant), r.why) for r in results if r.has(MutantVerdict.WRONG)]
    assert sum(r.is_changed for r in results) >= 18
