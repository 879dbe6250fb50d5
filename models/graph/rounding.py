"""How far a graph's scores depend on the order in which it takes its sums.

A sum of ``n`` numbers is off from the exact one by at most ``gamma_n * sum |x_i|``, in whatever
order it is taken, ``gamma_n = n u / (1 - n u)`` (Higham 2002, 4.2); two orders differ by twice
that. Everything before a graph's sums is computed number by number, the same in every session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.finish import Finish
from ifonly.models.graph.forms import Affine, Core, GraphForm, Link, ReluNetwork, UnitNetwork
from ifonly.models.graph.intervals import ULPS, bounds_of
from ifonly.models.graph.layers import Matrix
from ifonly.models.predictor import Rows
from ifonly.models.rounding import Known, Rounding

Floats = npt.NDArray[np.float64]

TALLEST = 0.25
"""Largest ``steep`` that is believed: beyond it a score is nothing but rounding."""
PROBES = 4_097
"""Sums at which a link without a name is looked at."""
STRETCH = 2.0
"""Rows may be so many times as large as those that are known, where features have no bounds."""


def bound_rounding(form: GraphForm, rows: Rows, *, bounded: bool) -> Rounding | None:
    """What is proven of the rounding of a graph's scores.

    Parameters
    ----------
    form : GraphForm
    rows : ndarray, shape (n, n_features)
        They have each feature's least and greatest value and each category.
    bounded : bool
        Whether every feature has bounds. Where not, ``rows`` have as large values as have been
        seen, and others may be :data:`STRETCH` times as large.

    Returns
    -------
    Rounding or None
        None where the link says too little.
    """
    # Of the whole core: outputs that we read as differences are rounded one by one.
    off, size = sums_off(form.whole, _sizes(form, rows, 1.0 if bounded else STRETCH))
    # Twice: two sessions may err to opposite sides of the exact sum.
    found = _through(form, 2.0 * off, size)
    if found is None or not np.isfinite(found).all() or found[1].max() > TALLEST:
        return None
    flat, steep = found
    return Rounding(tuple(flat.tolist()), tuple(steep.tolist()), Known.BOUNDED)


def sums_off(core: Core, sizes: Floats) -> tuple[Floats, Floats]:
    """How far each output of a core may be from the exact sum, and how large it may be.

    Parameters
    ----------
    core : TreeEnsemble, Affine, ReluNetwork or UnitNetwork
    sizes : ndarray, shape (n_columns,)
        No column is larger in magnitude.

    Returns
    -------
    tuple of two ndarray, each shape (n_outputs,)
    """
    match core:
        case TreeEnsemble():
            return _trees_off(core)
        case Affine():
            return _layers_off([(core.weights, core.bias)], core.dtype, sizes)
        case ReluNetwork():
            return _layers_off(core.layers, core.dtype, sizes)
        case UnitNetwork():
            found = bounds_of(core, -sizes, sizes, np.zeros(len(sizes))).outputs
            return found.off, np.maximum(np.abs(found.low), np.abs(found.high))


def _sizes(form: GraphForm, rows: Rows, stretch: float) -> Floats:
    columns = form.columns.encode(rows).astype(np.float64)
    # A missing reading adds nothing to a sum.
    return np.asarray(stretch * np.nan_to_num(np.abs(columns)).max(axis=0, initial=0.0))


def _gamma(n: npt.ArrayLike, dtype: np.dtype[np.floating]) -> Floats:
    small = np.asarray(n, dtype=np.float64) * float(np.finfo(dtype).eps) / 2.0
    return np.asarray(small / (1.0 - small))


def _trees_off(core: TreeEnsemble) -> tuple[Floats, Floats]:
    """How far each output may be off, and how large it may be.

    The largest leaf of each tree counts. Adding a tree that has nothing for an output is exact; a
    base and a divisor are two operations more.
    """
    largest = np.zeros((core.n_trees, core.n_outputs))
    nodes, tree = core.roots, np.arange(core.n_trees)
    while len(nodes):
        leaf = core.is_leaf[nodes]
        np.maximum.at(largest, tree[leaf], np.abs(core.values[nodes[leaf]]))
        # Level by level over all trees: no recursion, whatever their depth.
        inner, tree = nodes[~leaf], np.tile(tree[~leaf], 2)
        nodes = np.concatenate([core.true_child[inner], core.false_child[inner]])
    size = largest.sum(axis=0) + np.abs(core.base)
    return _gamma((largest > 0.0).sum(axis=0) + 2, core.sums) * size, size


def _layers_off(
    layers: Sequence[tuple[Matrix, Matrix]], dtype: np.dtype[np.floating], sizes: Floats
) -> tuple[Floats, Floats]:
    """Errors of one layer go through the next; no unit is larger than its interval allows."""
    low, high, off = -sizes, sizes, np.zeros(len(sizes))
    for k, (matrix, shift) in enumerate(layers):
        weights, bias = matrix.astype(np.float64), shift.astype(np.float64)
        if k:
            low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
        # What comes in may be off already, so it may be that much larger.
        size = np.maximum(np.abs(low), np.abs(high)) + off
        up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
        low, high = low @ up + high @ down + bias, high @ up + low @ down + bias
        # The products and the bias are rounded too: two operations more than there are numbers.
        added = _gamma(len(weights) + 2, dtype) * (size @ np.abs(weights) + np.abs(bias))
        off = off @ np.abs(weights) + added
    return off, np.maximum(np.abs(low), np.abs(high))


def _through(form: GraphForm, off: Floats, size: Floats) -> tuple[Floats, Floats] | None:
    """``flat`` and ``steep`` of each score, of sums that differ by ``off`` between sessions."""
    finish = form.finish
    ulp = ULPS * _ulp(finish)
    n = len(finish.pick)
    if n == 1:
        return _of_one(form, float(off[_read_by(finish, len(off))].sum()), float(size.max()), ulp)
    own = off[_mains(finish, len(off), n)]
    match form.link:
        case Link.IDENTITY:
            return own + ulp * np.maximum(1.0, size.max()), np.zeros(n)
        case Link.SOFTMAX:
            # The wanted output's own error and the worst of its rivals' move the score together.
            return np.full(n, ulp), np.expm1(own + off.max())
        case Link.LOGISTIC:
            return np.full(n, ulp), np.expm1(own)
    return None


def _mains(finish: Finish, n_graph: int, n: int) -> npt.NDArray[np.intp]:
    """The graph's output behind each of our raw outputs."""
    expand = np.eye(n, n_graph) if finish.expand is None else finish.expand
    return np.asarray(np.abs(expand).argmax(axis=1))


