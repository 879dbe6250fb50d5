"""The largest box of settings in which all of an answer's values may be chosen at once.

Grown from the answer, face by face, by a stated greedy order; each box on the way is proven by
whoever knows the model, and a face ends where the next setting is known to be no answer, where
nothing more is allowed, or where nothing more could be proven.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

import numpy as np

from ifonly.explainers.constraints import Axes, Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.box_rules import halves, part
from ifonly.explainers.search.counterexample import BoxVerdict, Held, rows_of_box
from ifonly.explainers.space import Axis, Positions
from ifonly.explainers.terms import FaceEnd
from ifonly.models.predictor import Rows

MOST_PARTS = 512
"""Parts into which a box is cut before it is left undecided."""
MOST_AT_ONCE = 256
"""Settings that are put to the model at once, where one is looked for that is no answer."""
HALVINGS = 8
"""Of the share of its room by which a box is drawn out evenly."""
MOST_STEPS = 16
"""Settings by which a face is moved on one by one."""
MOST_SOUGHT = 512
"""The same, where a setting is looked for that shows that a face can go no further."""
Ends = tuple[int, int]


class BoxProver(Protocol):
    """What is known of boxes of settings about one factual."""

    @property
    def is_proof(self) -> bool:
        """Whether it proves; else every setting of a box is put to the model."""
        ...

    @property
    def sharpened_by(self) -> Sequence[int]:
        """Columns whose halving lets it tell more of the halves than of the whole."""
        ...

    def holds(self, axes: Axes) -> BoxVerdict:
        """Whether every action of a box is an answer. ``BROKEN`` without a row: one is none, which
        this one need not be able to show."""
        ...

    def answers(self, actions: Rows) -> Mask:
        """Which of some actions, ``(n, n_features)``, are answers: allowed, in the target, and
        whatever else is demanded."""
        ...


@dataclass(frozen=True)
class Side:
    """One lever of a box, as it is grown."""

    column: int
    axis: Axis
    """What it may be set to at most, ascending."""
    at: int
    """Position of the answer's value."""
    scale: float
    """Of its cost: a step of that much is worth as much as one of another lever's."""
    hint: Ends | None = None
    """How far it is believed to go alone."""

    def part(self, ends: Ends) -> Axis:
        return part(self.axis, ends[0], ends[1] + 1)

    def values(self, ends: Ends) -> tuple[float, float]:
        low, high = self.axis.values(np.array(ends, dtype=np.int64)).tolist()
        return low, high

    def size(self, ends: Ends) -> float:
        """Width in units of cost, and a step more, so that one value has a size as well."""
        low, high = self.values(ends)
        return (high - low + self._step) / self.scale

    @property
    def _step(self) -> float:
        grid = self.axis.grid
        return 1.0 if grid is None else grid.numerator / grid.scale

    def room(self, end: int, edge: int) -> float:
        """How far it is from one position to another, in units of cost."""
        low, high = sorted((edge, end))
        first, last = self.values((low, high))
        return (last - first) / self.scale


@dataclass(frozen=True)
class GrownBox:
    """A box of settings, and how each of its faces ends."""

    ends: tuple[Ends, ...]
    """Positions of each side, both included."""
    faces: tuple[tuple[FaceEnd, FaceEnd], ...]
    """Of each side, why it ends below and above."""
    size: float
    """Product of the sides in units of cost."""


