"""Groups by several attributes, tested beside everybody else, as one family."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ifonly.explainers.fairness.audit import audited
from ifonly.explainers.fairness.correction import false_discovery, family_wise
from ifonly.explainers.fairness.groups import GroupingAttribute, subgroups
from ifonly.explainers.fairness.measures import (
    Measure,
    MeasureName,
    bought,
    budgets_of,
    typical,
)
from ifonly.explainers.fairness.permutations import Standing, _first_drawn, permuted_p
from ifonly.explainers.fairness.shares import ratio
from ifonly.explainers.fairness.sizes import (
    simultaneous_z,
    size_of,
    superiority,
    superiority_interval,
)
from ifonly.models.shares import share

INF = float("inf")


def attribute(name: str, values: str) -> GroupingAttribute:
    return GroupingAttribute(name, tuple(values))


def everybody(n: int) -> np.ndarray:
    return np.ones(n, dtype=np.bool_)


def measure(name: MeasureName, lower, upper=None) -> Measure:
    low = np.array(lower, dtype=np.float64)
    high = low if upper is None else np.array(upper, dtype=np.float64)
    return Measure(name, everybody(len(low)), low, high)


# --- groups ---------------------------------------------------------------------------------


def test_each_value_and_each_intersection_is_a_group_once():
    found = subgroups([attribute("sex", "ffmmff"), attribute("line", "abaabc")], least=1)
    parts = [group.parts for group in found.groups]
    assert (("sex", "f"),) in parts
    assert (("sex", "f"), ("line", "a")) in parts
    # Every m is on line a, so they are no other group than m.
    assert (("sex", "m"), ("line", "a")) not in parts
    assert len({group.members.tobytes() for group in found.groups}) == len(found.groups)
    assert not found.small


def test_small_groups_and_those_with_few_outside_are_counted_and_not_tested():
    found = subgroups([attribute("sex", "f" * 9 + "m")], least=2)
    assert found.groups == ()
    assert sorted(group.size for group in found.small) == [1, 9]
    # What all have is no group, small or not.
    assert subgroups([attribute("sex", "ffff")], least=2).small == ()
    assert subgroups([], least=2).groups == ()


def test_a_group_is_of_no_more_attributes_than_asked_for():
    some = [attribute(name, "abab" * 4 if k else "aabb" * 4) for k, name in enumerate("xy")]
    assert {len(g.parts) for g in subgroups(some, 1, deepest=1).groups} == {1}
    assert {len(g.parts) for g in subgroups(some, 1, deepest=5).groups} == {1, 2}


# --- probabilities --------------------------------------------------------------------------


def test_scores_count_what_is_surely_above_and_below():
    rng = np.random.default_rng(0)
    lower = rng.integers(0, 5, 30).astype(np.float64)
    upper = (lower + rng.integers(0, 3, 30)).astype(np.float64)
    lower[:4] = upper[:4] = INF
    upper[5:8] = INF
    brute = [
        sum(upper[j] < lower[i] for j in range(30)) - sum(lower[j] > upper[i] for j in range(30))
        for i in range(30)
    ]
    assert Standing.of(lower, upper).scores.tolist() == brute
    assert sum(brute) == 0


def test_a_drawn_probability_is_the_one_that_counting_gives():
    scores = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    side = np.array([1, 0, 0, 0, 1, 1, 0, 0], dtype=np.bool_)
    mean = scores.mean()
    sums = [abs(sum(scores[list(s)] - mean)) for s in combinations(range(8), 3)]
    seen = abs((scores[side] - mean).sum())
    exact = np.mean([one >= seen - 1e-9 for one in sums])
    (found,) = permuted_p(scores, [side], np.random.default_rng(1), 20_000)
    assert found == pytest.approx(exact, abs=0.012)
    # The complement is the same question.
    other = permuted_p(scores, [~side], np.random.default_rng(1), 20_000)
    assert other == [pytest.approx(exact, abs=0.012)]


def test_values_that_are_all_alike_differ_nowhere_and_large_groups_by_the_normal_law():
    rng = np.random.default_rng(2)
    side = rng.random(1_000) < 0.5
    assert permuted_p(np.ones(1_000), [side], rng) == [1.0]
    scores = rng.normal(size=1_000)
    drawn = [(scores[rng.permutation(side)].mean() - scores.mean()) for _ in range(2_000)]
    seen = scores[side].mean() - scores.mean()
    exact = np.mean(np.abs(drawn) >= abs(seen))
    assert permuted_p(scores, [side], rng) == [pytest.approx(exact, abs=0.04)]


def test_groups_drawn_from_many_have_no_member_twice():
    found = _first_drawn(5_000, 200, 300, np.random.default_rng(3))
    assert found.shape == (300, 200)
    assert all(len(set(row)) == 200 for row in found.tolist())
    assert abs(found.mean() - 2_499.5) < 25
    # Of hardly more than are drawn, too.
    assert sorted(_first_drawn(50, 50, 2, rng := np.random.default_rng(4))[0]) == list(range(50))
    assert rng is not None


def test_probabilities_are_corrected_as_r_does():
    # R: p.adjust(c(.001, .008, .039, .041, .6), "BY"), and "holm"
    found = [0.001, 0.008, 0.039, 0.041, 0.6]
    by = [0.01141667, 0.04566667, 0.11702083, 0.11702083, 1.0]
    assert false_discovery(found) == pytest.approx(by, abs=1e-8)
    assert family_wise(found) == pytest.approx([0.005, 0.032, 0.117, 0.117, 0.6])
    assert false_discovery([]) == []


# --- sizes ----------------------------------------------------------------------------------


def test_the_chance_of_more_is_that_of_all_pairs_within_what_bounds_leave_open():
    rng = np.random.default_rng(5)
    lower = rng.integers(0, 6, 24).astype(float)
    upper = np.where(rng.random(24) < 0.3, lower + 2, lower)
    lower[0] = upper[0] = upper[1] = INF
    found = measure(MeasureName.COST, lower, upper)
    own = np.arange(24) < 10
    least, most = superiority(found, own)

    def chance(values):
        return np.mean([
            1.0 if a > b else 0.5 if a == b else 0.0 for a in values[own] for b in values[~own]
        ])  # fmt: skip

    for _ in range(40):
        # Whatever is between the bounds; beyond every number an own cost is no tie.
        top = np.where(np.isinf(upper), 50.0, upper)
        between = rng.uniform(np.minimum(lower, top), top)
        values = np.where(lower == upper, lower, between)
        assert least - 1e-12 <= chance(values) <= most + 1e-12
    exact = measure(MeasureName.COST, lower, lower)
    assert superiority(exact, own)[0] == pytest.approx(chance(lower))


def test_an_interval_of_the_chance_holds_it_and_is_within_0_and_1():
    for value in (0.0, 0.3, 0.5, 1.0):
        low, high = superiority_interval(value, 25, 40, 1.96)
        assert 0.0 <= low <= value <= high <= 1.0
    assert superiority_interval(1.0, 25, 40, 1.96)[0] < 0.98


def test_unknown_shares_widen_the_difference_by_what_they_may_be():
    lower, upper = [1, 1, 0, 0] * 10, [1, 1, 1, 0] * 10
    own = np.arange(40) % 8 < 4
    found = size_of(measure(MeasureName.NO_RECOURSE, lower, upper), own, simultaneous_z(1))
    assert [found.least, found.most] == pytest.approx([-0.25, 0.25])
    known = size_of(measure(MeasureName.NO_RECOURSE, lower), own, simultaneous_z(1))
    assert found.low < known.low < known.high < found.high


def test_a_ratio_of_shares_has_its_interval_and_none_where_the_others_are_none():
    found = ratio(share(30, 100), share(50, 100))
    assert found is not None
    assert found.low < found.value < found.high
    assert ratio(share(3, 10), share(0, 10)) is None
    nothing = ratio(share(0, 30), share(10, 30))
    assert nothing is not None
    assert (nothing.low, nothing.value) == (0.0, 0.0)
    assert nothing.high > 0.0
    rare = ratio(share(3, 30), share(1, 30))
    assert rare is not None
    assert rare.low < 3.0 < rare.high


def test_the_typical_cost_of_those_of_whom_most_have_none_is_beyond_every_number():
    found = measure(MeasureName.COST, [1, 2, INF, INF, INF], [1, 2, INF, INF, INF])
    middle = typical(found, everybody(5))
    assert middle is not None
    assert middle.low is middle.high is None
    some = typical(found, np.array([1, 1, 1, 0, 0], dtype=np.bool_))
    assert some is not None
    assert (some.low, some.high) == (2.0, 2.0)
    assert typical(found, ~everybody(5)) is None


def test_a_budget_buys_surely_and_at_most():
    cost = measure(MeasureName.COST, [1, 2, 0, INF], [1, 2, 3, INF])
    (found,) = bought(cost, everybody(4), [2.0])
    assert (found.low.count, found.high.count, found.low.of) == (2, 3, 4)
    assert budgets_of(cost) == (1.0, 2.0, 3.0)


# --- the family -----------------------------------------------------------------------------


def draw(rng: np.random.Generator, n: int, dearer: float):
    sex, line = rng.choice(["f", "m"], n), rng.choice(["a", "b", "c"], n)
    cost = rng.exponential(1.0, n) * np.where(sex == "f", dearer, 1.0)
    cost[rng.random(n) < 0.1] = INF
    alarm = (rng.random(n) < 0.4).astype(float)
    grouping = subgroups([
        GroupingAttribute("sex", tuple(sex.tolist())),
        GroupingAttribute("line", tuple(line.tolist())),
    ])  # fmt: skip
    return grouping, [measure(MeasureName.DECISION, alarm), measure(MeasureName.COST, cost)]


def test_of_groups_that_are_alike_hardly_any_audit_finds_a_difference():
    rng = np.random.default_rng(6)
    drawn = [draw(rng, 120, 1.0) for _ in range(24)]
    found = [bool(audited(groups, some, draws=999).shown) for groups, some in drawn]
    assert sum(found) <= 4  # expected 1.2 at most; P(more than 4) < 1 %


def test_what_is_dearer_for_one_group_is_found_and_named_as_worse():
    found = audited(*draw(np.random.default_rng(7), 500, 2.5))
    worse = [c for c in found.shown if c.tested and c.tested.is_worse]
    assert {(c.measure, c.group.parts) for c in worse} >= {
        (MeasureName.COST, (("sex", "f"),)),
        (MeasureName.WITHIN_BUDGET, (("sex", "f"),)),
    }
    # One hypothesis: the two groups of one attribute are each other's complement.
    two = [c for c in found.compared if c.group.parts[0][0] == "sex" and len(c.group.parts) == 1]
    for name in (MeasureName.COST, MeasureName.DECISION):
        a, b = (c.tested for c in two if c.measure is name)
        assert a is not None
        assert b is not None
        assert a.p == b.p
        assert a.is_worse is not b.is_worse
    assert found.tests < sum(c.tested is not None for c in found.compared)
    # The same again, whatever was drawn in between.
    again = audited(*draw(np.random.default_rng(7), 500, 2.5))
    assert [c.tested for c in again.compared] == [c.tested for c in found.compared]


def test_a_measure_of_too_few_members_is_told_without_a_test():
    grouping = subgroups([attribute("sex", "f" * 30 + "m" * 30)])
    few = Measure(MeasureName.SUCCESS, np.arange(60) < 35, np.ones(60), np.ones(60))
    found = audited(grouping, [few])
    assert found.tests == 0
    assert [c.tested for c in found.compared] == [None, None]
    assert {c.of for c in found.compared} == {30, 5}
    assert found.budget is None


def test_of_nobody_nothing_is_told():
    nobody = np.zeros(0)
    grouping = subgroups([attribute("sex", "")])
    found = audited(grouping, [Measure(MeasureName.COST, nobody > 0, nobody, nobody)])
    assert (found.tests, found.compared, found.budget) == (0, (), None)
    assert found.budgets[0].shares == ()
