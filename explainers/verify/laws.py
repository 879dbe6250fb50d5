"""What follows from an action: abduction, action, prediction, node by node (Pearl 2009, 7.1).

Read from ``causal.toml`` and the files that it names. Of one machine: the noise of a node is what
its reading is beyond its formula; an action sets nodes, and every node below them follows with
the noise that it had.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import TopologicalSorter
from itertools import combinations, product
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from ifonly.explainers.verify.failed import FailedPart, read_failed
from ifonly.explainers.verify.formula import Formula, GraphFormula, Value, WeightedSum, Written
from ifonly.explainers.verify.redrawn import Lasting, Spread, read_lasting, read_spread
from ifonly.models.errors import GraphError
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Predictor
from ifonly.models.schema import Kind, Schema

N_VERSIONS = 64
"""Plausible versions of the mechanisms that an answer is held against; drawn with seed 0."""

OpenGraph = Callable[[bytes, tuple[str, ...], bool], tuple[Predictor, GraphForm | None]]
"""Opens an ONNX graph over named parents: a session of its own, and, if asked for, its trees."""


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


@dataclass(frozen=True)
class Shared:
    """A cause that nobody reads of the noises of an edge's ends: ``cause`` acts on ``effect``.

    With noises correlated by rho the effect's noise has a mean that rises with the cause's, by
    ``rho / sqrt(1 - rho**2)`` times ``ratio`` a unit; the fitted law has taken that for its own.
    """

    cause: int
    effect: int
    correlations: tuple[float, float]
    """The least and the greatest that the file thinks possible."""
    ratio: float
    """Standard deviation of the effect's noise, in the cause's; NaN: nobody knows."""
    is_separate: bool
    """Whether all that acts on the cause acts on the effect too, so that the fitted law tells the
    cause's noise from its value."""

    def tried(self, n: int) -> list[float]:
        """Correlations that are tried: ``n``, equally far apart, and 0."""
        low, high = (min(max(r, -STRONGEST), STRONGEST) for r in self.correlations)
        # Twelve decimals are part of docs/causal.md: the engines try these very ones.
        steps = [round(low + (high - low) * i / (n - 1), 12) for i in range(n)]
        steps += [0.0] if low <= 0.0 <= high else []
        return sorted({step or 0.0 for step in steps})


@dataclass(frozen=True, eq=False)
class OtherLaws:
    """Laws of another graph that may be the true one."""

    name: str
    weight: float
    is_held: bool
    laws: Laws


MAIN = "main"
LEAST_WEIGHT = 0.05
"""Of a graph in which an action must do by itself."""
STRONGEST = 0.99
HALF = 0.5
"""Strength of a hidden cause of which the file says nothing."""
N_TRIED = {1: 9, 2: 5, 3: 3, 4: 3, 5: 3}
"""Correlations that are tried of each hidden cause, by the number of those that matter."""


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
    shared: tuple[Shared, ...] = ()
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
        ties = self._ties_of(settings)
        n_tried = N_TRIED.get(len(ties)) if ties else 1
        if n_tried is None:
            return [[[math.inf] * len(factual)]]
        tried = [
            biases
            for rhos in product(*(tie.tried(n_tried) for tie in ties))
            if (biases := _biases(ties, rhos)) is not None
        ]
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
        if not ties:
            return [self.plausible_rows(factual, settings, is_history)]
        n_tried = N_TRIED.get(len(ties))
        if n_tried is None:
            # Too many to try them together: nobody can tell whether the action does.
            return [[[math.inf] * len(factual)] * self.n_versions]
        return [
            self.plausible_rows(factual, settings, biases=biases)
            for rhos in product(*(tie.tried(n_tried) for tie in ties))
            if (biases := _biases(ties, rhos)) is not None
        ]

    def _ties_of(self, settings: Mapping[int, float]) -> tuple[Shared, ...]:
        """Hidden causes by which what follows from ``settings`` could be otherwise: their effect
        follows, and the noise that its law sees in their cause is another then."""
        below, disturbed, found = self.effects(settings), set(settings), list[Shared]()
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
        tie: Shared,
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


Bias = tuple[Shared, float]
"""A hidden cause, and how much of its effect's noise comes with a unit of its cause's."""


def _biases(ties: Sequence[Shared], rhos: Sequence[float]) -> dict[int, list[Bias]] | None:
    """What these correlations make of the laws, by effect; None where the noise of an effect
    cannot be correlated so with several others at once."""
    unexplained: dict[int, float] = {}
    for tie, rho in zip(ties, rhos, strict=True):
        unexplained[tie.effect] = unexplained.get(tie.effect, 1.0) - rho**2
    if any(share <= 0.0 for share in unexplained.values()):
        return None
    found: dict[int, list[Bias]] = {}
    for tie, rho in zip(ties, rhos, strict=True):
        if rho != 0.0:  # without a hidden cause it does not matter what is known of noises
            slope = tie.ratio * rho / math.sqrt(unexplained[tie.effect])
            found.setdefault(tie.effect, []).append((tie, slope))
    return found