def _read_by(finish: Finish, n_graph: int) -> npt.NDArray[np.intp]:
    """The graph's outputs that the only score is made of."""
    # Each output is moved alone; those that move the score are read.
    raw = np.full((n_graph + 1, n_graph), 0.25) + np.eye(n_graph + 1, n_graph)
    with np.errstate(all="ignore"):
        made = finish.program.run({Finish.INPUT: raw.astype(finish.dtype)})
    score = (made[:, None] if made.ndim == 1 else made)[:, finish.pick[0]]
    return np.flatnonzero(score[:-1] != score[-1])


def _of_one(form: GraphForm, off: float, size: float, ulp: float) -> tuple[Floats, Floats] | None:
    """A score of a single raw output, or of the difference of two."""
    match form.link:
        case Link.IDENTITY:
            return np.array([off + ulp * max(1.0, size)]), np.zeros(1)
        case Link.LOGISTIC:
            return np.array([ulp]), np.array([np.expm1(off)])
    return _of_a_curve(lambda raw: form.scores_of(raw[:, None])[:, 0], off, size, ulp)


def _of_a_curve(
    curve: Callable[[Floats], Floats], off: float, size: float, ulp: float
) -> tuple[Floats, Floats] | None:
    """A monotone function to probabilities, looked at where it can be told: between two probes it
    moves no more than over both steps beside them; None of one to other values."""
    raw = np.linspace(-min(size, 40.0), min(size, 40.0), PROBES)
    step = max(off, float(raw[1] - raw[0]), 1e-6)
    scores = curve(raw)
    moves = np.maximum(curve(raw + step) - scores, scores - curve(raw - step)) * (off / step) * 2.0
    shares = scores * (1.0 - scores)
    if not (scores.min() >= 0.0 and scores.max() <= 1.0):
        return None  # as an exponential, which has no largest value worth telling
    # Near 0 and 1 the ratio divides by almost nothing: what is left there is told as `flat`.
    told = shares > 1e-4
    steep = float((moves[told] / shares[told]).max(initial=0.0))
    left = float((moves - steep * shares).max(initial=0.0))
    return np.array([left + ulp]), np.array([steep])


def _ulp(finish: Finish) -> float:
    """Relative unit in the last place of the coarsest type that a score goes through."""
    width = len(finish.pick) if finish.expand is None else finish.expand.shape[1]
    with np.errstate(all="ignore"):
        made = finish.program.run({Finish.INPUT: np.zeros((2, width), dtype=finish.dtype)})
    types = [t for t in (made.dtype, finish.dtype) if t.kind == "f"]
    return max(float(np.finfo(t).eps) / 2.0 for t in types)
