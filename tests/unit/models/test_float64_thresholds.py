"""Trees that compare in float64 become graphs that decide alike beside every threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ifonly.models.conversion import convert
from ifonly.models.native import native
from ifonly.models.sample import read_sample

RNG = np.random.default_rng(0)
N = 300
TABLE = pd.DataFrame(
    {
        "temperature": RNG.normal(100.0, 15.0, N).round(1),
        "torque": RNG.uniform(0.0, 10.0, N).round(2),
        "count": RNG.integers(0, 50, N),
    }
)
HOT = ((TABLE["temperature"] > 105) & (TABLE["torque"] > 4)).astype(int)
GAPS = TABLE.assign(torque=TABLE["torque"].where(TABLE["count"] > 5))
CASES: dict[str, tuple[Any, pd.DataFrame, Any]] = {
    "two": (HistGradientBoostingClassifier(max_iter=10), TABLE, HOT),
    "three": (HistGradientBoostingClassifier(max_iter=10), TABLE, HOT + (TABLE["count"] > 25)),
    "texts": (HistGradientBoostingClassifier(max_iter=5), TABLE, np.where(HOT, "bad", "fine")),
    "a value": (HistGradientBoostingRegressor(max_iter=10), TABLE, TABLE["torque"] ** 2),
    "gaps": (HistGradientBoostingClassifier(max_iter=10), GAPS, HOT),
    "LightGBM": (LGBMClassifier(n_estimators=60, verbose=-1), TABLE, HOT),
    "LightGBM, a value": (LGBMRegressor(n_estimators=30, verbose=-1), GAPS, TABLE["temperature"]),
    "scaled": (
        make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=10)), TABLE, HOT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_graph_decides_alike_and_the_estimator_stays_as_it_was(case: str) -> None:
    estimator, table, wanted = CASES[case]
    estimator.fit(table, np.asarray(wanted))
    before = estimator.predict(table)
    made = convert(estimator, native(estimator, read_sample(table)))
    assert made.report.label_differences == 0
    assert made.report.thresholds > 0
    assert (estimator.predict(table) == before).all()
