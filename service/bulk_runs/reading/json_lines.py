"""JSON lines, plain or packed: an object a line. A line that is none is a broken row of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ifonly.service.bulk_runs.reading.pieces import KEPT, KIND, BrokenRow, RowPiece
from ifonly.service.bulk_runs.reading.places import InputFile, reading
from ifonly.service.bulk_runs.reading.unpacking import unpacked

ROWS = 8_192
MAX_LINE = 16 << 20
"""Bytes of a line; a longer one is no row."""
SHOWN = 200
"""Letters of a line that is no row, in what is said of it."""
_BLOCK = 1 << 20

Line = bytes | None
"""None: a line that was too long to be kept."""


@dataclass(frozen=True)
class JsonLinesReader:
    """Columns are whatever is asked for: a row that lacks a member has null there."""

    def schema(self, file: InputFile) -> pa.Schema | None:
        return None

    def rows(self, file: InputFile) -> int | None:
        return None

    def pieces(self, file: InputFile, schema: pa.Schema) -> Iterator[RowPiece]:
        lines: list[Line] = []
        with reading(file.name), unpacked(file) as (stream, read):
            for line in _lines(stream):
                lines.append(line)
                if len(lines) == ROWS:
                    yield _piece(lines, schema, read())
                    lines = []
            if lines:
                yield _piece(lines, schema, read())


def _lines(stream: pa.NativeFile) -> Iterator[Line]:
    """Each line, also an empty one: rows are known by their lines' numbers."""
    rest, is_skipped = b"", False
    while block := stream.read(_BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield None if is_skipped or len(line) > MAX_LINE else line
            is_skipped = False
        if len(rest) > MAX_LINE:
            rest, is_skipped = b"", True
    if rest or is_skipped:
        yield None if is_skipped else rest


def _piece(lines: Sequence[Line], schema: pa.Schema, read: int) -> RowPiece:
    broken: dict[int, BrokenRow] = {}
    rows: list[dict[str, Any]] = []
    for i, line in enumerate(lines):
        found = _row(line)
        if isinstance(found, BrokenRow):
            broken[i] = found
            found = {}
        rows.append(found)
    columns = [_column(rows, field, broken) for field in schema]
    return RowPiece(pa.RecordBatch.from_arrays(columns, schema=schema), broken, read)


def _row(line: Line) -> dict[str, Any] | BrokenRow:
    if line is None:
        return BrokenRow(f"the line is longer than {MAX_LINE:,} bytes")
    if not line.strip():
        return BrokenRow("the line is empty, and no JSON object")
    try:
        found = _decode(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        return BrokenRow(f"the line is not UTF-8 text: byte 0x{byte:02x}", _shown(line))
    except RecursionError:
        return BrokenRow("the line is nested too deep", _shown(line))
    except ValueError as error:
        return BrokenRow(f"the line is not JSON: {error}", _shown(line))
    if not isinstance(found, dict):
        return BrokenRow("the line is no JSON object", _shown(line))
    return found


def _shown(line: bytes) -> str:
    text = line.decode(errors="replace").strip()
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # The reader would keep the last one, and whoever wrote it may mean the first.
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is given twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


# Built once: json.loads makes a decoder a call when it is given hooks.
_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number).decode


def _lists(values: Sequence[Any], field: pa.Field, broken: dict[int, BrokenRow]) -> pa.Array:
    """The readings of a channel of a window; what is none is told of its row."""
    found: list[list[float | None] | None] = []
    for i, value in enumerate(values):
        is_list = isinstance(value, list)
        if is_list and all(v is None or type(v) in (int, float) for v in value):
            found.append([None if v is None else float(v) for v in value])
            continue
        found.append(None)
        if value is not None and i not in broken:
            told = f"{field.name} is {_brief(value)}, not a list of numbers"
            broken[i] = BrokenRow(told, _brief(value), field.name)
    return pa.array(found, field.type)


def _brief(value: Any) -> str:
    return _shown(json.dumps(value, ensure_ascii=False).encode())


def _column(
    rows: Sequence[dict[str, Any]], field: pa.Field, broken: dict[int, BrokenRow]
) -> pa.Array:
    values = [row.get(field.name) for row in rows]
    if pa.types.is_string(field.type):
        return _texts(values, field, broken)
    if pa.types.is_list(field.type):
        return _lists(values, field, broken)
    try:
        # As a whole where all are numbers, as they nearly always are.
        if not any(type(value) is bool for value in values):
            return pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    for i, value in enumerate(values):
        problem = _not_a_number(value, field)
        if problem is not None:
            values[i] = None
            broken.setdefault(i, problem)
    return pa.array(values, field.type)


def _not_a_number(value: Any, field: pa.Field) -> BrokenRow | None:
    if value is None:
        return None
    shown = json.dumps(value, ensure_ascii=False)[:SHOWN]
    if type(value) not in (int, float):
        return BrokenRow(f"{field.name} is {shown}, not a number", shown, field.name)
    try:
        pa.scalar(value, field.type)
        is_one = math.isfinite(value)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        is_one = False
    if is_one:
        return None
    return BrokenRow(f"{field.name} is {shown}, beyond what its column holds", shown, field.name)


def _texts(values: list[Any], field: pa.Field, broken: dict[int, BrokenRow]) -> pa.Array:
    """Texts as they are. What is none is no category; of other columns (an id, what is taken
    along) it is kept as JSON."""
    is_read = (field.metadata or {}).get(KIND) != KEPT
    for i, value in enumerate(values):
        if value is None or type(value) is str:
            continue
        shown = json.dumps(value, ensure_ascii=False)
        if not is_read:
            values[i] = shown
            continue
        values[i] = None
        problem = BrokenRow(
            f"{field.name} is {shown[:SHOWN]}, not a text", shown[:SHOWN], field.name
        )
        broken.setdefault(i, problem)
    return pa.array(values, field.type)
