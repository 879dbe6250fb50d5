"""A deployed graph as mathematics: columns of features, a core, and what makes scores of it.

Pure numpy, immutable, picklable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.columns import Columns
from ifonly.models.graph.ensemble import BranchMode, TreeEnsemble
from ifonly.models.graph.finish import Finish, Link
from ifonly.models.graph.layers import Affine, ReluNetwork
from ifonly.models.graph.units import UnitNetwork
from ifonly.models.predictor import Rows, Scores

__all__ = [
    "Affine",
    "BranchMode",
    "Columns",
    "Core",
    "Finish",
    "GraphForm",
    "Link",
    "ReluNetwork",
    "TreeEnsemble",
    "UnitNetwork",
]

Core = TreeEnsemble | Affine | ReluNetwork | UnitNetwork


@dataclass(frozen=True, eq=False)
class GraphForm:
    """A graph read as ``finish(core(columns(rows)))``."""

    columns: Columns
    core: Core
    finish: Finish
    whole: Core
    """The core with all outputs that the graph computes: those of :attr:`core` are choices and
    differences of them. Only its rounding is asked of it."""

    @property
    def link(self) -> Link:
        return self.finish.link

    @property
    def keeps_order(self) -> bool:
        """Whether the largest score is that of the largest raw output; see :attr:`Finish.sense`."""
        return self.finish.sense == 1

    def raw(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The core's outputs for ``rows``, ``(n, n_features)``: ``(n, n_raw)``."""
        # A graph overflows without a word, and so does this.
        with np.errstate(all="ignore"):
            return self.core.raw(self.columns.encode(rows))

    def scores_of(self, raw: npt.NDArray[np.float64]) -> Scores:
        """Scores of raw outputs, ``(n, n_raw)``.

        A single score never falls when ``raw[:, 0]`` rises. Of several, each belongs to the raw
        output in its place, and they have the order of those if :attr:`keeps_order`.
        """
        return self.finish(raw)

    def score(self, rows: Rows) -> Scores:
        """Scores of ``rows`` by our own arithmetic: the reference for the deployed graph's."""
        return self.scores_of(self.raw(rows))
