"""Training data is read exactly or refused with file, line, column and value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ifonly.models.errors import DataError
from ifonly.models.training.dataset import (
    ALARM_CAMPAIGN,
    CSV_LABEL,
    Dataset,
    read_csv,
    simulated_split,
    stratified_split,
)
from ifonly.models.training.template import untrained_schema

FILE = Path(__file__).parents[4] / "shared" / "data" / "ai4i2020" / "ai4i2020.csv"
SCHEMA = untrained_schema()

HEADER = (
    "UDI,Product ID,Type,Air temperature [K],Process temperature [K],Rotational speed [rpm],"
    "Torque [Nm],Tool wear [min],Machine failure,TWF,HDF,PWF,OSF,RNF"
)
SOUND = "1,M14860,M,298.1,308.6,1551,42.8,0,0,0,0,0,0,0"
FAILED = "2,L47181,L,298.2,308.7,1408,66.3,198,1,0,0,1,0,0"


def written(folder: Path, *lines: str, start: bytes = b"\xef\xbb\xbf") -> Path:
    path = folder / "parts.csv"
    path.write_bytes(start + "\r\n".join((*lines, "")).encode())
    return path


def test_a_file_with_bom_crlf_and_units_in_its_header_is_read(tmp_path: Path) -> None:
    data = read_csv(written(tmp_path, HEADER, SOUND, FAILED), SCHEMA)
    expected = [[298.1, 308.6, 1551, 42.8, 0, 1], [298.2, 308.7, 1408, 66.3, 198, 0]]
    np.testing.assert_array_equal(data.rows, expected)
    np.testing.assert_array_equal(data.failed, [False, True])


def test_columns_are_found_by_name_in_any_order_and_failure_modes_are_never_read(
    tmp_path: Path,
) -> None:
    def turned(line: str) -> str:
        return ",".join(reversed(line.split(",")[2:9]))

    data = read_csv(written(tmp_path, turned(HEADER), turned(SOUND), turned(FAILED)), SCHEMA)
    np.testing.assert_array_equal(data.rows[0], [298.1, 308.6, 1551, 42.8, 0, 1])
    assert not {"TWF", "HDF", "PWF", "OSF", "RNF"} & set(SCHEMA.names)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "has no column 'Air temperature [K]'"),
        ((HEADER,), "column 'Machine failure' needs both 0 and 1 in its 0 rows"),
        ((HEADER, SOUND), "column 'Machine failure' needs both 0 and 1 in its 1 rows"),
        (
            (HEADER.replace("[K]", "[°C]"), SOUND),
            "line 1: has no column 'Air temperature [K]'; 'Air temperature [°C]' is there",
        ),
        (
            (HEADER.replace("Tool wear [min]", "Torque [Nm]"), SOUND),
            "line 1: has 2 columns 'Torque [Nm]'",
        ),
        (
            (HEADER, SOUND, FAILED.replace("66.3", "high")),
            "line 3: column 'Torque [Nm]': 'high' is not a number",
        ),
        (
            (HEADER, SOUND.replace("1551", "")),
            "line 2: column 'Rotational speed [rpm]': '' is not a number",
        ),
        (
            (HEADER, SOUND, FAILED.replace("66.3", "nan")),
            "line 3: column 'Torque [Nm]': torque is nan, not a finite number",
        ),
        (
            (HEADER, SOUND, FAILED.replace("298.2", "25.1")),
            "line 3: column 'Air temperature [K]': air_temperature is 25.1 K, outside [290, 310] K",
        ),
        (
            (HEADER, SOUND, FAILED.replace(",L,", ",XL,")),
            "line 3: column 'Type': quality is 'XL', not one of 'L', 'M', 'H'",
        ),
        (
            (HEADER, SOUND, FAILED.replace("198,1,", "198,yes,")),
            "line 3: column 'Machine failure': 'yes' is not 0 or 1",
        ),
        ((HEADER, SOUND, FAILED + ",7"), "line 3: has 15 fields, the header has 14"),
        ((HEADER, SOUND, '"' + FAILED), "line 3"),
    ],
)
def test_a_bad_file_is_refused_with_line_column_and_value(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    path = written(tmp_path, *lines)
    with pytest.raises(DataError) as refused:
        read_csv(path, SCHEMA)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8"):
        read_csv(written(tmp_path, HEADER, start=b"\xff\xfe"), SCHEMA)


def test_the_published_file_is_read_whole() -> None:
    if not FILE.is_file():
        pytest.skip("the AI4I 2020 file is not there")
    data = read_csv(FILE, SCHEMA)
    assert len(data) == 10_000
    assert data.failed.sum() == 339
    assert np.bincount(data.rows[:, 5].astype(int)).tolist() == [6000, 2997, 1003]


def test_the_three_simulated_sets_and_the_alarms_have_no_part_in_common() -> None:
    split = simulated_split(4000, seed=0)
    sets = [{row.tobytes() for row in part.rows} for part in vars(split).values()]
    assert [len(part) for part in vars(split).values()] == [4000, 1000, 1000]
    # Two parts may read the same by chance; whole campaigns may not.
    assert all(len(a & b) < 5 for a in sets for b in sets if a is not b)
    assert ALARM_CAMPAIGN > 2_000_000


def test_a_stratified_split_takes_every_row_once_and_shares_out_the_failures() -> None:
    rows = np.arange(1000, dtype=float)[:, None]
    data = Dataset(rows, rows[:, 0] % 10 == 0)
    split = stratified_split(data, seed=1)
    parts = (split.train, split.validation, split.test)
    assert sorted(np.concatenate([p.rows[:, 0] for p in parts])) == list(range(1000))
    assert [(len(p), int(p.failed.sum())) for p in parts] == [(600, 60), (200, 20), (200, 20)]
    again = stratified_split(data, seed=1)
    np.testing.assert_array_equal(again.test.rows, split.test.rows)


def test_the_digest_depends_on_rows_and_labels() -> None:
    data = Dataset(np.array([[1.0], [2.0]]), np.array([True, False]))
    assert data.sha256 == Dataset(data.rows.copy(), data.failed.copy()).sha256
    assert data.sha256 != Dataset(data.rows, ~data.failed).sha256
    assert data.sha256 != Dataset(data.rows + 1, data.failed).sha256


def test_the_label_is_not_a_feature() -> None:
    assert CSV_LABEL not in SCHEMA.names
