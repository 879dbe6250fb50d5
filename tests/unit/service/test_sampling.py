"""What a sample shows of all: held against every sample that there is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest

from ifonly.explainers.languages import LANGUAGES
from ifonly.service.audit.sampling.drawing import ReviewPopulation, digest_of, drawn
from ifonly.service.audit.sampling.hypergeometric import (
    at_most,
    interval,
    least_size,
    least_wrong,
    most_wrong,
)
from ifonly.service.audit.sampling.plans import SamplingPlan, again, sized
from ifonly.service.audit.sampling.verdicts import SamplingDemand, Word, planned, result, words_on
from ifonly.service.errors import InvalidRequest
from ifonly.service.store.chain import Facts, Record, canonical
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.samples import SampleRequest
from ifonly.service.words.sampling import outward

SURE = Fraction("0.95")


def brute(found: int, population: int, wrong: int, size: int) -> Fraction:
    samples = list(combinations(range(population), size))
    few = sum(sum(each < wrong for each in sample) <= found for sample in samples)
    return Fraction(few, len(samples))


def test_the_tail_is_that_of_every_sample() -> None:
    for population in range(1, 9):
        for size in range(1, population + 1):
            for wrong in range(population + 1):
                for found in range(size + 1):
                    said = at_most(found, population, wrong, size)
                    assert said == brute(found, population, wrong, size)


@pytest.mark.parametrize("confidence", [Fraction("0.5"), Fraction("0.8"), SURE, Fraction("0.999")])
def test_bounds_hold_with_their_confidence_whatever_is_true(confidence: Fraction) -> None:
    for population in (1, 2, 7, 12):
        for size in range(1, population + 1):
            ends = [interval(k, size, population, confidence) for k in range(size + 1)]
            upper = [most_wrong(k, size, population, confidence) for k in range(size + 1)]
            lower = [least_wrong(k, size, population, confidence) for k in range(size + 1)]
            for wrong in range(population + 1):
                chance = [
                    at_most(k, population, wrong, size)
                    - (at_most(k - 1, population, wrong, size) if k else 0)
                    for k in range(size + 1)
                ]
                for holds in (
                    [wrong <= upper[k] for k in range(size + 1)],
                    [wrong >= lower[k] for k in range(size + 1)],
                    [ends[k].low <= wrong <= ends[k].high for k in range(size + 1)],
                ):
                    assert sum(c for c, h in zip(chance, holds, strict=True) if h) >= confidence


def test_no_bound_is_wider_than_it_must_be() -> None:
    """One wrong one more, and so few would be seen too seldom."""
    for population, size in ((12, 5), (40, 11), (300, 59)):
        for found in range(min(size, 5)):
            most = most_wrong(found, size, population, SURE)
            assert at_most(found, population, most, size) > 1 - SURE
            if most < population - (size - found):
                assert at_most(found, population, most + 1, size) <= 1 - SURE


def test_all_judged_of_a_whole_population_leaves_no_doubt() -> None:
    for found in range(6):
        ends = interval(found, 5, 5, SURE) if found <= 5 else None
        assert ends is not None
        assert (ends.low, ends.high) == (found, found)


def test_the_smallest_sample_is_the_smallest_that_shows_it() -> None:
    for population in (1, 5, 20, 33):
        for tolerable in range(population):
            for accepted in range(min(tolerable, 3) + 1):
                size = least_size(population, tolerable, accepted, SURE)
                assert most_wrong(accepted, size, population, SURE) <= tolerable
                if size > accepted + 1:
                    assert most_wrong(accepted, size - 1, population, SURE) > tolerable


def test_what_is_not_judged_counts_against_both_ends() -> None:
    for rest in range(6):
        whole = interval(1, 10, 50, SURE, 5)
        whatever = interval(1 + rest, 10, 50, SURE) if rest <= 5 else None
        assert whatever is not None
        assert whole.low <= whatever.low
        assert whatever.high <= whole.high


@pytest.mark.parametrize(
    ("found", "of", "up", "said"),
    [
        (0, 7, True, "0 %"),
        (7, 7, True, "100 %"),
        (1, 3, True, "33.4 %"),
        (1, 3, False, "33.3 %"),
        (999_999, 1_000_000, False, "99.9 %"),
        (1, 1_000_000, True, "0.01 %"),
        (1, 10, True, "10 %"),
    ],
)
def test_shares_are_rounded_away_from_what_they_bound(
    found: int, of: int, up: bool, said: str
) -> None:
    assert outward(found, of, up=up) == said


# --- drawing ------------------------------------------------------------------------------

IDS = [f"id-{k}" for k in range(40)]


def test_the_sample_is_what_three_lines_of_anybody_draw() -> None:
    mine = sorted(IDS, key=lambda i: hashlib.sha256(f"seed,{i}".encode()).hexdigest())[:7]
    assert list(drawn("seed", reversed(IDS), 7)) == mine
    assert digest_of(reversed(IDS)) == digest_of(IDS)


def test_a_greater_sample_holds_the_smaller_one_and_another_seed_another() -> None:
    assert drawn("seed", IDS, 9)[:4] == drawn("seed", IDS, 4)
    assert drawn("seed", IDS, 9) != drawn("seeds", IDS, 9)
    assert set(drawn("seed", IDS, 99)) == set(IDS)


def test_every_explanation_is_drawn_about_as_often() -> None:
    counts = dict.fromkeys(IDS[:10], 0)
    for seed in range(2_000):
        for each in drawn(str(seed), IDS[:10], 3):
            counts[each] += 1
    # 600 of each are expected; the deviation is 20.
    assert all(500 < count < 700 for count in counts.values())


def facts(**said: Any) -> Facts:
    given = {"kind": RecordKind.EXPLANATION, "actor": "a", "model": "m", "status": "optimal"}
    return Facts(**{**given, "time_us": 5, **said})


def test_a_population_is_what_records_say_up_to_the_end_of_each_chain() -> None:
    of = ReviewPopulation(1, 10, "m", None, None, {"w": 3})
    assert of.has("w", 3, facts())
    assert not of.has("w", 4, facts())
    assert not of.has("v", 1, facts())
    for other in (
        {"kind": RecordKind.WHAT_IF},
        {"model": "n"},
        {"status": "already_target"},
        {"time_us": 10},
        {"time_us": 0},
    ):
        assert not of.has("w", 1, facts(**other)), other
    assert replace(of, status="already_target").has("w", 1, facts(status="already_target"))
    assert ReviewPopulation.read(of.said()) == of


PLAN = SamplingPlan(
    ReviewPopulation(0, 10, ends={"w": 40}),
    len(IDS),
    digest_of(IDS),
    "seed",
    drawn("seed", IDS, 7),
    SURE,
    1,
    Fraction("0.05"),
)


def test_a_plan_is_read_as_it_was_written_and_is_what_records_can_hold() -> None:
    canonical(PLAN.detail())
    for plan in (PLAN, replace(PLAN, accept=0, tolerable_rate=None)):
        sealed = facts(kind=RecordKind.SAMPLE, status="drawn", detail=plan.detail())
        assert SamplingPlan.read(sealed) == plan


def test_drawn_again_it_says_what_is_another() -> None:
    assert again(PLAN, IDS).holds
    without = again(PLAN, [each for each in IDS if each != PLAN.sample[0]])
    assert (without.holds, without.missing) == (False, [PLAN.sample[0]])
    # One that is not in the sample: the sample is the same, the population is not.
    fewer = again(
        PLAN, [each for each in IDS if each != next(i for i in IDS if i not in PLAN.sample)]
    )
    assert (fewer.holds, fewer.missing, fewer.added) == (False, [], [])


def request(**said: Any) -> SampleRequest:
    return SampleRequest.model_validate(said)


def test_a_rule_that_no_sample_meets_is_refused_by_its_limit() -> None:
    assert sized(request(size=50), 12) == 12
    assert sized(request(rule={"tolerable_rate": 0.05}), 1_000) == 56
    with pytest.raises(InvalidRequest, match="allows 0 wrong ones"):
        sized(request(rule={"tolerable_rate": 0.05, "accept": 1}), 19)
    with pytest.raises(InvalidRequest, match="the most is 1,000"):
        sized(request(rule={"tolerable_rate": 0.001}), 100_000)
    with pytest.raises(ValueError, match="one of the two"):
        request(size=5, rule={"tolerable_rate": 0.05})


# --- verdicts -----------------------------------------------------------------------------


def review(identity: str, status: str, actor: str = "key:a", **detail: Any) -> Record:
    said = facts(
        kind=RecordKind.REVIEW,
        id=identity,
        about="x",
        status=status,
        actor=actor,
        detail=detail or None,
    )
    return Record("w", 1, "", None, said, "")


@pytest.mark.parametrize(
    ("said", "verdict", "comments"),
    [
        ([], None, 0),
        ([review("1", "comment")], None, 1),
        ([review("1", "acted")], None, 0),
        ([review("1", "approve")], "approve", 0),
        ([review("1", "approve"), review("2", "reject")], "reject", 0),
        ([review("1", "reject"), review("2", "approve")], "approve", 0),
        ([review("1", "reject"), review("2", "approve", "key:b")], "reject", 0),
        ([review("1", "reject", rank=2), review("2", "approve")], "reject", 0),
        ([review("1", "reject"), review("2", "withdraw", withdraws="1")], None, 0),
        ([review("1", "reject"), review("2", "withdraw", "key:b", withdraws="1")], "reject", 0),
        ([review("1", "comment"), review("2", "withdraw", withdraws="1")], None, 0),
        ([review("1", "approve"), review("2", "withdraw", withdraws="3")], "approve", 0),
        (
            [
                review("1", "approve"),
                review("2", "withdraw", withdraws="1"),
                review("3", "withdraw", withdraws="2"),
            ],
            None,
            0,
        ),
    ],
)
def test_the_last_word_of_each_auditor_counts(
    said: list[Record], verdict: str | None, comments: int
) -> None:
    assert words_on(["x"], said) == {"x": Word(verdict, comments)}  # type: ignore[arg-type]


def test_a_rule_is_met_by_what_it_accepts_and_not_by_a_bound_that_happens_to_be_low() -> None:
    demand = SamplingDemand(100, 4, SURE, 1, Fraction("0.9"))
    ok, no, open_ = Word("approve", 0), Word("reject", 0), Word(None, 1)
    for words, met in (
        ([ok, ok, ok, ok], True),
        ([ok, ok, ok, no], True),
        ([ok, ok, ok, open_], True),
        ([ok, no, ok, open_], None),
        ([ok, no, no, open_], False),
    ):
        found = result(demand, words)
        assert found.met is met
        assert found.commented == sum(word.comments for word in words)
        assert set(found.text) == set(LANGUAGES)
    assert planned(demand).at_most.count == most_wrong(1, 4, 100, SURE)
