"""What Python calls of the compiled search, ``explainers/native``.

Each function checks that what it is given fits together, raises ``ValueError`` where it does not,
and runs without Python's lock.
"""

from __future__ import annotations

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.arrays import Bytes, Floats, IntRows, Ints
from ifonly.explainers.search.trees.batches import Bounded, Cuts
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.tables import Tables


def begin(t: Tables, q: Question, a: Arena, max_nodes: int) -> int:
    """A first answer, then the search of the whole space for a cheaper one; where an answer must
    survive the sensors, the first is only a guess at what one costs."""
    return kernel.begin(t.native, q.native, a.native, max_nodes)


def start(t: Tables, q: Question, a: Arena, best: float, lo: Ints, hi: Ints) -> None:
    """Put one box on the stack; only what is cheaper than ``best`` is looked for in it."""
    kernel.start(t.native, q.native, a.native, best, lo, hi)


def search(t: Tables, q: Question, a: Arena, max_nodes: int) -> int:
    """Open up to ``max_nodes`` boxes of the stack: DONE, MORE, VERDICT or FULL."""
    return kernel.search(t.native, q.native, a.native, max_nodes)


def search_any(t: Tables, q: Question, a: Arena, max_nodes: int) -> int:
    """As :func:`search`, where any row in the target will do: boxes are cut by their scores, and
    costs, but for the limit that the search began with, say nothing."""
    return kernel.search_any(t.native, q.native, a.native, max_nodes)


def bound_boxes(t: Tables, q: Question, a: Arena, best: float, cuts: Cuts, boxes: Bounded) -> None:
    """Shrink each of ``boxes``, and say of each what is known of it. A search of the whole space
    has begun in the arena."""
    kernel.bound_boxes(t.native, q.native, a.native, best, cuts.native, boxes.native)


def least_costs(q: Question, lo: IntRows, hi: IntRows, cost: Floats) -> None:
    """Cost of the cheapest corner of each box."""
    kernel.least_costs(q.native, lo, hi, cost)


def reach_from(t: Tables, q: Question, a: Arena, at: Ints) -> None:
    """Put a cheaper row in the place of the best, if one lies near ``at``."""
    kernel.reach_from(t.native, q.native, a.native, at)


def open_bound(q: Question, a: Arena) -> float:
    """Least cost that an unopened box could still have, infinity if there is none."""
    return kernel.open_bound(q.native, a.native)


def survives(t: Tables, q: Question, a: Arena, at: Ints) -> int:
    """Whether the row at positions ``at`` survives, SURVIVES, FAILS or UNDECIDED; if not, fragile
    rows like it are in ``lo[0]`` and ``hi[0]`` of the arena."""
    return kernel.survives(t.native, q.native, a.native, at)


def note_failed(a: Arena, lo: Ints, hi: Ints) -> None:
    """Put positions from ``lo`` to ``hi``, of rows that do not survive, among what is known to be
    fragile."""
    kernel.note_failed(a.native, lo, hi)


def hold_around(t: Tables, q: Question, a: Arena, at: Ints, column: int, out: Bytes) -> None:
    """Which values of a feature would do in the place of that at ``at[column]``: HOLDS, IN_DOUBT
    or 0, and 0 from the first on that would not."""
    kernel.hold_around(t.native, q.native, a.native, at, column, out)


def hold_at(
    t: Tables, q: Question, a: Arena, at: Ints, column: int,
    positions: Ints, out: Bytes,
) -> None:  # fmt: skip
    """Which of some values of a feature would do in the place of that at ``at[column]``."""
    kernel.hold_at(t.native, q.native, a.native, at, column, positions, out)


def over_limit(t: Tables, q: Question, a: Arena, at: Ints) -> float:
    """How far the sums of the row at ``at`` are above their limits, the worst of them."""
    return kernel.over_limit(t.native, q.native, a.native, at)
