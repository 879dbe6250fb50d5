"""A table of rows that a model was made for: what its columns are, as far as rows can say."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import DataError, FieldProblem, InvalidInstance
from ifonly.models.naming import columns_of, has_names, is_table, named, names_of, plain_value
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Category, Feature, Kind, Schema, plain

DATA = "data"
"""How errors call the table."""
FINEST = 6
"""Decimals beyond which numbers are taken to be measured on no grid."""
STEPS = 1_000
"""Steps of a feature on no grid: at least so many over its range."""
MOST_STEPS = 10**9
"""Steps of a feature over its range beyond which its grid is taken to be none."""
LARGEST = 2.0**53
"""Numbers up to it are told apart, each from the next."""
MOST_CATEGORIES = 1_000

Column = Sequence[Any]


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows, and the schema that they suggest."""

    schema: Schema
    rows: Rows
    """``(n, n_features)``, as numbers."""
    assumptions: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    """Columns that the model does not read."""
    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """What stands in the table for each category of a feature; by default its name."""
    pandas: Mapping[str, Any] | None = None
    """Types of the columns of categories of the DataFrame that it came as; None: it was none."""

    def read(self, given: Any) -> Rows:
        """What is asked about, as rows, ``(n, n_features)``: one instance or many, with names
        (matched by them) or without (in the order of the features).

        Raises
        ------
        InvalidInstance
            Naming the row and each unknown, missing or invalid value.
        """
        read = []
        for i, instance in enumerate(instances(given)):
            try:
                read.append(self._row(instance))
            except InvalidInstance as error:
                error.add_note(f"in row {i}")
                raise
        return np.array(read).reshape(len(read), len(self.schema))

    def _row(self, instance: Any) -> Row:
        if not has_names(instance):
            if len(instance) != len(self.schema):
                return self.schema.row(instance)  # says which are expected
            instance = dict(zip(self.schema.names, instance, strict=True))
        values = {k: v for k, v in named(instance).items() if k not in self.ignored}
        for feature in self.schema.features:
            # True, 3 and 3.0 may name categories, whose names are texts.
            if feature.kind.is_categorical and values.get(feature.name) is not None:
                values[feature.name] = name_of(values[feature.name])
        return self.schema.read(values)

    def reaching(self, rows: Rows) -> Sample:
        """The same, with features that reach as far as ``rows``, ``(n, n_features)``, do."""
        features = list(self.schema.features)
        for j, feature in enumerate(features):
            read = rows[:, j][np.isfinite(rows[:, j])]
            if not feature.kind.is_categorical and read.size:
                ends = min(feature.lower, *read.tolist()), max(feature.upper, *read.tolist())
                features[j] = replace(feature, lower=ends[0], upper=ends[1])
        return replace(self, schema=Schema(tuple(features)))

    def listing(self, names: Collection[str]) -> Sample:
        """The same, with the numbers of some features as ordered categories: those that rows
        have."""
        features, rows, values = list(self.schema.features), self.rows.copy(), dict(self.values)
        for j, feature in enumerate(features):
            if feature.name not in names:
                continue
            seen = np.unique(rows[:, j][~np.isnan(rows[:, j])])
            known = np.isfinite(rows[:, j])
            rows[known, j] = np.searchsorted(seen, rows[known, j])
            values[feature.name] = tuple(int(v) for v in seen)
            categories = tuple(Category(str(v)) for v in values[feature.name])
            features[j] = Feature(
                feature.name, Kind.ORDINAL, categories=categories,
                may_be_missing=feature.may_be_missing, resolution=Decimal(1),
            )  # fmt: skip
        told = tuple(
            f"{name}: ordered categories, as the model takes no other numbers than those of data"
            for name in names
        )
        kept = tuple(t for t in self.assumptions if t.partition(":")[0] not in names)
        return replace(
            self, schema=Schema(tuple(features)), rows=rows, values=values,
            assumptions=(*kept, *told),
        )  # fmt: skip

    def beyond(self, row: Row) -> Iterator[str]:
        """What of a row lies beyond all that the table has."""
        for feature, number, seen in zip(self.schema.features, row, self.rows.T, strict=True):
            low, high = np.nanmin(seen), np.nanmax(seen)
            if not feature.kind.is_categorical and not low <= number <= high and number == number:
                span = f"{plain(float(low))} to {plain(float(high))}"
                yield f"{feature.name} is {plain(float(number))}: data has {span}"

    @cached_property
    def unbounded(self) -> Sample:
        """The same, whose features read any number."""
        features = tuple(
            f if f.kind.is_categorical else replace(f, lower=-math.inf, upper=math.inf)
            for f in self.schema.features
        )
        return replace(self, schema=Schema(features))

    def table(self, rows: Rows) -> Any:
        """Rows, ``(n, n_features)``, in the form in which the table came."""
        if self.pandas is None and not self.values:
            return rows
        columns = {f.name: self._column(f, rows[:, j]) for j, f in enumerate(self.schema.features)}
        if self.pandas is None:
            return np.array(list(columns.values()), dtype=object).T
        import pandas

        return pandas.DataFrame(
            {
                name: pandas.Series(column, dtype=self.pandas.get(name))
                for name, column in columns.items()
            }
        )

    def _column(self, feature: Feature, numbers: Row) -> Any:
        if not feature.kind.is_categorical:
            return numbers
        known = self.values.get(feature.name, feature.category_names)
        return np.array([None if math.isnan(k) else known[int(k)] for k in numbers], dtype=object)


