"""What a run reads: which files, in which format, which columns of them."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

import pyarrow as pa

from ifonly.service.bulk_runs.endings import READ_ENDS
from ifonly.service.bulk_runs.misasked import misasked
from ifonly.service.bulk_runs.reading import lake
from ifonly.service.bulk_runs.reading.columnar import IpcReader, ParquetReader
from ifonly.service.bulk_runs.reading.delimited import CsvReader
from ifonly.service.bulk_runs.reading.json_lines import JsonLinesReader
from ifonly.service.bulk_runs.reading.pieces import BrokenRow, RowPiece, RowReader
from ifonly.service.bulk_runs.reading.places import InputFile, files_of
from ifonly.service.bulk_runs.reading.unpacking import PACKED
from ifonly.service.errors import CannotBulk


class InputFormat(StrEnum):
    """How rows are kept."""

    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"
    JSONL = "jsonl"
    DELTA = "delta"
    ICEBERG = "iceberg"


ENDS: Mapping[str, InputFormat] = {end: InputFormat(kind) for end, kind in READ_ENDS.items()}
"""By the end of a file's name, less ``.gz``, ``.zst``, …"""


@dataclass(frozen=True)
class ReadOptions:
    """How an input is to be read, where its name does not say."""

    format: InputFormat | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    table_version: str | None = None


@dataclass(frozen=True)
class RowSource:
    """An input whose files are known."""

    given: str
    format: InputFormat
    files: tuple[InputFile, ...]
    reader: RowReader
    table_version: str | None = None

    def rows(self) -> int | None:
        """How many there are; None: that is known at their end."""
        counts = [self.reader.rows(file) for file in self.files]
        return None if None in counts else sum(count for count in counts if count is not None)


@dataclass(frozen=True)
class RowSlice:
    """A run of rows that is answered, and kept, as one."""

    number: int
    first: int
    """Number of its first row, from 0, counted over all files."""
    batch: pa.RecordBatch
    broken: Mapping[int, BrokenRow] = field(default_factory=dict)
    """By place in the batch."""
    done: float = 0.0
    """How much of the input has been read with it, of 1."""


def opened(given: str, how: ReadOptions, own: Callable[[InputFile], bool]) -> RowSource:
    """``own``: which files of a folder or glob are meant.

    Raises
    ------
    CannotBulk
        If there is nothing that can be read.
    """
    form = how.format
    if form is InputFormat.ICEBERG or (form is None and lake.is_iceberg(given)):
        table = lake.iceberg(given, how.table_version)
        return RowSource(given, InputFormat.ICEBERG, table.files, table, table.version)
    if form is InputFormat.DELTA or (form is None and lake.is_delta(given)):
        table = lake.delta(given, how.table_version)
        return RowSource(given, InputFormat.DELTA, table.files, table, table.version)
    files = tuple(filter(own, files_of(given)))
    if not files:
        raise CannotBulk(f"{given} has no files")
    found = {form} if form is not None else {format_of(file.path) for file in files}
    if len(found) > 1:
        several = " and ".join(sorted(found))
        raise CannotBulk(f"{given} has files of several formats, {several}: say --format")
    (form,) = found
    return RowSource(given, form, files, _reader(form, files, how))


def format_of(path: str) -> InputFormat:
    """Raises
    ------
    InvalidRequest
        If the name does not say.
    """
    ends = [end for end in PurePosixPath(path).suffixes if end not in PACKED]
    if not ends or ends[-1].lower() not in ENDS:
        known = ", ".join(ENDS)
        raise misasked(path, f"its name does not say its format ({known}); say --format")
    return ENDS[ends[-1].lower()]


def _reader(form: InputFormat, files: Sequence[InputFile], how: ReadOptions) -> RowReader:
    match form:
        case InputFormat.PARQUET:
            return ParquetReader()
        case InputFormat.ARROW:
            return IpcReader()
        case InputFormat.JSONL:
            return JsonLinesReader()
        case _:
            is_tabbed = any(".tsv" in PurePosixPath(file.path).suffixes for file in files)
            delimiter = how.delimiter or ("\t" if is_tabbed else ",")
            if len(delimiter) != 1:
                raise misasked("--delimiter", f"is {delimiter!r}, not one character")
            try:
                codecs.lookup(how.encoding)
            except LookupError:
                raise misasked("--encoding", f"{how.encoding!r} is not known here") from None
            return CsvReader(delimiter, how.encoding)


# --- one schema for all files ---------------------------------------------------------------------


