"""Models with categories of their own, and bins before a model: converted, and answers that a walk
over every row confirms."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import Infeasible, Recourse
from ifonly.explainers.constraints import MaxChanges
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.target import BY_REQUEST, Target
from ifonly.models.conversion import Converted, convert
from ifonly.models.graph.reading import read_graph
from ifonly.models.native import Native, native
from ifonly.models.sample import read_sample

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")
pytest.importorskip("xgboost")
pd = pytest.importorskip("pandas")

from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder  # noqa: E402
from xgboost import XGBClassifier  # noqa: E402

SORTS, SHIFTS, LOADS = tuple("dcbafe"), ("night", "late", "early"), 11
STRIDE = 17
DRAW = np.random.default_rng(5)
N = 300
NUMBERS = DRAW.integers(0, len(SORTS), N), DRAW.integers(0, 3, N), DRAW.integers(0, LOADS, N)
ALARM = np.isin(NUMBERS[0], [0, 3, 4]) ^ (NUMBERS[1] == 1) ^ (NUMBERS[2] > 6)
TABLE = pd.DataFrame(
    {
        # The last sort is in no row.
        "sort": pd.Categorical.from_codes(NUMBERS[0], categories=[*SORTS, "new"]),
        "shift": pd.Categorical.from_codes(NUMBERS[1], categories=list(SHIFTS)),
        "load": NUMBERS[2] / 10.0,
    }
)
WITH_GAPS = TABLE.copy()
WITH_GAPS.loc[::23, "shift"] = None
CODES = np.column_stack(NUMBERS).astype(float)
BINS = ColumnTransformer(
    [
        ("bins", KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"), ["load"]),
        ("sorts", OneHotEncoder(handle_unknown="ignore"), ["sort", "shift"]),
    ],
    sparse_threshold=0.0,
)
CASES: dict[str, tuple[Any, Any]] = {
    "XGBoost": (XGBClassifier(n_estimators=8, max_depth=3, enable_categorical=True), WITH_GAPS),
    "XGBoost, codes": (
        XGBClassifier(
            n_estimators=8, max_depth=3, enable_categorical=True, feature_types=["c", "c", "q"]
        ),
        CODES,
    ),
    "histograms": (HistGradientBoostingClassifier(max_iter=8, max_depth=3), WITH_GAPS),
    "bins, linear": (make_pipeline(BINS, LogisticRegression()), TABLE),
    "bins, trees": (
        make_pipeline(
            KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"),
            RandomForestClassifier(6, max_depth=4, random_state=0),
        ),
        CODES,
    ),
}


def fitted(case: str) -> tuple[Native, Converted]:
    model, table = CASES[case]
    model.fit(table, ALARM.astype(int))
    sample = read_sample(table)
    original = native(model, sample)
    return original, convert(model, original)


def everything(original: Native) -> np.ndarray[Any, Any]:
    axes = [np.unique(column) for column in original.sample.rows.T]
    for j, feature in enumerate(original.sample.schema.features):
        if feature.kind.is_categorical:
            gap = [np.nan] if feature.may_be_missing else []
            axes[j] = np.array([*range(len(feature.categories)), *gap], dtype=float)
    return np.array(list(itertools.product(*axes)), dtype=float)


@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_a_walk_over_every_row(case: str) -> None:
    original, made = fitted(case)
    schema, decision, graph = original.sample.schema, original.decision, made.graph
    form = read_graph(graph.model, graph.encoding, graph.columns)
    rows = everything(original)
    scores = original.score(rows)[:, 0]
    np.testing.assert_allclose(graph.score(rows)[:, 0], scores, atol=1e-6)
    engine = engines_for(form, schema)
    policy = Policy.read({}, schema, decision)
    kinds = set()
    for place, factual in enumerate(rows[::STRIDE]):
        is_alarm, most = bool(scores[STRIDE * place] >= 0.5), 1 + place % 2
        problem = policy.problem(
            factual,
            Target(decision, int(not is_alarm)),
            constraints=(MaxChanges(most, origin=BY_REQUEST),),
        )
        answer = explain(problem, original, engine=engine)
        kinds.add(type(answer))
        # What is missing stays so, and nothing is made missing.
        is_like = (np.isnan(rows) == np.isnan(factual)).all(axis=1)
        flipped = rows[((scores >= 0.5) != is_alarm) & is_like]
        changed = (flipped != factual) & ~(np.isnan(flipped) & np.isnan(factual))
        flipped = flipped[changed.sum(axis=1) <= most]
        if not len(flipped):
            assert isinstance(answer, Infeasible)
            continue
        assert isinstance(answer, Recourse)
        found = answer.counterfactuals[0]
        assert found.gap == 0.0
        assert found.cost == pytest.approx(problem.cost.of(flipped, factual).min(), rel=1e-9)
    assert Recourse in kinds
