"""From what a core adds up to the scores that the predictor yields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ifonly.models.graph import floats
from ifonly.models.graph.operators.tree_scores import PostTransform, Transform
from ifonly.models.graph.program import GraphProgram
from ifonly.models.predictor import Scores

Expand = npt.NDArray[np.float64] | None
"""``(n_raw, n_graph)``; None: nothing to do."""


class Link(StrEnum):
    """What scores are of raw outputs, by name. :class:`Finish` computes it."""

    IDENTITY = "identity"
    LOGISTIC = "logistic"
    SOFTMAX = "softmax"
    SOFTMAX_ZERO = "softmax-zero"
    """Softmax that leaves out what is 0; does *not* keep the order of the outputs."""
    PROBIT = "probit"
    OTHER = "other"
    """Some other function; see :attr:`Finish.sense`."""


@dataclass(frozen=True, eq=False)
class Finish:
    """Raw outputs of a core to scores."""

    expand: Expand
    """Takes our outputs to the graph's own. A binary model whose score depends on the difference of
    two outputs is read as that difference alone."""
    program: GraphProgram
    dtype: np.dtype[Any]
    """Type of the graph's core outputs."""
    pick: npt.NDArray[np.intp]
    """Column of the score tensor behind each score."""
    sense: int
    """For one score: 1 if it never falls when the raw output rises, else 0.
    For several: 1 if they have the order of the raw outputs, one for each class, else 0."""

    INPUT: ClassVar[str] = "raw"
    """What :attr:`program` calls the graph's core outputs."""

    @cached_property
    def link(self) -> Link:
        """What the scores are of the raw outputs, by name."""
        raw = _probes(len(self.pick))
        # By what it computes, not by its nodes: a logistic can be written in many ways.
        scores = self(raw)
        for transform, link in _LINKS.items():
            with np.errstate(all="ignore"):
                known = PostTransform(transform, raw.dtype).run(raw)
            if np.allclose(scores, known, rtol=1e-5, atol=1e-6, equal_nan=True):
                return link
        return Link.OTHER

    def __call__(self, raw: npt.NDArray[np.float64]) -> Scores:
        """``(n, n_raw)`` to ``(n, n_scores)``."""
        with np.errstate(all="ignore"):
            full = raw if self.expand is None else raw @ self.expand
            # As the core hands them over: the link works on rounded sums.
            full = full.astype(self.dtype)
            scores = self.program.run({self.INPUT: full})
        matrix = scores[:, None] if scores.ndim == 1 else scores
        return np.ascontiguousarray(matrix[:, self.pick], dtype=np.float64)

    def is_finite(self, low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> bool:
        """Whether scores are numbers wherever each raw output is between its ``low`` and its
        ``high``, both ``(n_raw,)``: so at the corners of that box, and these functions are
        monotone in each output."""
        n = len(low)
        # All corners of few outputs; of many, where one is otherwise than all others.
        corners = np.array([*product((0, 1), repeat=n)] if n <= FEW else [
            *np.eye(n), *(1 - np.eye(n)), np.zeros(n), np.ones(n)])  # fmt: skip
        return bool(np.isfinite(self(np.where(corners > 0, high, low))).all())

    def least_raw(self, score: float) -> float:
        """The smallest float64 whose score, of a single one, is ``score`` or more; infinity where
        none is. By bisection, for scores are rounded: no formula has it exactly.
        """
        limits = np.finfo(self.dtype)
        # Over the numbers of floats and not over their values: 64 steps, whatever the size.
        low, high = (floats.number(float(bound)) for bound in (limits.min, limits.max))
        if self._single(floats.value(high)) < score:
            return math.inf
        while low < high:
            middle = (low + high) // 2
            # Monotone by :attr:`sense`, so halving finds the edge.
            if self._single(floats.value(middle)) >= score:
                high = middle
            else:
                low = middle + 1
        return floats.value(high)

    def _single(self, raw: float) -> float:
        """The score of one raw output; beyond where it is a number, it goes on to infinity."""
        score = float(self(np.array([[raw]]))[0, 0])
        return math.copysign(math.inf, raw) if math.isnan(score) else score


FEW = 8
"""Raw outputs of which all corners of a box are looked at."""

_LINKS = {
    Transform.NONE: Link.IDENTITY,
    Transform.LOGISTIC: Link.LOGISTIC,
    Transform.SOFTMAX: Link.SOFTMAX,
    Transform.SOFTMAX_ZERO: Link.SOFTMAX_ZERO,
    Transform.PROBIT: Link.PROBIT,
}

_TRIED = (-3.0, -0.5, 0.0, 0.125, 0.25, 0.625, 0.875, 2.0, -1.25, 4.0)
"""Raw outputs by which functions are told apart."""


def _probes(n_raw: int) -> npt.NDArray[np.float64]:
    """``(10, n_raw)``"""
    # Each output sees the values in another order, so that a mixed-up output shows.
    return np.stack([np.roll(_TRIED, -3 * k) for k in range(n_raw)], axis=1)
