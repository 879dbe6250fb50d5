"""Rows as they are sent, in whatever form, as the questions of a job: lines of JSON, each with its
place in what was sent."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ifonly.models.schema import Feature, Schema
from ifonly.models.window import document_schema
from ifonly.service.ask import problem_types as kinds
from ifonly.service.ask.cells import of_text
from ifonly.service.ask.problems import Refusal
from ifonly.service.errors import Fault, MalformedBody, MalformedTable, TooManyTableRows
from ifonly.service.jobs.forms import INSTALL, TableForm, can
from ifonly.service.jobs.row_ids import ID
from ifonly.service.jobs.table_process import TableProcess, TableWanted
from ifonly.service.wire.strict_json import read_json

ATTRIBUTES = "attributes."
"""Before the name of an attribute: a column of what is said of the row's equipment."""
MAX_ENDS = 10
"""Ends of lines for each row that a job may have: more are next to nothing but empty lines."""
Question = Mapping[str, Any]
"""What is asked of every row: a request for an explanation, less its instance."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Of one body."""

    rows: int
    line_bytes: int


@dataclass(slots=True)
class JobQuestions:
    """What a job asks."""

    lines: list[bytes] = field(default_factory=list)
    """One request for an explanation each, perhaps with an ``id``; what is in them is not looked
    at here."""
    places: list[int] = field(default_factory=list)
    """Of each in what was sent, from 0: a blank line has a place, and asks nothing."""

    def add(self, place: int, line: bytes, limits: BodyLimits) -> None:
        """Raises
        ------
        TooManyTableRows, Refusal
            If there are too many, or it is too long.
        """
        if len(line) > limits.line_bytes:
            problem = f"row {place} has {len(line):,} bytes; the limit is {limits.line_bytes:,}"
            fault = Fault((place,), problem, len(line), "bytes", limits.line_bytes)
            raise Refusal(kinds.BODY_TOO_LARGE, problem, faults=[fault])
        if len(self.lines) >= limits.rows:
            raise TooManyTableRows(len(self.lines) + 1, limits.rows)
        self.lines.append(line)
        self.places.append(place)


def read(
    body: bytes, form: TableForm, schema: Schema, question: Question, limits: BodyLimits
) -> JobQuestions:
    """The questions of a body, which is unpacked; each line of JSON says itself what it asks, and
    ``question`` says it where it does not.

    Raises
    ------
    MalformedBody, MalformedTable, TooManyTableRows, Refusal
        If it is none, has no row or too many, or lacks a column.
    """
    if form.needs_pyarrow and not can(form):
        told = f"{form} is read with pyarrow, which is not installed: {INSTALL}"
        raise Refusal(kinds.UNSUPPORTED_MEDIA_TYPE, told)
    found = JobQuestions()
    if form is TableForm.JSONL:
        for place, line in enumerate(_lines(body, limits)):
            if line.strip():
                found.add(place, _with(question, line), limits)
        if not found.lines:
            raise MalformedBody("the body has no line; each is a JSON object")
        return found
    rows = _of_csv(body, limits) if form is TableForm.CSV else _of_table(body, form, schema, limits)
    named = _named(next(rows), schema)
    for place, cells in enumerate(rows):
        if cells:
            found.add(place, _asked(named, cells, question), limits)
    if not found.lines:
        raise MalformedTable(form.value, "it has no row")
    return found


def _lines(body: bytes, limits: BodyLimits) -> Iterator[bytes]:
    # A mark of byte order is what Windows tools put before UTF-8.
    text = body.removeprefix(b"\xef\xbb\xbf")
    _check_ends(text, limits)
    # Of the last line only a writer that ends each of them says that it is over.
    return iter(text.split(b"\n"))


def _check_ends(text: bytes, limits: BodyLimits) -> None:
    # Counted before the split: a body of newlines would become millions of objects.
    if (ends := text.count(b"\n")) > MAX_ENDS * limits.rows:
        raise TooManyTableRows(ends, limits.rows)


def _with(question: Question, line: bytes) -> bytes:
    if not question:
        return line
    try:
        asked = read_json(line)
    except Exception:  # what is wrong with it is said when it is answered
        return line
    return _written({**question, **asked}) if isinstance(asked, dict) else line


def _written(asked: Mapping[str, Any]) -> bytes:
    # A time has no form in JSON: as text it is refused with its row.
    return json.dumps(asked, ensure_ascii=False, separators=(",", ":"), default=str).encode()


