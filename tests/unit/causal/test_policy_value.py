"""What would have come of other policies, where it is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ifonly.explainers.causal.effect import Learners
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.policy_value import (
    ActionLog,
    best_by_row,
    policy_values,
    refute_values,
    score_actions,
)

ACTIONS = ("nothing", "smallest", "robust")


def chances(x):
    raw = np.stack([np.ones(len(x)), np.exp(0.5 * x[:, 0]), np.exp(-0.5 * x[:, 0])])
    return raw / raw.sum(axis=0)


def means(x):
    """``(3, n)``: the second helps where ``x1`` is high, the third where it is low."""
    return x[:, 0] + np.stack([np.zeros(len(x)), x[:, 1], -0.8 * x[:, 1]])


def logged(seed: int, n: int = 900) -> ActionLog:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    done = (rng.random(n) > np.cumsum(chances(x), axis=0)).sum(axis=0)
    outcome = means(x)[done, np.arange(n)] + rng.standard_normal(n)
    return ActionLog(x, done, outcome, ACTIONS)


def line(rows, values, fresh):
    columns = np.column_stack([np.ones(len(rows)), rows])
    weights = np.linalg.lstsq(columns, values, rcond=None)[0]
    return np.column_stack([np.ones(len(fresh)), fresh]) @ weights


def chance(rows, values, fresh):
    return np.clip(line(rows, values, fresh), 0.05, 0.95)


BOTH = [Learners(chance, line)] * 3


def always(log: ActionLog) -> dict[str, np.ndarray]:
    return {name: np.full(len(log), a) for a, name in enumerate(log.actions)}


def test_intervals_of_values_hold_the_truth():
    held = []
    for seed in range(40):
        log = logged(seed)
        found = score_actions(log, BOTH, np.random.default_rng(seed))
        told: Any = policy_values(log, found, always(log))
        for name in ACTIONS:
            low, high = told.of(name).value.interval
            held.append(low <= 0.0 <= high)
    assert 0.9 <= np.mean(held) <= 0.99


def test_lower_may_be_better():
    log = logged(1)
    found = score_actions(log, BOTH, np.random.default_rng(0))
    up, down = (best_by_row(log, found, is_higher_better=h) for h in (True, False))
    told: Any = policy_values(log, found, {"up": up, "down": down})
    assert told.of("down").value.value < told.done.value < told.of("up").value.value
    assert told.of("up").robustness_of_interval > 0.0
    assert told.of("up").gain.interval[0] > 0.0
    assert sum(told.of("up").shares) == pytest.approx(1.0)
    fresh = best_by_row(
        log, found, is_higher_better=True, fresh=np.array([[0.0, 2.0], [0.0, -2.0]])
    )
    assert np.all(fresh == [1, 2])


def test_what_was_done_is_worth_what_came_of_it():
    log = logged(2)
    found = score_actions(log, BOTH, np.random.default_rng(0))
    told: Any = policy_values(log, found, {"as it was": log.done})
    same = told.of("as it was")
    assert same.matched == told.rows
    assert same.gain.value == pytest.approx(0.0, abs=3 * same.gain.se)


def test_rows_in_which_an_action_was_hardly_ever_done_are_left_out_of_all_values():
    log = logged(3, 1_200)
    far = np.arange(300)
    done = log.done.copy()
    done[far] = 0  # of these nothing else was ever done
    x = log.covariates.copy()
    x[far, 0] = 40.0
    odd = ActionLog(x, done, log.outcome, ACTIONS)

    def knows(rows, values, fresh):
        apart = fresh[:, 0] > 20.0
        own = values[rows[:, 0] <= 20.0].mean()
        return np.where(apart, float(values[rows[:, 0] > 20.0].mean() > 0.5), own)

    found = score_actions(odd, [Learners(knows, line)] * 3, np.random.default_rng(0))
    assert found.trimmed == pytest.approx(0.25, abs=0.01)
    assert not found.kept[far].any()
    told: Any = policy_values(odd, found, always(odd))
    assert told.rows == 900
    assert sum(told.propensity[0]) == 1_200


def test_a_policy_that_hardly_any_row_agrees_with_is_not_told():
    log = logged(4)
    found = score_actions(log, BOTH, np.random.default_rng(0))
    against = np.where(np.arange(900) < 30, log.done, (log.done + 1) % 3)
    told: Any = policy_values(log, found, {"against": against}).of("against")
    assert 0 < told.matched <= 30
    assert (told.value, told.gain, told.robustness) == (None, None, None)


def test_an_action_that_was_hardly_ever_done_is_refused_by_name():
    log = logged(5)
    rare = ActionLog(log.covariates, np.where(log.done == 2, 0, log.done), log.outcome, ACTIONS)
    with pytest.raises(NotIdentified, match="robust was done in 0 rows: 50 are needed"):
        score_actions(rare, BOTH, np.random.default_rng(0))
    flat = ActionLog(log.covariates, log.done, np.ones(900), ACTIONS)
    with pytest.raises(NotIdentified, match="the outcome is 1 in all 900 rows"):
        score_actions(flat, BOTH, np.random.default_rng(0))


def test_refuters_speak_against_predictions_of_another_log():
    log = logged(6)
    rng = np.random.default_rng(0)
    found = score_actions(log, BOTH, rng)
    policies = {**always(log), "best": best_by_row(log, found, is_higher_better=True)}
    told: Any = policy_values(log, found, policies)

    def learn(other, scores):
        return {"best": best_by_row(other, scores, is_higher_better=True)}

    names = [r.name for r in refute_values(log, BOTH, policies, told, learn, rng)]
    assert names == ["placebo treatment", "random common cause", "four fifths of the rows"]

    def leaks(rows, values, fresh):  # a chance that the outcome had a say in
        return np.clip(0.5 + 0.2 * fresh[:, 0], 0.1, 0.9)

    wrong = [Learners(leaks, lambda r, v, f: np.full(len(f), 5.0))] * 3
    checks = refute_values(log, wrong, policies, told, learn, rng)
    assert not all(r.passed for r in checks)