def unified(
    source: RowSource, wanted: Sequence[str], texts: pa.Schema, check: Callable[[pa.Schema], object]
) -> pa.Schema:
    """The columns ``wanted``, in types to which those of every file can be cast. ``texts``: what
    they are read as from files of text; ``check``: whether a file's columns can be used.

    Raises
    ------
    CannotBulk
        If a file's columns are not those of the first.
    InvalidTable
        As ``check`` does.
    """
    found: pa.Schema | None = None
    for file in source.files:
        whole = _columns_of(source, file, wanted, texts)
        check(whole)
        own = pa.schema(whole.field(name) for name in wanted if name in whole.names)
        if found is None:
            found = own
            continue
        if set(own.names) != set(found.names):
            name = min(set(own.names) ^ set(found.names))
            has = "has" if name in own.names else "has not"
            first = source.files[0].name
            raise CannotBulk(f"{file.name} {has} the column {name!r}, other than {first}")
        try:
            found = pa.unify_schemas([found, own], promote_options="permissive")
        except pa.ArrowException:
            raise CannotBulk(_changed(source, file, found, own)) from None
    assert found is not None  # an input has files
    return pa.schema([found.field(name) for name in wanted if name in found.names])


def _columns_of(
    source: RowSource, file: InputFile, wanted: Sequence[str], texts: pa.Schema
) -> pa.Schema:
    there = source.reader.schema(file)
    if there is None:
        return texts
    twice = [name for name in wanted if there.names.count(name) > 1]
    if twice:
        raise CannotBulk(f"{file.name} has several columns {twice[0]!r}")
    folders = [pa.field(name, pa.string()) for name, _ in file.partition]
    whole = [*there, *(each for each in folders if each.name not in there.names)]
    is_text = source.format is InputFormat.CSV
    return pa.schema(
        texts.field(each.name) if is_text and each.name in wanted else _plain(each)
        for each in whole
    )


def _plain(found: pa.Field) -> pa.Field:
    """Without a dictionary: each file, and each batch of one, may have another."""
    kind = found.type.value_type if pa.types.is_dictionary(found.type) else found.type
    # One type of text: what comes out must not differ by what a library made of it.
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        kind = pa.string()
    return found.with_type(kind)


def _changed(source: RowSource, file: InputFile, before: pa.Schema, now: pa.Schema) -> str:
    for name in before.names:
        was, became = before.field(name).type, now.field(name).type
        try:
            pa.unify_schemas(
                [pa.schema([before.field(name)]), pa.schema([now.field(name)])],
                promote_options="permissive",
            )
        except pa.ArrowException:
            return f"{file.name}: {name} is {became}, and {was} in {source.files[0].name}"
    return f"{file.name} has other columns than {source.files[0].name}"


# --- slices ---------------------------------------------------------------------------------------


def sliced(source: RowSource, schema: pa.Schema, rows: int) -> Iterator[RowSlice]:
    """The whole input in slices of ``rows`` rows, whatever its files and their batches are.

    Raises
    ------
    CannotBulk
        If it cannot be read.
    """
    waiting: list[pa.RecordBatch] = []
    broken: dict[int, BrokenRow] = {}
    count = number = 0
    done = 0.0
    for piece, done in _pieces(source, schema):
        broken |= {count + at: why for at, why in piece.broken.items()}
        waiting.append(piece.batch)
        count += piece.batch.num_rows
        while count >= rows:
            whole = pa.Table.from_batches(waiting, schema).combine_chunks()
            taken, rest = whole.slice(0, rows), whole.slice(rows)
            now = {at: why for at, why in broken.items() if at < rows}
            yield RowSlice(number, number * rows, _batch(taken, schema), now, done)
            waiting = rest.to_batches()
            broken = {at - rows: why for at, why in broken.items() if at >= rows}
            count -= rows
            number += 1
    if count:
        last = pa.Table.from_batches(waiting, schema)
        yield RowSlice(number, number * rows, _batch(last, schema), broken, 1.0)


def _batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema)


def _pieces(source: RowSource, schema: pa.Schema) -> Iterator[tuple[RowPiece, float]]:
    """Each in the types of ``schema``; and how much has been read with it, of 1."""
    total = max(sum(file.size for file in source.files), 1)
    before = 0
    for file in source.files:
        for piece in source.reader.pieces(file, schema):
            batch = _as(piece.batch, schema, file)
            yield RowPiece(batch, piece.broken), (before + min(piece.read, file.size)) / total
        before += file.size
        if not file.is_as_listed:
            raise CannotBulk(f"{file.name} was changed while it was read")


def _as(batch: pa.RecordBatch, schema: pa.Schema, file: InputFile) -> pa.RecordBatch:
    folders = dict(file.partition)
    columns = []
    for each in schema:
        try:
            if each.name in batch.schema.names:
                columns.append(batch.column(each.name).cast(each.type))
            elif each.name in folders:
                columns.append(pa.array([folders[each.name]] * batch.num_rows, each.type))
            else:
                columns.append(pa.nulls(batch.num_rows, each.type))
        except pa.ArrowException as error:
            raise CannotBulk(f"{file.name}: {each.name} cannot be read: {error}") from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)
