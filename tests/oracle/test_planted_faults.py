"""Faults planted by machine, one at a time: no row that does not hold is published.

``python -m bench.mutants`` does the same at large (docs/benchmarks/mutants.md).
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest

from bench.mutants.campaign import Campaign, Verdict, sampled
from bench.mutants.modules import FAST
from bench.mutants.planting import Mutant, mutants_of
from bench.mutants.questions import Questions, all_cases

SLIPS = {
    "a comparison of rules": ("explainers.constraints", "Comparison._compare"),
    "the cost": ("explainers.cost", "Cost.of"),
    "the target": ("explainers.target", "Target._met"),
    "what follows": ("explainers.causal.image", "CausalImage.rows"),
}
EACH = 4
"""Faults of each that are planted in the fast tests."""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Every third question, asked without a fault first."""
    return _campaign(tmp_path_factory.mktemp("models"), 3)


@cache
def _campaign(folder: Path, step: int) -> Campaign:
    return Campaign(Questions(all_cases()[::step], folder))


def _faults(slip: str) -> list[Mutant]:
    module, function = SLIPS[slip]
    found = [m for m in mutants_of(module) if m.function == function]
    assert len(found) >= 2, f"{function} is no longer there"
    return found


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_a_shared_definition_ends_in_no_wrong_row(slip: str, campaign: Campaign) -> None:
    rng = random.Random(slip)
    faults = _faults(slip)
    results = [campaign.try_out(m, rng) for m in rng.sample(faults, min(EACH, len(faults)))]
    assert not [(str(r.mutant), r.why) for r in results if r.has(Verdict.WRONG)]
    assert any(r.is_changed for r in results), "none of them does anything"


def test_the_slip_in_comparisons_that_was_once_published_is_rejected(campaign: Campaign) -> None:
    """Issue 12's: ``>=`` read the other way round."""
    wanted = "`total >= -tolerance` → `total < -tolerance`"
    slip = next(m for m in _faults("a comparison of rules") if m.says == wanted)
    result = campaign.try_out(slip, random.Random(0))
    assert result.has(Verdict.REJECTED)
    assert not result.has(Verdict.WRONG), result.why


@pytest.mark.slow
def test_the_replies_to_all_fixed_questions_are_what_a_walk_finds(tmp_path: Path) -> None:
    assert len(Campaign(Questions(all_cases(), tmp_path)).before) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("slip", SLIPS)
def test_no_slip_in_a_shared_definition_ends_in_a_wrong_row(
    slip: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    every = _campaign(tmp_path_factory.getbasetemp(), 1)
    results = [every.try_out(m, random.Random(0)) for m in _faults(slip)]
    assert not [(str(r.mutant), r.why) for r in results if r.has(Verdict.WRONG)]


@pytest.mark.slow
def test_no_fault_anywhere_ends_in_a_wrong_row(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    every = _campaign(tmp_path_factory.getbasetemp(), 1)
    rng = random.Random(1)
    results = [
        every.try_out(m, rng) for m in sampled({name: mutants_of(name) for name in FAST}, 150, rng)
    ]
    assert not [(str(r.mutant), r.why) for r in results if r.has(Verdict.WRONG)]
    assert sum(r.is_changed for r in results) >= 30
