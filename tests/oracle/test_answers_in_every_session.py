"""Answers put to real sessions of ONNX Runtime: 1, 2, 8 threads, alone and among other rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

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
from ifonly.models.errors import NotFinite
from ifonly.models.onnx import OnnxPredictor
from ifonly.models.onnx.measuring import measure_rounding
from ifonly.models.onnx.predictor import in_sessions
from ifonly.models.repository import DeployedModel
from ifonly.models.rounding import Known, rounding_of

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

TIES = 60
"""Questions to a forest of 50 trees: classes tie in hundredths."""
ENOUGH = 8


Train = Callable[..., DeployedModel]


@cache
def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    return {"iris": iris, "noisy": noisy}[name](0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """A model of a kind, on data of a name, made once."""

    @cache
    def make(kind: str, name: str, *, single: bool = False) -> DeployedModel:
        pytest.importorskip(kind if kind in ("xgboost", "lightgbm") else "sklearn")
        return deployed(kind, data(name), tmp_path_factory.mktemp(kind), 0, single=single)

    return make


def asked(model: DeployedModel, name: str, n: int, *, plain: bool = False) -> Count:
    return campaign(model, list(questions(model, data(name)[0], n)), plain=plain)


def test_answers_of_a_forest_do_not_rest_on_the_order_of_its_sum(trained: Train) -> None:
    count = asked(trained("forest", "iris"), "iris", TIES, plain=True)
    assert count.answers == TIES
    assert count.denied == 0
    assert count.scored > 0
    # The test can fail: by the scores as they are, other sessions deny some answers.
    assert count.plain_denied > 0


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.parametrize("name", ["iris", pytest.param("noisy", marks=pytest.mark.slow)])
def test_every_session_confirms_every_answer(kind: str, name: str, trained: Train) -> None:
    count = asked(trained(kind, name), name, ENOUGH)
    assert count.answers > 0
    assert count.rest_on_rounding == 0
    assert count.scored == count.answers * len(THREADS) * (1 + 2 + 3 * (len(BATCHES) - 2))
    assert count.denied == 0


@pytest.mark.parametrize("kind", ["linear", pytest.param("relu", marks=pytest.mark.slow)])
def test_every_session_confirms_answers_of_graphs_in_float32(kind: str, trained: Train) -> None:
    count = asked(trained(kind, "noisy", single=True), "noisy", ENOUGH)
    assert count.answers > 0
    assert count.denied == 0


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_no_session_differs_by_more_than_the_rounding(kind: str, trained: Train) -> None:
    model = trained(kind, "iris", single=kind in ("linear", "relu"))
    predictor = model.predictor
    assert isinstance(predictor, OnnxPredictor)
    draw = np.random.default_rng(1)
    x = data("iris")[0]
    rows = np.round(draw.uniform(x.min(axis=0), x.max(axis=0), (1_000, 4)), 1)
    ours = predictor.score(rows)
    allowed = rounding_of(predictor).of(ours)
    for session in in_sessions(predictor, THREADS):
        for size in BATCHES:
            parts = [session.score(rows[at : at + size]) for at in range(0, len(rows), size)]
            assert (np.abs(np.concatenate(parts) - ours) <= allowed).all()


def test_a_graph_that_cannot_be_read_has_a_measured_rounding(
    trained: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    near = partial(neighbors.KNeighborsClassifier, 3, weights="distance")
    monkeypatch.setitem(MAKERS, "neighbours", lambda seed: near())
    model = trained("neighbours", "iris")
    assert model.form is None
    assert rounding_of(model.predictor).known is Known.MEASURED


def test_rows_without_a_score_do_not_keep_a_model_from_being_measured(trained: Train) -> None:
    predictor = trained("tanh", "iris").predictor
    assert isinstance(predictor, OnnxPredictor)
    rows = data("iris")[0][:8].astype(np.float64)
    odd = np.where(np.arange(len(rows))[:, None] == 3, np.inf, rows)
    with pytest.raises(NotFinite):
        predictor.score(odd)
    assert measure_rounding(predictor, odd).known is Known.MEASURED


def test_what_is_measured_is_within_what_is_proven(trained: Train) -> None:
    model = trained("forest", "iris")
    predictor = model.predictor
    assert isinstance(predictor, OnnxPredictor)
    measured = measure_rounding(predictor, data("iris")[0].astype(np.float64))
    assert rounding_of(predictor).known is Known.BOUNDED
    assert max(measured.flat) <= min(rounding_of(predictor).flat)