def instances(given: Any) -> Iterator[Any]:
    """The instances that ``given`` is: one, a table, an array of rows, several in a list."""
    if is_table(given):
        columns = columns_of(given)
        n = len(next(iter(columns.values()), ()))
        yield from ({name: column[i] for name, column in columns.items()} for i in range(n))
    elif has_names(given) and np.ndim(given) == 1 and getattr(given, "dtype", None) is not None:
        # A Series is one instance; a structured array is one record after another.
        yield from given if getattr(given.dtype, "names", None) else (given,)
    elif has_names(given):
        yield given
    elif isinstance(given, Sequence) and any(has_names(each) for each in given):
        yield from given
    else:
        array = given if isinstance(given, np.ndarray) else np.array(given, dtype=object)
        if array.ndim not in (1, 2):
            raise InvalidInstance(
                [FieldProblem("", f"has shape {array.shape}: neither one nor rows")]
            )
        yield from array[None] if array.ndim == 1 else array


def read_sample(data: Any, names: Sequence[str] | None = None, width: int | None = None) -> Sample:
    """What a table says of its columns.

    Parameters
    ----------
    data : DataFrame, mapping of columns, array, sequence of instances
    names : sequence of str, optional
        Columns that the model reads, in its order; by default all.
    width : int, optional
        Their number, where the model knows no more.

    Raises
    ------
    DataError
        If there are no rows, a column is missing or holds what no feature is.
    """
    columns, dtypes = _columns(data, names)
    read = list(names) if names is not None else list(columns)
    absent = [name for name in read if name not in columns]
    if absent:
        raise DataError(DATA, f"has no column {', '.join(absent)}, which the model reads")
    if width is not None and len(read) != width:
        raise DataError(
            DATA, f"has {len(read)} columns ({', '.join(read)}), and the model reads {width}"
        )
    if not read or not len(columns[read[0]]):
        raise DataError(DATA, "has no rows")
    found = [_feature(name, columns[name], dtypes.get(name)) for name in read]
    schema = Schema(tuple(each.feature for each in found))
    told = [each.told for each in found]
    ignored = frozenset(columns) - set(read)
    if ignored:
        told.append(f"not read by the model: {', '.join(sorted(ignored))}")
    sample = Sample(
        schema,
        np.column_stack([each.numbers for each in found]),
        tuple(told),
        ignored,
        {each.feature.name: each.values for each in found if each.values},
        _kept(dtypes, schema) if is_table(data) and hasattr(data, "iloc") else None,
    )
    return sample


def _columns(data: Any, names: Sequence[str] | None) -> tuple[dict[str, Column], dict[str, Any]]:
    """Values and, where they have one, types of the columns."""
    if is_table(data) or isinstance(data, Mapping):
        columns: dict[str, Column] = dict(columns_of(data))
        dtypes = {str(n): data[n].dtype for n in names_of(data) if hasattr(data[n], "dtype")}
        if len({len(column) for column in columns.values()}) > 1:
            raise DataError(DATA, "has columns of different lengths")
        return columns, dtypes
    rows = list(instances(data))
    if rows and has_names(rows[0]):
        known = list(named(rows[0]))
        return {name: [named(row).get(name) for row in rows] for name in known}, {}
    wide = len(rows[0]) if rows else 0
    known = list(names) if names is not None else [f"x{j}" for j in range(wide)]
    if len(known) != wide:
        raise DataError(DATA, f"has {wide} columns, and the model reads {len(known)}")
    cells = [[plain_value(value) for value in row] for row in rows]
    return {name: [row[j] for row in cells] for j, name in enumerate(known)}, {}


