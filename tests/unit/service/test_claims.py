"""A recorded claim is said in words that promise what was proven, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.words.claims import in_words


def answer(status: str, *found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "status": status,
        "counterfactuals": [{"rank": k, **f} for k, f in enumerate(found, 1)],
        "deadline_hit": False,
        "work": {"rows": 1_234, "runs": 5, "deadline_ms": 200},
        "provenance": {"engine": "trees", "seed": 0},
        **more,
    }


PROVEN = {"cost": 0.42, "lower_bound": 0.42, "gap": 0.0, "enumerated_changes": 0}
BOUNDED = {"cost": 2.0, "lower_bound": 1.5, "gap": 0.25, "enumerated_changes": 0}
ENUMERATED = {"cost": 2.0, "lower_bound": None, "gap": None, "enumerated_changes": 2}
BARE = {"cost": 2.0, "lower_bound": None, "gap": None, "enumerated_changes": 0}
BY_SCORE = {
    "by": "predictor",
    "says": "score",
    "predictor": "http://p:1",
    "rows": 1_234,
    "why": None,
}
UNCONFIRMED = BY_SCORE | {"by": "copy", "says": None, "rows": 0, "why": "away"}


@pytest.mark.parametrize(
    ("said", "has", "has_not"),
    [
        (answer("optimal", PROVEN), ["Proven cheapest", "0.42", "gap 0"], ["not proven"]),
        (answer("feasible", BOUNDED), ["not proven", "1.5", "25.0 %"], ["Proven cheapest"]),
        (answer("feasible", ENUMERATED), ["at most 2 features"], ["not known"]),
        (answer("feasible", BARE), ["not known"], ["Every allowed change"]),
        (
            answer("optimal", PROVEN, PROVEN),
            ["Option 1. Proven", "Option 2. Proven", "other features than"],
            [],
        ),
        (
            answer("optimal", PROVEN, confirmation=BY_SCORE),
            ["http://p:1", "1,234 rows", "its own numbers"],
            ["copy of the model"],
        ),
        (
            answer("optimal", PROVEN, confirmation=BY_SCORE | {"says": "class"}),
            ["the decision on each", "tells no probabilities"],
            ["its own numbers"],
        ),
        (
            answer("optimal", PROVEN, confirmation=UNCONFIRMED),
            ["did not confirm this", "only the copy", "away"],
            ["its own numbers"],
        ),
        (answer("infeasible"), ["no change that the policy"], ["recomputed"]),
        (answer("unknown", deadline_hit=True), ["nothing is proven", "200 ms"], []),
        (
            answer("infeasible", deadline_hit=True),
            ["no change that the policy", "after that proof", "200 ms"],
            ["it may find or prove more"],
        ),
        (
            answer("optimal", PROVEN, deadline_hit=True),
            ["Proven cheapest", "after that proof"],
            ["The search was cut"],
        ),
        (answer("already_target"), ["nothing to change"], []),
        (answer("abstained", chance_under_this_model=0.9996), ["99.96 %"], ["100"]),
    ],
)
def test_a_claim_says_what_is_proven(
    said: dict[str, Any], has: list[str], has_not: list[str]
) -> None:
    words = in_words(said, {})
    english = " ".join(text["en"] for text in words)
    assert all(part in english for part in has), english
    assert not any(part in english for part in has_not), english
    assert "1,234" in english
    assert all(set(text) == set(LANGUAGES) for text in words)


def test_a_proof_names_what_was_demanded_of_the_answers_it_speaks_of() -> None:
    """Two answers to one reading, of which one has to survive the tolerances, are both cheapest:
    each of its own."""
    normal = {"class": "normal", "label": {"en": "normal", "ko": "정상"}}
    target = {"class": "normal", "probability": {"min": 0.95}}
    said = answer("optimal", PROVEN | {"prediction": normal}, target=target)
    plain, robust = (in_words(said, asked)[0] for asked in ({}, {"constraints": {"robust": True}}))
    assert "no allowed change with ‘normal’ ≥ 95 % costs less" in plain["en"]
    assert "≥ 95 % that holds within the sensors' tolerances costs less" in robust["en"]
    assert "‘정상’ 확률 ≥ 95 %이고 센서 허용 오차 안에서도" in robust["ko"]
    alone = answer("optimal", PROVEN, target={"class": "normal"})
    only = in_words(alone, {"constraints": {"robust": True}})[0]
    assert "no allowed change that holds within the sensors' tolerances costs less" in only["en"]


def test_what_is_no_explanation_claims_nothing() -> None:
    assert in_words({"predictions": []}, {}) == []
