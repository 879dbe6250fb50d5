"""Networks where something follows, or whose answers must survive the sensors: the claim is what a
walk over every action finds."""

from __future__ import annotations

import pytest

from ifonly.explainers.answer import AlreadyTarget, Recourse
from ifonly.explainers.explain import explain
from tests.support.followed import Followed

BOTH = pytest.mark.parametrize(
    ("follows", "survives"), [(True, False), (False, True), (True, True)],
    ids=["follows", "survives", "both"],
)  # fmt: skip


def check(seeds: range, *, follows: bool, survives: bool) -> None:
    engines = set()
    for seed in seeds:
        asked = Followed.of(seed, follows=follows, survives=survives)
        answer = explain(asked.problem, asked.deployed.predictor, engine=asked.engine)
        if isinstance(answer, AlreadyTarget):
            continue
        engines.add(answer.work.engine)
        assert asked.told_wrong(answer) is None, seed
    assert "networks" in engines


@BOTH
def test_the_claim_is_what_a_walk_over_every_action_finds(follows: bool, survives: bool) -> None:
    check(range(100, 116), follows=follows, survives=survives)


@pytest.mark.long
@BOTH
def test_many_claims_are_what_a_walk_finds(follows: bool, survives: bool) -> None:
    check(range(2_000, 2_300), follows=follows, survives=survives)


def test_every_value_of_a_sufficient_range_survives() -> None:
    held = 0
    for seed in range(100, 116):
        asked = Followed.of(seed, follows=False, survives=True)
        answer = explain(asked.problem, asked.deployed.predictor, engine=asked.engine)
        if not isinstance(answer, Recourse):
            continue
        action = answer.counterfactuals[0].action_on(asked.problem.factual)
        for each in answer.counterfactuals[0].actions:
            for end in each.sufficient_range or ():
                moved = action.copy()
                moved[each.column] = end
                assert asked.least_margin(moved) >= 0.0, seed
                held += 1
    assert held > 2
