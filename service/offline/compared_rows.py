"""Which logged rows an effect compares, read from a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.effect import Covariate, Observed, Refutation
from ifonly.models.repository.reference import Table
from ifonly.models.schema import Feature, Kind, Schema

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Band = tuple[float, float]
MOST_LEVELS = 50
"""Of texts in a column beside the features."""
REPEATED = 0.01
"""Share of equal rows that is let pass: copies make an interval too narrow."""


@dataclass(frozen=True)
class UnreadableRows(Exception):
    """What was asked for cannot be read from the table."""

    problem: str

    def __str__(self) -> str:
        return self.problem


@dataclass(frozen=True, eq=False)
class ComparedRows:
    """Which of the table's ``n`` rows are compared, ``(n,)`` each."""

    whole: Flags
    """Nothing is missing."""
    inside: Flags
    """In either band."""
    treated: Flags
    outcome: Array

    @classmethod
    def of(
        cls,
        table: Table,
        schema: Schema,
        feature: str,
        bands: tuple[Band, Band],
        outcome: str,
        also: Sequence[str] = (),
    ) -> ComparedRows:
        readings = table.rows[:, schema.index(feature)]
        (a, b), (c, d) = bands
        # A row in both bands would be compared with itself.
        if max(a, c) <= min(b, d):
            raise UnreadableRows("--from and --to meet: no row may be in both")
        treated = (c <= readings) & (readings <= d)
        inside = ((a <= readings) & (readings <= b)) | treated
        whole, happened = whole_rows(table, schema, outcome, also)
        return cls(whole, inside, treated, happened)

    @property
    def used(self) -> Flags:
        return self.whole & self.inside

    @property
    def gaps(self) -> int:
        """Rows that would be compared, had nothing of them been missing."""
        return int((self.inside & ~self.whole).sum())

    def contrast(self, readings: Array) -> float:
        """How far the mean readings of the two bands are apart."""
        sides = self.used & ~self.treated, self.used & self.treated
        for side, option in zip(sides, ("--from", "--to"), strict=True):
            if not side.any():
                raise UnreadableRows(f"no row is within {option}")
        return float(readings[sides[1]].mean() - readings[sides[0]].mean())

    @property
    def is_share(self) -> bool:
        return bool(np.isin(self.outcome[self.used], (0.0, 1.0)).all())

    def observed(
        self, table: Table, schema: Schema, held: Sequence[str], through: Sequence[str] = ()
    ) -> Observed:
        """The rows, with the columns of ``held`` as covariates and of ``through`` as mediators."""
        named, covariates = covariates_of(table, schema, held)
        mediators = [column for name in through for _, column in columns_of(table, schema, name)]
        between = np.column_stack(mediators) if mediators else None
        return Observed(covariates, self.treated, self.outcome, named, between)[self.used]


def whole_rows(
    table: Table, schema: Schema, outcome: str, also: Sequence[str] = ()
) -> tuple[Flags, Array]:
    """Rows of which nothing is missing, and every row's outcome."""
    happened = np.array([flag_or_number(cell, outcome) for cell in table.others[outcome]])
    # Rows with gaps are left out: to hold fixed what was not read is not possible.
    whole = np.isfinite(table.rows).all(axis=1) & np.isfinite(happened)
    for name in also:
        for _, column in columns_of(table, schema, name):
            whole &= np.isfinite(column)
    return whole, happened


def repeats(table: Table, used: Flags) -> Refutation:
    """The share of rows that are equal to one before them in every column of the table, against
    what chance makes equal where columns go their own ways."""
    cells = [np.array(column)[used] for column in table.others.values()]
    columns = [np.unique(c, return_inverse=True)[1] for c in (*table.rows[used].T, *cells)]
    n = len(columns[0])
    distinct = len(np.unique(np.column_stack(columns), axis=0))
    alike = np.prod([np.sum((np.bincount(c) / n) ** 2) for c in columns])
    by_chance = 0.5 * (n - 1) * float(alike)
    return Refutation("rows that stand twice", 1.0 - distinct / n, REPEATED + 10.0 * by_chance)


def covariates_of(
    table: Table, schema: Schema, names: Sequence[str]
) -> tuple[tuple[Covariate, ...], Array]:
    """What is held fixed of all ``n`` rows: what its columns hold, and ``(n, p)``."""
    columns = [column for name in names for column in columns_of(table, schema, name)]
    covariates = np.empty((len(table.rows), len(columns)))
    for j, (_, values) in enumerate(columns):
        covariates[:, j] = values
    return tuple(covariate for covariate, _ in columns), covariates


def columns_of(table: Table, schema: Schema, name: str) -> list[tuple[Covariate, Array]]:
    """As numbers; a category as one flag for each that occurs but the first."""
    if name in schema:
        feature, values = schema[name], table.rows[:, schema.index(name)]
        if feature.kind is not Kind.NOMINAL:
            return [(Covariate(name), values)]
        # Names have no order: a flag for each but one, which the others imply. Where nothing was
        # read there is no flag, and nothing that could be held fixed.
        levels = np.unique(values[np.isfinite(values)])[1:]
        return [(Covariate(name, _named(feature, v)), _flags(values, v)) for v in levels]
    cells = table.others[name]
    try:
        return [(Covariate(name), np.array([float(cell or np.nan) for cell in cells]))]
    except ValueError:
        pass
    text, texts = np.array(cells), sorted(set(cells))[1:]
    if len(texts) >= MOST_LEVELS:
        raise UnreadableRows(
            f"{name} has {len(texts) + 1} different texts: to hold them fixed, or to group by "
            f"them, at most {MOST_LEVELS} are possible"
        )
    return [(Covariate(name, v), (text == v).astype(np.float64)) for v in texts]


def _flags(values: Array, level: float) -> Array:
    return np.where(np.isfinite(values), values == level, np.nan)


def _named(feature: Feature, code: float) -> str:
    return feature.category_names[int(code)]


def flag_or_number(cell: str, outcome: str) -> float:
    """NaN where nothing was recorded."""
    known = {"": np.nan, "true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
    if cell.lower() in known:
        return known[cell.lower()]
    try:
        return float(cell)
    except ValueError:
        raise UnreadableRows(f"{outcome} is {cell!r}, which is no number") from None


def band_of(feature: Feature, text: str, option: str) -> Band:
    """What an option says of a feature: a range, a number or a category."""
    if feature.kind.is_categorical:
        names = feature.category_names
        if text not in names:
            raise UnreadableRows(f"{text} is not a category of {feature.name} ({', '.join(names)})")
        code = float(names.index(text))
        return code, code
    low, dots, high = text.partition("..")
    try:
        band = float(low), float(high if dots else low)
    except ValueError:
        raise UnreadableRows(
            f"{option} is {text!r}, not a number or a range such as 58..70"
        ) from None
    if not np.isfinite(band).all():
        raise UnreadableRows(f"{option} is {text!r}: its ends must be finite")
    if band[0] > band[1]:
        raise UnreadableRows(f"{option} is {text!r}: it begins above its end")
    return band
