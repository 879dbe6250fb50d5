"""A record batch into rows, column by column; what is no instance is told by row and field.

What holds of one reading is :meth:`ifonly.models.schema.Feature.read`'s to say: here whole columns
are held against it at once, and only of what fails each value is read by itself, for its words.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ifonly.models.errors import FieldProblem, InvalidInstance
from ifonly.models.predictor import Rows
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.models.window import document_schema, window_of
from ifonly.service.bulk.errors import InvalidTable, TableFault
from ifonly.service.bulk.options import BulkOptions
from ifonly.service.bulk.schema import UNIT, id_type
from ifonly.service.bulk.windows import is_series, read_channel

Mask = npt.NDArray[np.bool_]

A_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""A number as text: as JSON and CSV write it, with no comma and no grouping."""

WHOLE = 2.0**53
"""From here on floats do not tell whole numbers apart."""


@dataclass(frozen=True, eq=False)
class RowsRead:
    """A batch that was read."""

    rows: Rows
    """``(n, n_features)``; what stands in rows that are none means nothing."""
    valid: Mask
    """``(n,)``: which are instances of the model."""
    problems: dict[int, list[FieldProblem]] = field(default_factory=dict)
    """By position in the batch: what is wrong with each of the others."""
    ids: pa.Array | None = None
    """The caller's; None: there are none."""


@dataclass(frozen=True, eq=False)
class _Column:
    """One column of a batch as numbers, before anything is said of them."""

    values: npt.NDArray[np.float64]
    """NaN where there is none, or none that can be read."""
    absent: Mask
    """Where there is no value at all."""
    unread: Mask
    """Where there is one that is nothing of the kind."""
    original: Callable[[int], Any]
    """The value at a position as a request would have it."""


class TableReader:
    """Reads batches of one kind of table for one model."""

    def __init__(self, schema: Schema, options: BulkOptions) -> None:
        self._schema = schema
        self._options = options
        self._window = window_of(schema)
        self._read = document_schema(schema)
        self._names = [options.columns.get(name, name) for name in self._read.names]
        self._known: pa.Schema | None = None

    def check(self, table: pa.Schema) -> None:
        """Whether rows of such a table can be read.

        Raises
        ------
        InvalidTable
            With every fault of every column.
        """
        # Batches of one file share a schema, and mostly the very object.
        if table is self._known or (
            self._known is not None and table.equals(self._known, check_metadata=True)
        ):
            return
        faults = [*self._misnamed(), *self._faults(table)]
        if faults:
            raise InvalidTable(faults)
        self._known = table

    def read(self, batch: pa.RecordBatch) -> RowsRead:
        """The rows of a batch; every fault of every row is told.

        Raises
        ------
        InvalidTable
            If its rows cannot be read at all.
        """
        self.check(batch.schema)
        n, features = batch.num_rows, self._read.features
        rows, problems = np.zeros((n, len(self._schema))), dict[int, list[FieldProblem]]()
        for j, feature in enumerate(features):
            if self._window is not None:
                own = _decoded(batch.column(self._names[j]))
                for i, told in read_channel(self._window, j, own, rows).items():
                    problems.setdefault(i, []).extend(told)
                continue
            column = _numbers(batch.column(self._names[j]), feature)
            rows[:, j] = column.values
            for i in np.flatnonzero(~_may_be(feature, column)).tolist():
                problems.setdefault(i, []).extend(_told(feature, column.original(i)))
        valid = np.ones(n, dtype=np.bool_)
        valid[list(problems)] = False
        return RowsRead(rows, valid, problems, self._ids(batch))

    def _ids(self, batch: pa.RecordBatch) -> pa.Array | None:
        if self._options.id is None:
            return None
        kind = id_type(self._options)
        ids = _decoded(batch.column(self._options.id))
        try:
            return ids if ids.type == kind else ids.cast(kind)
        except pa.ArrowException as error:
            name = self._options.id
            told = f"{name}, the id, is no {kind} in every row: {str(error).splitlines()[0]}"
            raise InvalidTable([TableFault(name, told)]) from None

    # --- of whole tables --------------------------------------------------------------------

    def _misnamed(self) -> Iterator[TableFault]:
        for name, column in self._options.columns.items():
            if name not in self._read:
                known = ", ".join(self._read.names)
                told = f"columns names {name!r}, which is no feature of this model ({known})"
                yield TableFault(column, told)
        twice = [name for name, n in Counter(self._names).items() if n > 1]
        for column in twice:
            told = f"columns names {column!r} for several features"
            yield TableFault(column, told)

    def _faults(self, table: pa.Schema) -> Iterator[TableFault]:
        wanted = dict(zip(self._names, self._read.features, strict=True))
        for name in dict.fromkeys([*wanted, *self._own]):
            places = table.get_all_field_indices(name)
            if len(places) > 1:
                yield TableFault(name, f"{name} is a column {len(places)} times")
            elif not places:
                yield TableFault(name, _missing(name, table.names))
            elif name in wanted:
                of_window = self._window is not None
                yield from _unfit(table.field(places[0]), wanted[name], of_window=of_window)
        if self._options.extra == "refuse":
            others = [name for name in table.names if name not in {*wanted, *self._own}]
            for name in dict.fromkeys(others):
                known = ", ".join(self._names)
                yield TableFault(name, f"{name} is no column of this model ({known})")

    @property
    def _own(self) -> Sequence[str]:
        return () if self._options.id is None else (self._options.id,)


