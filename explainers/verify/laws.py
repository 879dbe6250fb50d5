"""What follows from an action: abduction, action, prediction, node by node (Pearl 2009, 7.1).

Of one machine: the noise of a node is what its reading is beyond its formula. An action sets nodes,
and every node below them follows with the noise that it had. ``read_laws.py`` reads the laws.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import TopologicalSorter
from types import MappingProxyType

import numpy as np

from ifonly.explainers.verify.failed import FailedPart
from ifonly.explainers.verify.formula import Formula, Value
from ifonly.explainers.verify.redrawn import Lasting, Spread
from ifonly.explainers.verify.shared_causes import Bias, SharedCause, tried_together
from ifonly.explainers.verify.what_follows import MAIN, PossibleWorld
from ifonly.models.errors import GraphError

N_VERSIONS = 64
"""Plausible versions of the mechanisms that an answer is held against; drawn with seed 0."""


@dataclass(frozen=True, eq=False)
class Law:
    """``x = level(parents) + exp(log_scale(parents)) * noise``; no log scale: plus the noise."""

    level: Formula
    log_scale: Formula | None = None

    def follow(self, before: Sequence[Value], after: Sequence[Value], value: float) -> Value:
        """What ``value``, read under parents ``before``, becomes under ``after``."""
        was, now = self.level(before), self.level(after)
        # The noise is the reading beyond the level, and stays: so only the level's move is added.
        if self.log_scale is None:
            return value + (now - was)
        # The noise in units of its spread stays; the spread moves with the causes.
        growth = np.exp(self.log_scale(after) - self.log_scale(before))
        return now + growth * (value - was)

    def spread(self, parents: Sequence[Value]) -> Value:
        """By what the noise is multiplied."""
        return 1.0 if self.log_scale is None else np.exp(self.log_scale(parents))

    def versions(self, rng: np.random.Generator, k: int) -> Law:
        level = self.level.versions(rng, k)
        scale = None if self.log_scale is None else self.log_scale.versions(rng, k)
        return Law(level, scale)


@dataclass(frozen=True, eq=False)
class OtherLaws:
    """Laws of another graph that may be the true one."""

    name: str
    weight: float
    is_held: bool
    laws: Laws


@dataclass(frozen=True, eq=False)
class Laws:
    """A law for every node that has causes; None where there is none."""

    parents: tuple[tuple[int, ...], ...]
    """The causes of each column, in schema order."""
    laws: tuple[Law | None, ...]
    whole: frozenset[int]
    """Columns that read whole numbers: rounded once, when the row is read."""
    never_set: tuple[str, ...] = ()
    """Names of nodes that the file says are not acted on."""
    gamma: float = 2.5
    """Standard deviations that the margin keeps from the edge, over plausible versions."""
    floor: float = 0.9
    """Least share of plausible versions that flip."""
    n_versions: int = N_VERSIONS
    shared: tuple[SharedCause, ...] = ()
    """Hidden common causes of edges."""
    failed: tuple[FailedPart, ...] = ()
    """What had failed a check when the file was accepted."""
    others: tuple[OtherLaws, ...] = ()
    """Those of other graphs that may be the true one."""
    lasting: Lasting | None = None
    """How much of each noise stays until an action is carried out; None: all of it."""
    spreads: Mapping[int, Spread | None] = field(default_factory=dict)
    """Of columns of which not all does: how the noise is distributed."""
    known: tuple[tuple[int, ...], Laws] | None = None
    """Columns that follow by other laws, of which versions are drawn: of all else those of these
    laws are known."""

    def rested_on(self, columns: Iterable[int], is_history: bool = False) -> list[FailedPart]:
        """Which of that an action on ``columns`` rests on."""
        acted = tuple(columns)
        return [p for p in self.failed if p.is_rested_on(acted, self.effects, is_history)]

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Causes first."""
        return tuple(TopologicalSorter(dict(enumerate(self.parents))).static_order())

    def effects(self, columns: Iterable[int], is_history: bool = False) -> frozenset[int]:
        """What may move when ``columns`` are set: all that is below one of them, but what is set
        itself.

        In another past what is set goes on following its causes, and so may move too; the
        background of what has causes and no law is unknown to anybody.
        """
        acted, below = frozenset(columns), set[int]()
        # Causes first, so one pass sees all that is below.
        for j in self.order:
            if any(i in acted or i in below for i in self.parents[j]):
                below.add(j)
        if not is_history:
            return frozenset(below) - acted
        return frozenset(below) | {j for j in acted if self.parents[j] and self.laws[j] is None}

    def via(self, columns: Iterable[int]) -> dict[int, tuple[int, ...]]:
        """See :meth:`WhatFollows.via`."""
        acted, found = frozenset(columns), dict[int, set[int]]()
        for j in self.order:
            # What is set ends a way: it has its value whatever is behind it.
            ways = [{i} if i in acted else found.get(i, set()) for i in self.parents[j]]
            found[j] = set[int]().union(*ways)
        return {j: tuple(sorted(ways)) for j, ways in found.items() if ways}

    def row(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool = False
    ) -> list[float]:
        """What is read once ``settings`` are made; see :meth:`WhatFollows.row`."""
        found = self._walk(self.laws, factual, settings, is_history)
        return [self._read(j, float(value)) for j, value in enumerate(found)]

    @cached_property
    def by_main(self) -> Laws:
        return replace(self, others=())

    def worlds(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool = False
    ) -> list[PossibleWorld]:
        """See :meth:`WhatFollows.worlds`."""
        # Another past is told by the main graph: nothing is advised of it.
        others = () if is_history else self.others
        is_later = self.lasting is not None and not is_history
        if not is_later and not any(
            laws.effects(settings, is_history) for laws in [self, *(o.laws for o in others)]
        ):
            return []
        own = self.plausible(factual, settings, is_history)
        weight, later = 1.0 - sum(other.weight for other in others), self.later(factual, settings)
        found = [PossibleWorld(MAIN, weight, True, own, later if is_later else ())]
        for other in others:
            groups = other.laws.plausible(factual, settings)
            # The same object where nothing else follows, so that it is not scored again.
            groups = own if groups == own else groups
            then = other.laws.later(factual, settings)
            then = later if then == later else then
            found.append(PossibleWorld(other.name, other.weight, other.is_held, groups, then))
        return found

    def later(
        self, factual: Sequence[float], settings: Mapping[int, float]
    ) -> list[list[list[float]]]:
        """See :attr:`PossibleWorld.later`; a group for each that :meth:`plausible` has."""
        if self.lasting is None:
            return []
        noises = {
            kept.column: own
            for kept in self.lasting.each
            if (own := self._noises(kept.column, factual)) is not None
        }
        rounds = list(self.lasting.rounds(noises, self.spreads))
        tried = tried_together(self._ties_of(settings))
        if tried is None:
            return [[[math.inf] * len(factual)]]
        return [
            [
                row
                for moves in rounds
                for row in self.plausible_rows(factual, settings, False, biases, moves)
            ]
            for biases in tried
        ]

    def _noises(self, j: int, factual: Sequence[float]) -> list[float] | None:
        """The noise of a column by each plausible version; None where it cannot be told, since the
        column or a cause of it was not read."""
        before = [np.float64(factual[i]) for i in self.parents[j]]
        if not all(math.isfinite(value) for value in (factual[j], *before)):
            return None
        law = self._versions[j]
        with np.errstate(all="ignore"):
            try:
                noise = (
                    np.float64(factual[j])
                    if law is None
                    else (factual[j] - law.level(before)) / law.spread(before)
                )
            except GraphError:  # it has no number for such causes
                noise = np.float64(np.nan)
        own: list[float] = np.broadcast_to(noise, (self.n_versions,)).tolist()
        return own

    def plausible(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool = False
    ) -> list[list[list[float]]]:
        """Rows by each plausible version of these laws; see :attr:`PossibleWorld.groups`."""
        # In another past hidden causes are part of what is otherwise.
        ties = () if is_history else self._ties_of(settings)
        tried = tried_together(ties)
        if tried is None:
            # Nobody can tell whether the action does.
            return [[[math.inf] * len(factual)] * self.n_versions]
        return [self.plausible_rows(factual, settings, is_history, biases) for biases in tried]

    def _ties_of(self, settings: Mapping[int, float]) -> tuple[SharedCause, ...]:
        """Hidden causes by which what follows from ``settings`` could be otherwise: their effect
        follows, and the noise that its law sees in their cause is another then."""
        below, disturbed, found = self.effects(settings), set(settings), list[SharedCause]()
        for j in self.order:
            if j not in below:
                continue
            for tie in self.shared:
                if tie.effect != j:
                    continue
                # What follows keeps its noise; where it cannot be told apart its value counts.
                if tie.cause in disturbed or (tie.cause in below and not tie.is_separate):
                    found.append(tie)
            if any(tie.effect == j for tie in found):
                disturbed.add(j)
        return tuple(found)

    def plausible_rows(
        self,
        factual: Sequence[float],
        settings: Mapping[int, float],
        is_history: bool = False,
        biases: Mapping[int, Sequence[Bias]] | None = None,
        moves: Mapping[int, Value] = MappingProxyType({}),
    ) -> list[list[float]]:
        """The same by each plausible version of the laws, of which ``biases``, by effect, are no
        effects. Noises are otherwise by ``moves``."""
        found = self._walk(self._versions, factual, settings, is_history, biases or {}, moves)
        rows = np.empty((self.n_versions, len(found)))
        for j, value in enumerate(found):
            # What no version moves is one number, for all of them.
            rows[:, j] = np.rint(value) if j in self.whole else value
        told: list[list[float]] = rows.tolist()
        return told

    @cached_property
    def _versions(self) -> tuple[Law | None, ...]:
        """Each node's posterior is drawn in schema order, level before scale, from seed 0."""
        # The order of draws is part of docs/causal.md: the engines'
        # versions must be these very ones.
        rng = np.random.default_rng(0)
        found = [] if self.known is None else list(self.known[1]._versions)
        drawn = range(len(self.laws)) if self.known is None else self.known[0]
        found = found or [None] * len(self.laws)
        for j in drawn:
            law = self.laws[j]
            found[j] = None if law is None else law.versions(rng, self.n_versions)
        return tuple(found)

    def _walk(
        self,
        laws: Sequence[Law | None],
        factual: Sequence[float],
        settings: Mapping[int, float],
        is_history: bool,
        biases: Mapping[int, Sequence[Bias]] = MappingProxyType({}),
        moves: Mapping[int, Value] = MappingProxyType({}),
    ) -> list[Value]:
        now: list[Value] = [np.float64(value) for value in factual]  # overflow is infinite
        moved: set[int] = set()
        for j in self.order:
            follows = any(i in moved for i in self.parents[j])
            # Its background cannot be told apart from what its causes did.
            if j in settings and is_history and self.parents[j] and laws[j] is None:
                now[j] = np.inf
            # An action cuts what leads into the node (Pearl's do).
            elif j in settings and not (is_history and follows):
                now[j] = np.float64(settings[j])
            elif follows:
                now[j] = self._followed(laws[j], j, factual, now, moved)
                # A node without a law is infinite, whatever its noise is.
                for tie, slope in biases.get(j, ()) if laws[j] is not None else ():
                    now[j] = now[j] - slope * self._excess(laws, tie, factual, now, moves)
                if j in settings:  # its background moves, its causes still act
                    now[j] = now[j] + (settings[j] - factual[j])
            # What is set has its value, whatever its noise is by then.
            is_anew = j in moves and j not in settings
            if is_anew:
                law = laws[j]
                own = [now[i] for i in self.parents[j]]
                with np.errstate(all="ignore"):
                    now[j] = now[j] + moves[j] * (1.0 if law is None else law.spread(own))
            if j in settings or follows or is_anew:
                moved.add(j)
        return now

    def _followed(
        self,
        law: Law | None,
        j: int,
        factual: Sequence[float],
        now: Sequence[Value],
        moved: set[int],
    ) -> Value:
        if law is None:
            return np.inf  # not NaN: it must not move, and what is missing may stay so
        causes = self.parents[j]
        if any(i in moved and factual[i] != factual[i] for i in causes):
            return np.nan  # a cause that nobody has read moves, from where or by how much
        before, after = [np.float64(factual[i]) for i in causes], [now[i] for i in causes]
        still = _still(before, after)
        # Not computed: a law may be undefined where the machine already is.
        if np.all(still):
            return factual[j]
        try:
            with np.errstate(all="ignore"):
                followed = law.follow(before, after, factual[j])
        except GraphError:  # it has no number for such causes
            followed = np.nan
        # Versions under which nothing moved keep the reading to the last bit.
        return np.where(still, factual[j], followed) if np.any(still) else followed

    def _excess(
        self,
        laws: Sequence[Law | None],
        tie: SharedCause,
        factual: Sequence[float],
        now: Sequence[Value],
        moves: Mapping[int, Value],
    ) -> Value:
        """By how much the effect of ``tie`` is higher for the noise that its cause has now, a unit
        of slope; not for that which it would have had anyhow."""
        i, own, effect = tie.cause, laws[tie.cause], laws[tie.effect]
        assert effect is not None
        with np.errstate(all="ignore"):
            try:
                otherwise = self._noise_otherwise(own, i, factual, now, tie.is_separate)
                otherwise = otherwise - moves.get(i, 0.0)
                return otherwise * effect.spread([now[c] for c in self.parents[tie.effect]])
            except GraphError:  # a law has no number for such causes
                return np.nan

    def _noise_otherwise(
        self,
        law: Law | None,
        j: int,
        factual: Sequence[float],
        now: Sequence[Value],
        is_separate: bool,
    ) -> Value:
        """How much higher the noise of a column is, in the unit in which its law has it."""
        was = np.float64(factual[j])
        rise = np.where(np.isnan(was) & np.isnan(now[j]), 0.0, now[j] - was)
        if law is None:  # without causes the value is the noise
            return rise
        before = [np.float64(factual[i]) for i in self.parents[j]]
        after = [now[i] for i in self.parents[j]]
        if not is_separate:
            return rise / law.spread(before)
        if law.log_scale is None:
            by_law = np.where(_still(before, after), 0.0, law.level(after) - law.level(before))
            return rise - by_law
        noise = (now[j] - law.level(after)) / law.spread(after)
        return noise - (was - law.level(before)) / law.spread(before)

    def _read(self, j: int, value: float) -> float:
        is_number = value == value and abs(value) != np.inf
        return float(round(value)) if j in self.whole and is_number else value


def _still(before: Sequence[float], after: Sequence[Value]) -> Value:
    """Whether no cause reads otherwise: one word, or one a version."""
    # A cause that is missing and stays missing has not moved.
    same = [(np.asarray(a) == b) | (np.isnan(a) & np.isnan(b))
            for a, b in zip(after, before, strict=True)]  # fmt: skip
    return np.logical_and.reduce(np.broadcast_arrays(*same))
