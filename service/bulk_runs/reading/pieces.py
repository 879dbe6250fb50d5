"""What readers hand on: columns of some rows, and which of these could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from ifonly.service.bulk_runs.reading.places import InputFile

KIND = b"ifonly.kind"
"""Key of a field's metadata in what text formats are asked for: what its texts are."""
NUMBER, CATEGORY, KEPT = b"number", b"category", b"kept"
"""Of features; or of a column that is handed on as it is."""


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """Why a row of a file is no row, or a text in it no value of its column."""

    problem: str
    value: str | None = None
    field: str | None = None


@dataclass(frozen=True)
class RowPiece:
    """Some rows of a file, in its order. Of a broken row all columns are null."""

    batch: pa.RecordBatch
    broken: Mapping[int, BrokenRow] = field(default_factory=dict)
    """By place in the batch."""
    read: int = 0
    """About how many bytes of the file have been read so far; 0: not known."""


class RowReader(Protocol):
    """One format."""

    def schema(self, file: InputFile) -> pa.Schema | None:
        """Its columns; None: only its rows say. Of text formats, as they would be read.

        Raises
        ------
        CannotBulk
            If it is none of that format.
        """
        ...

    def rows(self, file: InputFile) -> int | None:
        """How many it has; None: nobody knows before they are read."""
        ...

    def pieces(self, file: InputFile, schema: pa.Schema) -> Iterator[RowPiece]:
        """Its rows, of them the columns of ``schema`` that the file has, in any type that can be
        cast to that of ``schema``.

        Raises
        ------
        CannotBulk
            If they cannot be read.
        """
        ...