@dataclass
class Growth:
    """One answer's box, while it grows."""

    problem: Problem
    prover: BoxProver
    sides: Sequence[Side]
    deadline: Deadline
    against: list[Positions] = field(default_factory=list)
    """Settings that are known to be no answers, as positions of the sides."""
    reach: tuple[Ends, ...] = ()
    """How far each side may go alone."""

    def best(self) -> GrownBox | None:
        """The largest box of those that each order leads to; None if not even the answer's own
        values are proven to be one."""
        start = tuple((s.at, s.at) for s in self.sides)
        if self._settled(start).held is not Held.PROVEN:
            return None
        found = [start]
        with suppress(DeadlineReached):
            self._look(start)
            # Most often all that each lever may be alone, it may be with the others.
            if self._is_proven(self.reach):
                found.append(self.reach)
            else:
                found.extend(self._orders(start))
        best, faces = self._ended(max(found, key=self._size))
        return GrownBox(best, faces, self._size(best))

    def _look(self, start: tuple[Ends, ...]) -> None:
        """How far each lever may go alone: a box goes no further, since the answer is in it."""
        self.reach = tuple((0, len(s.axis) - 1) for s in self.sides)
        alone = list(start)
        for k, side in enumerate(self.sides):
            if side.hint is not None and self._is_proven(_with(start, k, side.hint)):
                alone[k] = side.hint
            for sign in (-1, 1):
                alone[k] = self._pushed(_with(start, k, alone[k]), k, sign)[k]
        self.reach = tuple(alone)

    def _orders(self, start: tuple[Ends, ...]) -> Iterator[tuple[Ends, ...]]:
        """All levers by the same share of what they may be alone, then face by face; and each lever
        first as far as it goes, then the others so."""
        yield self._filled(self._evenly(start, range(len(self.sides))))
        # Where a box takes many parts, one order is all that there is time for.
        for first in range(len(self.sides)) if not self.prover.sharpened_by else ():
            box = self._filled(start, [first])
            others = [k for k in range(len(self.sides)) if k != first]
            yield self._filled(self._evenly(box, others))

    def _evenly(self, box: tuple[Ends, ...], which: Sequence[int]) -> tuple[Ends, ...]:
        """``box`` with some sides drawn out by the greatest share of their room that is proven."""
        low, high = 0.0, 1.0
        proven = box
        for _ in range(HALVINGS):
            share = 0.5 * (low + high)
            tried = tuple(
                self._drawn(k, ends, share) if k in which else ends for k, ends in enumerate(box)
            )
            if tried == proven:
                low = share
            elif self._is_proven(tried):
                proven, low = tried, share
            else:
                high = share
        return proven

    def _drawn(self, k: int, ends: Ends, share: float) -> Ends:
        (first, last), (least, most) = ends, self.reach[k]
        return first - int(share * (first - least)), last + int(share * (most - last))

    def _filled(
        self, box: tuple[Ends, ...], which: Sequence[int] | None = None
    ) -> tuple[Ends, ...]:
        """``box`` with each face as far out as it goes, those with the most room first."""
        faces = [(k, sign) for k in (which or range(len(self.sides))) for sign in (-1, 1)]
        # Once: a face that has stopped cannot go further in a larger box.
        faces.sort(key=lambda face: -self._room(box, *face))
        for k, sign in faces:
            box = self._pushed(box, k, sign)
        return box

    def _room(self, box: tuple[Ends, ...], k: int, sign: int) -> float:
        return self.sides[k].room(box[k][sign > 0], self.reach[k][sign > 0])

    def _pushed(self, box: tuple[Ends, ...], k: int, sign: int) -> tuple[Ends, ...]:
        """``box`` with one face as far out as it goes: by halving, since a part of a box that holds
        holds."""
        known, edge = box[k][sign > 0], self.reach[k][sign > 0]
        # The whole way first: most faces end where the lever alone does.
        if known == edge or self._is_proven(_moved(box, k, sign, edge, known + sign)):
            return _moved(box, k, sign, edge)
        beyond = edge
        while abs(beyond - known) > 1:
            middle = (known + beyond) // 2
            if self._is_proven(_moved(box, k, sign, middle, known + sign)):
                known = middle
            else:
                beyond = middle
        return _moved(box, k, sign, known)

    def _is_proven(self, box: tuple[Ends, ...]) -> bool:
        self.deadline.check()
        if self._is_known(box):
            return False
        return self._settled(box).held is Held.PROVEN

    def _is_known(self, box: tuple[Ends, ...]) -> bool:
        """Whether a setting of ``box`` is known to be no answer."""
        return any(
            all(lo <= p <= hi for p, (lo, hi) in zip(at.tolist(), box, strict=True))
            for at in self.against
        )

    def _settled(
        self, box: tuple[Ends, ...], *, most: int = MOST_PARTS, seek: bool = False
    ) -> BoxVerdict:
        verdict = settle(self.prover, self._axes(box), self._columns, most, seek=seek)
        if verdict.row is not None:
            at = [s.axis.position(float(verdict.row[s.column])) for s in self.sides]
            self.against.append(np.array(at))
        return verdict

    def _axes(self, box: tuple[Ends, ...]) -> Axes:
        sides = zip(self.sides, box, strict=True)
        return rows_of_box(self.problem, {s.column: s.part(ends) for s, ends in sides})

    @property
    def _columns(self) -> list[int]:
        return [s.column for s in self.sides]

    def _size(self, box: tuple[Ends, ...]) -> float:
        return float(np.prod([s.size(ends) for s, ends in zip(self.sides, box, strict=True)]))

    def _ended(
        self, box: tuple[Ends, ...]
    ) -> tuple[tuple[Ends, ...], tuple[tuple[FaceEnd, FaceEnd], ...]]:
        """``box`` with each face at a setting beyond which one is shown that is no answer, where
        that is so; and why each face ends. What is shown of a box holds of a larger one."""
        faces = []
        for k in range(len(self.sides)):
            ends = []
            for sign in (-1, 1):
                box, end = self._end(box, k, sign)
                ends.append(end)
            faces.append((ends[0], ends[1]))
        return box, tuple(faces)

    def _end(self, box: tuple[Ends, ...], k: int, sign: int) -> tuple[tuple[Ends, ...], FaceEnd]:
        edge = 0 if sign < 0 else len(self.sides[k].axis) - 1
        for _ in range(MOST_STEPS):
            end = box[k][sign > 0]
            if end == edge:
                return box, FaceEnd.EDGE
            slab = _moved(box, k, sign, end + sign, end + sign)
            if self._is_known(slab):
                return box, FaceEnd.TIGHT
            if self.deadline.expired():
                break
            # Most often it is a corner that is none.
            for corner in product(*(dict.fromkeys(ends) for ends in slab)):
                one = tuple((at, at) for at in corner)
                if self._settled(one, seek=True).row is not None:
                    return box, FaceEnd.TIGHT
            shown = self._settled(slab, most=MOST_SOUGHT, seek=True)
            if shown.row is not None:
                return box, FaceEnd.TIGHT
            if shown.held is not Held.PROVEN:
                break
            # Nothing in it is none: its settings were told apart one by one.
            box = _moved(box, k, sign, end + sign)
        return box, FaceEnd.CUT


