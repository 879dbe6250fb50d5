"""A window: what a model reads of each channel at the last steps, and how a channel may be moved.

A window is *unrolled*: a row has a column for each channel and step (``coolant@-9`` to
``coolant@0``), and behind them one for each *profile*, the amount by which it moves its channel,
0 of a row that was read. What readings follow from an amount is said in ``docs/model-folder.md``:
``reading + amount * share``. Requests and replies write a channel as the list of its readings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import FieldProblem, InvalidInstance
from ifonly.models.naming import are_named, columns_of, has_names, is_table, named, numbers
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Feature, Kind, Schema

AT = "@"
"""Between a channel and what of it a column is: no channel has it in its name."""
SECONDS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
MOST_DIGITS = 9
"""Before or behind the point of an amount of time."""


@dataclass(frozen=True)
class Period:
    """A length of time, exactly: between two steps, or some of them."""

    amount: Decimal
    unit: str
    """One of :data:`SECONDS`."""

    @classmethod
    def read(cls, text: str) -> Period:
        """``"1 min"``.

        Raises
        ------
        ValueError
            If it is no amount above 0 of a unit of time.
        """
        found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*", text)
        known = ", ".join(SECONDS)
        if found is None or found[2] not in SECONDS:
            raise ValueError(f"is {text!r}, not a number and a unit of time ({known})")
        try:
            amount = Decimal(found[1])
        except InvalidOperation as error:  # pragma: no cover - the pattern lets only digits in
            raise ValueError(f"is {text!r}, not a number and a unit of time") from error
        # Arithmetic is exact, so numbers of a million digits must not get in.
        if not amount or abs(amount.adjusted()) > MOST_DIGITS or len(found[1]) > 2 * MOST_DIGITS:
            raise ValueError(f"is {text!r}, not a length of time above 0")
        return cls(amount, found[2])

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.amount) * SECONDS[self.unit]

    @property
    def simplest(self) -> Period:
        """The same in the largest unit of which it is a whole number: 3 min for 180 s."""
        found = self
        for smaller, larger, factor in (("ms", "s", 1000), ("s", "min", 60), ("min", "h", 60)):
            if found.unit == smaller and found.amount % factor == 0:
                found = Period(found.amount / factor, larger)
        return found

    def times(self, count: int) -> Period:
        return Period(self.amount * count, self.unit)

    def __str__(self) -> str:
        amount = self.amount.normalize()
        return f"{amount:f} {self.unit}"


class WindowLayout(StrEnum):
    """Which dimension of the graph's input is which, behind that of rows."""

    STEPS_CHANNELS = "steps-channels"
    CHANNELS_STEPS = "channels-steps"


class ProfileShape(StrEnum):
    """How a profile moves a channel."""

    CONSTANT = "constant"
    """By the same amount over the whole window."""
    STEP = "step"
    """By the same amount from some steps back on; not at all before."""
    RAMP = "ramp"
    """Evenly more from some steps back on, by the whole amount at the last one."""


@dataclass(frozen=True)
class ChannelProfile:
    """One way to move one channel: the share of the amount at each step."""

    channel: int
    shape: ProfileShape
    steps: int
    """How many of the last steps it moves."""

    def shares(self, steps: int) -> tuple[Fraction, ...]:
        """Of a window of so many steps, oldest first; the last is 1."""
        # The move begins with the first reading that differs: there is none with a share of 0.
        before = steps - self.steps
        ramp = self.shape is ProfileShape.RAMP
        return tuple(
            Fraction(0)
            if t < before
            else (Fraction(t - before + 1, self.steps) if ramp else Fraction(1))
            for t in range(steps)
        )

    @property
    def suffix(self) -> str:
        if self.shape is ProfileShape.CONSTANT:
            return f"{AT}{self.shape}"
        return f"{AT}{self.shape}-{self.steps}"


