"""What a row of a box must cost, seen from costs and trees together.

Every tree is charged a part of each feature's cost, whatever is left stays with the feature, and
what the limits leave over is paid for at a price. The trees then choose their leaves one by one:

    cost >= sum over trees of  min over leaves (price * value + charges of the leaf's cells)
          + sum over features of  min over cells (cost - charges)  -  price * limit

for *any* charges and prices (Lagrangian decomposition). The best give the linear program over
leaves and cells; they are approached by the volume algorithm (Barahona and Anbil, "The volume
algorithm: producing primal solutions with a subgradient method", Mathematical Programming 87,
2000), over the cells that hold a value of the grid alone. A box inside another begins with the
other's charges.
Compiled: ``explainers/native/lagrangian.hpp``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.arrays import Floats, Ints
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.tables import Tables

STEPS_AT_FIRST, STEPS = 200, 100
"""Steps towards better charges in a box that has none, and in one that begins with another's."""
STEPS_BETWEEN_LOOKS = 10
"""Steps between two looks at the deadline: a few milliseconds."""


class Priced(NamedTuple):
    """A box, with the best charges and prices known for it."""

    lo: Ints
    hi: Ints
    bound: float
    """No row of the box in the target costs less."""
    box: kernel.PricedBox
    """The charges and prices."""
    column: int
    """Where the trees disagree most: a feature, and the first cell of the upper part; -1 if they
    do not."""
    edge: int
    wish: Ints
    """``(n_features,)`` positions that suit the trees best, taken feature by feature."""


def priced(
    t: Tables, q: Question, a: Arena, best: float, around: Priced | None, look: Callable[[], None]
) -> Priced | None:
    """A box with a bound and the charges that gave it.

    Parameters
    ----------
    t : Tables
    q : Question
    a : Arena
        A search for less than ``best`` has begun in it; its bottom box is priced.
    best : float
        A finite cost.
    around : Priced, optional
        A box around it, priced on the same tables.
    look : callable
        Called every few milliseconds; may raise.

    Returns
    -------
    Priced or None
        None if no row of the box in the target costs less than ``best``.
    """
    box = kernel.PricedBox(t.native, q.native, a.native, None if around is None else around.box)
    if not box.reached:
        return None  # a tree without a leaf in the box
    box.price = _first_prices(t, q, box, best, a.corner)
    for _ in range((STEPS_AT_FIRST if around is None else STEPS) // STEPS_BETWEEN_LOOKS):
        look()
        bound, column, edge = box.ascend(t.native, best, STEPS_BETWEEN_LOOKS)
        if bound >= best:
            return None
    bound = max(bound, 0.0 if around is None else around.bound)
    return Priced(box.lo, box.hi, bound, box, column, edge, box.wish(t.native, q.native))


def _first_prices(
    t: Tables, q: Question, box: kernel.PricedBox, best: float, corner: Ints
) -> Floats:
    """The prices of a box, with one for each goal that had none and that the cheapest corner
    misses: what there is to spend, over how far the corner is from the limit."""
    price, leaf, limit = box.price, box.leaf, box.limit
    new = np.flatnonzero(price == 0.0)
    if not len(new):
        return price
    cell = t.coarse[t.fine[:-1] + q.cells_at(corner)]
    holds = (t.leaf_lo[leaf] <= cell) & (cell <= t.leaf_hi[leaf])
    values = np.where(holds.all(axis=1), t.value[leaf], 0.0)
    goal = np.repeat(np.repeat(np.arange(len(limit)), np.diff(t.groups)), np.diff(box.first))
    for g in new:
        missing = float(values[goal == g].sum() - limit[g])
        if missing > 0.0:
            price[g] = best / missing
    return price
