"""What follows from an action as time passes: the causal model unrolled, this machine's noise held.

An action is made at step 0, on a machine that had read the factual for as long as its longest
delay. What is set approaches its value by the node's delay; a feature that follows does so from
what its causes were, by the delay of each edge; a lagged feature reads what its source did so
many steps ago. Once every delay has passed, and nothing is lagged, the row is that of
:meth:`CausalModel.counterfactual`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal.errors import BeyondHorizon, NoDelay, NoTime
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.spec import CausalSpec, NodeKind
from ifonly.explainers.causal.timing import MOST_STEPS, Delay, Duration
from ifonly.models.predictor import Row, Rows


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What is read at each step after an action."""

    step: Duration
    rows: Rows
    """``(n + 1, d)``: at steps 0 to n, whole numbers not yet rounded."""
    begins: Mapping[int, int]
    """By column that moves: the first step at which it may."""
    arrives: Mapping[int, int | None]
    """And the step from which it moves no more; None: never, its own past moves it on."""

    @property
    def whole(self) -> int | None:
        """The step from which nothing moves any more; None: there is none."""
        last = self.arrives.values()
        return None if None in last else max((k for k in last if k is not None), default=0)


@dataclass(frozen=True, eq=False)
class TimedModel:
    """A causal model, and how long everything in it takes."""

    model: CausalModel
    step: Duration
    sets: Mapping[int, Delay]
    """By column: how long until a value that is set is reached, where it has a number."""
    edges: Mapping[tuple[int, int], Delay]
    """By cause and effect, likewise."""
    lags: Mapping[int, tuple[int, int]]
    """By column that is an earlier reading: of which column, and how many steps earlier."""

    @classmethod
    def of(cls, spec: CausalSpec, model: CausalModel) -> TimedModel:
        """Raises
        ------
        NoTime
            If the file does not say what a step of time is.
        """
        if spec.step is None:
            raise NoTime("causal.toml has no [time], so nothing says when anything follows")
        index, schema = spec.schema.index, spec.schema
        return cls(
            model,
            spec.step,
            {index(n): node.takes for n, node in spec.nodes.items() if n in schema and node.takes},
            {
                (index(e.cause), index(e.effect)): e.takes
                for e in spec.edges
                if e.cause in schema and e.takes
            },
            {
                index(n): (index(node.of), node.lag)
                for n, node in spec.nodes.items()
                if n in schema and node.kind is NodeKind.LAGGED
            },
        )

    # --- how long -----------------------------------------------------------------------------

    def horizon(self, over: Duration) -> int:
        """How many steps ``over`` is.

        Raises
        ------
        BeyondHorizon
            If it is no whole number of steps from 1, or more than are unrolled.
        """
        steps = over.steps(self.step)
        if steps.denominator != 1 or not 1 <= steps <= MOST_STEPS:
            problem = f"{over} are {float(steps):g} steps of {self.step}; whole steps from 1 to "
            raise BeyondHorizon(f"{problem}{MOST_STEPS} are answered")
        return int(steps)

    def arrivals(
        self, factual: Row, columns: Sequence[int], values: Array
    ) -> dict[int, tuple[int, int | None]]:
        """When each column moves that does.

        Parameters
        ----------
        factual : ndarray, shape (d,)
        columns : sequence of int
            What is set.
        values : ndarray, shape (k,)
            One for each of ``columns``.

        Returns
        -------
        dict of int to tuple
            The first step at which it may move, and the one from which it moves no more; None:
            there is none.

        Raises
        ------
        NoDelay
            If something on the way has no number.
        """
        starts = dict(self._starts(factual, columns, values))
        ways = list(self._ways(starts, columns))
        first = {j: float(begin) for j, (begin, _) in starts.items()}
        last = {j: float(end) for j, (_, end) in starts.items()}
        # A longest way visits each column once; what comes later still runs in a circle.
        for turn in range(2 * self.model.n_columns):
            for i, j, begin, end in ways:
                if i in first:
                    first[j] = min(first[i] + begin, first.get(j, math.inf))
                    if last[i] + end > last.get(j, -1.0):
                        last[j] = last[i] + end if turn < self.model.n_columns else math.inf
        return {j: (int(first[j]), None if math.isinf(last[j]) else int(last[j])) for j in first}

    def _starts(
        self, factual: Row, columns: Sequence[int], values: Array
    ) -> Iterator[tuple[int, tuple[int, int]]]:
        """What moves of itself: what is set to something else, and what was otherwise before."""
        for j, value in zip(columns, values, strict=True):
            if not _same(value, factual[j]):
                kernel = self._of_setting(j, factual[j], value)
                yield j, (_first(kernel), len(kernel) - 1)
        for j, (source, lag) in self.lags.items():
            past = self._past(factual, j)
            if j not in columns and not all(_same(v, factual[source]) for v in past):
                yield j, (1, lag)

    def _ways(
        self, starts: Mapping[int, object], columns: Sequence[int]
    ) -> Iterator[tuple[int, int, int, int]]:
        """Every edge over which something moves: cause, effect, first and last step."""
        parents = self.model.graph.parents
        causes = {j: set(own) for j, own in enumerate(parents) if j not in columns}
        for j, (source, _) in self.lags.items():
            if j in causes:
                causes[j].add(source)
        live = set(starts)
        # Over earlier readings the graph may have loops, so it has no order.
        while new := {j for j, own in causes.items() if own & live} - live:
            live |= new
        for j in sorted(live & set(causes)):
            for i in sorted(causes[j] & live):
                if self.lags.get(j, (-1, 0))[0] == i:
                    yield i, j, self.lags[j][1], self.lags[j][1]
                else:
                    kernel = self._of_edge(i, j)
                    yield i, j, _first(kernel), len(kernel) - 1

    def _of_setting(self, j: int, was: float, value: float) -> Array:
        kernel = self._kernel(self.sets.get(j), f"setting {self.model.names[j]}")
        # Between a reading and none there is nothing to approach by.
        return np.eye(len(kernel))[-1] if np.isnan(value - was) else kernel

    def _of_edge(self, i: int, j: int) -> Array:
        names = self.model.names
        return self._kernel(self.edges.get((i, j)), f"what {names[i]} does to {names[j]}")

    def _kernel(self, delay: Delay | None, what: str) -> Array:
        if delay is None:
            raise NoDelay(what)
        return delay.kernel(self.step)

    def _past(self, factual: Row, j: int) -> list[float]:
        """What lagged column ``j`` reads until its source's present reading comes to it, a step
        each: ``(lag,)``. Of a moment between two known ones, the earlier counts."""
        source, lag = self.lags[j]
        known = sorted((of_lag, i) for i, (of, of_lag) in self.lags.items() if of == source)
        later = (next(i for of_lag, i in known if of_lag >= lag - t) for t in range(1, lag))
        return [float(factual[i]) for i in (j, *later)]

    # --- what is read ---------------------------------------------------------------------------

    def trajectory(
        self, factual: Row, columns: Sequence[int], values: Array, n_steps: int
    ) -> Trajectory:
        """What is read at steps 0 to ``n_steps`` once ``columns`` are set at step 0.

        Parameters
        ----------
        factual : ndarray, shape (d,)
        columns : sequence of int
        values : ndarray, shape (k,)
        n_steps : int

        Raises
        ------
        NoDelay
            If something on the way has no number.
        CausalError
            If what follows cannot be told, as for :meth:`CausalModel.counterfactual`.

        >>> from decimal import Decimal
        >>> from ifonly.explainers.causal.basis import linear
        >>> from ifonly.explainers.causal.graph import Graph
        >>> from ifonly.explainers.causal.mechanism import Mechanism
        >>> model = CausalModel(("a", "b"), Graph(((), (0,))),
        ...                     (None, Mechanism(linear(1.0, np.array([2.0])))))
        >>> minute = Duration.of(1, "minutes")
        >>> at_once, two = Delay(Duration.of(0, "minutes")), Delay(Duration.of(2, "minutes"))
        >>> timed = TimedModel(model, minute, {0: at_once}, {(0, 1): two}, {})
        >>> timed.trajectory(np.array([1.0, 3.5]), [0], np.array([2.0]), 3).rows
        array([[2. , 3.5],
               [2. , 3.5],
               [2. , 5.5],
               [2. , 5.5]])
        """
        when = self.arrivals(factual, columns, values)
        rows = np.repeat(factual[np.newaxis], n_steps + 1, axis=0)
        for j, value in zip(columns, values, strict=True):
            if j in when:
                kernel = self._of_setting(j, factual[j], value)
                rows[:, j] = value
                rows[:, j] = _arrived(rows[:, j], factual[j], kernel, 0)
        live = [j for j in self.model.graph.order if j in when and j not in columns]
        # So many steps at once: what is lagged reads only what is before them.
        block = min((self.lags[j][1] for j in live if j in self.lags), default=n_steps + 1)
        for start in range(0, n_steps + 1, block):
            for j in live:
                part = rows[: start + block]
                part[start:, j] = self._read(j, factual, part, start, when)
        begins = {j: begin for j, (begin, _) in when.items()}
        return Trajectory(self.step, rows, begins, {j: end for j, (_, end) in when.items()})

    def _read(
        self,
        j: int,
        factual: Row,
        rows: Rows,
        start: int,
        when: Mapping[int, tuple[int, int | None]],
    ) -> Array:
        """Column ``j`` from step ``start`` to the end of ``rows``, whose causes are there."""
        if j in self.lags:
            source, lag = self.lags[j]
            past = np.array([*self._past(factual, j), *rows[:-lag, source]])
            return past[start : len(rows)]
        causes, before = self.model.graph.parents[j], factual[np.newaxis]
        after = np.stack(
            [
                _arrived(rows[:, i], factual[i], self._of_edge(i, j), start)
                if i in when
                else rows[start:, i]
                for i in causes
            ],
            axis=1,
        )
        read = self.model.followed(j, before[:, causes], after, before[:, j])
        # By how much a cause moves that was not read nobody knows.
        for i in causes:
            if i in when and np.isnan(factual[i]):
                lost = when[i][0] + _first(self._of_edge(i, j))
                read[max(0, lost - start) :] = np.nan
        return read


def _arrived(signal: Array, before: float, kernel: Array, start: int) -> Array:
    """What of ``signal``, ``(n,)``, has come through a delay, from step ``start`` on; it was
    ``before`` until step 0."""
    m = len(kernel) - 1
    if kernel[m] == 1.0:
        # Selected, not weighed: what has arrived is the very number.
        return np.concatenate([np.full(m, before), signal])[start : len(signal)]
    since = max(0, start - m)
    moved = np.convolve(signal[since:] - before, kernel)[start - since : len(signal) - since]
    return before + moved


def _first(kernel: Array) -> int:
    """The step at which the first part arrives."""
    return int(np.flatnonzero(kernel)[0])


def _same(a: float, b: float) -> bool:
    return bool(a == b or (np.isnan(a) and np.isnan(b)))
