"""What a model is trained on: simulated parts, or the published AI4I 2020 file."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import DataError, InvalidInstance
from ifonly.models.predictor import Rows
from ifonly.models.schema import Schema
from ifonly.models.training.milling import Flags, simulate

CSV_COLUMNS = {
    "air_temperature": "Air temperature [K]",
    "process_temperature": "Process temperature [K]",
    "rotational_speed": "Rotational speed [rpm]",
    "torque": "Torque [Nm]",
    "tool_wear": "Tool wear [min]",
    "quality": "Type",
}
"""Feature to its header in the UCI file. The failure modes (TWF, HDF, PWF, OSF, RNF) are never
read: they are parts of the label."""
CSV_LABEL = "Machine failure"

VALIDATION_CAMPAIGN = 1_000_000
TEST_CAMPAIGN = 2_000_000
ALARM_CAMPAIGN = 3_000_000
"""Where the simulated parts for each use begin: none is ever used twice."""


@dataclass(frozen=True)
class Dataset:
    """Labelled rows."""

    rows: Rows
    failed: Flags
    """``(n_rows,)``"""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: npt.NDArray[np.int64]) -> Dataset:
        """The rows at ``index``."""
        return Dataset(self.rows[index], self.failed[index])

    @property
    def sha256(self) -> str:
        """Digest of rows and labels, whatever platform made them."""
        # Little-endian, whatever the machine: the same rows must have the same digest.
        digest = hashlib.sha256(np.ascontiguousarray(self.rows, dtype="<f8").tobytes())
        digest.update(self.failed.astype(np.uint8).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Split:
    """Three sets without a row in common: to fit, to choose the threshold, to report."""

    train: Dataset
    validation: Dataset
    test: Dataset


def simulated_split(n_rows: int, seed: int) -> Split:
    """``n_rows`` simulated parts to fit, a quarter as many for each of the other two."""

    def parts(n: int, first_campaign: int) -> Dataset:
        simulation = simulate(n, seed, first_campaign=first_campaign)
        return Dataset(simulation.rows, simulation.failed)

    held_out = max(n_rows // 4, 1)
    return Split(
        parts(n_rows, 0),
        parts(held_out, VALIDATION_CAMPAIGN),
        parts(held_out, TEST_CAMPAIGN),
    )


def stratified_split(data: Dataset, seed: int) -> Split:
    """60, 20 and 20 % of ``data``, each with its share of failures."""
    rng = np.random.default_rng(seed)
    parts: list[list[npt.NDArray[np.int64]]] = [[], [], []]
    for label in (False, True):
        shuffled = rng.permutation(np.flatnonzero(data.failed == label))
        cuts = [round(0.6 * len(shuffled)), round(0.8 * len(shuffled))]
        for part, index in zip(parts, np.split(shuffled, cuts), strict=True):
            part.append(index)
    # Sorted, so that parts keep the order in which they were made.
    train, validation, test = (data[np.sort(np.concatenate(part))] for part in parts)
    return Split(train, validation, test)


def read_csv(path: Path, schema: Schema) -> Dataset:
    """The UCI file (BOM, CRLF, units in the header) as rows of ``schema``.

    Raises
    ------
    DataError
        Naming file, line, column and value of the first thing that is wrong.
    OSError
        If the file cannot be opened.
    """
    lines = _records(path)
    _, header = next(lines, (1, []))
    places = _places(path, [cell.strip() for cell in header])
    read: list[list[float]] = []
    failed: list[bool] = []
    for line, cells in lines:
        if len(cells) != len(header):
            problem = f"has {len(cells)} fields, the header has {len(header)}"
            raise DataError(str(path), problem, line=line)
        read.append(_row(path, line, cells, places, schema))
        failed.append(_label(path, line, cells[places[CSV_LABEL]]))
    # With one class only there is nothing to learn.
    if len(set(failed)) < 2:
        problem = f"column {CSV_LABEL!r} needs both 0 and 1 in its {len(failed)} rows"
        raise DataError(str(path), problem)
    return Dataset(np.array(read), np.array(failed))


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record that is not empty."""
    try:
        # Some editors put a mark before the first header, which would then not be found.
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"is not UTF-8 text: {error.reason}") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(str(path), f"is not CSV: {error}", line=reader.line_num) from error


def _places(path: Path, header: list[str]) -> dict[str, int]:
    """Header to its position, for the columns that are read."""
    wanted = (*CSV_COLUMNS.values(), CSV_LABEL)
    for name in wanted:
        if header.count(name) == 1:
            continue
        if name in header:
            raise DataError(str(path), f"has {header.count(name)} columns {name!r}", line=1)
        close = get_close_matches(name, header, n=1)
        hint = f"; {close[0]!r} is there, but that is not the same" if close else ""
        raise DataError(str(path), f"has no column {name!r}{hint}", line=1)
    return {name: header.index(name) for name in wanted}


def _row(
    path: Path, line: int, cells: list[str], places: dict[str, int], schema: Schema
) -> list[float]:
    row = []
    for feature in schema.features:
        column = CSV_COLUMNS[feature.name]
        cell = cells[places[column]].strip()
        try:
            value = cell if feature.kind.is_categorical else float(cell)
            row.append(feature.read(value))
        except InvalidInstance as error:
            raise DataError(str(path), f"column {column!r}: {error}", line=line) from error
        except ValueError as error:
            problem = f"column {column!r}: {cell!r} is not a number"
            raise DataError(str(path), problem, line=line) from error
    return row


def _label(path: Path, line: int, cell: str) -> bool:
    if cell.strip() not in ("0", "1"):
        raise DataError(str(path), f"column {CSV_LABEL!r}: {cell!r} is not 0 or 1", line=line)
    return cell.strip() == "1"