# --- from the documents ------------------------------------------------------------------------


def read_laws(
    text: bytes,
    files: Mapping[str, bytes],
    schema: Schema,
    policy: Mapping[str, Any],
    open_graph: OpenGraph | None = None,
) -> Laws | None:
    """What ``causal.toml`` says; None if nobody has accepted it. ``files`` are the bytes of what
    it names, by path.

    Raises
    ------
    ValueError
        If a file is missing or is not what its digest says.
    """
    document = tomllib.loads(text.decode("utf-8-sig"))
    # A proposal of a discovery run is no law until a person has accepted it.
    if document["status"] != "accepted":
        return None
    parents, failed = _parents(document, schema), read_failed(document, schema)
    demands = policy.get("causal", {})
    main = Laws(
        parents,
        tuple(_laws(document, schema, parents, files, open_graph)),
        frozenset(j for j, f in enumerate(schema.features) if f.kind is Kind.INTEGER),
        tuple(n for n in schema.names if document["nodes"][n]["role"] != "actionable"),
        float(demands.get("gamma", Laws.gamma)),
        float(demands.get("floor", Laws.floor)),
        shared=tuple(_shared(document, files, schema, parents)),
        failed=failed or (),
        lasting=read_lasting(document, schema, N_VERSIONS),
    )
    main = replace(main, spreads=_spreads(document, files, schema, main))
    least = float(demands.get("graph_weight", LEAST_WEIGHT))
    others = []
    for table in document.get("alternatives", ()):
        weight = float(table["weight"])
        laws = _other_laws(document, table, schema, files, open_graph, main)
        others.append(OtherLaws(table["name"], weight, weight >= least, laws))
    return replace(main, others=tuple(others))


def _other_laws(
    document: Mapping[str, Any],
    table: Mapping[str, Any],
    schema: Schema,
    files: Mapping[str, bytes],
    open_graph: OpenGraph | None,
    main: Laws,
) -> Laws:
    """The laws of an alternative, by the document that it would be."""
    gone, new = ([tuple(pair) for pair in table.get(key, ())] for key in ("remove", "add"))
    mechanisms, own = dict(document.get("mechanisms", {})), set[int]()
    for cause, effect in (*gone, *new):
        # What nobody reads is part of the noise, whatever it acts on.
        if cause in schema:
            own.add(schema.index(effect))
            mechanisms.pop(effect, None)
    edges = [e for e in document.get("edges", ()) if (e["from"], e["to"]) not in gone]
    edges += [{"from": cause, "to": effect} for cause, effect in new]
    # The last that is said of two features counts.
    hidden = (*document.get("confounders", ()), *table.get("confounders", ()))
    mechanisms.update(table.get("mechanisms", {}))
    other = {**document, "edges": edges, "mechanisms": mechanisms, "confounders": hidden}
    parents = _parents(other, schema)
    each = _laws(other, schema, parents, files, open_graph, tuple(sorted(own)))
    laws = [found if j in own else main.laws[j] for j, found in enumerate(each)]
    return replace(
        main,
        spreads=_spreads(other, files, schema, main),
        parents=parents,
        laws=tuple(laws),
        shared=tuple(_shared(other, files, schema, parents)),
        failed=(),
        known=(tuple(sorted(own)), main),
    )


def _spreads(
    document: Mapping[str, Any], files: Mapping[str, bytes], schema: Schema, laws: Laws
) -> dict[int, Spread | None]:
    if laws.lasting is None:
        return {}
    columns = (kept.column for kept in laws.lasting.each)
    return {j: read_spread(document, schema.names[j], files) for j in columns}


def _laws(
    document: Mapping[str, Any],
    schema: Schema,
    parents: Sequence[Sequence[int]],
    files: Mapping[str, bytes],
    open_graph: OpenGraph | None,
    only: Sequence[int] | None = None,
) -> Iterator[Law | None]:
    """The law of each column, or of some ``only``; None where there is none."""
    mechanisms = document.get("mechanisms", {})
    for j, name in enumerate(schema.names):
        causes = tuple(schema.names[i] for i in parents[j])
        wanted = only is None or j in only
        yield _law(mechanisms.get(name), causes, files, open_graph) if wanted else None


def _shared(
    document: Mapping[str, Any],
    files: Mapping[str, bytes],
    schema: Schema,
    parents: Sequence[Sequence[int]],
) -> Iterator[Shared]:
    """Hidden common causes of an edge's two ends, but those that are declared to be none."""
    ranges = _correlations(document, schema)
    for effect, causes in enumerate(parents):
        for cause in causes:
            held = ranges.get(frozenset((cause, effect)))
            if held is None or held == (0, 0):
                continue
            ends = [_noise_sd(document, schema.names[j], files) for j in (cause, effect)]
            is_separate = set(parents[cause]) <= set(causes)
            yield Shared(cause, effect, held, _ratio(*ends), is_separate)


