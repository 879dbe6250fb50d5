"""Is a graph read as it is served?

ONNX Runtime gives a meaning of its own to some corners of the ONNX standard, and another version
may give another. Whoever loads a graph asks it on a few rows before the reading is believed.
"""

from __future__ import annotations

import numpy as np

from ifonly.models.errors import GraphError
from ifonly.models.graph.forms import Composition, GraphForm, TreeEnsemble
from ifonly.models.graph.operators.scorers import KernelMachine
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.predictor import Predictor, Rows, Scores

_RELATIVE, _ABSOLUTE = 1e-4, 1e-5
"""How far scores may differ: float32 sums in another order."""

_MOST = 512
"""Rows tried."""


def check_reading(form: GraphForm, predictor: Predictor, rows: Rows) -> None:
    """Compare the scores of a reading with those of the graph that is served.

    Parameters
    ----------
    form : GraphForm
    predictor : Predictor
        The graph in ONNX Runtime.
    rows : ndarray, shape (n, n_features)
        At most 512 of them are tried, and as many in which one feature is moved to where a tree
        splits it.

    Raises
    ------
    UnreadableGraph
        If they differ by more than rounding explains; the message holds the worst row.
    """
    if form.nodes is not None:
        check_reading(form.nodes, predictor, rows)
    # Spread over all rows: the first ones may be alike.
    some = rows[:: max(len(rows) // _MOST, 1)][:_MOST]
    for tried in (some, _near_splits(form, some)):
        theirs = _served(predictor, tried, len(form.finish.pick))
        served = np.isfinite(theirs).all(axis=1)
        # Rows that the graph refuses say nothing of how it is read.
        tried, theirs = tried[served], theirs[served]
        ours = form.score(tried)
        wrong = ~np.isclose(ours, theirs, rtol=_RELATIVE, atol=_allowed(form))
        if wrong.any():
            worst = int(np.argmax(wrong.any(axis=1)))
            raise UnreadableGraph(
                f"as it is read, row {tried[worst].tolist()} scores {ours[worst].tolist()}, but "
                f"ONNX Runtime has {theirs[worst].tolist()}"
            )


def _allowed(form: GraphForm) -> float:
    """How far scores near 0 may differ: sums of kernels in float32 are large before they cancel."""
    core = form.core
    steps = core.program.steps if isinstance(core, Composition) else ()
    sizes = [
        float(np.abs(step.operator.weights).sum(axis=0).max())
        for step in steps
        if isinstance(step.operator, KernelMachine)
    ]
    return max(_ABSOLUTE, 5e-7 * max(sizes, default=0.0))


def _near_splits(form: GraphForm, rows: Rows) -> Rows:
    """Rows with one feature moved to a threshold, where that is a number of the feature's own."""
    core = form.core
    if not isinstance(core, TreeEnsemble) or len(rows) == 0:
        return rows[:0]
    inner = np.flatnonzero(~core.is_leaf)
    chosen = inner[:: max(len(inner) // _MOST, 1)][:_MOST]
    moved = rows[np.arange(len(chosen)) % len(rows)].copy()
    feature = form.columns.feature[core.column[chosen]]
    # At the threshold itself "<" and "<=" part, which random rows hardly ever show.
    moved[np.arange(len(chosen)), feature] = core.threshold[chosen]
    return moved


def _served(predictor: Predictor, rows: Rows, width: int) -> Scores:
    """Scores of ``rows``; NaN for those that the graph cannot take or score."""
    if len(rows) == 0:
        return np.empty((0, width))
    try:
        return predictor.score(rows)
    except GraphError:
        if len(rows) == 1:
            return np.full((1, width), np.nan)
    # One row that the graph cannot take must not hide what it makes of the others.
    halves = np.array_split(rows, 2)
    return np.concatenate([_served(predictor, half, width) for half in halves])
