from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.study import Rules, StudyLever, StudyLinear, StudyRule, StudySetup

LEVERS = (
    StudyLever("torque", "continuous", 0.0, 80.0, "0.1", 6.7, 0, unit="Nm"),
    StudyLever("purpose", "nominal", 0.0, 2.0, "1", 1.0, 1, ("car", "house", "trip")),
    StudyLever("quality", "ordinal", 0.0, 2.0, "1", 1.0, 4, ("L", "M", "H")),
)
RULES = Rules(
    immutable=("quality",),
    directions={"torque": "down"},
    linear=(StudyLinear({"torque": 1.0, "wear": -12.5}, -3.0),),
    implications=(
        StudyRule("if torque > 65 then wear <= 100"),
        StudyRule("if a >= 1 then b <= 0", (("a", 1.0), ("b", 0.0))),
    ),
)


def study(reference: str = "") -> StudySetup:
    return StudySetup(
        "data", "xgboost-1x1", "rules", "xgboost", "binary", 0.5, True, LEVERS, RULES,
        "folder", "native", reference,
    )  # fmt: skip


def test_a_study_survives_json() -> None:
    assert StudySetup.from_json(study().to_json()) == study()


def test_nominal_levers_are_one_hot_in_the_graph_and_codes_outside() -> None:
    rows = np.array([[53.2, 2.0, 1.0], [0.0, 0.0, 2.0]])
    matrix = study().encode(rows)
    assert matrix.tolist() == [[53.2, 0, 0, 1, 1], [0, 1, 0, 0, 2]]
    assert np.array_equal(study().decode(matrix), rows)


def test_a_linear_rule_reads_as_a_spec_writes_it() -> None:
    assert RULES.linear[0].text == "1 * torque - 12.5 * wear >= -3"


@pytest.mark.parametrize(("resolution", "decimals"), [("0.1", 1), ("1", 0), ("100", 0)])
def test_decimals_are_those_of_the_grid(resolution: str, decimals: int) -> None:
    assert StudyLever("x", "continuous", 0.0, 1.0, resolution, 1.0, 0).decimals == decimals


def test_references_are_rows_and_whether_they_are_wanted(tmp_path: Path) -> None:
    file = tmp_path / "reference.npz"
    np.savez_compressed(file, rows=np.ones((2, 3)), wanted=np.array([True, False]))
    rows, wanted = study(str(file)).references()
    assert rows.shape == (2, 3)
    assert wanted.tolist() == [True, False]
