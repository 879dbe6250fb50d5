"""What a document says at one key, for the readers of kinds: the value, and where it stands.

Documents are of the right shape already (`spec.schema.json`, the request's type); Python may hand
over anything, and is told by the same errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import SupportsFloat

from ifonly.explainers.constraints.base import Origin, Scorer, Source
from ifonly.explainers.errors import InvalidPolicy, Path
from ifonly.explainers.space import Axis
from ifonly.models.errors import InvalidInstance
from ifonly.models.predictor import Rows
from ifonly.models.schema import Feature, Kind, Labels, Schema, plain
from ifonly.models.window import spoken_names

Table = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class ReadingContext:
    """What a reader may need to know besides the document."""

    schema: Schema
    tolerances: tuple[float, ...] = ()
    """How far each feature's sensor may be off, in its unit; empty if none says so."""
    scales: tuple[float, ...] = ()
    """The change of each feature that costs 1, in its unit."""
    references: Rows | None = None
    """Rows seen in service, ``(n_rows, n_features)``."""
    scorer: Scorer | None = None
    """The model's own measure of how likely a row is."""


@dataclass(frozen=True, eq=False)
class Given:
    """The value at one key; None where the document does not have the key."""

    value: object
    path: Path
    source: Source
    context: ReadingContext
    feature: Feature | None = None
    """The one that the key is of."""
    why: Labels | None = None

    @property
    def key(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def origin(self) -> Origin:
        return Origin(self.source, self.key, self.why or {})

    # --- what is wrong ----------------------------------------------------------------------

    def fault(self, problem: str, value: object = None, limit: object = None) -> InvalidPolicy:
        """``problem`` is said of the key: "is 3, below 5"."""
        unit = "" if self.feature is None else self.feature.unit
        return InvalidPolicy(self.key, problem, value, limit, path=self.path, unit=unit)

    def sentence(self, problem: str, value: object = None, limit: object = None) -> InvalidPolicy:
        """``problem`` has a subject of its own: "quality is a category, not a number"."""
        unit = "" if self.feature is None else self.feature.unit
        return InvalidPolicy(
            self.key, problem, value, limit, path=self.path, unit=unit, is_sentence=True
        )

    def unknown(self, name: object) -> InvalidPolicy:
        """The fault that ``name`` is no feature."""
        names = spoken_names(self.context.schema)
        problem = f"{name} is not a feature of this model ({', '.join(names)})"
        return self.sentence(problem, name, names)

    # --- parts ------------------------------------------------------------------------------

    def at(self, part: str | int, value: object, feature: Feature | None = None) -> Given:
        """What stands one key further in, of ``feature`` if that is the key's name."""
        path, feature = (*self.path, part), feature or self.feature
        return Given(value, path, self.source, self.context, feature, self.why)

    def items(self) -> Iterator[Given]:
        """Each of a list."""
        for i, value in enumerate(self._list()):
            yield self.at(i, value)

    def _list(self) -> Sequence[object]:
        # A string is a sequence too, of letters.
        if not isinstance(self.value, Sequence) or isinstance(self.value, str):
            raise self.fault(f"is {self.value!r}, not a list", self.value)
        return self.value

    def table(self) -> Table:
        if not isinstance(self.value, Mapping):
            raise self.fault(f"is {self.value!r}, not a table", self.value)
        return self.value

    def by_feature(self) -> Iterator[Given]:
        """Each of a table whose keys are names of features.

        Raises
        ------
        InvalidPolicy
            If one is not.
        """
        schema = self.context.schema
        for name, value in self.table().items():
            if name not in schema:
                raise self.at(name, value).unknown(name)
            yield self.at(name, value, schema[name])

    def with_why(self) -> Given:
        """A value that may be a table, beside its reason: ``{rule = "…", why = {…}}``."""
        if not isinstance(self.value, Mapping):
            return self
        return replace(self, value=self.value.get("rule")).because(self.value.get("why"))

    def because(self, why: object) -> Given:
        """The same value with the reason that a document gives, by language, if it gives one."""
        return replace(self, why=why) if isinstance(why, Mapping) else self

    # --- values -----------------------------------------------------------------------------

    def named_column(self) -> int:
        """The column of the feature whose name the value is."""
        if self.value not in self.context.schema:
            raise self.unknown(self.value)
        return self.context.schema.index(str(self.value))

    @property
    def column(self) -> int:
        """Column of the feature that the key belongs to."""
        return self.context.schema.index(self._own.name)

    @property
    def _own(self) -> Feature:
        assert self.feature is not None
        return self.feature

    def number_column(self) -> int:
        if self._own.kind.is_categorical:
            name = self._own.name
            raise self.sentence(f"{name} is a category, not a number", name)
        return self.column

    def ordered_column(self) -> int:
        if self._own.kind is Kind.NOMINAL:
            name = self._own.name
            raise self.sentence(f"the categories of {name} have no order", name)
        return self.column

    def flag(self) -> bool:
        return bool(self.value)

    def number(self) -> float:
        """A number of at least 0."""
        value, number = self.value, as_float(self.value)
        # Written so that NaN fails.
        if not 0.0 <= number < math.inf:
            raise self.fault(f"is {value}, not a number of at least 0", value, 0)
        return number

    def count(self) -> int:
        """A whole number of at least 1."""
        value = self.value
        # True is an int in Python, and no count.
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.fault(f"is {value}, not a whole number of at least 1", value, 1)
        return value

    def interval(self) -> tuple[float, float]:
        """Two ends; None: open on that side."""
        ends = self._list()
        if len(ends) != 2:
            raise self.fault(f"has {len(ends)} ends, not 2", ends)
        lower = -math.inf if ends[0] is None else as_float(ends[0])
        upper = math.inf if ends[1] is None else as_float(ends[1])
        # The same for an end that is no number.
        if not lower <= upper:
            said = f"[{plain(lower)}, {plain(upper)}]"
            raise self.fault(f"is {said}, the lower end above the upper", list(ends))
        return lower, upper

    def settable_values(self) -> tuple[float, ...]:
        """Values that can be set: known, within bounds, on the grid; ascending."""
        settable = Axis.of(self._own, math.nan)
        return tuple(sorted(each._settable_value(settable) for each in self.items()))

    def _settable_value(self, settable: Axis) -> float:
        feature = self._own
        try:
            number = feature.read(self.value)
        except InvalidInstance as error:
            wrong = error.problems[0]
            raise self.sentence(wrong.problem, self.value, wrong.limit) from error
        # A list of values that the equipment cannot be set to would promise what nobody can do.
        if number not in settable:
            said = f"{self.value} {feature.unit}".rstrip()
            problem = f"{said} cannot be set: {feature.name} goes in steps of {feature.resolution}"
            raise self.sentence(problem, self.value, str(feature.resolution))
        return number


def as_float(value: object) -> float:
    """NaN where it is no number."""
    return float(value) if isinstance(value, SupportsFloat) else math.nan
