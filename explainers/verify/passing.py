"""What follows as time passes: node by node, step by step, each change followed on its own.

``causal.toml`` says how long a step is, how long a value that is set takes to be reached, how long
each edge takes, and which columns are earlier readings. The noise of the machine stays.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from ifonly.explainers.verify.laws import Laws
from ifonly.explainers.verify.reading import same
from ifonly.models.errors import GraphError
from ifonly.models.schema import Schema

SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
MOST_STEPS = 480
CONSTANTS = 5.0
"""Time constants after which an exponential approach counts as whole (docs/causal.md)."""


@dataclass(frozen=True)
class Lapse:
    """How long something takes, in steps, and whether it begins at once and nears its end."""

    steps: int
    is_gradual: bool

    @property
    def first(self) -> int:
        """The first step at which anything of it is there."""
        return min(1, self.steps) if self.is_gradual else self.steps

    def share(self, age: int) -> float:
        """The part of a change that is there so many steps after it."""
        if age >= self.steps:
            return 1.0
        if not self.is_gradual or age <= 0:
            return 0.0
        nearing = -math.expm1(-CONSTANTS * age / self.steps)
        return nearing / -math.expm1(-CONSTANTS)


@dataclass(frozen=True, eq=False)
class Passing:
    """What the documents say of time."""

    laws: Laws
    amount: Decimal
    """Of a step."""
    unit: str
    settings: Mapping[int, Lapse]
    edges: Mapping[tuple[int, int], Lapse]
    lags: Mapping[int, tuple[int, int]]
    """By column: of which other it is an earlier reading, and how many steps earlier."""

    def at(self, steps: int | None) -> float | None:
        """So many steps in the unit of a step."""
        return None if steps is None else float(self.amount * steps)

    def times(
        self, factual: Sequence[float], settings: Mapping[int, float]
    ) -> dict[int, tuple[int, int | None]] | None:
        """By column that moves: from which step, and to which (None: for ever); None as a whole
        where something that is needed has no number."""
        starts = dict(self._starts(factual, settings))
        ways = list(self._ways(set(starts), settings))
        needed = [lapse for *_, lapse in ways] + list(starts.values())
        if None in needed:
            return None
        into: dict[int, list[tuple[int, Lapse]]] = {}
        for i, j, lapse in ways:
            assert lapse is not None
            into.setdefault(j, []).append((i, lapse))
        circles = {j for j in into if j in _behind(j, into)}
        found: dict[int, tuple[int, float]] = {}
        ends: dict[int, float] = {}
        for j in {*starts, *into}:
            found[j] = (self._begin(j, starts, into), _end(j, starts, into, circles, ends))
        return {j: (a, None if math.isinf(b) else int(b)) for j, (a, b) in found.items()}

    def _begin(
        self,
        j: int,
        starts: Mapping[int, Lapse | None],
        into: Mapping[int, Sequence[tuple[int, Lapse]]],
    ) -> int:
        """Backwards from ``j``, nearest first."""
        best: float = math.inf
        near, done = {j: 0}, set[int]()
        while rest := [(steps, i) for i, steps in near.items() if i not in done]:
            steps, i = min(rest)
            done.add(i)
            start = starts.get(i)
            if start is not None:
                best = min(best, steps + start.first)
            for cause, lapse in into.get(i, ()):
                near[cause] = min(steps + lapse.first, near.get(cause, steps + lapse.first))
        return int(best)

    def _starts(
        self, factual: Sequence[float], settings: Mapping[int, float]
    ) -> Iterator[tuple[int, Lapse | None]]:
        for j, value in settings.items():
            if not same(value, factual[j]):
                yield j, self._setting(j, factual[j], value)
        for j, (source, lag) in self.lags.items():
            past = (self._past(factual, j, age) for age in range(1, lag + 1))
            if j not in settings and not all(same(v, factual[source]) for v in past):
                # Whatever it was, it changes from step to step until the present one comes.
                yield j, Lapse(lag, is_gradual=True)

    def _setting(self, j: int, was: float, value: float) -> Lapse | None:
        lapse = self.settings.get(j)
        # From no reading, or to none, there is no way to near it.
        if lapse is not None and math.isnan(value - was):
            return Lapse(lapse.steps, is_gradual=False)
        return lapse

    def _past(self, factual: Sequence[float], j: int, age: int) -> float:
        """What the source of ``j`` read ``age`` steps before the setting: known from the columns
        that are earlier readings of it; between two of them, the older."""
        source = self.lags[j][0]
        older = {lag: k for k, (of, lag) in self.lags.items() if of == source and lag >= age}
        return factual[older[min(older)]]

    def _causes(self, j: int) -> Iterator[tuple[int, Lapse | None]]:
        if j in self.lags:
            source, lag = self.lags[j]
            yield source, Lapse(lag, is_gradual=False)
        for i in self.laws.parents[j]:
            yield i, self.edges.get((i, j))

    def _ways(
        self, starts: set[int], settings: Mapping[int, float]
    ) -> Iterator[tuple[int, int, Lapse | None]]:
        open_, live = list(starts), set(starts)
        free = [j for j in range(len(self.laws.parents)) if j not in settings]
        while open_:
            i = open_.pop()
            for j in free:
                for cause, lapse in self._causes(j):
                    if cause == i:
                        yield i, j, lapse
                        if j not in live:
                            live.add(j)
                            open_.append(j)

    def rows(
        self, factual: Sequence[float], settings: Mapping[int, float], n_steps: int
    ) -> list[list[float]]:
        """What is read at steps 0 to ``n_steps``; every delay that is needed has a number."""
        times = self.times(factual, settings) or {}
        # What is read later than it acts comes last at each step, so lags look back on whole rows.
        order = [j for j in self.laws.order if j in times]
        rows = np.array([factual] * (n_steps + 1), dtype=np.float64)
        for t in range(n_steps + 1):
            for j in order:
                rows[t, j] = self._moment(j, factual, settings, rows, t, times)
        whole = self.laws.whole
        return [
            [float(np.rint(v)) if j in whole and math.isfinite(v) else float(v)
             for j, v in enumerate(row)]
            for row in rows
        ]  # fmt: skip

    def _moment(
        self,
        j: int,
        factual: Sequence[float],
        settings: Mapping[int, float],
        rows: np.ndarray[Any, np.dtype[np.float64]],
        t: int,
        times: Mapping[int, tuple[int, int | None]],
    ) -> float:
        if j in settings:
            lapse = self._setting(j, factual[j], settings[j])
            assert lapse is not None
            share = lapse.share(t)
            if share in (0.0, 1.0):
                return settings[j] if share else factual[j]
            return factual[j] + share * (settings[j] - factual[j])
        if j in self.lags:
            source, lag = self.lags[j]
            return float(rows[t - lag, source]) if t >= lag else self._past(factual, j, lag - t)
        causes, law = self.laws.parents[j], self.laws.laws[j]
        if law is None:
            return math.inf
        # A cause that was not read, and moves, leaves no number from when it is felt.
        for i in causes:
            if i in times and math.isnan(factual[i]) and t >= times[i][0] + self.edges[i, j].first:
                return math.nan
        before = [np.float64(factual[i]) for i in causes]
        after = [
            _come(self.edges[i, j], was, rows[: t + 1, i]) if i in times else was
            for i, was in zip(causes, before, strict=True)
        ]
        if all(same(a, b) for a, b in zip(after, before, strict=True)):
            return factual[j]
        try:
            with np.errstate(all="ignore"):
                return float(law.follow(before, after, factual[j]))
        except GraphError:  # it has no number for such causes
            return math.nan


def _come(lapse: Lapse, before: float, seen: np.ndarray[Any, np.dtype[np.float64]]) -> np.float64:
    """Where a signal is that takes so long: each of its changes has come so far."""
    last = len(seen) - 1
    if not lapse.is_gradual:
        return np.float64(seen[last - lapse.steps] if last >= lapse.steps else before)
    changes = np.diff(seen, prepend=before)
    shares = [lapse.share(last - s) for s in range(last + 1)]
    return np.float64(before + float(np.dot(changes, shares)))


def _behind(j: int, into: Mapping[int, Sequence[tuple[int, Lapse]]]) -> set[int]:
    """All from which something comes to ``j``."""
    open_, seen = [i for i, _ in into.get(j, ())], set[int]()
    while open_:
        i = open_.pop()
        if i not in seen:
            seen.add(i)
            open_ += [cause for cause, _ in into.get(i, ())]
    return seen


def _end(
    j: int,
    starts: Mapping[int, Lapse | None],
    into: Mapping[int, Sequence[tuple[int, Lapse]]],
    circles: set[int],
    known: dict[int, float],
) -> float:
    """The step after which nothing comes to ``j``."""
    if j in circles:
        return math.inf
    if j not in known:
        start = starts.get(j)
        own = [float(start.steps)] if start is not None else []
        known[j] = max(own + [
            _end(i, starts, into, circles, known) + lapse.steps for i, lapse in into.get(j, ())
        ])  # fmt: skip
    return known[j]


# --- from the document -------------------------------------------------------------------------


def read_passing(text: bytes, schema: Schema, laws: Laws) -> Passing | None:
    """What ``causal.toml`` says of time; None if it has no ``[time]``.

    Raises
    ------
    ValueError
        If a length of time is none.
    """
    document = tomllib.loads(text.decode("utf-8-sig"))
    step = document.get("time", {}).get("step")
    if step is None:
        return None
    ((unit, amount),) = step.items()
    one = _seconds(step)
    assert one is not None
    nodes = {n: t for n, t in document["nodes"].items() if n in schema}
    settings = {schema.index(n): _lapse(t.get("delay", {}), one) for n, t in nodes.items()}
    edges = {
        (schema.index(e["from"]), schema.index(e["to"])): _lapse(e.get("delay", {}), one)
        for e in document.get("edges", ())
        if e["from"] in schema
    }
    return Passing(
        laws,
        Decimal(str(amount)),
        unit,
        {j: lapse for j, lapse in settings.items() if lapse is not None},
        {edge: lapse for edge, lapse in edges.items() if lapse is not None},
        {
            schema.index(n): (schema.index(t["of"]), int(t["lag"]))
            for n, t in nodes.items()
            if t.get("kind") == "lagged"
        },
    )


def _seconds(table: Mapping[str, Any]) -> Fraction | None:
    for unit, seconds in SECONDS.items():
        if unit in table:
            return Fraction(Decimal(str(table[unit]))) * seconds
    return None


def _lapse(table: Mapping[str, Any], step: Fraction) -> Lapse | None:
    own = _seconds(table)
    if own is None:
        return None
    if (own / step).denominator != 1:
        raise ValueError(f"{dict(table)} is no whole number of steps")
    return Lapse(int(own / step), table.get("shape") == "first-order")
