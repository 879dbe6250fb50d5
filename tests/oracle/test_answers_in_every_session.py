"""Answers put to real sessions of ONNX Runtime: 1, 2, 8 threads, alone and among other rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.sessions import (
    BATCHES,
    MAKERS,
    THREADS,
    Count,
    campaign,
    deployed,
    iris,
    noisy,
    questions,
)
from models.errors import NotFinite
from models.onnx import OnnxPredictor
from models.onnx.measuring import measure_rounding
from models.onnx.predictor import in_sessions
from models.repository import DeployedModel
from models.rounding import Known, rounding_of

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

TIES = 60
"""Questions to a forest of 50 trees: classes tie in hundredths."""
ENOUGH = 8


def asked(model: DeployedModel, data: tuple[np.ndarray, np.ndarray], n: int) -> Count:
    return campaign(model, list(questions(model, data[0], n)))


def test_answers_of_a_forest_do_not_rest_on_the_order_of_its_sum(tmp_path: Path) -> None:
    count = asked(deployed("forest", iris(0), tmp_path, 0), iris(0), TIES)
    assert count.answers == TIES
    assert count.denied == 0
    assert count.scored > 0
    # The test can fail: by the scores as they are, other sessions deny some answers.
    assert count.plain_denied > 0


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.parametrize("data", [iris(0), noisy(0)], ids=["iris", "noisy"])
def test_every_session_confirms_every_answer(
    kind: str, data: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    pytest.importorskip(kind if kind in ("xgboost", "lightgbm") else "sklearn")
    count = asked(deployed(kind, data, tmp_path, 0), data, ENOUGH)
    assert count.answers > 0
    assert count.rest_on_rounding == 0
    assert count.scored == count.answers * len(THREADS) * (1 + 2 + 3 * (len(BATCHES) - 2))
    assert count.denied == 0


@pytest.mark.parametrize("kind", ["linear", "relu"])
def test_every_session_confirms_answers_of_graphs_in_float32(kind: str, tmp_path: Path) -> None:
    count = asked(deployed(kind, noisy(0), tmp_path, 0, single=True), noisy(0), ENOUGH)
    assert count.answers > 0
    assert count.denied == 0


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_no_session_differs_by_more_than_the_rounding(kind: str, tmp_path: Path) -> None:
    pytest.importorskip(kind if kind in ("xgboost", "lightgbm") else "sklearn")
    model = deployed(kind, iris(0), tmp_path, 0, single=kind in ("linear", "relu"))
    predictor = model.predictor
    assert isinstance(predictor, OnnxPredictor)
    draw = np.random.default_rng(1)
    rows = np.round(draw.uniform(iris(0)[0].min(axis=0), iris(0)[0].max(axis=0), (1_000, 4)), 1)
    ours = predictor.score(rows)
    allowed = rounding_of(predictor).of(ours)
    for session in in_sessions(predictor, THREADS):
        for size in BATCHES:
            parts = [session.score(rows[at : at + size]) for at in range(0, len(rows), size)]
            assert (np.abs(np.concatenate(parts) - ours) <= allowed).all()


def test_a_graph_that_cannot_be_read_has_a_measured_rounding(tmp_path: Path) -> None:
    model = deployed("tanh", iris(0), tmp_path, 0)
    assert model.form is None
    assert rounding_of(model.predictor).known is Known.MEASURED


def test_rows_without_a_score_do_not_keep_a_model_from_being_measured(tmp_path: Path) -> None:
    predictor = deployed("tanh", iris(0), tmp_path, 0).predictor
    assert isinstance(predictor, OnnxPredictor)
    rows = iris(0)[0][:8].astype(np.float64)
    odd = np.where(np.arange(len(rows))[:, None] == 3, np.inf, rows)
    with pytest.raises(NotFinite):
        predictor.score(odd)
    assert measure_rounding(predictor, odd).known is Known.MEASURED


def test_what_is_measured_is_within_what_is_proven(tmp_path: Path) -> None:
    model = deployed("forest", iris(0), tmp_path, 0)
    predictor = model.predictor
    assert isinstance(predictor, OnnxPredictor)
    measured = measure_rounding(predictor, iris(0)[0].astype(np.float64))
    assert rounding_of(predictor).known is Known.BOUNDED
    assert max(measured.flat) <= min(rounding_of(predictor).flat)