def _missing(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.lower(), [n.lower() for n in names], 1, 0.6)
    like = next((n for n in names if n.lower() in near), None)
    hint = f"; is it {like!r}? say so in columns" if like is not None else ""
    return f"{name} is no column of the table ({', '.join(names)}){hint}"


def _unfit(column: pa.Field, feature: Feature, *, of_window: bool) -> Iterator[TableFault]:
    """What keeps a column from being read as a feature, whatever is in it."""
    kind = _plain_type(column.type)
    if of_window:
        fits, wanted = is_series(kind), "lists of numbers, the readings of a channel"
    elif feature.kind.is_categorical:
        fits = _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        wanted = "names of categories as text"
    else:
        fits = pa.types.is_integer(kind) or pa.types.is_floating(kind) or _is_text(kind)
        fits = fits or pa.types.is_decimal(kind)
        wanted = "numbers"
    if not (fits or pa.types.is_null(kind)):
        yield TableFault(column.name, f"{column.name} is of type {column.type}, not {wanted}")
    unit = (column.metadata or {}).get(UNIT)
    if unit is not None and unit.decode(errors="replace") != feature.unit:
        own = feature.unit or "no unit"
        told = f"{column.name} is in {unit.decode(errors='replace')!r}, and this model reads {own}"
        yield TableFault(column.name, told)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Of what is in it, however it is stored."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _is_text(kind: pa.DataType) -> bool:
    is_view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or is_view(kind))


# --- of columns -----------------------------------------------------------------------------


def _decoded(column: pa.Array) -> pa.Array:
    """The column with its values laid out one after another."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        return _decoded(column.dictionary_decode())
    if pa.types.is_run_end_encoded(column.type):
        return _decoded(pc.run_end_decode(column))
    return column


def _numbers(column: pa.Array, feature: Feature) -> _Column:
    column = _decoded(column)
    nowhere = np.zeros(len(column), dtype=np.bool_)
    if pa.types.is_null(column.type):
        return _Column(np.full(len(column), np.nan), ~nowhere, nowhere, lambda i: None)
    if feature.kind.is_categorical:
        return _codes(column, feature)
    if _is_text(column.type):
        return _of_text(column)
    absent = _absent(column)
    if pa.types.is_integer(column.type):
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return _Column(values, absent, nowhere, lambda i: column[i].as_py())
    if pa.types.is_float64(column.type):
        values = column.to_numpy(zero_copy_only=False)
    else:
        values = _shortest(column)
    return _Column(values, absent, nowhere, lambda i: None if absent[i] else float(values[i]))


def _absent(column: pa.Array) -> Mask:
    if not column.null_count:
        return np.zeros(len(column), dtype=np.bool_)
    found: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return found


def _shortest(column: pa.Array) -> npt.NDArray[np.float64]:
    """Decimals, and floats of 16 and 32 bits, by the shortest text that reads back as the same:
    53.2 as a float32 is the reading 53.2, not 53.20000076."""
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    found: npt.NDArray[np.float64] = (
        column.cast(pa.string()).cast(pa.float64()).to_numpy(zero_copy_only=False)
    )
    return found


def _of_text(column: pa.Array) -> _Column:
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    # A file of text has no other way to say that a value is missing.
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    is_number = pc.match_substring_regex(text, A_NUMBER)
    values = pc.if_else(is_number, text, pa.scalar(None, pa.string())).cast(pa.float64())
    absent = _absent(text)
    unread = ~absent & ~pc.fill_null(is_number, False).to_numpy(zero_copy_only=False)

    def original(i: int) -> Any:
        said = text[i].as_py()
        if absent[i] or unread[i]:
            return said
        number = float(said)
        # As JSON reads it: 250 and not 250.0, as far as a float tells whole numbers apart.
        return int(number) if number.is_integer() and abs(number) < WHOLE else number

    return _Column(values.to_numpy(zero_copy_only=False), absent, unread, original)


def _codes(column: pa.Array, feature: Feature) -> _Column:
    """Positions of categories by their names."""
    names = list(feature.category_names)
    if pa.types.is_boolean(column.type):
        told = {True: "True" if "True" in names else "true"}
        told[False] = "False" if "False" in names else "false"
        yes, no = pa.scalar(told[True]), pa.scalar(told[False])
        column = pc.if_else(column, yes, no)
    text = column.cast(pa.string())
    found = pc.index_in(text, pa.array(names, pa.string())).cast(pa.float64())
    absent = _absent(text)
    values = found.to_numpy(zero_copy_only=False)
    return _Column(values, absent, ~absent & np.isnan(values), lambda i: column[i].as_py())


# --- of rows --------------------------------------------------------------------------------


def _may_be(feature: Feature, column: _Column) -> Mask:
    """Which values are readings of the feature, as :meth:`Feature.read` has it."""
    values = column.values
    if feature.kind.is_categorical:
        fits = ~np.isnan(values)
        missing = column.absent
    else:
        fits = (values >= feature.lower) & (values <= feature.upper) & np.isfinite(values)
        if feature.kind is Kind.INTEGER:
            fits &= values == np.rint(values)
        # Tables say NaN where a reading is missing.
        missing = column.absent | (np.isnan(values) & ~column.unread)
    return fits | missing if feature.may_be_missing else fits


def _told(feature: Feature, value: Any) -> list[FieldProblem]:
    try:
        feature.read(value)
    except InvalidInstance as error:
        return list(error.problems)
    # Columns and single values are held against the same limits, so this is a fault of ours.
    told = f"{feature.name} is {value!r}, which cannot be read from a table"
    return [FieldProblem(feature.name, told, value, feature.unit)]