@dataclass(frozen=True)
class Window:
    """The last readings of some channels, one each period."""

    channels: tuple[Feature, ...]
    """Bounds are those of a reading, resolution that of what can be set."""
    steps: int
    period: Period
    layout: WindowLayout = WindowLayout.STEPS_CHANNELS
    profiles: tuple[ChannelProfile, ...] = ()

    @property
    def n_readings(self) -> int:
        return len(self.channels) * self.steps

    @property
    def shape(self) -> tuple[int, int]:
        """Of one window as the graph takes it."""
        own = (self.steps, len(self.channels))
        return own if self.layout is WindowLayout.STEPS_CHANNELS else (own[1], own[0])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the channels."""
        return tuple(channel.name for channel in self.channels)

    def column(self, channel: int, step: int) -> int:
        """Of the reading of a channel at a step, 0 the oldest."""
        return channel * self.steps + step

    def columns(self, channel: int) -> slice:
        """Of all readings of a channel, oldest first."""
        return slice(channel * self.steps, (channel + 1) * self.steps)

    def place(self, channel: int, step: int) -> int:
        """Of a reading in the graph's window, flattened."""
        if self.layout is WindowLayout.STEPS_CHANNELS:
            return step * len(self.channels) + channel
        return channel * self.steps + step

    def reading_name(self, channel: int, step: int) -> str:
        return f"{self.channels[channel].name}{AT}{step - self.steps + 1}"

    def profile_name(self, profile: ChannelProfile) -> str:
        return f"{self.channels[profile.channel].name}{profile.suffix}"

    def profile_at(self, column: int) -> ChannelProfile | None:
        """Whose amount a column is; None: it is a reading."""
        at = column - self.n_readings
        return self.profiles[at] if at >= 0 else None

    def channel_at(self, column: int) -> int:
        """Whose reading, or whose profile's amount, a column is."""
        profile = self.profile_at(column)
        return column // self.steps if profile is None else profile.channel

    def levers(self, channel: int) -> tuple[int, ...]:
        """Columns of the profiles of a channel."""
        at = range(self.n_readings, self.n_readings + len(self.profiles))
        return tuple(j for j, p in zip(at, self.profiles, strict=True) if p.channel == channel)

    def back(self, steps: int) -> Period:
        """How long so many steps are."""
        return self.period.times(steps)

    def age(self, step: int) -> Period | None:
        """How long before the last reading that of a step was; None: it is the last."""
        ago = self.steps - 1 - step
        return self.period.times(ago) if ago else None

    def read_series(self, channel_at: int, values: Any) -> list[float]:
        """The readings of one channel, oldest first, as requests write them.

        Raises
        ------
        InvalidInstance
            With one problem for each reading that is none, by its place.
        """
        window, channel = self, self.channels[channel_at]
        if not is_series(values):
            shown = "null" if values is None else _short(values)
            told = f"{channel.name} is {shown}, not a list of {window.steps} readings"
            raise InvalidInstance(
                [FieldProblem(channel.name, told, _short(values), channel.unit, window.steps)]
            )
        values = list(values)
        if len(values) != window.steps:
            told = f"{channel.name} has {len(values)} readings; a window has {window.steps}, "
            told += f"oldest first, one each {window.period}"
            raise InvalidInstance(
                [FieldProblem(channel.name, told, len(values), channel.unit, window.steps)]
            )
        found, problems = list[float](), list[FieldProblem]()
        for t, value in enumerate(values):
            # numpy's numbers, for whoever asks from a notebook.
            plain = value.item() if isinstance(value, np.generic) else value
            missing = channel.may_be_missing and isinstance(plain, float) and plain != plain
            try:
                found.append(channel.read(None if missing else plain))
            except InvalidInstance as error:
                problems.extend(self._at(channel, t, p) for p in error.problems)
        if problems:
            raise InvalidInstance(problems)
        return found

    def _at(self, channel: Feature, step: int, problem: FieldProblem) -> FieldProblem:
        place, age = f"{channel.name}[{step}]", self.age(step)
        when = "the last" if age is None else f"{age} before the last"
        told = problem.problem.removeprefix(channel.name)
        return replace(problem, field=place, problem=f"{place}{told} ({when})")