# --- tables -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _CellColumn:
    name: str
    feature: Feature | None
    """None: the rows' ids, or an attribute."""


def _named(names: Sequence[Any], schema: Schema) -> Sequence[_CellColumn | None]:
    """What each column is; None: nothing of this model, and left alone.

    Raises
    ------
    Refusal
        If one is missing or there twice.
    """
    wanted = {feature.name: feature for feature in document_schema(schema).features}
    own = [n for n in names if n in wanted or n == ID or n.startswith(ATTRIBUTES)]
    faults = [
        Fault((name,), f"{name} is no column of the table ({', '.join(names)})", limit=[*names])
        for name in wanted
        if name not in own
    ]
    faults += [
        Fault((name,), f"{name} is a column {own.count(name)} times", own.count(name), limit=1)
        for name in dict.fromkeys(own)
        if own.count(name) > 1
    ]
    if faults:
        told = "; ".join(fault.problem for fault in faults)
        raise Refusal(kinds.INVALID_TABLE, told, faults=faults)
    return [_CellColumn(name, wanted.get(name)) if name in own else None for name in names]


def _asked(named: Sequence[_CellColumn | None], cells: Sequence[Any], question: Question) -> bytes:
    """The question about one row, of cells as :func:`_of_csv` and :func:`_of_table` have them."""
    asked: dict[str, Any] = {}
    instance: dict[str, Any] = {}
    attributes: dict[str, Any] = dict(question.get("attributes", {}))
    for column, value in zip(named, cells, strict=False):
        if column is None:
            continue
        if column.feature is not None:
            instance[column.name] = _value(column.feature, value)
        elif column.name == ID:
            if value not in (None, ""):
                asked[ID] = value
        elif value not in (None, ""):
            attributes[column.name.removeprefix(ATTRIBUTES)] = str(value)
    # Cells beyond the names are refused with the row, as whatever the model does not know.
    instance |= {f"column {k + 1}": cells[k] for k in range(len(named), len(cells))}
    asked |= {**question, "instance": instance}
    return _written(asked | ({"attributes": attributes} if attributes else {}))


def _value(feature: Feature, value: Any) -> Any:
    """A cell as a request has it."""
    if isinstance(value, bool):
        return str(value).lower() if feature.kind.is_categorical else value
    if isinstance(value, int | float) and feature.kind.is_categorical:
        return str(value)  # a category by its name, where names are whole numbers
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, list):  # the readings of a channel of a window
        return [None if v is None or v != v else v for v in value]
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError):
            return json.loads(value)
    return of_text(feature, value) if isinstance(value, str) else value


def _of_csv(body: bytes, limits: BodyLimits) -> Iterator[Sequence[Any]]:
    """The names, then the cells of each row; none of a blank line."""
    _check_ends(body, limits)
    try:
        text = body.decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        first = next(rows, None)
        if not first:
            raise MalformedTable("csv", "its first line, the names of the columns, is empty")
        yield first
        yield from rows
    except UnicodeDecodeError as error:
        raise MalformedTable("csv", f"byte {error.start:,} is not UTF-8 text") from None
    except csv.Error as error:
        raise MalformedTable("csv", str(error)) from None


def _of_table(
    body: bytes, form: TableForm, schema: Schema, limits: BodyLimits
) -> Iterator[Sequence[Any]]:
    """The same of a file that a process of its own reads."""
    names_wanted = [*document_schema(schema).names, ID]
    wanted = TableWanted(form, names_wanted, ATTRIBUTES, limits.rows)
    process = TableProcess(wanted)
    feeding = threading.Thread(target=_fed, args=(process, body), daemon=True)
    feeding.start()
    names: Sequence[str] | None = None
    try:
        for batch in process.batches():
            if names is None:
                yield (names := batch.schema.names)
            columns = [_cells(column) for column in batch.columns]
            yield from zip(*columns, strict=True)
    finally:
        process.close()
        feeding.join()


def _fed(process: TableProcess, body: bytes) -> None:
    process.feed(body)
    process.end()


def _cells(column: Any) -> Iterable[Any]:
    """Values as JSON has them."""
    import pyarrow as pa

    if pa.types.is_float16(column.type) or pa.types.is_float32(column.type):
        # As they are written, not widened: 53.2 is the reading 53.2.
        cells = zip(column.is_valid().to_pylist(), column.to_numpy(False), strict=True)
        return [float(str(value)) if is_there else None for is_there, value in cells]
    return [v.decode(errors="replace") if isinstance(v, bytes) else v for v in column.to_pylist()]
