"""The alarm: its threshold, its figures, its monotone readings."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from ifonly.models.training.dataset import Dataset, simulated_split
from ifonly.models.training.fit import TrainedModel, choose_threshold, fit, measure
from ifonly.models.training.milling import QUALITY, WEAR


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    split = simulated_split(10_000, seed=0)
    return fit(split.train, split.validation, seed=0, n_estimators=40)


def test_the_threshold_has_the_largest_f1_of_all_hundredths() -> None:
    rng = np.random.default_rng(0)
    failed = rng.random(2000) < 0.1
    scores = np.clip(0.4 * failed + rng.random(2000) * 0.6, 0, 1)
    chosen = choose_threshold(scores, failed)
    best = max(f1_score(failed, scores >= t / 100) for t in range(1, 100))
    assert f1_score(failed, scores >= chosen) == best
    assert round(chosen, 2) == chosen


def test_of_equal_thresholds_the_middle_one_is_chosen() -> None:
    assert choose_threshold(np.array([0.2, 0.8]), np.array([False, True])) == 0.51


def test_figures_agree_with_their_definitions() -> None:
    rng = np.random.default_rng(1)
    data = Dataset(
        np.tile([300.0, 310.0, 1500.0, 40.0, 100.0, 0.0], (500, 1)), rng.random(500) < 0.2
    )
    scores = rng.random(500)
    found = measure(scores, 0.3, data)
    alarm = scores >= 0.3
    table = [[found.true_silences, found.false_alarms], [found.missed_failures, found.true_alarms]]
    assert table == confusion_matrix(data.failed, alarm).tolist()
    assert found.f1 == pytest.approx(f1_score(data.failed, alarm), abs=1e-6)
    assert found.precision == pytest.approx(precision_score(data.failed, alarm), abs=1e-6)
    assert found.recall == pytest.approx(recall_score(data.failed, alarm), abs=1e-6)
    assert found.recall_by_mode == {"other": pytest.approx(found.recall, abs=1e-6)}


def test_a_fit_without_any_alarm_is_measured_all_the_same() -> None:
    data = Dataset(
        np.tile([300.0, 310.0, 1500.0, 40.0, 100.0, 0.0], (4, 1)),
        np.array([True, False, False, False]),
    )
    found = measure(np.zeros(4), 0.5, data)
    assert (found.f1, found.precision, found.recall) == (0.0, 0.0, 0.0)


def test_more_wear_never_lowers_the_risk_and_a_better_variant_never_raises_it(
    trained: TrainedModel,
) -> None:
    rows = simulated_split(4000, seed=7).test.rows
    worn, better = rows.copy(), rows.copy()
    worn[:, WEAR] += 40
    better[:, QUALITY] = np.minimum(better[:, QUALITY] + 1, 2)
    scores = trained.score(rows)
    assert (trained.score(worn) >= scores).all()
    assert (trained.score(better) <= scores).all()
    assert (trained.score(worn) > scores).any()


def test_equal_data_and_seed_give_equal_trees(trained: TrainedModel) -> None:
    split = simulated_split(10_000, seed=0)
    again = fit(split.train, split.validation, seed=0, n_estimators=40)
    ours, theirs = (t.estimator.get_booster().save_raw() for t in (trained, again))
    assert ours == theirs
    assert trained.threshold == again.threshold


def test_failures_are_not_reweighted_so_scores_stay_probabilities(trained: TrainedModel) -> None:
    test = simulated_split(10_000, seed=0).test
    mean = float(trained.score(test.rows).mean())
    assert mean == pytest.approx(test.failed.mean(), abs=0.01)
