"""The parity check sees what an export can get wrong."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import xgboost

from ifonly.models.errors import ParityError
from ifonly.models.graph import split_thresholds
from ifonly.models.onnx.export import INPUT, export_onnx
from ifonly.models.onnx.parity import Thresholds, check_parity, threshold_neighbours
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Task
from ifonly.models.training.milling import simulate

ROWS = simulate(3000, seed=0).rows
DECISION = Decision(Task.BINARY, (Category("normal"), Category("failure")), threshold=0.5)
SPLIT = float(np.float32(40.3))


def below(rows: Rows) -> Scores:
    return np.where(rows[:, [3]] < SPLIT, 0.1, 0.9)


def at_most(rows: Rows) -> Scores:
    return np.where(rows[:, [3]] <= SPLIT, 0.1, 0.9)


def one_threshold() -> Thresholds:
    return {3: np.array([SPLIT], dtype=np.float32)}


def test_every_threshold_is_tried_just_below_at_and_just_above() -> None:
    thresholds = {0: np.array([300.0], np.float32), 3: np.array([0.0, 40.3], np.float32)}
    tried = threshold_neighbours(ROWS, thresholds, np.random.default_rng(0))
    assert tried.shape == (9, 6)
    for column, values in thresholds.items():
        for value in values:
            for expected in (
                np.nextafter(value, np.float32(-np.inf)),
                value,
                np.nextafter(value, np.float32(np.inf)),
            ):
                assert (tried[:, column] == np.float64(expected)).any()


def test_the_rest_of_a_tried_row_is_real() -> None:
    tried = threshold_neighbours(ROWS, one_threshold(), np.random.default_rng(0))
    known = {row.tobytes() for row in np.delete(ROWS, 3, axis=1)}
    assert all(row.tobytes() in known for row in np.delete(tried, 3, axis=1))


def test_a_strict_comparison_exported_as_a_weak_one_is_found() -> None:
    apart = ROWS[np.abs(ROWS[:, 3] - 40.3) > 0.05]  # no real row is near: chance would miss it
    assert (below(apart) == at_most(apart)).all()
    with pytest.raises(ParityError, match="1 of 2000 rows are decided otherwise"):
        check_parity(below, at_most, apart, one_threshold(), DECISION, n_rows=2000)


def test_all_thresholds_are_tried_even_if_fewer_rows_are_asked_for() -> None:
    thresholds = {3: np.linspace(20, 60, 500, dtype=np.float32)}
    report = check_parity(below, below, ROWS, thresholds, DECISION, n_rows=10)
    assert report.rows == report.threshold_neighbours == 1500


def test_a_difference_beyond_the_tolerance_is_refused_with_the_worst_row() -> None:
    def shifted(rows: Rows) -> Scores:
        return below(rows) + np.where(rows[:, [4]] == 0, 2e-5, 0.0)

    with pytest.raises(ParityError, match=r"0 of 5000 .* 2e-05 \(tolerance 1e-05\); worst row"):
        check_parity(below, shifted, ROWS, one_threshold(), DECISION, n_rows=5000)
    report = check_parity(below, shifted, ROWS, {}, DECISION, n_rows=5000, tolerance=1e-4)
    assert report.max_difference == pytest.approx(2e-5)


def test_a_difference_across_the_decisions_threshold_is_refused_however_small() -> None:
    def under(rows: Rows) -> Scores:
        return np.full((len(rows), 1), 0.5 - 1e-9)

    def at(rows: Rows) -> Scores:
        return np.full((len(rows), 1), 0.5)

    with pytest.raises(ParityError, match="decided otherwise"):
        check_parity(under, at, ROWS, {}, DECISION, n_rows=100)


def test_a_score_that_is_no_number_is_refused() -> None:
    def broken(rows: Rows) -> Scores:
        return np.where(rows[:, [4]] == 0, np.nan, below(rows))

    with pytest.raises(ParityError, match="nan"):
        check_parity(below, broken, ROWS, {}, DECISION, n_rows=3000)


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ParityError, match=r"\(100, 1\), exported \(100, 2\)"):
        check_parity(below, lambda rows: np.tile(below(rows), 2), ROWS, {}, DECISION, n_rows=100)


def test_the_same_seed_tries_the_same_rows() -> None:
    seen: list[Rows] = []

    def watched(rows: Rows) -> Scores:
        seen.append(rows)
        return below(rows)

    for seed in (4, 4, 5):
        check_parity(watched, below, ROWS, one_threshold(), DECISION, n_rows=50, seed=seed)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


@pytest.mark.parametrize("attribute", ["nodes_values", "class_weights"])
def test_one_tampered_number_of_a_tree_is_found(attribute: str) -> None:
    label = simulate(3000, seed=0).failed.astype(int)
    estimator = xgboost.XGBClassifier(n_estimators=10, max_depth=4, n_jobs=1).fit(ROWS, label)
    model = export_onnx(estimator, 6, name="alarm")
    thresholds = {c: v.astype(np.float32) for c, v in split_thresholds(model).items()}

    def native(rows: Rows) -> Scores:
        return np.asarray(estimator.predict_proba(rows.astype(np.float32))[:, 1:], dtype=float)

    def check(graph: onnx.ModelProto) -> None:
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=["CPUExecutionProvider"]
        )

        def exported(rows: Rows) -> Scores:
            (scores,) = session.run(None, {INPUT: rows.astype(np.float32)})
            return np.asarray(scores[:, 1:], dtype=float)

        check_parity(native, exported, ROWS, thresholds, DECISION, n_rows=5000)

    check(model)
    (values,) = (a for a in model.graph.node[0].attribute if a.name == attribute)
    values.floats[0] = np.nextafter(np.float32(values.floats[0]), np.float32(np.inf)) * 1.001
    with pytest.raises(ParityError):
        check(model)
