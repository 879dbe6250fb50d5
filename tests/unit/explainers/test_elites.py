"""Asking alone, where the least cost is known in closed form: a knapsack of levers.

Each lever is on or off, at a price, and takes its own share off the score; the alarm ends once
enough is taken off. Thirty levers are a billion rows; dynamic programming has the least price.
"""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.search import blackbox
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.elites import Elites
from ifonly.explainers.search.incumbents import Incumbents, Tried
from ifonly.explainers.target import Target
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

LEVERS = 30
QUESTIONS = 6
DECISION = Decision(Task.BINARY, (Category("good"), Category("bad")), 1, 0.5, desired=0)
FEATURES = tuple(
    Feature(f"x{j}", Kind.INTEGER, lower=0.0, upper=1.0, resolution=Decimal(1))
    for j in range(LEVERS)
)
Numbers = npt.NDArray[np.int64]


def least_price(prices: Numbers, gains: Numbers, needed: int) -> int:
    """Of levers whose gains are at least ``needed`` together."""
    best = np.full(needed + 1, np.iinfo(np.int64).max // 2)
    best[0] = 0
    for price, gain in zip(prices, gains, strict=True):
        reached = np.minimum(np.arange(needed + 1) + gain, needed)
        with_it = best.copy()
        np.minimum.at(with_it, reached, best + price)
        best = with_it
    return int(best[needed])


def ratio(seed: int, engine: Blackbox) -> float:
    """Of the price that was found and the least."""
    chance = np.random.default_rng(seed)
    gains, prices = chance.integers(5, 60, LEVERS), chance.integers(5, 60, LEVERS)
    needed = int(gains.sum()) // 3

    def score(rows: Rows) -> Scores:
        # Exactly 0.5 where just enough is taken off: an alarm is above it.
        taken = (rows @ gains)[:, None]
        found: Scores = 0.5 - (taken - needed + 0.5) / (4.0 * gains.sum())
        return found

    features: dict[str, Any] = {
        f"x{j}": {"scale": 1.0 / float(price)} for j, price in enumerate(prices)
    }
    policy = Policy.read({"features": features}, Schema(FEATURES), DECISION)
    problem = policy.problem(np.zeros(LEVERS), Target(DECISION, 0), seed=seed)
    answer = explain(problem, SimpleNamespace(score=score), engine=engine)
    assert isinstance(answer, Recourse)
    found = answer.counterfactuals[0]
    assert found.row @ gains >= needed
    return float(found.row @ prices) / least_price(prices, gains, needed)


def test_the_least_price_of_a_knapsack_is_found_or_nearly() -> None:
    ratios = np.array([ratio(seed, Blackbox()) for seed in range(QUESTIONS)])
    assert ratios.min() >= 1.0
    assert np.median(ratios) <= 1.01
    assert ratios.max() <= 1.05


def test_the_same_seed_finds_the_same() -> None:
    assert ratio(3, Blackbox()) == ratio(3, Blackbox())


def test_what_is_left_out_of_the_search_makes_no_answer_cheaper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stays(incumbents: Incumbents, rungs: object, front: Tried, chance: object) -> Tried:
        return front

    found = ratio(0, Blackbox())
    monkeypatch.setattr(blackbox, "anneal", stays)
    monkeypatch.setattr(Elites, "improve", lambda self: False)
    assert ratio(0, Blackbox()) >= found - 0.01
