"""Precision, recall and calibration, held against scikit-learn."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifonly.models.errors import GraphError, SpecError
from ifonly.models.quality import LabelledRows, ModelQuality, NotMeasured, quality_of
from ifonly.models.quality.curves import calibration, precision_recall
from ifonly.models.repository import load_folder
from ifonly.models.schema import Category, Decision, Task
from ifonly.models.shares import share
from ifonly.models.training.dataset import TEST_CAMPAIGN, Dataset
from ifonly.models.training.milling import simulate
from ifonly.models.training.package import ROWS, class_names, labelled_rows
from ifonly.service.settings import shipped_models

metrics = pytest.importorskip("sklearn.metrics")
SHIPPED = shipped_models() / "milling-machine" / "1"
BINARY = Decision(Task.BINARY, (Category("fine"), Category("bad")), 1, 0.6, desired=0)
RNG = np.random.default_rng(5)


def drawn(n: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores, of which many are equal where there are few decimals, and what happened."""
    scores = np.round(RNG.random(n), decimals)
    happened = RNG.random(n) < scores
    happened[0] = True
    return scores, happened


@pytest.mark.parametrize("decimals", [0, 1, 2, 16])
@pytest.mark.parametrize("n", [1, 2, 7, 400])
def test_precision_and_recall_are_scikit_learns(n: int, decimals: int) -> None:
    scores, happened = drawn(n, decimals)
    found = precision_recall(scores, happened)
    precision, recall, thresholds = metrics.precision_recall_curve(happened, scores)
    assert np.array_equal(found.thresholds[::-1], thresholds)
    assert found.precision[::-1] == pytest.approx(precision[:-1])
    assert found.recall[::-1] == pytest.approx(recall[:-1])
    assert found.average_precision == pytest.approx(
        metrics.average_precision_score(happened, scores)
    )


@pytest.mark.parametrize("decimals", [1, 16])
def test_calibration_is_scikit_learns(decimals: int) -> None:
    from sklearn.calibration import calibration_curve

    scores, happened = drawn(300, decimals)
    found = calibration(scores, happened)
    if decimals == 16:  # it puts what lies on a border into the range below
        happens, predicted = calibration_curve(happened, scores, n_bins=10)
        assert [b.predicted for b in found.bins] == pytest.approx(predicted)
        assert [b.happened.value for b in found.bins] == pytest.approx(happens)
    assert found.brier == pytest.approx(metrics.brier_score_loss(happened, scores))
    assert sum(b.happened.of for b in found.bins) == 300
    weighted = [abs(b.happened.of * b.predicted - b.happened.count) for b in found.bins]
    assert found.expected_error == pytest.approx(sum(weighted) / 300)


def test_certain_probabilities_have_a_range() -> None:
    found = calibration(np.array([0.0, 1.0]), np.array([False, True]))
    assert [(b.low, b.high) for b in found.bins] == [(0.0, 0.1), (0.9, 1.0)]
    assert not any(b.is_off for b in found.bins)
    assert found.expected_error == 0.0


def test_points_that_are_left_out_leave_the_ends_and_keep_the_curve() -> None:
    scores, happened = drawn(5_000, 16)
    found = precision_recall(scores, happened)
    places = found.spread(50)
    assert 45 <= len(places) <= 50
    assert (places[0], places[-1]) == (0, len(found.thresholds) - 1)
    assert np.max(np.diff(found.recall[places])) <= 0.03
    assert found.spread(10_000) == list(range(len(found.thresholds)))


@pytest.mark.parametrize("recall", [0.1, 0.5, 0.9, 1.0])
def test_a_recall_is_reached_by_the_strictest_threshold(recall: float) -> None:
    found = precision_recall(*drawn(400, 16))
    place = found.reaching(recall)
    assert found.recall[place] >= recall - 1e-12
    assert place == 0 or found.recall[place - 1] < recall


# --- of a model -----------------------------------------------------------------------------


class _Says:
    """A session with scores of its own."""

    def __init__(self, scores: Any) -> None:
        self._scores = np.array(scores, dtype=np.float64)

    def score(self, rows: Any) -> Any:
        return self._scores


def labelled(*labels: int) -> LabelledRows:
    rows = np.zeros((len(labels), 1))
    return LabelledRows(rows, np.array(labels), "label", "0" * 64)


def measured(decision: Decision, scores: Any, *labels: int) -> ModelQuality:
    found = quality_of(labelled(*labels), _Says(scores), decision)
    assert isinstance(found, ModelQuality)
    return found


def test_alarms_are_counted_as_the_model_decides() -> None:
    # 0.6 is at the threshold, so an alarm.
    found = measured(BINARY, [[0.9], [0.6], [0.5], [0.1]], 1, 0, 1, 0)
    assert (found.precision.count, found.precision.of) == (1, 2)
    assert (found.recall.count, found.recall.of) == (1, 2)
    assert (found.alarm_share.count, found.alarm_share.of) == (2, 4)
    assert (found.events, found.threshold, found.agreeing) == ((1,), 0.6, 2)


def test_an_alarm_may_be_that_the_positive_class_is_missed() -> None:
    good = replace(BINARY, desired=1)
    found = measured(good, [[0.9], [0.5], [0.2]], 1, 0, 0)
    assert found.events == (0,)
    assert (found.precision.count, found.precision.of) == (2, 2)
    assert [found.own(float(t)) for t in found.curve.thresholds] == pytest.approx([0.2, 0.5, 0.9])
    assert found.calibration is not None
    assert found.calibration.brier == pytest.approx((0.1**2 + 0.5**2 + 0.2**2) / 3)


