"""How far one value of a long axis may go where what holds is known to change at few places only.

Between two neighbouring places everything is as it is in their middle, so that a run of millions of
values is settled by some dozens; the model is asked where its rounding decides, value by value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Comparison, Condition, Mask
from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import Axis, Positions
from ifonly.models.predictor import Row, Rows

Verdicts = npt.NDArray[np.int64]
NO, ASK, SAFE, SURE = range(4)
"""It does not hold; only the model can say; it holds in every session of the model, though this one
may put it beyond what rounding allows for; it holds, and the model says so."""

BESIDE = 2
"""Positions on either side of a place that are looked at: what is compared is within rounding."""
FIRST_JUDGED = 16
FIRST_ASKED = 4
MOST_ASKED = 64
"""Values on a side that the model is asked about, within rounding of the edge of its target."""


def breakpoints_of_rules(problem: Problem, row: Row, column: int) -> list[float]:
    """Values of ``column`` around which a constraint may hold on one side only, all else as in
    ``row``."""
    # "If it changes" turns at the factual value.
    found = [float(problem.factual[column])]
    for rule in (c.form for c in problem.constraints):
        if isinstance(rule, Implication):
            for condition in (*rule.when, *rule.then):
                found += _break(condition, problem.factual, row, column)
    return [value for value in found if math.isfinite(value)]


def _break(condition: Condition, factual: Row, row: Row, column: int) -> list[float]:
    if not isinstance(condition, Comparison):
        return []
    weight = sum(w for j, w in condition.now if j == column)
    rest = condition.fixed(factual)[0]
    rest += sum(w * float(row[j]) for j, w in condition.now if j != column)
    # A comparison is linear in one feature: it turns where the sum is 0.
    return [-rest / weight] if weight else []


@dataclass(frozen=True)
class Walk:
    """A walk along an axis, outward from one of its values."""

    axis: Axis
    at: int
    """Its position."""
    places: Positions
    """Where what holds may change; between two of them, and ``BESIDE`` them, it does not."""
    judge: Callable[[Positions], Verdicts]
    """What is known of positions. A part of the axis between places is as its ends and its middle
    are."""
    asked: Callable[[Positions], Mask]
    """What the model says of them."""
    starts: Positions | None = None
    """Where runs of values begin that the model cannot tell apart; None: it may tell all apart."""

    def ends(self) -> tuple[float, float]:
        """The run of values that hold, up to the last on either side of which it is sure that the
        model says so; where it must be asked about more than ``MOST_ASKED`` on a side, as far as it
        was."""
        (low, least), (high, most) = self._side(-1), self._side(1)
        # Sure of nothing but the value itself: ask the model on the way
        # to what holds in all sessions.
        if low == high:
            low, high = self._halved(least), self._halved(most)
        values = self.axis.values(np.array([low, high], dtype=np.int64))
        return float(values[0]), float(values[1])

    def _side(self, sign: int) -> tuple[int, int]:
        """The last position of which it is sure, and the last that holds."""
        end, held, left = self.at, self.at, MOST_ASKED
        for first, last, known, best in self._judged(self._parts(sign)):
            if best == NO:
                break
            if known in (SURE, SAFE):
                end, held = (last if known == SURE else end), last
                continue
            # All values of a part are alike to the model: its two ends speak for it.
            if self.starts is not None:
                if known == NO or not self.asked(np.array([first, last])).all():
                    break
                end = held = last
                continue
            asked = min(abs(last - first) + 1, left)
            good = self._asked(first, sign, asked)
            if good:
                end = held = first + sign * (good - 1)
            left -= good
            # It stopped inside of the part.
            if held != last:
                break
        return end, held

    def _judged(self, parts: Positions) -> Iterator[tuple[int, int, int, int]]:
        """First and last position of each part, and the worst and best that is known of it; some
        parts at once, since most ranges are short."""
        start, block = 0, FIRST_JUDGED
        while start < len(parts):
            some = parts[start : start + block]
            judged = self.judge(some.ravel()).reshape(some.shape)
            worst, best = judged.min(axis=1).tolist(), judged.max(axis=1).tolist()
            yield from zip(some[:, 0].tolist(), some[:, 1].tolist(), worst, best, strict=True)
            start, block = start + block, 4 * block

    def _halved(self, held: int) -> int:
        """A position on the way to ``held``, all of which hold, of which the model says so too."""
        end, beyond = self.at, held
        while end != beyond:
            # Rounded away from `end`, so that every step moves.
            middle = end + (beyond - end + (1 if beyond > end else -1)) // 2
            if self.asked(np.array([middle]))[0]:
                end = middle
            else:
                beyond = middle + (1 if middle < end else -1)
        return end

    def _asked(self, first: int, sign: int, count: int) -> int:
        start, block = 0, FIRST_ASKED
        while start < count:
            block = min(block, count - start)
            holds = self.asked(first + sign * np.arange(start, start + block))
            if not holds.all():
                return start + int(np.argmin(holds))
            start, block = start + block, 2 * block
        return count

    def _parts(self, sign: int) -> Positions:
        """First, last and a middle position of each part that is alike, going outward, ``(n, 3)``:
        what is beside places is alone, and of the rest all that is in one run."""
        low, high = 0, self.at - 1
        if sign > 0:
            low, high = self.at + 1, len(self.axis) - self.axis.has_missing - 1
        # Beside a place rounding decides, so these positions are judged one by one.
        alone = (self.places[:, None] + np.arange(-BESIDE, BESIDE + 1)).ravel()
        runs = self.starts if self.starts is not None else alone[:0]
        begins = np.concatenate([[low], alone, alone + 1, runs])
        begins = np.sort(begins[(begins >= low) & (begins <= high)])
        first = begins[np.append(True, begins[1:] != begins[:-1])] if len(begins) else begins
        last = np.append(first[1:] - 1, high)[: len(first)]
        # Going down, a part is entered at its last position.
        if sign < 0:
            first, last = last[::-1], first[::-1]
        return np.stack([first, last, (first + last) // 2], axis=1)


def positions_of(axis: Axis, values: Iterable[float]) -> Positions:
    """Positions near ``values``, and of every value that is on no run."""
    own = [*values, *(other for other in axis.others if not math.isnan(other))]
    ends = [] if axis.grid is None or not axis.count else [axis.low, axis.high]
    found = [min(max(axis.below(v), 0), len(axis) - 1) for v in (*own, *ends)]
    return np.unique(np.array(found, dtype=np.int64))


def rows_at(axis: Axis, row: Row, column: int, positions: Positions) -> Rows:
    """``row`` with each of the values at ``positions``."""
    rows = np.repeat(row[None, :], len(positions), axis=0)
    rows[:, column] = axis.values(positions)
    return rows
