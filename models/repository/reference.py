"""``reference.csv`` and ``examples.json``: data beside a model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInstance, SpecError
from models.predictor import Rows
from models.repository.deployed import Example
from models.schema import Feature, Kind, Schema

_HEADER = 1


def read_reference(text: bytes, schema: Schema, file: str) -> Rows:
    """Rows of a CSV file whose header names the features, in any order.

    Categories are written by name; an empty cell is a missing value.

    Raises
    ------
    SpecError
        Naming the file, the column and the line of the first cell that is wrong.
    """
    table = read_table(text, schema, file)
    if table.others:
        header = (*schema.names, *table.others)
        raise SpecError(file, "", f"has columns {', '.join(header)}, not {', '.join(schema.names)}")
    return table.rows


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
    lines = _lines(text, file)
    header, body = lines[0], lines[1:]
    lacking = [name for name in schema.names if header.count(name) != 1]
    if lacking or len(set(header)) < len(header):
        raise SpecError(file, "", f"has columns {', '.join(header)}, not {', '.join(schema.names)}")
    if not body:
        raise SpecError(file, "", "has a header but no rows")
    columns = dict(zip(header, zip(*body, strict=True), strict=True))
    rows = np.column_stack([_column(f, columns[f.name], file) for f in schema.features])
    return Table(rows, {name: columns[name] for name in header if name not in schema})


def _lines(text: bytes, file: str) -> list[list[str]]:
    try:
        lines = [line for line in csv.reader(io.StringIO(text.decode("utf-8-sig"))) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SpecError(file, "", f"is not CSV text in UTF-8: {error}") from error
    if not lines:
        raise SpecError(file, "", "is empty")
    for i, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise SpecError(file, "", f"row {i} has {len(line)} cells, the header {len(lines[0])}")
    return lines


def _column(feature: Feature, cells: Sequence[str], file: str) -> npt.NDArray[np.float64]:
    values = np.array([_number(feature, cell) for cell in cells])
    wrong = ~_valid(feature, values, np.array([cell == "" for cell in cells]))
    if wrong.any():
        row = int(np.argmax(wrong))
        problem = _problem(feature, cells[row])
        raise SpecError(file, feature.name, f"row {row + _HEADER}: {problem}")
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
    except ValueError as error:
        raise SpecError(file, "", f"is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise SpecError(file, "", "is not a list of examples")
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
