"""What an action leads to, as the checker asks it: by a causal file, or by a window's profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

MAIN = "main"
"""Name of the graph that the causal file declares; alternatives have names of their own."""


class PossibleWorld(NamedTuple):
    """What an action leads to if one graph is the true one."""

    name: str
    weight: float
    """Probability that it is."""
    is_held: bool
    """Whether the action must do in it; else it counts in the mixture of all alone."""
    groups: list[list[list[float]]]
    """Rows by each plausible version of its laws: once for each strength that hidden common causes
    may have, under all of which the action must do."""
    later: Sequence[list[list[float]]] = ()
    """The same when the action is carried out, in several draws of what does not stay; empty: all
    noise stays."""


class WhatFollows(Protocol):
    """How features follow that are not set."""

    @property
    def gamma(self) -> float:
        """Standard deviations that the margin keeps from the edge, over plausible versions."""
        ...

    @property
    def floor(self) -> float:
        """Least share of plausible versions that flip."""
        ...

    def effects(self, columns: Sequence[int], is_history: bool) -> frozenset[int]:
        """Columns that may move when ``columns`` are set."""
        ...

    def via(self, columns: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
        """For every column that ``columns``, set together, act on: those of ``columns`` that lead
        to it by a way that does not pass through another of them."""
        ...

    def row(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool
    ) -> list[float]:
        """What is read once ``settings`` are made, ``(n_features,)``; NaN where nobody can tell,
        infinite where it must not move, for nothing is known of how it follows.

        In another past (``is_history``) a setting is a background that moves by as much."""
        ...

    @property
    def by_main(self) -> WhatFollows:
        """The same if the main graph alone could be the true one."""
        ...

    def worlds(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool
    ) -> list[PossibleWorld]:
        """The same by each plausible version of the laws, of each graph that may be the true one;
        none: nothing follows by any."""
        ...