@dataclass(frozen=True)
class WindowSchema(Schema):
    """The columns of an unrolled window; instances are written by channel."""

    # A default, for the base's field has none behind it that could be given by position.
    window: Window = field(kw_only=True)

    @property
    def channels(self) -> tuple[Feature, ...]:
        return self.window.channels

    @property
    def unread(self) -> frozenset[int]:
        return frozenset(range(self.window.n_readings, len(self)))

    def scale_columns(self, column: int) -> tuple[int, ...]:
        # An amount is measured as its channel's readings are: of itself every row has 0.
        channels = self.window.columns(self.window.channel_at(column))
        return tuple(range(channels.start, channels.stop))

    # --- one instance ---------------------------------------------------------------------------

    def row(self, instance: Any) -> Row:
        """As :meth:`Schema.row`; without names ``(n_features,)``, or a window as the graph takes
        it, ``(steps, channels)`` or the other way round, as its layout says."""
        if has_names(instance):
            return self.read(named(instance))
        given = numbers(instance)
        if given.ndim == 2:
            return super().row(self._unrolled(given[None])[0])
        return super().row(given)

    def rows(self, table: Any) -> Rows:
        """As :meth:`Schema.rows`; without names ``(n, n_features)``, or windows as the graph takes
        them, ``(n, steps, channels)`` or ``(n, channels, steps)``."""
        if are_named(table):
            return np.array([self.row(instance) for instance in table])
        if has_names(table):
            columns = columns_of_lists(table)
            n = len(next(iter(columns.values()), ()))
            read = [self.read({name: of[i] for name, of in columns.items()}) for i in range(n)]
            return np.array(read).reshape(n, len(self))
        given = numbers(table)
        return super().rows(self._unrolled(given) if given.ndim == 3 else given)

    def one_or_many(self, given: Any) -> Rows:
        """Rows of one window or of many, ``(n, n_features)``: a mapping or Series of lists, an
        array of two dimensions; a list of these, a table whose cells are lists, an array of three.

        Raises
        ------
        InvalidInstance
            Of the first that is none.
        """
        if are_named(given):
            return self.rows(given)
        if has_names(given):
            # Of a table a column is a list of lists.
            is_one = not is_table(given) and not any(map(_is_nested, named(given).values()))
            return self.row(given)[None] if is_one else self.rows(given)
        numbers_ = numbers(given)
        return self.row(numbers_)[None] if numbers_.ndim == 2 else self.rows(numbers_)

    def _unrolled(self, windows: npt.NDArray[np.float64]) -> Rows:
        window = self.window
        if windows.shape[1:] != window.shape:
            told = f"has shape {windows.shape[1:]}, a window {window.shape} ({window.layout})"
            raise InvalidInstance([FieldProblem("", told, limit=list(window.shape))])
        if window.layout is WindowLayout.STEPS_CHANNELS:
            windows = windows.transpose(0, 2, 1)
        rows = np.zeros((len(windows), len(self)))
        rows[:, : window.n_readings] = windows.reshape(len(windows), -1)
        return rows

    def windows(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Rows as the graph takes them: ``(n, steps, channels)`` or ``(n, channels, steps)``."""
        window = self.window
        found = rows[:, : window.n_readings].reshape(len(rows), len(window.channels), window.steps)
        return found.transpose(0, 2, 1) if window.layout is WindowLayout.STEPS_CHANNELS else found

    @cached_property
    def _limits(self) -> tuple[Row, Row, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        # Of what is read, which may be beyond what a policy lets be set.
        read = tuple(self._as_read(j) for j in range(len(self)))
        return Schema(read)._limits

    def _as_read(self, column: int) -> Feature:
        own = self.features[column]
        if column in self.unread:
            return own
        channel = self.channels[self.window.channel_at(column)]
        return replace(own, lower=channel.lower, upper=channel.upper)

    def _outside(self, column: int, number: float) -> FieldProblem:
        return self._as_read(column).outside(number)

    def read(self, instance: Any) -> Row:
        """One wire instance: each channel the list of its readings, oldest first.

        Raises
        ------
        InvalidInstance
            With one problem for each unknown or missing channel, and each reading that is none:
            the channel and its place in the list.
        """
        if not isinstance(instance, Mapping):
            instance = named(instance)
        window, problems = self.window, list[FieldProblem]()
        for name in instance:
            if name not in window.names:
                known = ", ".join(window.names)
                problem = f"{name} is not a channel of this model ({known})"
                problems.append(FieldProblem(name, problem, limit=window.names))
        row = np.zeros(len(self))
        for c, channel in enumerate(window.channels):
            if channel.name not in instance:
                problem = f"{channel.name} is missing"
                problems.append(FieldProblem(channel.name, problem, unit=channel.unit))
                continue
            try:
                row[window.columns(c)] = window.read_series(c, instance[channel.name])
            except InvalidInstance as error:
                problems.extend(error.problems)
        # All of them at once: whoever sends a window mends it once.
        if problems:
            raise InvalidInstance(problems)
        return row

    def by_column(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        window, found = self.window, dict.fromkeys(self.names[self.window.n_readings :], 0)
        for c, name in enumerate(window.names):
            for t, value in enumerate(instance[name]):
                found[window.reading_name(c, t)] = value
        return found

    def restored(self, instance: Mapping[str, Any], was: Mapping[str, Any]) -> Row:
        window, values = self.window, {**self.by_column(instance), **was}
        series = {
            name: [values[window.reading_name(c, t)] for t in range(window.steps)]
            for c, name in enumerate(window.names)
        }
        return self.read(series)

    def write(self, row: Row) -> dict[str, Any]:
        """A row as a wire instance, each channel a list; amounts of profiles are no part of it."""
        window = self.window
        return {
            channel.name: [channel.write(float(v)) for v in row[window.columns(c)]]
            for c, channel in enumerate(window.channels)
        }


def _is_nested(values: Any) -> bool:
    return is_series(values) and any(map(is_series, list(values)[:1]))


def window_of(schema: Schema) -> Window | None:
    """The window that the columns are of; None: they are plain features."""
    return schema.window if isinstance(schema, WindowSchema) else None


def padded(schema: Schema, rows: Rows) -> Rows:
    """Rows of what is read, ``(n, n_readings)``, with the columns that nothing reads, 0."""
    wide = np.zeros((len(rows), len(schema)))
    wide[:, : rows.shape[1]] = rows
    return wide


def spoken_names(schema: Schema) -> tuple[str, ...]:
    """What requests may name: features; of a window its channels and their profiles."""
    window = window_of(schema)
    return schema.names if window is None else (*window.names, *schema.names[window.n_readings :])


def document_schema(schema: Schema) -> Schema:
    """The features as documents beside the spec name them: of a window its channels."""
    window = window_of(schema)
    return schema if window is None else Schema(window.channels)


def is_series(values: Any) -> bool:
    """Whether ``values`` are readings one after another."""
    if isinstance(values, np.ndarray):
        return values.ndim == 1
    return isinstance(values, Sequence) and not isinstance(values, str | bytes)


def columns_of_lists(table: Any) -> dict[str, list[Any]]:
    """Columns of a table whose cells are lists (a pandas object column, an Arrow list column)."""
    if hasattr(table, "to_pydict"):
        found: dict[str, list[Any]] = table.to_pydict()
        return found
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        return {str(name): list(table[name]) for name in table.columns}
    if isinstance(table, Mapping):
        return {str(name): list(values) for name, values in table.items()}
    return columns_of(table)


def _short(value: Any) -> Any:
    """As errors show it."""
    if isinstance(value, str):
        return value[:40]
    is_plain = value is None or isinstance(value, bool | int | float)
    return value if is_plain else type(value).__name__


# --- what a request says -------------------------------------------------------------------------


def unrolled_constraints(asked: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """A request's ``constraints`` of columns, where they speak of channels of a window; what names
    no channel stays as it is, to be refused by whoever reads it."""
    window = window_of(schema)
    if window is None or not asked:
        return asked
    found = dict(asked)
    # To leave a channel alone, to move it one way or not far is said of its profiles.
    if asked.get("freeze"):
        found["freeze"] = [name for each in asked["freeze"] for name in _levers(each, window)]
    for key in ("directions", "max_change"):
        if asked.get(key):
            found[key] = _by_column(asked[key], window, _levers)
    # Where it must end, of its readings.
    if asked.get("ranges"):
        found["ranges"] = _by_column(asked["ranges"], window, _readings)
    return found


def _by_column(
    table: Mapping[str, Any], window: Window, columns: Callable[[str, Window], Sequence[str]]
) -> dict[str, Any]:
    return {column: value for name, value in table.items() for column in columns(name, window)}


def _levers(name: str, window: Window) -> Sequence[str]:
    if name not in window.names:
        return [name]
    c = window.names.index(name)
    return [window.profile_name(p) for p in window.profiles if p.channel == c]


def _readings(name: str, window: Window) -> Sequence[str]:
    if name not in window.names:
        return [name]
    c = window.names.index(name)
    return [window.reading_name(c, t) for t in range(window.steps)]


def parts_of(name: str) -> tuple[str, str]:
    """A column's channel, and what of it; empty of a feature that is no column of a window."""
    channel, _, part = name.partition(AT)
    return channel, part


def channels_in(names: Sequence[str]) -> Iterator[str]:
    """The channels of columns, each once."""
    yield from dict.fromkeys(parts_of(name)[0] for name in names)


def is_number(channel: Feature) -> bool:
    return channel.kind in (Kind.CONTINUOUS, Kind.INTEGER)
