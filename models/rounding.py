"""How far the scores of one row may differ between two sessions of ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from ifonly.models.predictor import Predictor, Scores


class Known(StrEnum):
    """How a :class:`Rounding` is known."""

    BOUNDED = "bounded"
    """Derived from the graph: no order of its sums gives more."""
    MEASURED = "measured"
    """The graph could not be read: several times what sessions of several kinds differed by."""
    UNKNOWN = "unknown"
    """Nobody has looked, as of a predictor in a notebook; taken to be none."""


@dataclass(frozen=True)
class Rounding:
    """Output ``k`` of a row scored ``s`` here may be scored ``s - r`` to ``s + r`` elsewhere, with

        r = flat[k] + steep[k] * max(s * (1 - s), 0)

    in units of the score. *Elsewhere* is any session of ONNX Runtime on the same graph: any
    number of threads, any number of rows beside it, so any order in which the graph's sums are
    taken. ``steep`` is that of probabilities: where a sum moves by ``e``, a probability made of it
    by a logistic function or a softmax moves by at most ``(exp(e) - 1) * s * (1 - s)``. So the
    score rises with ``s - r`` and with ``s + r``, since ``steep < 1``.
    """

    flat: tuple[float, ...] = ()
    """One for each output; none where it is :attr:`Known.UNKNOWN`."""
    steep: tuple[float, ...] = ()
    known: Known = Known.UNKNOWN

    def __bool__(self) -> bool:
        return bool(self.flat)

    def __hash__(self) -> int:  # asked for with every question
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.flat, self.steep))  # no texts: the same in every process

    def of(self, scores: Scores) -> Scores:
        """``r`` of each of ``scores``, ``(n_rows, n_outputs)``."""
        if not self.flat:
            return np.zeros_like(scores)
        flat, steep = self._arrays
        # A score just outside [0, 1] has no logistic's slope left.
        return np.asarray(flat + steep * np.maximum(scores * (1.0 - scores), 0.0))

    @cached_property
    def _arrays(self) -> tuple[Scores, Scores]:
        return np.array(self.flat), np.array(self.steep)


UNKNOWN = Rounding()


def rounding_of(predictor: Predictor) -> Rounding:
    """What ``predictor`` says of itself as ``rounding``; :data:`UNKNOWN` where it says nothing."""
    # A predictor of a notebook need not know of rounding at all.
    found = getattr(predictor, "rounding", UNKNOWN)
    return found if isinstance(found, Rounding) else UNKNOWN
