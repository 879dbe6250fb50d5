"""Where the raw outputs bend, or pass a limit, as one feature goes along a straight piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.chain import Layers

Floats = npt.NDArray[np.float64]


def kinks(layers: Layers, first: Floats, last: Floats) -> tuple[Floats, Floats]:
    """Shares of the way from the columns ``first`` to ``last``, both ``(n_columns,)``, between
    which the raw outputs are straight lines, ``(k,)``; and those outputs, ``(k, n_outputs)``."""
    shares = np.array([0.0, 1.0])
    state = np.stack([first, last])
    for layer in layers[:-1]:
        state = state @ layer.weights + layer.bias
        # Between two shares all units so far are straight, so each passes 0 at most once.
        shares, state = _cut(shares, state, layer.is_relu)
        state = np.maximum(state, layer.floor)
    return shares, state @ layers[-1].weights + layers[-1].bias


def _cut(shares: Floats, state: Floats, is_relu: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """More shares: where a unit that ``is_relu``, straight between two of them, is 0."""
    low, high = state[:-1], state[1:]
    part, unit = np.nonzero(((low < 0.0) != (high < 0.0)) & is_relu)
    if not len(part):
        return shares, state
    within = low[part, unit] / (low[part, unit] - high[part, unit])
    new = shares[part] + within * (shares[part + 1] - shares[part])
    every = np.union1d(shares, new)
    # Units are straight between the old shares, so nothing is lost by interpolating.
    columns = [np.interp(every, shares, state[:, k]) for k in range(state.shape[1])]
    return every, np.stack(columns, axis=1)


def crossings(
    layers: Layers,
    first: Floats,
    last: Floats,
    goals: Sequence[LinearGoal],
    doubts: Sequence[float],
) -> Floats:
    """Shares of the way beside which it may change whether a goal holds, or is in doubt."""
    shares, raw = kinks(layers, first, last)
    found = [shares]
    for goal, doubt in zip(goals, doubts, strict=True):
        over = raw @ goal.weights - goal.limit
        # Where it stops being sure, stops being so by our arithmetic, and is surely not so.
        for level in (-doubt, 0.0, doubt):
            part = np.flatnonzero((over[:-1] < level) != (over[1:] < level))
            within = (level - over[part]) / (over[part + 1] - over[part])
            found.append(shares[part] + within * (shares[part + 1] - shares[part]))
    return np.unique(np.concatenate(found))
