"""``reference.csv`` and ``examples.json``: data beside a model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import InvalidInstance, SpecError
from ifonly.models.predictor import Rows
from ifonly.models.repository.deployed import Example
from ifonly.models.schema import Feature, Kind, Schema

_HEADER = 1
PIECE = 4_096
"""Rows that are looked at together."""
MAX_LINE = 1 << 20
"""Characters: 256 for each of 4,096 columns."""
MAX_CELLS = 8_000_000
"""Most cells of a table: 64 MB as numbers."""
MAX_EXAMPLES = 1_000
MAX_SHOWN = 1_000
"""Characters of a header that are quoted back."""


def read_reference(text: bytes, schema: Schema, file: str) -> Rows:
    """Rows of a CSV file whose header names the features, in any order.

    Categories are written by name; an empty cell is a missing value.

    Raises
    ------
    SpecError
        Naming the file, the column and the line of the first cell that is wrong.
    """
    return _table(text, schema, file, others=False).rows


@dataclass(frozen=True, eq=False)
class Table:
    """Rows, and what else was recorded of them."""

    rows: Rows
    others: Mapping[str, tuple[str, ...]]
    """Cells of the columns that are no features, by header."""


def read_table(text: bytes, schema: Schema, file: str) -> Table:
    """As :func:`read_reference`, of a file that may have other columns besides.

    Raises
    ------
    SpecError
        As :func:`read_reference`.
    """
    return _table(text, schema, file, others=True)


def _table(text: bytes, schema: Schema, file: str, *, others: bool) -> Table:
    """Row after row: of the cells of features only their numbers are kept."""
    pieces = _pieces(text, file)
    header = next(pieces)[0]
    unread = schema.unread
    names = [name for j, name in enumerate(schema.names) if j not in unread]
    lacking = [name for name in names if header.count(name) != 1]
    more = [name for name in header if name not in names]
    # A column that stands twice has no meaning; one that nobody knows is likely a typing error.
    if lacking or len(set(header)) < len(header) or (more and not others):
        shown = ", ".join(header)[:MAX_SHOWN]
        raise SpecError(file, "", f"has columns {shown}, not {', '.join(names)}")
    found: list[Rows] = []
    beside: dict[str, list[str]] = {name: [] for name in more}
    read = 0
    for piece in pieces:
        # Counted as it grows: a small file can unfold into many cells.
        if (read + len(piece)) * len(header) > MAX_CELLS:
            raise SpecError(file, "", f"has more than {MAX_CELLS:,} cells")
        columns = dict(zip(header, zip(*piece, strict=True), strict=True))
        zeros = np.zeros(len(piece))
        numbers = [
            zeros if j in unread else _column(f, columns[f.name], file, read)
            for j, f in enumerate(schema.features)
        ]
        found.append(np.column_stack(numbers) if numbers else np.empty((len(piece), 0)))
        for name, cells in beside.items():
            cells.extend(columns[name])
        read += len(piece)
    if not found:
        raise SpecError(file, "", "has a header but no rows")
    return Table(np.concatenate(found), {name: tuple(c) for name, c in beside.items()})


def _pieces(text: bytes, file: str) -> Iterator[list[list[str]]]:
    """The header, and then the rows, some at once; each as long as the header."""
    reading = csv.reader(_lines(text, file))
    # Empty lines are no rows.
    rows = (row for row in reading if row)
    read = 0
    try:
        header = next(rows, None)
        if header is None:
            raise SpecError(file, "", "is empty")
        yield [header]
        while piece := list(islice(rows, PIECE)):
            for i, row in enumerate(piece, read + _HEADER):
                if len(row) != len(header):
                    cells = f"row {i} has {len(row)} cells, the header {len(header)}"
                    raise SpecError(file, "", cells)
            read += len(piece)
            yield piece
    except (UnicodeDecodeError, csv.Error) as error:
        raise SpecError(file, "", f"is not CSV text in UTF-8: {error}") from error


def _lines(text: bytes, file: str) -> Iterator[str]:
    """Lines, of which none is longer than any row that means something."""
    lines = io.TextIOWrapper(io.BytesIO(text), "utf-8-sig", newline="")
    # One character more than allowed, to see that there is more; never the whole line.
    while line := lines.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise SpecError(file, "", f"has a line of more than {MAX_LINE:,} characters")
        yield line


def _column(
    feature: Feature, cells: Sequence[str], file: str, before: int
) -> npt.NDArray[np.float64]:
    """Numbers of some rows, before which there are ``before`` others."""
    values = np.array([_number(feature, cell) for cell in cells])
    # All cells at once by numpy; only the first wrong one is looked at in words.
    wrong = ~_valid(feature, values, np.array([cell == "" for cell in cells]))
    if wrong.any():
        row = int(np.argmax(wrong))
        problem = _problem(feature, cells[row])
        raise SpecError(file, feature.name, f"row {before + row + _HEADER}: {problem}")
    return values


def _number(feature: Feature, cell: str) -> float:
    """The row's number for a cell; NaN where it is empty or no such value."""
    if feature.kind.is_categorical:
        names = feature.category_names
        return float(names.index(cell)) if cell in names else np.nan
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _valid(
    feature: Feature, values: npt.NDArray[np.float64], empty: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    valid = np.isfinite(values)
    if not feature.kind.is_categorical:
        valid &= (values >= feature.lower) & (values <= feature.upper)
    if feature.kind is Kind.INTEGER:
        valid &= values == np.rint(values)
    return valid | empty if feature.may_be_missing else valid


def _problem(feature: Feature, cell: str) -> str:
    """Why the schema refuses ``cell``, in its words."""
    # Put to the schema as a request would put it, so that both say the same.
    value: Any = None if cell == "" else cell
    if not feature.kind.is_categorical and cell:
        try:
            value = float(cell)
        except ValueError:
            value = cell
    try:
        feature.read(value)
    except InvalidInstance as error:
        return str(error)
    return f"{feature.name} is {cell!r}, which cannot be read"


# --- examples -----------------------------------------------------------------------------


def read_examples(text: bytes, schema: Schema, file: str) -> tuple[Example, ...]:
    """Examples of a JSON file: a list of ``{"id", "instance", "note"}``.

    Raises
    ------
    SpecError
        Naming the file, the entry and the field that is wrong.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(file, "", f"is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise SpecError(file, "", "is not a list of examples")
    if len(entries) > MAX_EXAMPLES:
        raise SpecError(file, "", f"has {len(entries):,} examples, the most is {MAX_EXAMPLES:,}")
    examples = tuple(_examples(entries, schema, file))
    ids = [example.id for example in examples]
    for i, name in enumerate(ids):
        if name in ids[:i]:
            raise SpecError(file, f"[{i}].id", f"{name!r} is already [{ids.index(name)}]")
    return examples


def _examples(entries: list[Any], schema: Schema, file: str) -> Iterator[Example]:
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or not {"id", "instance"} <= set(entry):
            raise SpecError(file, f"[{i}]", "is not a table with 'id' and 'instance'")
        unknown = set(entry) - {"id", "instance", "note"}
        if unknown:
            raise SpecError(file, f"[{i}]", f"has unknown keys {', '.join(sorted(unknown))}")
        yield _example(entry, schema, file, f"[{i}]")


def _example(entry: dict[str, Any], schema: Schema, file: str, key: str) -> Example:
    name, instance, note = entry["id"], entry["instance"], entry.get("note", {})
    if not isinstance(name, str) or not name:
        raise SpecError(file, f"{key}.id", f"is {name!r}, not a text")
    if not isinstance(instance, dict):
        raise SpecError(file, f"{key}.instance", f"is {instance!r}, not a table of features")
    labels = {"en": note} if isinstance(note, str) else note
    if not isinstance(labels, dict) or not all(isinstance(t, str) for t in labels.values()):
        raise SpecError(file, f"{key}.note", "is neither text nor text by language")
    try:
        row = schema.read(instance)
    except InvalidInstance as error:
        raise SpecError(file, f"{key}.instance", str(error)) from error
    return Example(name, instance, row, labels)
