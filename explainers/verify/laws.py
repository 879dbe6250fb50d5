"""What follows from an action: abduction, action, prediction, node by node (Pearl 2009, 7.1).

Read from ``causal.toml`` and the files that it names. Of one machine: the noise of a node is what
its reading is beyond its formula; an action sets nodes, and every node below them follows with
the noise that it had.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any, Protocol

import numpy as np

from explainers.verify.failed import FailedPart, read_failed
from explainers.verify.formula import Formula, GraphFormula, Value, WeightedSum, Written
from models.errors import GraphError
from models.graph.forms import GraphForm
from models.predictor import Predictor
from models.schema import Kind, Schema

N_VERSIONS = 64
"""Plausible versions of the mechanisms that an answer is held against; drawn with seed 0."""

OpenGraph = Callable[[bytes, tuple[str, ...], bool], tuple[Predictor, GraphForm | None]]
"""Opens an ONNX graph over named parents: a session of its own, and, if asked for, its trees."""


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

    def plausible_rows(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool
    ) -> list[list[float]]:
        """The same by each plausible version of the laws."""
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

    def versions(self, rng: np.random.Generator, k: int) -> Law:
        level = self.level.versions(rng, k)
        scale = None if self.log_scale is None else self.log_scale.versions(rng, k)
        return Law(level, scale)


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
    failed: tuple[FailedPart, ...] = ()
    """What had failed a check when the file was accepted."""

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

    def plausible_rows(
        self, factual: Sequence[float], settings: Mapping[int, float], is_history: bool = False
    ) -> list[list[float]]:
        """The same by each plausible version of the laws."""
        found = self._walk(self._versions, factual, settings, is_history)
        # What no version moves is one number, for all of them.
        columns = [np.broadcast_to(value, (self.n_versions,)) for value in found]
        return [[self._read(j, float(c[m])) for j, c in enumerate(columns)]
                for m in range(self.n_versions)]  # fmt: skip

    @cached_property
    def _versions(self) -> tuple[Law | None, ...]:
        """Each node's posterior is drawn in schema order, level before scale, from seed 0."""
        # The order of draws is part of docs/causal.md: the engines'
        # versions must be these very ones.
        rng = np.random.default_rng(0)
        return tuple(None if a is None else a.versions(rng, self.n_versions) for a in self.laws)

    def _walk(
        self,
        laws: Sequence[Law | None],
        factual: Sequence[float],
        settings: Mapping[int, float],
        is_history: bool,
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
                if j in settings:  # its background moves, its causes still act
                    now[j] = now[j] + (settings[j] - factual[j])
            if j in settings or follows:
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

    def _read(self, j: int, value: float) -> float:
        is_number = value == value and abs(value) != np.inf
        return float(round(value)) if j in self.whole and is_number else value


def _still(before: Sequence[float], after: Sequence[Value]) -> Value:
    """Whether no cause reads otherwise: one word, or one a version."""
    # A cause that is missing and stays missing has not moved.
    same = [(np.asarray(a) == b) | (np.isnan(a) & np.isnan(b))
            for a, b in zip(after, before, strict=True)]  # fmt: skip
    return np.logical_and.reduce(np.broadcast_arrays(*same))


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
    mechanisms = document.get("mechanisms", {})
    demands = policy.get("causal", {})
    return Laws(
        parents,
        tuple(
            _law(
                mechanisms.get(name), tuple(schema.names[i] for i in parents[j]), files, open_graph
            )
            for j, name in enumerate(schema.names)
        ),
        frozenset(j for j, f in enumerate(schema.features) if f.kind is Kind.INTEGER),
        tuple(n for n in schema.names if document["nodes"][n]["role"] != "actionable"),
        float(demands.get("gamma", Laws.gamma)),
        float(demands.get("floor", Laws.floor)),
        failed=failed or (),
    )


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
