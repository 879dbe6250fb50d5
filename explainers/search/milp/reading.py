"""How the graph reads each feature, found once for a model: in straight pieces over its grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.space import Axis, Grid
from ifonly.models.graph.forms import Columns
from ifonly.models.predictor import Rows
from ifonly.models.schema import Feature, Schema

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOST_READ = 65_536
"""Values of one feature that are all looked at; of more, values spread over the grid, and all of
them where a column bends."""
SPREAD = 16_385
MOST_PIECES = 512
"""Most pieces of one feature; with more a program would not end."""
CLOSER = 64
"""Parts into which a gap between values that were looked at is cut where a column bends in it."""
ROWS_AT_ONCE = 65_536
STRAIGHT = 2e-5
"""How far from straight, relative to its range, a column may be within a piece; what it is, is
paid for in the doubt about every score."""


@dataclass(frozen=True, eq=False)
class Span:
    """Consecutive multiples of a grid; at step ``k`` a column is ``first + k * rise``."""

    multiple: int
    steps: int
    first: Floats
    """``(n_own,)``, like the next."""
    rise: Floats

    def part(self, multiple: int, steps: int) -> Span:
        first = self.first + (multiple - self.multiple) * self.rise
        return Span(multiple, steps, first, self.rise)


@dataclass(frozen=True, eq=False)
class FeatureReading:
    """One feature's columns."""

    own: Indices
    """Which of the core's columns are made of it."""
    grid: Grid | None = None
    spans: tuple[Span, ...] = ()
    """All multiples that it could be set to; none for categories, and for what is never set."""
    deviation: Floats | None = None
    """``(n_own,)``: farthest that a column is from its span's line; between values that were not
    looked at, as far as beside them and what float32 can take."""

    def within(self, multiple: int, steps: int) -> Iterator[Span]:
        """Parts of the spans over these multiples."""
        last = multiple + steps
        for span in self.spans:
            start, end = max(multiple, span.multiple), min(last, span.multiple + span.steps)
            if start <= end:
                yield span.part(start, end - start)


def read_features(columns: Columns, schema: Schema) -> tuple[FeatureReading, ...]:
    """A reading of every feature.

    Raises
    ------
    NotEligible
        If one is bent in too many places, or is read as no number.
    """
    plain = np.array([_some_value(feature) for feature in schema.features])
    found = []
    for j, feature in enumerate(schema.features):
        own = np.flatnonzero(columns.feature == j)
        if feature.kind.is_categorical or feature.resolution is None:
            found.append(FeatureReading(own))
        else:
            found.append(_read(columns, j, own, feature, plain))
    return tuple(found)


def _some_value(feature: Feature) -> float:
    # Any readable value will do: each column is made of one feature alone.
    return 0.0 if feature.kind.is_categorical else float(feature.lower)


def _read(
    columns: Columns, j: int, own: Indices, feature: Feature, plain: Floats
) -> FeatureReading:
    axis = Axis.of(feature, float(feature.lower))
    grid = axis.grid
    assert grid is not None
    steps = np.arange(axis.count)
    if axis.count > MOST_READ:
        steps = np.unique(np.linspace(0, axis.count - 1, SPREAD).astype(np.int64))
    # Until nothing bends between two values that were looked at.
    while True:
        values = grid.value(axis.first + steps)
        inputs = _encoded(columns, plain, j, own, values)
        if not np.isfinite(inputs).all():
            raise NotEligible("milp", f"{feature.name} is read as no number")
        edges = list(_straight(values, inputs))
        if len(edges) > MOST_PIECES:
            raise NotEligible("milp", f"{feature.name} is bent in {len(edges)} places")
        closer = _closer(steps, edges)
        if len(closer) == len(steps):
            return _reading_of(own, grid, axis.first + steps, values, inputs, edges)
        steps = closer


def _closer(steps: Indices, edges: Sequence[tuple[int, int]]) -> Indices:
    """More steps where one part of the columns ends and the next begins, until none is between."""
    ends = np.array([b for _, b in edges], dtype=np.int64)
    ends = ends[ends < len(steps)]
    # The gap where a bend was found and those beside it, since the bend may be in any of them.
    gaps = np.unique(np.concatenate([ends - 1, *(ends + k for k in (-2, 0))]))
    gaps = gaps[(gaps >= 0) & (gaps + 1 < len(steps))]
    if not (steps[ends] - steps[ends - 1] > 1).any():
        return steps
    shares = np.linspace(0.0, 1.0, CLOSER + 1)[1:-1]
    width = steps[gaps + 1] - steps[gaps]
    between = steps[gaps, None] + (width[:, None] * shares).astype(np.int64)
    return np.union1d(steps, between)


