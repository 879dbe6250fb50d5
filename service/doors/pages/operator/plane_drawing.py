"""The plane of two levers as a drawing, as a sentence and as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.numerals import figure, percentage
from ifonly.models.schema import Task
from ifonly.service.ask.plane import Plane
from ifonly.service.doors.pages.scales import DrawingFrame
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.catalogue import say
from ifonly.service.words.typography import percents

LEFT, TOP, ACROSS, DOWN = 104, 10, 456, 300
"""Where the plane begins, and how large it is; the picture has margins for its axes."""
FRAME = DrawingFrame(LEFT, TOP, ACROSS, DOWN, right=36, below=52)
BANDS = 8
TICKS = 5
"""At most, of an axis; they are at round numbers."""
COARSE = 6
"""Columns and rows of the table."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """Cells of one kind that lie side by side."""

    x: float
    y: float
    width: float
    height: float
    band: int


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """A row that lies in the plane."""

    x: float
    y: float
    text: str
    is_present: bool


@dataclass(frozen=True, slots=True)
class DrawnCell:
    """Of the table."""

    text: str
    flips: bool
    allowed: bool


@dataclass(frozen=True, slots=True)
class PlaneDrawing:
    """What the template draws."""

    x_label: str
    y_label: str
    boxes: tuple[DrawnBox, ...]
    forbidden: tuple[DrawnBox, ...]
    boundary: str
    demanded: str
    """Where it is as probable as is demanded of an answer; empty where the decision is enough."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    points: tuple[Point, ...]
    share_flipped: str
    """Of the settings that are allowed."""
    share_allowed: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    """Values of the two levers, of each column and each row of cells, from below."""
    words: tuple[str, ...]
    """What is said of cells."""
    cells: tuple[tuple[int, ...], ...]
    """Of each row of cells which of ``words``."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[DrawnCell, ...]], ...]
    frame: DrawingFrame = FRAME


def drawn(
    plane: Plane, model: ServedModel, tag: Language, points: Sequence[tuple[float, float, str]]
) -> PlaneDrawing:
    """``points``: values of the two levers and what to call them, the present ones first."""
    x, y = (Gauge.of(model.schema.features[j]) for j in plane.levers)
    bad = _badness(plane, model)
    xs, ys = _Scale(plane.xs, LEFT, ACROSS), _Scale(plane.ys, TOP + DOWN, -DOWN)
    bands = np.minimum((bad * BANDS).astype(np.int64), BANDS - 1)
    flips, allowed = plane.flips, plane.allowed
    some = _coarse(len(plane.xs)), _coarse(len(plane.ys))
    words, cells = _told(plane, model, tag)
    return PlaneDrawing(
        x.label(tag),
        y.label(tag),
        tuple(_boxes(bands, xs, ys)),
        tuple(box for box in _boxes(1 - allowed.astype(np.int64), xs, ys) if box.band),
        _boundary(flips, xs, ys),
        # Two lines one above the other would look like one that is thicker.
        "" if (plane.suffices == flips).all() else _boundary(plane.suffices, xs, ys),
        tuple(Tick(xs.at(v), x.value(v, tag)) for v in ticks(plane.xs)),
        tuple(Tick(ys.at(v), y.value(v, tag)) for v in ticks(plane.ys)),
        tuple(
            Point(xs.at(a), ys.at(b), text, k == 0)
            for k, (a, b, text) in enumerate(points)
            if xs.holds(a) and ys.holds(b)
        ),
        percentage(_share(flips & allowed, allowed)),
        percentage(float(allowed.mean())),
        tuple(plane.xs.tolist()),
        tuple(plane.ys.tolist()),
        words,
        cells,
        tuple(x.value(float(plane.xs[i]), tag) for i in some[0]),
        tuple(
            (
                y.value(float(plane.ys[j]), tag),
                tuple(
                    DrawnCell(_said(plane, model, j, i), bool(flips[j, i]), bool(allowed[j, i]))
                    for i in some[0]
                ),
            )
            # From the top down, as the drawing has it.
            for j in reversed(some[1])
        ),
    )


class _Scale:
    """Values of one lever, two at least, to places in the picture; each is inside its cell."""

    def __init__(self, values: Floats, start: float, length: float) -> None:
        steps = np.diff(values) / 2 if len(values) > 1 else np.array([0.5])
        self._edges = np.concatenate(
            (
                [values[0] - steps[0]],
                values[:-1] + steps[: len(values) - 1],
                [values[-1] + steps[-1]],
            )
        )
        self._start, self._length = start, length
        self._places = self._at(self._edges).tolist()

    def _at(self, values: Floats | float) -> Floats:
        low, high = float(self._edges[0]), float(self._edges[-1])
        return np.round(self._start + self._length * (values - low) / (high - low), 1)

    def at(self, value: float) -> float:
        return float(self._at(value))

    def edge(self, k: int) -> float:
        return float(self._places[k])

    def holds(self, value: float) -> bool:
        return bool(self._edges[0] <= value <= self._edges[-1])


def _badness(plane: Plane, model: ServedModel) -> Floats:
    """0: as desired, 1: as far from it as can be."""
    decision = model.decision
    first: Floats = plane.scores[..., 0]
    match decision.task:
        case Task.BINARY:
            return first if decision.positive != decision.desired else 1.0 - first
        case Task.MULTICLASS if decision.desired is not None:
            return np.asarray(1.0 - plane.scores[..., decision.desired])
    # A regression has no scale of its own: the plane's own range is shown.
    low, high = float(np.nanmin(first)), float(np.nanmax(first))
    # A plane of one score would divide by nothing.
    return (first - low) / ((high - low) or 1.0)


def _said(plane: Plane, model: ServedModel, row: int, column: int) -> str:
    """The score of one cell, as the page writes a verdict."""
    scores = plane.scores[row, column]
    decision = model.decision
    if decision.task is Task.BINARY:
        return percentage(float(scores[0]), decision.threshold)
    if decision.task is Task.MULTICLASS and decision.desired is not None:
        return percentage(float(scores[decision.desired]))
    return figure(float(scores[0]))


def _told(
    plane: Plane, model: ServedModel, tag: Language
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """What is said of every cell: each text once, and for each cell which."""
    shape = plane.flips.shape
    # Of scores that differ in the fifth digit one is told, on its side of the threshold: to write
    # thousands of numbers would cost more than to ask the model for them.
    kinds = np.dstack([_rounded(plane.scores), plane.flips, plane.allowed]).reshape(
        shape[0] * shape[1], -1
    )
    _, first, which = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
    words = []
    for row, column in zip(*np.unravel_index(first, shape), strict=True):
        parts = [
            _said(plane, model, int(row), int(column)),
            say("plane.clear" if plane.flips[row, column] else "plane.alarm", tag),
        ]
        parts += [] if plane.allowed[row, column] else [say("plane.not_allowed", tag)]
        words.append(percents(" · ".join(parts), tag))
    cells: list[list[int]] = which.reshape(*shape).tolist()
    return tuple(words), tuple(map(tuple, cells))


def _rounded(scores: Floats) -> Floats:
    """To a ten thousandth of the largest; of probabilities, of one."""
    step = 1e-4 * max(1.0, float(np.abs(scores).max()))
    return np.round(scores / step)


def _boxes(kinds: npt.NDArray[np.int64], xs: _Scale, ys: _Scale) -> Iterator[DrawnBox]:
    """Each row of cells as runs of one kind."""
    for j, row in enumerate(kinds):
        # Runs instead of cells: a plane has 49 times 49 of these.
        cuts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
        top, bottom = ys.edge(j + 1), ys.edge(j)
        for i, k in pairwise(cuts):
            left, right = xs.edge(i), xs.edge(k)
            yield DrawnBox(left, top, round(right - left, 1), round(bottom - top, 1), int(row[i]))


def _boundary(flips: Bools, xs: _Scale, ys: _Scale) -> str:
    """Between cells of which it is true and cells of which it is not."""
    parts = [
        f"M{xs.edge(i + 1)} {ys.edge(j)}V{ys.edge(j + 1)}"
        for j, i in np.argwhere(flips[:, 1:] != flips[:, :-1]).tolist()
    ]
    parts += [
        f"M{xs.edge(i)} {ys.edge(j + 1)}H{xs.edge(i + 1)}"
        for j, i in np.argwhere(flips[1:] != flips[:-1]).tolist()
    ]
    return "".join(parts)


def _share(part: Bools, whole: Bools) -> float:
    return float(part.sum()) / max(1, int(whole.sum()))


def ticks(values: Floats) -> list[float]:
    """Round numbers between the ends: multiples of 1, 2, 2.5 or 5 times a power of ten."""
    low, high = (Decimal(repr(float(values[k]))) for k in (0, -1))
    if low == high:
        return [float(low)]
    power = Decimal(10) ** math.floor(math.log10((high - low) / TICKS))
    steps = (power * Decimal(each) for each in ("1", "2", "2.5", "5", "10", "20"))
    step = next(each for each in steps if math.floor(high / each) - math.ceil(low / each) < TICKS)
    return [float(step * k) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _coarse(count: int) -> list[int]:
    places = np.linspace(0, count - 1, min(COARSE, count)).round().astype(np.int64)
    return [int(k) for k in places]