def _kept(dtypes: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Types that columns must have again: of categories. A number may be any."""
    return {n: dtypes[n] for n in schema.names if schema[n].kind.is_categorical and n in dtypes}


@dataclass(frozen=True, eq=False)
class _Found:
    feature: Feature
    numbers: Row
    told: str
    values: tuple[Any, ...] = ()


def _feature(name: str, column: Column, dtype: Any) -> _Found:
    if getattr(dtype, "kind", "") in ("m", "M"):
        raise DataError(DATA, f"{name} holds times; make numbers of them first")
    values = [value for value in column if value is not None]
    if not values:
        raise DataError(DATA, f"{name} is missing in every row")
    declared = getattr(dtype, "categories", None)
    if declared is not None or any(isinstance(v, str | bool) for v in values):
        return _categorical(name, column, values, declared, bool(getattr(dtype, "ordered", False)))
    return _number(name, column, dtype)


def _categorical(name: str, column: Column, values: Column, declared: Any, ordered: bool) -> _Found:
    seen = dict.fromkeys(values) if declared is None else dict.fromkeys(declared.tolist())
    known = list(seen) if declared is not None else sorted(seen, key=name_of)
    names = [name_of(value) for value in known]
    if len(set(names)) < len(names) or len(names) > MOST_CATEGORIES:
        raise DataError(DATA, f"{name} has {len(names)} categories, not all of different names")
    missing = len(values) < len(column)
    kind = Kind.ORDINAL if ordered else Kind.NOMINAL
    feature = Feature(
        name, kind, categories=tuple(map(Category, names)), may_be_missing=missing,
        # What a category is changed to is one of them, so that it needs no step.
        resolution=Decimal(1),
    )  # fmt: skip
    codes = {each: float(k) for k, each in enumerate(names)}
    numbers = np.array([math.nan if v is None else codes[name_of(v)] for v in column])
    told = f"{name}: {'ordered ' if ordered else ''}categories {', '.join(names)}{_gaps(missing)}"
    return _Found(feature, numbers, told, tuple(known))


def _number(name: str, column: Column, dtype: Any) -> _Found:
    try:
        numbers = np.array([math.nan if v is None else float(v) for v in column])
    except (TypeError, ValueError):
        odd = next(v for v in column if v is not None and not isinstance(v, int | float))
        raise DataError(DATA, f"{name} holds {odd!r}, neither number nor text") from None
    seen = numbers[~np.isnan(numbers)]
    if not np.isfinite(seen).all():
        raise DataError(DATA, f"{name} holds an infinite number")
    if np.abs(seen).max() > LARGEST:
        raise DataError(
            DATA, f"{name} holds {np.abs(seen).max():g}, beyond {LARGEST:.0f}: scale it"
        )
    missing = len(seen) < len(numbers)
    whole = all(isinstance(v, int) for v in column if v is not None)
    if seen.min() == seen.max():
        kind, value = Kind.INTEGER if whole else Kind.CONTINUOUS, float(seen[0])
        fixed = Feature(name, kind, lower=value, upper=value, may_be_missing=missing)
        told = f"{name}: {plain(value)} in every row, so it is not changed{_gaps(missing)}"
        return _Found(fixed, numbers, told)
    resolution, on_grid = _resolution(seen, single=str(dtype) == "float32")
    feature = Feature(
        name, Kind.INTEGER if whole else Kind.CONTINUOUS,
        lower=float(seen.min()), upper=float(seen.max()),
        resolution=resolution, may_be_missing=missing,
    )  # fmt: skip
    grid = f"steps of {feature.resolution:f}" + ("" if on_grid else ", chosen: data has no grid")
    told = f"{name}: {'whole ' if whole else ''}numbers {_span(feature)}, {grid}{_gaps(missing)}"
    return _Found(feature, numbers, told)


def _resolution(seen: npt.NDArray[np.float64], *, single: bool) -> tuple[Decimal, bool]:
    """The coarsest decimal step of which all are multiples; or, where there is none, a fine one."""
    slack = (1e-6 if single else 1e-12) * max(float(np.abs(seen).max()), 1.0)
    span = float(seen.max() - seen.min())
    for decimals in range(FINEST + 1):
        is_grid = (np.abs(np.round(seen, decimals) - seen) <= slack).all()
        if is_grid and span * 10**decimals <= MOST_STEPS:
            return Decimal(1).scaleb(-decimals), True
    return Decimal(1).scaleb(math.floor(math.log10(span / STEPS))), False


def name_of(value: Any) -> str:
    """What a category is called."""
    value = plain_value(value)
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value)


def _span(feature: Feature) -> str:
    return f"{plain(feature.lower)} to {plain(feature.upper)}"


def _gaps(missing: bool) -> str:
    return ", may be missing" if missing else ""