def test_of_several_classes_every_other_than_the_wanted_one_is_an_alarm() -> None:
    classes = tuple(map(Category, ("a", "b", "c")))
    decision = Decision(Task.MULTICLASS, classes, desired=1)
    scores = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.3, 0.4, 0.3]]
    found = measured(decision, scores, 0, 1, 0, 2)
    assert found.events == (0, 2)
    # The third is an alarm of another kind than it was labelled, and an alarm it is.
    assert (found.precision.count, found.recall.count, found.recall.of) == (2, 2, 3)
    assert found.threshold is None
    nobody = replace(decision, desired=None)
    assert quality_of(labelled(0, 1), _Says(scores[:2]), nobody) is NotMeasured.NO_ALARM


def test_a_value_below_a_limit_may_be_the_alarm() -> None:
    classes = (Category("low"), Category("high"))
    decision = Decision(Task.REGRESSION, classes, 1, 10.0, "bar", desired=1)
    found = measured(decision, [[9.0], [12.0], [30.0]], 0, 0, 1)
    assert found.calibration is None
    assert [found.own(float(t)) for t in found.curve.thresholds] == [9.0, 12.0, 30.0]
    assert (found.recall.count, found.recall.of) == (1, 2)


def test_what_cannot_be_measured_says_why() -> None:
    class _Fails:
        def score(self, rows: Any) -> Any:
            raise GraphError("no")

    two = labelled(0, 1)
    assert quality_of(None, _Says([[1.0]]), BINARY) is NotMeasured.NO_LABELS
    assert quality_of(two, None, BINARY) is NotMeasured.NO_COPY
    assert quality_of(two, _Fails(), BINARY) is NotMeasured.NOT_SCORED
    for same in (0, 1):
        found = quality_of(labelled(same, same), _Says([[0.1], [0.9]]), BINARY)
        assert found is NotMeasured.ONE_CLASS


def test_no_alarm_at_all_has_no_precision() -> None:
    found = measured(BINARY, [[0.1], [0.2]], 0, 1)
    assert found.precision.value is None
    assert found.recall.value == 0.0


def test_a_share_is_within_its_own_interval_at_both_ends() -> None:
    for n in (1, 3, 166, 10_000):
        for count in (0, n):
            found = share(count, n)
            assert found.holds(count / n)
            assert 0.0 <= found.low < found.high <= 1.0


# --- validation.csv -------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped model, with a few labelled rows."""
    made = tmp_path / "milling-machine" / "1"
    made.mkdir(parents=True)
    for name in ("model.onnx", "spec.toml", "parity.json"):
        (made / name).write_bytes((SHIPPED / name).read_bytes())
    parity = json.loads((made / "parity.json").read_text())
    del parity["validation"]
    (made / "parity.json").write_text(json.dumps(parity))
    lines = (SHIPPED / "validation.csv").read_text().splitlines()[:4]
    (made / "validation.csv").write_text("\n".join(lines) + "\n")
    return made


def test_nobody_has_to_say_whether_rows_were_trained_on(folder: Path) -> None:
    found = load_folder(folder).validation
    assert found is not None
    assert (len(found.rows), found.column, found.held_out) == (3, "label", None)
    assert load_folder(SHIPPED).validation.held_out is True  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",normal", ",fine", "row 2: is 'fine', not a class (normal, failure)"),
        (",label\n", ",label,more\n", "row 1 has 7 cells, the header 8"),
        ("torque,", "force,", "has columns"),
        (",label\n", ",torque\n", "has columns"),
    ],
)
def test_a_wrong_file_is_refused_by_row_and_column(
    folder: Path, before: str, after: str, said: str
) -> None:
    path = folder / "validation.csv"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(SpecError) as caught:
        load_folder(folder)
    assert str(caught.value).startswith("milling-machine/1/validation.csv: ")
    assert said in str(caught.value)


def test_a_file_without_labels_is_refused(folder: Path) -> None:
    path = folder / "validation.csv"
    path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()))
    with pytest.raises(SpecError, match="columns that are no features: none"):
        load_folder(folder)


def test_more_rows_than_somebody_waits_for_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifonly.models.quality.labelled.MOST_READ", 2)
    with pytest.raises(SpecError, match="has 3 rows, the most is 2"):
        load_folder(folder)


def test_what_parity_json_says_of_another_file_is_refused(folder: Path) -> None:
    parity = json.loads((folder / "parity.json").read_text())
    parity["validation"] = {"sha256": "0" * 64, "held_out": True}
    (folder / "parity.json").write_text(json.dumps(parity))
    with pytest.raises(SpecError, match=r"parity.json: validation.sha256: is 0000"):
        load_folder(folder)


def test_the_shipped_rows_are_those_that_training_draws() -> None:
    deployed = load_folder(SHIPPED)
    simulated = simulate(ROWS // 4, 0, first_campaign=TEST_CAMPAIGN)
    test = Dataset(simulated.rows, simulated.failed)
    written = labelled_rows(test, deployed.spec.schema, class_names(deployed), 0)
    assert written == (SHIPPED / "validation.csv").read_bytes()


def test_the_shipped_model_is_as_good_as_its_report_says() -> None:
    found = load_folder(SHIPPED).quality
    assert isinstance(found, ModelQuality)
    said = json.loads((SHIPPED / "parity.json").read_text())["metrics"]
    # 5,000 of the 50,000 test rows that the report is of.
    assert found.precision.holds(said["precision"])
    assert found.recall.holds(said["recall"])
    assert math.isclose(found.curve.average_precision, said["average_precision"], abs_tol=0.05)
    assert found.calibration is not None
    assert math.isclose(found.calibration.brier, said["brier"], abs_tol=0.002)
