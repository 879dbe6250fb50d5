"""What a profile moves, and what follows in a window, step by step: the checker's own reading.

Shares and amounts are multiplied as exact fractions; what follows from other channels is walked
over the steps by the laws of the channels, as ``causal.toml`` has them. The engines compute the
same over an unrolled graph.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ifonly.explainers.verify.laws import Laws
from ifonly.explainers.verify.what_follows import MAIN, PossibleWorld
from ifonly.models.window import ProfileShape, Window


@dataclass(frozen=True, eq=False)
class WindowMoves:
    """Moves of a window's profiles over its columns: a :class:`~.what_follows.WhatFollows`."""

    window: Window
    laws: Laws | None = None
    """Of the channels; None: none acts on another."""
    arrivals: Mapping[tuple[int, int], Sequence[float]] = field(default_factory=dict)
    """By cause and effect, of channels: the part of a move that arrives after so many steps."""

    @property
    def gamma(self) -> float:
        return 0.0 if self.laws is None else self.laws.gamma

    @property
    def floor(self) -> float:
        return 0.0 if self.laws is None else self.laws.floor

    @property
    def by_main(self) -> WindowMoves:
        return self

    @cached_property
    def never_set(self) -> tuple[str, ...]:
        """Columns that are not acted on: of the channels of which the file says so."""
        fixed = () if self.laws is None else self.laws.never_set
        return tuple(
            self.window.profile_name(p)
            for p in self.window.profiles
            if self.window.channels[p.channel].name in fixed
        )

    # --- who moves ----------------------------------------------------------------------------

    def _share(self, column: int, step: int) -> Fraction:
        """The part of a profile's amount that a step has."""
        profile = self.window.profile_at(column)
        assert profile is not None
        into = step - (self.window.steps - profile.steps) + 1  # 1: the first that it moves
        if into < 1:
            return Fraction(0)
        return Fraction(into, profile.steps) if profile.shape is ProfileShape.RAMP else Fraction(1)

    def _sources(self, columns: Iterable[int]) -> dict[int, tuple[int, ...]]:
        """By reading: which of ``columns`` it moves with."""
        window = self.window
        levers = [j for j in columns if window.profile_at(j) is not None]
        found: dict[int, set[int]] = {}
        for t in range(window.steps):
            for c in self._order:
                own = {j for j in levers if window.channel_at(j) == c and self._share(j, t)}
                for cause, lag in self._causes(c):
                    if t >= lag:
                        own |= found.get(window.column(cause, t - lag), set())
                if own:
                    found[window.column(c, t)] = own
        return {j: tuple(sorted(own)) for j, own in found.items()}

    @cached_property
    def _order(self) -> tuple[int, ...]:
        """Channels, causes first."""
        return tuple(range(len(self.window.channels))) if self.laws is None else self.laws.order

    def _causes(self, c: int) -> Iterable[tuple[int, int]]:
        """Every cause of a channel and after how many steps it is felt."""
        for i in () if self.laws is None else self.laws.parents[c]:
            for lag, part in enumerate(self.arrivals[i, c]):
                if part:
                    yield i, lag

    def effects(self, columns: Sequence[int], is_history: bool = False) -> frozenset[int]:
        return frozenset(self._sources(columns)) - frozenset(columns)

    def via(self, columns: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
        return self._sources(columns)

    # --- what is read -------------------------------------------------------------------------

    def row(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool = False
    ) -> list[float]:
        window = self.window
        found = list(factual)
        for j, value in settings.items():
            found[j] = value
        moving = self._sources(settings)
        for t in range(window.steps):
            for c in self._order:
                j = window.column(c, t)
                if j in moving:
                    found[j] = self._moved(c, t, factual, found, settings, moving)
        # Whole numbers once, when they are read: what follows from them follows before that.
        for c, channel in enumerate(window.channels):
            if channel.kind == "integer":
                for j in range(window.column(c, 0), window.column(c, window.steps)):
                    if j in moving and math.isfinite(found[j]):
                        found[j] = float(np.rint(found[j]))
        return found

    def _moved(
        self,
        c: int,
        t: int,
        factual: Sequence[float],
        now: Sequence[float],
        settings: Mapping[int, float],
        moving: Mapping[int, Sequence[int]],
    ) -> float:
        was = factual[self.window.column(c, t)]
        if was != was:
            # What was not read is not read otherwise.
            return was
        own = sum(
            (
                Fraction(value) * self._share(j, t)
                for j, value in settings.items()
                if self.window.profile_at(j) is not None and self.window.channel_at(j) == c
            ),
            Fraction(0),
        )
        followed = self._followed(c, t, factual, now, moving)
        if not math.isfinite(followed):
            return followed
        return float(Fraction(was) + own + Fraction(followed))

    def _followed(
        self,
        c: int,
        t: int,
        factual: Sequence[float],
        now: Sequence[float],
        moving: Mapping[int, Sequence[int]],
    ) -> float:
        """By how much a reading moves with other channels'."""
        window = self.window
        felt = [
            (i, lag) for i, lag in self._causes(c)
            if t >= lag and window.column(i, t - lag) in moving
        ]  # fmt: skip
        if self.laws is None or not felt:
            return 0.0
        law = self.laws.laws[c]
        if law is None:
            return math.inf
        if any(factual[window.column(i, t - lag)] != factual[window.column(i, t - lag)]
               for i, lag in felt):  # fmt: skip
            return math.nan
        before = [self._felt(i, c, t, factual, factual) for i in self.laws.parents[c]]
        after = [self._felt(i, c, t, factual, now) for i in self.laws.parents[c]]
        with np.errstate(all="ignore"):
            return float(law.level(after)) - float(law.level(before))

    def _felt(
        self, i: int, c: int, t: int, factual: Sequence[float], row: Sequence[float]
    ) -> np.float64:
        """What a channel feels of another at a step: each move by the part that has arrived."""
        window, parts = self.window, self.arrivals[i, c]
        # From the reading whose age is the shortest delay; what is before the window is its first.
        first = next(lag for lag, part in enumerate(parts) if part)
        level = factual[window.column(i, max(0, t - first))]
        for lag, part in enumerate(parts):
            if part and t >= lag:
                j = window.column(i, t - lag)
                if row[j] != factual[j]:
                    level += part * (row[j] - factual[j])
        return np.float64(level)

    def worlds(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool = False
    ) -> list[PossibleWorld]:
        # A window's mechanisms are written out, so that there is but one version of each.
        if self.laws is None or not self._sources(settings):
            return []
        return [PossibleWorld(MAIN, 1.0, True, [[self.row(factual, settings)]])]


# --- from the document --------------------------------------------------------------------------

SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
CONSTANTS = 5.0
"""Time constants after which an exponential approach counts as whole (docs/causal.md)."""


def read_moves(window: Window, text: bytes | None, laws: Laws | None) -> WindowMoves:
    """What a window's documents say follows; ``laws`` are those of its channels in ``causal.toml``,
    whose ``text`` says how late they are felt.

    Raises
    ------
    ValueError
        If a delay is no whole number of periods.
    """
    if text is None or laws is None:
        return WindowMoves(window)
    document = tomllib.loads(text.decode("utf-8-sig"))
    names, arrivals = window.names, dict[tuple[int, int], Sequence[float]]()
    for edge in document.get("edges", ()):
        if edge["from"] in names:
            ends = names.index(edge["from"]), names.index(edge["to"])
            arrivals[ends] = _arrivals(edge.get("delay", {}), window.period.seconds)
    return WindowMoves(window, laws, arrivals)


def _arrivals(delay: Mapping[str, Any], period: Fraction) -> list[float]:
    """The part of a move that arrives after 0, 1, … steps."""
    given = [unit for unit in SECONDS if unit in delay]
    if not given:
        return [1.0]
    late = Fraction(Decimal(str(delay[given[0]]))) * SECONDS[given[0]] / period
    if late.denominator != 1:
        raise ValueError(f"{dict(delay)} is no whole number of periods")
    steps = int(late)
    if delay.get("shape") != "first-order" or not steps:
        return [0.0] * steps + [1.0]
    # The whole of what an exponential approach has reached by the last step.
    there = [-math.expm1(-CONSTANTS * k / steps) for k in range(steps + 1)]
    return [(b - a) / there[-1] for a, b in pairwise([0.0, *there])]
