"""What a deployed model reads and decides: columns, kinds, units, bounds, grid, classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import FieldProblem, InvalidInstance
from ifonly.models.naming import are_named, columns_of, has_names, named, numbers
from ifonly.models.plain import plain as plain
from ifonly.models.predictor import Row, Rows, Scores

Labels = Mapping[str, str]
"""Language tag (``"ko"``, ``"en"``) to text."""


class Kind(StrEnum):
    """The level of measurement of a feature (Stevens 1946)."""

    CONTINUOUS = "continuous"
    INTEGER = "integer"
    NOMINAL = "nominal"
    """Unordered categories; a row holds the position in :attr:`Feature.categories`."""
    ORDINAL = "ordinal"
    """Ordered categories, lowest first; a row holds the position."""

    @property
    def is_categorical(self) -> bool:
        return self in _CATEGORICAL


_CATEGORICAL = (Kind.NOMINAL, Kind.ORDINAL)


@dataclass(frozen=True, slots=True)
class Category:
    """One value of a categorical feature."""

    name: str
    """As requests and replies write it."""
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a row."""

    name: str
    kind: Kind
    unit: str = ""
    """As it is shown, e.g. ``"Nm"``; empty where there is none."""
    lower: float = -math.inf
    """Smallest valid reading, inclusive, in ``unit``."""
    upper: float = math.inf
    """Largest valid reading, inclusive, in ``unit``."""
    resolution: Decimal | None = None
    """Step between values that can be *set* (multiples of it, from 0); None: cannot be set."""
    categories: tuple[Category, ...] = ()
    may_be_missing: bool = False
    """Whether a reading may be absent (NaN in a row, ``null`` on the wire)."""
    labels: Labels = field(default_factory=dict)
    description: Labels = field(default_factory=dict)

    def label(self, language: str) -> str:
        return self.labels.get(language, self.name)

    @property
    def category_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.categories)

    def read(self, value: Any) -> float:
        """The row's number for one wire value.

        Raises
        ------
        InvalidInstance
            Naming the field, the value, the unit and the limit.
        """
        if value is None:
            if self.may_be_missing:
                return math.nan
            raise self._invalid(value, f"{self.name} is null, but this model needs a value")
        if self.kind.is_categorical:
            names = self.category_names
            if not isinstance(value, str) or value not in names:
                known = ", ".join(repr(n) for n in names)
                raise self._invalid(value, f"{self.name} is {value!r}, not one of {known}", names)
            return float(names.index(value))
        # True is an int in Python, and no reading.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._invalid(
                value, f"{self.name} is {value!r} ({type(value).__name__}), not a number"
            )
        try:
            number = float(value)
        except OverflowError:
            # A whole number of a thousand digits: told below as "not finite".
            number = math.inf
        unit = f" {self.unit}" if self.unit else ""
        if not math.isfinite(number):
            raise self._invalid(str(value), f"{self.name} is {number}, not a finite number")
        if self.kind is Kind.INTEGER and not number.is_integer():
            raise self._invalid(value, f"{self.name} is {value}{unit}, not a whole number")
        if not self.lower <= number <= self.upper:
            low, high = plain(self.lower), plain(self.upper)
            raise self._invalid(
                value,
                f"{self.name} is {value}{unit}, outside [{low}, {high}]{unit}",
                (self.lower, self.upper),
            )
        return number

    def write(self, number: float) -> float | int | str | None:
        """The wire value of one number of a row; the inverse of :meth:`read`."""
        if math.isnan(number):
            return None
        if self.kind.is_categorical:
            return self.categories[int(number)].name
        # 53 and not 53.0, wherever the step is whole.
        if self.kind is Kind.INTEGER or (
            self.resolution is not None and self.resolution >= 1 and float(number).is_integer()
        ):
            return int(number)
        return float(number)

    def outside(self, number: float) -> FieldProblem:
        """What is wrong with a row's number that is none of this feature's."""
        if math.isnan(number):
            return FieldProblem(self.name, f"{self.name} is missing", None, self.unit)
        if self.kind.is_categorical:
            last = len(self.categories) - 1
            problem = f"{self.name} is {plain(number)}, not a code of a category, 0 to {last}"
            return FieldProblem(self.name, problem, number, self.unit, (0, last))
        unit = f" {self.unit}" if self.unit else ""
        low, high = plain(self.lower), plain(self.upper)
        problem = f"{self.name} is {plain(number)}{unit}, outside [{low}, {high}]{unit}"
        return FieldProblem(self.name, problem, number, self.unit, (self.lower, self.upper))

    def _invalid(self, value: object, problem: str, limit: object = None) -> InvalidInstance:
        return InvalidInstance([FieldProblem(self.name, problem, value, self.unit, limit)])