def _reading_of(
    own: Indices,
    grid: Grid,
    multiples: Indices,
    values: Floats,
    inputs: Floats,
    edges: Sequence[tuple[int, int]],
) -> FeatureReading:
    spans, deviation, steepest = [], np.zeros(len(own)), np.zeros(len(own))
    for a, b in edges:
        steps = int(multiples[b - 1] - multiples[a])
        rise = (inputs[b - 1] - inputs[a]) / max(1, steps)
        spans.append(Span(int(multiples[a]), steps, inputs[a], rise))
        deviation = np.maximum(deviation, _off_line(values[a:b], inputs[a:b]).max(axis=0))
        width = float(values[b - 1] - values[a])
        if width:
            steepest = np.maximum(steepest, np.abs(inputs[b - 1] - inputs[a]) / width)
    # Not all values were looked at: between them, float32 alone may be so far off.
    if len(multiples) <= multiples[-1] - multiples[0]:
        size = np.abs(values).max() * steepest + np.abs(inputs).max(axis=0)
        deviation = deviation + 2.0**-22 * size
    return FeatureReading(own, grid, tuple(spans), deviation)


def encode_alone(columns: Columns, schema: Schema, j: int, own: Indices, values: Floats) -> Floats:
    """The columns ``own``, ``(n, n_own)``, for each of ``values`` of feature ``j``."""
    plain = np.array([_some_value(f) for f in schema.features])
    return _encoded(columns, plain, j, own, values)


def _encoded(columns: Columns, plain: Floats, j: int, own: Indices, values: Floats) -> Floats:
    parts = []
    for start in range(0, max(1, len(values)), ROWS_AT_ONCE):
        some = values[start : start + ROWS_AT_ONCE]
        rows: Rows = np.repeat(plain[None, :], len(some), axis=0)
        rows[:, j] = some
        # float64 from here on: the program's arithmetic; what float32 took is in the deviation.
        parts.append(columns.encode(rows)[:, own].astype(np.float64))
    return np.concatenate(parts)


def _straight(values: Floats, inputs: Floats) -> Iterator[tuple[int, int]]:
    """Spans, ends excluded, that are straight: halved where they bend most until they are
    (Douglas & Peucker 1973)."""
    if not len(values):
        return
    allowed = allowance(values, inputs)
    open_spans, closed = [(0, len(values))], 0
    while open_spans and closed <= MOST_PIECES:
        a, b = open_spans.pop()
        off = _off_line(values[a:b], inputs[a:b]) / allowed
        if not off.size or off.max() <= 1.0:
            closed += 1
            yield a, b
            continue
        # At least one further, or a span would never get shorter.
        middle = a + max(1, int(np.argmax(off.max(axis=1))))
        open_spans += [(middle, b), (a, middle)]


def allowance(values: Floats, inputs: Floats) -> Floats:
    """How far from straight each column may be, ``(n_own,)``, over ``values``, ``(n,)``; ``inputs``
    is ``(n, n_own)``."""
    spread, size = float(np.ptp(values)), float(np.abs(values).max())
    # What the graph's float32 takes from a straight line: of its input, and of the column.
    cast = 2.0**-22 * size / spread if spread > 0.0 else 0.0
    range_, most = np.ptp(inputs, axis=0), np.abs(inputs).max(axis=0, initial=0.0)
    return np.asarray(range_ * max(STRAIGHT, cast) + 2.0**-22 * most + 1e-300)


def _off_line(values: Floats, curves: Floats) -> Floats:
    """Distance of each point of ``curves``, ``(m, k)``, from its own chord over ``values``."""
    width = float(values[-1] - values[0])
    share = ((values - values[0]) / width if width else np.zeros(len(values)))[:, None]
    return np.asarray(np.abs(curves - (curves[0] + share * (curves[-1] - curves[0]))))


def encode_side_by_side(columns: Columns, row: Floats, values: Sequence[Floats]) -> Floats:
    """The core's columns, ``(1 + longest, n_columns)``: of ``row``, and in line ``i`` after it of
    the ``i``-th of ``values`` of every feature at once, since each column is made of one."""
    rows: Rows = np.repeat(row[None, :], 1 + max(len(own) for own in values), axis=0)
    for j, own in enumerate(values):
        rows[1 : 1 + len(own), j] = own
    return columns.encode(rows).astype(np.float64)
