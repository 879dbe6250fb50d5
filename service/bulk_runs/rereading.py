"""Answers that were written, read back: rows as JSON has them, in order, whatever the format."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ifonly.service.bulk_runs import writing
from ifonly.service.bulk_runs.reading.places import InputFile, reading, system_of
from ifonly.service.bulk_runs.targets import OutputTarget
from ifonly.service.bulk_runs.writing import OutputFormat
from ifonly.service.errors import CannotBulk

Row = Mapping[str, Any]
LINES = 8_192
_LINE = "line"
_KEYS = ("row", "id", "status")


@dataclass(frozen=True)
class WrittenAnswers:
    """The answers at a target, as its manifest tells of them."""

    target: OutputTarget
    files: Sequence[Mapping[str, Any]]
    columns: tuple[str, ...]

    def known(self) -> Iterator[pa.RecordBatch]:
        """Of each row its number, and where they are there its id and its status.

        Raises
        ------
        CannotBulk
            If they cannot be read.
        """
        names = [name for name in _KEYS if name in self.columns]
        for batch in self._every(names):
            yield batch.select(names)

    def rows(
        self, numbers: frozenset[int] | None, columns: Sequence[str] | None = None
    ) -> Iterator[Row]:
        """Those of these numbers, or all; of ``columns`` no less (None: of all).

        Raises
        ------
        CannotBulk
            If they cannot be read.
        """
        wanted = None if numbers is None else pa.array(sorted(numbers), pa.int64())
        for batch in self._every(list(columns or self.columns)):
            mask = None if wanted is None else pc.is_in(batch.column("row"), wanted)
            yield from self._as_rows(batch if mask is None else batch.filter(mask))

    def as_written(self, batch: pa.RecordBatch) -> list[Row]:
        """Rows as they would be read back, had they been written there."""
        sink = io.BytesIO()
        # Closing the writer closes its file: this one is read afterwards.
        sink.close = lambda: None  # type: ignore[method-assign]
        writing.write(sink, self._form, self.target.codec, batch.schema, [batch])
        opened = pa.BufferReader(sink.getvalue())
        batches = self._batches(opened, batch.schema.names)
        return [row for each in batches for row in self._as_rows(each)]

    @property
    def _form(self) -> OutputFormat:
        return OutputFormat.PARQUET if self.target.is_folder else self.target.format

    def _every(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        for each in self.files:
            root = self.target.given.rstrip("/")
            where = f"{root}/{each['name']}" if each["name"] else self.target.given
            system, path = system_of(where)
            with reading(where), InputFile(where, system, path, 0, 0).at() as opened:
                try:
                    yield from self._batches(opened, names)
                # Whatever was put there instead: it is no file of answers.
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise CannotBulk(f"{where} cannot be read: {error}") from None

    def _batches(self, opened: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
        match self._form:
            case OutputFormat.PARQUET:
                yield from pq.ParquetFile(opened).iter_batches(columns=names)
            case OutputFormat.ARROW:
                reader = pa.ipc.open_file(opened)
                for i in range(reader.num_record_batches):
                    yield reader.get_batch(i).select(names)
            case OutputFormat.CSV:
                yield from _csv(self._unpacked(opened), self.columns)
            case _:
                yield from _json_lines(self._unpacked(opened))

    def _unpacked(self, opened: Any) -> Any:
        codec = self.target.codec
        return opened if codec is None else pa.CompressedInputStream(opened, codec)

    def _as_rows(self, batch: pa.RecordBatch) -> list[Row]:
        """Without what is null; of CSV all values but the number are texts."""
        if _LINE in batch.schema.names:
            return [json.loads(line) for line in batch.column(_LINE).to_pylist()]
        return [json.loads(writing.as_json(row)) for row in batch.to_pylist()]


def _csv(stream: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    kinds = dict.fromkeys(columns, pa.string()) | {"row": pa.int64()}
    options = pacsv.ConvertOptions(
        column_types=kinds,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    parsing = pacsv.ParseOptions(newlines_in_values=True)
    yield from pacsv.open_csv(stream, parse_options=parsing, convert_options=options)


def _json_lines(stream: Any) -> Iterator[pa.RecordBatch]:
    """Lines beside their keys: what else a line holds is read once it is wanted."""
    lines = iter(io.TextIOWrapper(io.BufferedReader(stream), "utf-8"))
    while some := list(islice(lines, LINES)):
        read = [json.loads(line) for line in some]
        keys = {name: [row.get(name) for row in read] for name in _KEYS}
        ids = [None if key is None else str(key) for key in keys["id"]]
        yield pa.RecordBatch.from_pydict(
            {"row": pa.array(keys["row"], pa.int64()), "id": pa.array(ids, pa.string()),
             "status": pa.array(keys["status"], pa.string()), _LINE: some}
        )  # fmt: skip