def _correlations(
    document: Mapping[str, Any], schema: Schema
) -> dict[frozenset[int], tuple[float, float]]:
    """Range of the correlation of each two features' noises that something unread may correlate:
    as declared, or because one node that is no feature acts on both."""
    found: dict[frozenset[int], tuple[float, float]] = {}
    for table in document.get("confounders", ()):
        size = float(table.get("strength", HALF))
        low, high = table.get("rho", (-size, size))
        pair = frozenset(schema.index(name) for name in table["between"])
        found[pair] = (float(low), float(high))
    for name in document["nodes"]:
        if name not in schema:
            edges = (e for e in document.get("edges", ()) if e["from"] == name)
            for two in combinations(sorted({schema.index(e["to"]) for e in edges}), 2):
                found.setdefault(frozenset(two), (-HALF, HALF))
    return found


def _noise_sd(document: Mapping[str, Any], name: str, files: Mapping[str, bytes]) -> float:
    """Standard deviation of a node's noise, in the unit in which its law has it; NaN if nobody
    says."""
    table = document.get("mechanisms", {}).get(name)
    if table is None:
        return math.nan
    if "file" in table and table["kind"] not in ("trees", "onnx"):
        noise = json.loads(_bytes(table, files))["noise"]
        return math.nan if noise is None else float(noise["sd"])
    return float(table.get("sd", math.nan))


def _ratio(cause: float, effect: float) -> float:
    # An effect without noise has nothing of a hidden cause; by a cause without, nothing is told.
    if effect == 0.0:
        return 0.0
    return effect / cause if cause > 0.0 else math.nan


def _parents(document: Mapping[str, Any], schema: Schema) -> tuple[tuple[int, ...], ...]:
    """Edges between features; what earlier values and latent nodes do is part of the noise."""
    causes: list[set[int]] = [set() for _ in schema.names]
    for edge in document.get("edges", ()):
        if edge["from"] in schema:
            causes[schema.index(edge["to"])].add(schema.index(edge["from"]))
    # Sorted, as files name parents in the schema's order.
    return tuple(tuple(sorted(own)) for own in causes)


def _law(
    table: Mapping[str, Any] | None,
    parents: tuple[str, ...],
    files: Mapping[str, bytes],
    open_graph: OpenGraph | None,
) -> Law | None:
    # A root has no law; a node with causes and no mechanism must not move.
    if table is None or table["kind"] == "root":
        return None
    if "file" in table:
        return _law_of_file(table, _bytes(table, files), parents, open_graph)
    if table["kind"] == "linear":
        return Law(_line(table.get("intercept", 0.0), [table["coefficients"][n] for n in parents]))
    if table["kind"] == "polynomial":
        return Law(WeightedSum.of_terms(len(parents), [_term(t, parents) for t in table["terms"]]))
    scale = table.get("log_scale") if table.get("noise") == "location-scale" else None
    return Law(
        Written(table["expression"], parents), None if scale is None else Written(scale, parents)
    )


def _law_of_file(
    table: Mapping[str, Any], data: bytes, parents: tuple[str, ...], open_graph: OpenGraph | None
) -> Law:
    if table["kind"] in ("trees", "onnx"):
        if open_graph is None:
            raise ValueError(f"{table['file']} is an ONNX graph, and none are read here")
        members = int(table.get("members", 0)) if table["kind"] == "trees" else 0
        predictor, form = open_graph(data, parents, bool(members))
        return Law(GraphFormula(predictor, form, members))
    document = json.loads(data)
    # Weights are by place: with parents in another order they would be others' weights.
    if document["parents"] != list(parents):
        raise ValueError(f"{table['file']} has parents {document['parents']}, not {list(parents)}")
    scale = document["log_scale"]
    return Law(
        WeightedSum.read(document["location"]), None if scale is None else WeightedSum.read(scale)
    )


def _bytes(table: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    data = files.get(table["file"])
    if data is None:
        raise ValueError(f"{table['file']} is missing")
    digest = hashlib.sha256(data).hexdigest()
    # Named by its digest, so that a file that was changed does not pass for the old one.
    if digest != table["sha256"]:
        raise ValueError(f"{table['file']} has sha256 {digest}, not {table['sha256']}")
    return data


def _line(intercept: float, slopes: Sequence[float]) -> WeightedSum:
    p = len(slopes)
    terms: list[tuple[Sequence[int], float]] = [([0] * p, float(intercept))]
    terms += [([int(i == b) for i in range(p)], float(slope)) for b, slope in enumerate(slopes)]
    return WeightedSum.of_terms(p, terms)


def _term(table: Mapping[str, Any], parents: Sequence[str]) -> tuple[Sequence[int], float]:
    powers = table.get("powers", {})
    return [int(powers.get(name, 0)) for name in parents], float(table["coefficient"])