@dataclass(frozen=True)
class Schema:
    """The columns of a row, in order."""

    features: tuple[Feature, ...]

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, name: str) -> Feature:
        return self.features[self.index(name)]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: j for j, name in enumerate(self.names)}

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    @property
    def unread(self) -> frozenset[int]:
        """Columns that no sensor reads and no model sees: what is set by them moves others. 0 in a
        row that was read."""
        return frozenset()

    def scale_columns(self, column: int) -> tuple[int, ...]:
        """Columns whose readings say how far a move of ``column`` is."""
        return (column,)

    def index(self, name: str) -> int:
        """Column of the feature called ``name``.

        Raises
        ------
        KeyError
            If there is no such feature.
        """
        return self._positions[name]

    def row(self, instance: Any) -> Row:
        """One instance, however a notebook has it, as a row, ``(n_features,)``.

        What has names (a mapping, a pandas Series, a record of a structured array) is matched by
        name, in any order, and read as from the wire: categories by name, NaN or None where a
        reading is missing. What has none is in schema order, categories as codes.

        Raises
        ------
        InvalidInstance
            With one problem for each unknown, missing, invalid or out-of-bounds value.
        """
        # A plain array has no names, and need not be asked for them with every question.
        is_plain = type(instance) is np.ndarray and instance.dtype == np.float64
        if not is_plain and has_names(instance):
            return self.read(named(instance))
        row: Row = numbers(instance)
        if row.shape != (len(self),):
            given = f"has shape {row.shape}, a row ({len(self)},): {', '.join(self.names)}"
            raise InvalidInstance([FieldProblem("", given, limit=self.names)])
        lower, upper, are_numbers, gaps = self._limits
        # Codes must be whole as well; NaN fails each comparison, so it is told apart below.
        inside = (row >= lower) & (row <= upper) & (are_numbers | (row == np.rint(row)))
        if not inside.all():
            # Only where something is wrong: this runs with every question.
            wrong = np.flatnonzero(~(inside | (np.isnan(row) & gaps))).tolist()
            if wrong:
                raise InvalidInstance([self._outside(j, float(row[j])) for j in wrong])
        return row

    def _outside(self, column: int, number: float) -> FieldProblem:
        return self.features[column].outside(number)

    def rows(self, table: Any) -> Rows:
        """Many instances, ``(n, n_features)``: a table with named columns, or instances one after
        another, matched by name as :meth:`row`; or an array in schema order, of which only the
        width is looked at.

        Raises
        ------
        InvalidInstance
            Of the first row that is none.
        """
        if are_named(table):
            return np.array([self.row(instance) for instance in table])
        if not has_names(table):
            rows: Rows = numbers(table)
            if rows.ndim != 2 or rows.shape[1] != len(self):
                given = f"has shape {rows.shape}, rows (n, {len(self)}): {', '.join(self.names)}"
                raise InvalidInstance([FieldProblem("", given, limit=self.names)])
            return rows
        columns = columns_of(table)
        n = len(next(iter(columns.values()), ()))
        read = [self.read({name: of[i] for name, of in columns.items()}) for i in range(n)]
        return np.array(read).reshape(n, len(self))

    @cached_property
    def _limits(self) -> tuple[Row, Row, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Finite bounds of each feature (of its codes, where it is a category), whether it is a
        number and no category, and whether it may be missing."""
        codes = np.array([f.kind.is_categorical for f in self.features], dtype=np.bool_)
        last = [len(f.categories) - 1.0 for f in self.features]
        lower = np.where(codes, 0.0, [f.lower for f in self.features])
        upper = np.where(codes, last, [f.upper for f in self.features])
        gaps = np.array([f.may_be_missing for f in self.features], dtype=np.bool_)
        # The largest float in place of infinity, so that an infinite reading is outside.
        return np.nan_to_num(lower), np.nan_to_num(upper), ~codes, gaps

    def read(self, instance: Any) -> Row:
        """One wire instance as a row, ``(n_features,)``; whatever has names is matched by them.

        Raises
        ------
        InvalidInstance
            With one problem for each unknown, missing or invalid field.
        """
        if not isinstance(instance, Mapping):
            instance = named(instance)
        problems = [
            FieldProblem(
                name,
                f"{name} is not a feature of this model ({', '.join(self.names)})",
                limit=self.names,
            )
            for name in instance
            if name not in self
        ]
        row = np.full(len(self), np.nan)
        for j, feature in enumerate(self.features):
            if feature.name not in instance:
                problems.append(
                    FieldProblem(feature.name, f"{feature.name} is missing", unit=feature.unit)
                )
                continue
            try:
                row[j] = feature.read(instance[feature.name])
            except InvalidInstance as error:
                problems.extend(error.problems)
        # All of them at once: whoever sends a row mends it once.
        if problems:
            raise InvalidInstance(problems)
        return row

    def by_column(self, instance: Mapping[str, Any]) -> Mapping[str, Any]:
        """A wire instance with a value for each column, by the column's name."""
        return instance

    def restored(self, instance: Mapping[str, Any], was: Mapping[str, Any]) -> Row:
        """The row of an instance of which some columns read otherwise, as ``was`` has them.

        Raises
        ------
        InvalidInstance
            As :meth:`read`.
        """
        return self.read({**instance, **was})

    def write(self, row: Row) -> dict[str, Any]:
        """A row as a wire instance; the inverse of :meth:`read`."""
        return {f.name: f.write(float(v)) for f, v in zip(self.features, row, strict=True)}


class Task(StrEnum):
    BINARY = "binary"
    """One score, the probability of the positive class; a threshold decides."""
    MULTICLASS = "multiclass"
    """One score a class; the largest decides, the first of equals."""
    REGRESSION = "regression"
    """One score, a value in :attr:`Decision.unit`; a threshold, if there is one, decides."""


@dataclass(frozen=True)
class Decision:
    """How scores become a decision."""

    task: Task
    classes: tuple[Category, ...] = ()
    """Class order of the scores; two for binary and for a regression with a limit; may be
    empty for a regression without."""
    positive: int = 1
    """Position of the class that a score at or above :attr:`threshold` means."""
    threshold: float | None = None
    unit: str = ""
    """Unit of a regression's value."""
    desired: int | None = None
    """Class that an explanation aims at when a request names none."""
    phrases: Mapping[str, Labels] = field(default_factory=dict)
    """How people say the decision; see the wording of explanations."""

    @property
    def n_outputs(self) -> int:
        return len(self.classes) if self.task is Task.MULTICLASS else 1

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.classes)

    def decide(self, scores: Scores) -> npt.NDArray[np.int64]:
        """Class position of each row of ``scores``, ``(n_rows,)``; -1 where nothing decides."""
        if self.task is Task.MULTICLASS:
            # The first of equals, as the task says.
            return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)
        if self.threshold is None:
            return np.full(len(scores), -1, dtype=np.int64)
        return self._sides.take(scores[:, 0] >= self.threshold)

    @cached_property
    def _sides(self) -> npt.NDArray[np.int64]:
        """The class below the threshold, and that at or above it."""
        return np.array([1 - self.positive, self.positive], dtype=np.int64)
