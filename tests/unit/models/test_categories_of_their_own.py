"""Categories as XGBoost and scikit-learn's histogram trees number them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import Booster, DMatrix, XGBClassifier, XGBRegressor, XGBRFClassifier, train

from ifonly.models.adding.native_file import read_here
from ifonly.models.conversion import convert
from ifonly.models.errors import DataError, GraphError
from ifonly.models.native import categories_read_by, native
from ifonly.models.onnx.export import INPUT, export_onnx
from ifonly.models.sample import read_sample
from ifonly.scoring import scored

DRAW = np.random.default_rng(2)
N = 200
NAMES = ["late", "b c", "early"]
CODES = np.column_stack([DRAW.integers(0, 40, N), DRAW.normal(0, 1, N).round(2)]).astype(float)
IS_HOT = (np.isin(CODES[:, 0], [1, 4, 7, 31, 35]) ^ (CODES[:, 1] > 0)).astype(int)
GRADE = IS_HOT + (CODES[:, 0] > 20)
ODD = np.array([-7.0, -1.0, -0.5, 0.0, 0.3, 1.0, 1.9, 3.0, 31.0, 31.5, 39.0, 40.0, 1e6, np.nan])
BOOSTED = {
    "n_estimators": 5, "max_depth": 3, "enable_categorical": True, "feature_types": ["c", "q"],
}  # fmt: skip
TABLE = pd.DataFrame(
    {
        "sort": pd.Categorical(DRAW.choice(NAMES, N).tolist(), categories=NAMES),
        "load": CODES[:, 1],
    }
)
CUT = TABLE.assign(sort=TABLE["sort"].cat.rename_categories(["나 다", "b", "é"]))
"""Of whose names XGBoost keeps parts alone."""
IS_WARM = ((TABLE["sort"] == NAMES[1]) ^ (TABLE["load"] > 0)).to_numpy().astype(int)


def asked(estimator: Any, rows: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    model = export_onnx(estimator, rows.shape[1], name="model")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, {INPUT: rows.astype(dtype)})[0])


@pytest.mark.parametrize("kind", [XGBClassifier, XGBRFClassifier, XGBRegressor])
def test_xgboost_reads_all_numbers_as_its_graph_does(kind: Any) -> None:
    """Fractions are cut; negative numbers and codes in none of its sets go left."""
    wanted = CODES[:, 1] if kind is XGBRegressor else GRADE
    estimator = kind(**BOOSTED).fit(CODES, wanted)
    rows = np.array([[code, load] for code in ODD for load in (-0.5, 0.5)])
    scores = asked(estimator, rows, np.float32)
    own = estimator.predict if kind is XGBRegressor else estimator.predict_proba
    np.testing.assert_allclose(scores.ravel(), own(rows).ravel(), atol=1e-6)


@pytest.mark.parametrize("kind", [HistGradientBoostingClassifier, HistGradientBoostingRegressor])
def test_histogram_trees_read_all_numbers_as_their_graph_does(kind: Any) -> None:
    """What they were not fitted on counts as missing."""
    is_value = kind is HistGradientBoostingRegressor
    table = CODES[:, ::-1]
    estimator = kind(max_iter=5, max_depth=3, categorical_features=[1])
    estimator.fit(table, CODES[:, 1] if is_value else GRADE)
    rows = np.array([[load, code] for code in ODD for load in (-0.5, 0.5)])
    scores = asked(estimator, rows, np.float64)
    own = estimator.predict if is_value else estimator.predict_proba
    np.testing.assert_allclose(scores.ravel(), own(rows).ravel(), atol=1e-6)


def test_codes_are_those_of_the_table_that_is_asked_about() -> None:
    turned = TABLE.assign(sort=TABLE["sort"].cat.reorder_categories(NAMES[::-1]))
    for estimator in (
        XGBClassifier(n_estimators=5, max_depth=3, enable_categorical=True),
        HistGradientBoostingClassifier(max_iter=5),
        GridSearchCV(HistGradientBoostingClassifier(max_iter=5), {"max_depth": [3]}, cv=2),
    ):
        estimator.fit(TABLE, IS_WARM)
        made = convert(estimator, native(estimator, read_sample(turned)))
        assert made.report.label_differences == 0


def test_names_that_xgboost_has_cut_are_codes_as_they_are() -> None:
    estimator = XGBClassifier(n_estimators=5, max_depth=3, enable_categorical=True)
    estimator.fit(CUT, IS_WARM)
    assert convert(estimator, native(estimator, read_sample(CUT))).report.label_differences == 0


def test_a_booster_is_asked_as_its_estimator_is() -> None:
    estimator = XGBClassifier(**BOOSTED).fit(CODES, IS_HOT)
    booster = estimator.get_booster()
    of_array = native(booster, read_sample(CODES)).score(CODES)
    np.testing.assert_allclose(of_array[:, 0], estimator.predict_proba(CODES)[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (
            TABLE.assign(sort=TABLE["sort"].cat.add_categories(["new"])),
            "has .* new; .* early",
        ),
        (TABLE.assign(sort=TABLE["sort"].astype(str)), "sort: is no column of categories"),
    ],
)
def test_a_table_that_xgboost_refuses_is_refused_by_name(table: Any, match: str) -> None:
    estimator = XGBClassifier(n_estimators=2, enable_categorical=True).fit(TABLE, IS_WARM)
    with pytest.raises(DataError, match=match):
        native(estimator, read_sample(table))


def test_categories_that_a_pipeline_hands_on_as_texts_are_refused() -> None:
    steps = make_pipeline("passthrough", HistGradientBoostingClassifier(max_iter=2))
    steps.fit(TABLE, IS_WARM)
    with pytest.raises(GraphError, match="no whole number"):
        convert(steps, native(steps, read_sample(TABLE)))


def test_whole_numbers_that_an_encoder_refuses_are_never_proposed() -> None:
    table = pd.DataFrame({"size": DRAW.choice([1, 2, 5, 9], N), "load": CODES[:, 1]})
    parts = make_column_transformer((OneHotEncoder(), ["size"]), remainder="passthrough")
    steps = make_pipeline(parts, LogisticRegression())
    steps.fit(table, (table["size"] == 5) ^ (table["load"] > 0))
    found = scored(steps, table)
    assert found.form is not None
    assert found.sample.schema["size"].category_names == ("1", "2", "5", "9")
    assert found.sample.read({"size": 5, "load": 0.1}).tolist() == [[2.0, 0.1]]
    assert (found.sample.table(found.sample.rows)["size"] == table["size"]).all()


# --- files ----------------------------------------------------------------------------------------


def file_of(table: pd.DataFrame, wanted: Any) -> bytes:
    data = DMatrix(table, wanted, enable_categorical=True)
    settings = {"objective": "binary:logistic", "max_depth": 3}
    return bytes(train(settings, data, 5).save_raw("ubj"))


def cells_of(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): [str(cell) for cell in table[name]] for name in table}


def test_a_file_says_which_code_each_text_has() -> None:
    file = file_of(TABLE, IS_WARM)
    found = read_here("XGBoost", "m.ubj", file, cells_of(TABLE[TABLE["sort"] != "early"]))
    assert found.codes == {"sort": tuple(NAMES)}
    booster = Booster(model_file=bytearray(file))
    assert categories_read_by(booster) == {"sort": tuple(NAMES)}


def test_cells_that_a_file_does_not_know_are_named() -> None:
    cells = cells_of(TABLE)
    cells["sort"][3] = "other"
    with pytest.raises(DataError, match="sort: holds other; the model was trained on late, b c"):
        read_here("XGBoost", "m.ubj", file_of(TABLE, IS_WARM), cells)


def test_categories_that_are_called_by_numbers_are_no_codes_of_a_folder() -> None:
    numbered = TABLE.assign(sort=TABLE["sort"].cat.rename_categories([3, 5, 12]))
    with pytest.raises(DataError, match="sort: is read as categories that are called 3, 5, 12"):
        read_here("XGBoost", "m.ubj", file_of(numbered, IS_WARM), cells_of(numbered))


def test_a_file_without_names_takes_no_texts() -> None:
    coded = TABLE.assign(sort=TABLE["sort"].cat.codes)
    data = DMatrix(coded, IS_WARM, feature_types=["c", "q"], enable_categorical=True)
    file = bytes(train({"objective": "binary:logistic"}, data, 2).save_raw("ubj"))
    for given, table in ((file, TABLE), (file_of(CUT, IS_WARM), CUT)):
        with pytest.raises(DataError, match=r"m.ubj does not say which code each has"):
            read_here("XGBoost", "m.ubj", given, cells_of(table))