def _with(box: tuple[Ends, ...], k: int, ends: Ends) -> tuple[Ends, ...]:
    return (*box[:k], ends, *box[k + 1 :])


def _moved(
    box: tuple[Ends, ...], k: int, sign: int, outer: int, inner: int | None = None
) -> tuple[Ends, ...]:
    """``box`` with one face at ``outer``; with ``inner``, the slab from there on alone."""
    low, high = box[k]
    if sign < 0:
        ends = (outer, high if inner is None else inner)
    else:
        ends = (low if inner is None else inner, outer)
    return _with(box, k, ends)


def settle(
    prover: BoxProver, axes: Axes, columns: Sequence[int], most: int, *, seek: bool = False
) -> BoxVerdict:
    """Whether every action of a box is an answer: parts of which it is not known are halved, down
    to single actions, which are asked.

    Parameters
    ----------
    prover : BoxProver
    axes : tuple of Axis
        Values of every feature; ``columns`` are set.
    columns : sequence of int
    most : int
        Parts, after which it is left undecided.
    seek : bool
        Whether an action that is none is looked for also where it is known that one is there.
    """
    stack, parts = [axes], 0
    while stack:
        parts += 1
        box = stack.pop()
        verdict = prover.holds(box)
        if verdict.held is Held.PROVEN:
            continue
        if verdict.row is not None or (verdict.held is Held.BROKEN and not seek):
            return verdict
        if parts >= most:
            return BoxVerdict(Held.UNDECIDED)
        j = max(prover.sharpened_by or columns, key=lambda k: len(box[k]))
        # Its parts would be as undecided: one by one they are asked only where one is wanted.
        is_sharpest = len(box[j]) == 1
        size = math.prod(len(box[k]) for k in columns)
        if size == 1 or (seek and size <= MOST_AT_ONCE):
            actions = every_row(box)
            holds = prover.answers(actions)
            if not holds.all():
                return BoxVerdict(Held.BROKEN, actions[int(np.argmin(holds))])
            continue
        if is_sharpest and not seek:
            return BoxVerdict(Held.UNDECIDED)
        if is_sharpest:
            j = max(columns, key=lambda k: len(box[k]))
        low, high = halves(box[j])
        stack += [(*box[:j], half, *box[j + 1 :]) for half in (low, high)]
    return BoxVerdict(Held.PROVEN)


def every_row(axes: Axes) -> Rows:
    """The actions of a box, ``(n, n_features)``."""
    return np.array(list(product(*(axis.values() for axis in axes))), dtype=np.float64)
