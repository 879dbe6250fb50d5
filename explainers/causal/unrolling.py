"""A causal model over the columns of an unrolled window.

A reading follows from the profiles of its channel, ``reading + amount * share``, and, where a
``causal.toml`` says so, from the readings of other channels as many steps before as the edge takes.
What lies before the window has not moved: a profile acts within it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ifonly.explainers.causal.basis import linear, polynomial
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.demands import consequences_of
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.function import Function
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.mechanism import Mechanism, Noise, NoiseForm
from ifonly.explainers.causal.members import draw_members
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.spec import (
    ApprovalStatus,
    CausalEdge,
    CausalNode,
    CausalSpec,
    GraphProvenance,
    MechanismSpec,
    NodeKind,
    NodeRole,
)
from ifonly.explainers.causal.timing import Delay, Duration
from ifonly.models.errors import SpecError
from ifonly.models.schema import Kind
from ifonly.models.window import Period, Window, WindowSchema

_INLINE = ("linear", "polynomial", "expression")
"""Kinds of mechanisms that a window takes."""
_UNITS = {"ms": ("0.001", "seconds"), "s": ("1", "seconds"), "min": ("1", "minutes"),
          "h": ("1", "hours"), "d": ("24", "hours")}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Unrolled:
    """A causal model of channels, unrolled over the steps of a window."""

    spec: CausalSpec
    """What its file would say of the columns."""
    model: CausalModel


def profiles_alone(schema: WindowSchema) -> CausalConsequences:
    """What follows where no channel acts on another: readings, from the profiles of their own."""
    unrolled = _Unrolling(schema, None, "").unrolled()
    members = draw_members(unrolled.model, np.random.default_rng(0), 1)
    whole = tuple(j for j, f in enumerate(schema.features) if f.kind is Kind.INTEGER)
    # Arithmetic, and no law of nature: nothing of it is in doubt, so nothing is demanded of it.
    return CausalConsequences(unrolled.model, members, 0.0, 0.0, np.zeros(len(schema)), whole=whole)


def unrolled(
    schema: WindowSchema, spec: CausalSpec, policy: Mapping[str, Any], file: str
) -> tuple[CausalSpec, CausalConsequences]:
    """``spec``, which speaks of the channels, and what follows by it, over the columns.

    Raises
    ------
    SpecError
        If something of it cannot be said of a window: ``file``, and the key.
    """
    found = _Unrolling(schema, spec, file).unrolled()
    # Its mechanisms are written out, so there is but one version of each.
    members = draw_members(found.model, np.random.default_rng(0), 1)
    whole = consequences_of(found.spec, found.model, policy)
    return found.spec, replace(whole, members=members)


@dataclass(frozen=True)
class _Cause:
    """One column that a reading follows from, and as whom its mechanism knows it."""

    column: int
    alias: str
    share: float
    """Of a profile what it moves by; of a cause the part of its move that arrives so late."""


class _Unrolling:
    def __init__(self, schema: WindowSchema, spec: CausalSpec | None, file: str) -> None:
        self._schema = schema
        self._window: Window = schema.window
        self._spec = spec
        self._file = file
        if spec is not None:
            self._check(spec)
        self._lags = {} if spec is None else dict(self._read_lags(spec))

    # --- what a window cannot have ------------------------------------------------------------

    def _check(self, spec: CausalSpec) -> None:
        names = self._window.names
        if spec.alternatives:
            raise self._wrong("alternatives", "are given; a window has one graph")
        if spec.hidden:
            raise self._wrong("confounders", "are given; of a window hidden causes are not held")
        if spec.effects:
            raise self._wrong("effects", "are given; of a window no effect has been measured")
        if spec.stability is not None:
            raise self._wrong("stability", "is given; of a window nothing is drawn anew")
        if spec.doubts:
            raise self._wrong("doubts", "are given; of a window what rests on them is not told")
        for name, node in spec.nodes.items():
            if node.kind is NodeKind.LAGGED and name in names:
                told = f"is an earlier reading of {node.of}: a window has those already"
                raise self._wrong(f"nodes.{name}.kind", told)
        for name, given in spec.mechanisms.items():
            if given.kind != "root" and (given.file or given.kind not in _INLINE):
                told = f"is {given.kind!r}; a window takes {', '.join(_INLINE)}, written here"
                raise self._wrong(f"mechanisms.{name}.kind", told)
            if given.noise is not NoiseForm.ADDITIVE:
                told = f"is {given.noise.value!r}; a window takes additive noise"
                raise self._wrong(f"mechanisms.{name}.noise", told)

    def _read_lags(self, spec: CausalSpec) -> Iterator[tuple[tuple[str, str], list[float]]]:
        """By cause and effect: the part of a move that arrives after each number of steps."""
        step = duration_of(self._window.period)
        for i, edge in enumerate(spec.edges):
            if edge.cause not in self._window.names:
                continue
            parts = [1.0] if edge.takes is None else self._parts(edge.takes, step, i)
            late = sum(part != 0.0 for part in parts) > 1
            kind = spec.mechanisms.get(edge.effect)
            if late and kind is not None and kind.kind != "linear":
                told = "is gradual; of a window only what follows linearly may be"
                raise self._wrong(f"edges[{i}].delay", told)
            yield (edge.cause, edge.effect), parts

    def _parts(self, takes: Delay, step: Duration, i: int) -> list[float]:
        if takes.duration.steps(step).denominator != 1:
            told = f"is {takes.duration}, not a whole number of {self._window.period}"
            raise self._wrong(f"edges[{i}].delay", f"{told}, the window's period")
        return [float(part) for part in takes.kernel(step)]

    def _wrong(self, key: str, problem: str) -> SpecError:
        return SpecError(self._file, key, problem)

    # --- columns ------------------------------------------------------------------------------

    def unrolled(self) -> Unrolled:
        window, names = self._window, self._schema.names
        causes: dict[int, list[_Cause]] = {}
        mechanisms: list[Mechanism | None] = [None] * len(names)
        for c in range(len(window.channels)):
            for t in range(window.steps):
                j = window.column(c, t)
                causes[j] = sorted(self._causes(c, t), key=lambda cause: cause.column)
                mechanisms[j] = self._mechanism(c, causes[j])
        edges = [(cause.column, j) for j, own in causes.items() for cause in own]
        graph = Graph.of(len(names), edges)
        return Unrolled(
            self._spec_of(edges),
            CausalModel(names, graph, tuple(mechanisms), (None,) * len(names)),
        )

    def _causes(self, c: int, t: int) -> Iterator[_Cause]:
        window = self._window
        for n, column in enumerate(window.levers(c)):
            profile = window.profile_at(column)
            assert profile is not None
            share = profile.shares(window.steps)[t]
            if share:
                yield _Cause(column, f"_profile{n}", float(share))
        if self._spec is None:
            return
        effect, late = window.channels[c].name, False
        for name in self._spec.parents(effect):
            cause = window.names.index(name)
            for lag, part in enumerate(self._lags[name, effect]):
                if part == 0.0:
                    continue
                # What lies before the window has not moved.
                if t >= lag:
                    yield _Cause(window.column(cause, t - lag), name, part)
                else:
                    late = True
        if late:
            self._check_late(effect, t)

    def _check_late(self, effect: str, t: int) -> None:
        """What follows by slopes alone needs not know what was before the window."""
        assert self._spec is not None
        given = self._spec.mechanisms.get(effect)
        if given is None or given.kind == "linear":
            return
        lags = {len(self._lags[name, effect]) - 1 for name in self._spec.parents(effect)}
        # By one lag all its causes lie before the window, and none of them moved.
        if len(lags) > 1:
            told = f"is {given.kind!r} with causes of several delays; of a window only what follows"
            raise self._wrong(f"mechanisms.{effect}.kind", f"{told} linearly may have")

    def _mechanism(self, c: int, causes: Sequence[_Cause]) -> Mechanism | None:
        if not causes:
            return None
        given = None
        if self._spec is not None:
            given = self._spec.mechanisms.get(self._window.channels[c].name)
        own = [cause for cause in causes if not cause.alias.startswith("_profile")]
        if own and given is None:
            # Causes and no law: it can be read, and nobody can tell how it moves.
            return None
        noise = None if given is None or given.sd is None else Noise(given.sd)
        if given is None or not own:
            return Mechanism(linear(0.0, np.array([cause.share for cause in causes])), None, noise)
        return Mechanism(_function(given, causes), None, noise)

    # --- as a file would say it ---------------------------------------------------------------

    def _spec_of(self, edges: Sequence[tuple[int, int]]) -> CausalSpec:
        schema, window, given = self._schema, self._window, self._spec
        names = schema.names
        nodes = {name: self._node(j, name) for j, name in enumerate(names)}
        flat = tuple(self._edge(names[i], names[j], i, j) for i, j in edges)
        if given is None:
            return CausalSpec(
                "", ApprovalStatus.ACCEPTED, schema, nodes, flat, (), {}, GraphProvenance()
            )
        mechanisms = {
            window.reading_name(c, t): given.mechanisms[channel.name]
            for c, channel in enumerate(window.channels)
            if channel.name in given.mechanisms
            for t in range(window.steps)
        }
        return replace(
            given,
            schema=schema,
            nodes=nodes,
            edges=flat,
            confounders=(),
            mechanisms=mechanisms,
            # Unrolled already: everything arrives at its step.
            step=None,
        )

    def _node(self, j: int, name: str) -> CausalNode:
        window = self._window
        is_lever = window.profile_at(j) is not None
        role = NodeRole.ACTIONABLE if is_lever else NodeRole.CONSEQUENCE
        if self._spec is None:
            return CausalNode(name, NodeKind.FEATURE, role)
        own = self._spec.nodes[window.channels[window.channel_at(j)].name]
        # Whether a channel may be set is said of its profiles.
        return replace(own, name=name, role=own.role if is_lever else role, takes=None)

    def _edge(self, cause: str, effect: str, i: int, j: int) -> CausalEdge:
        window, given = self._window, self._spec
        if given is None or window.profile_at(i) is not None:
            return CausalEdge(cause, effect, "declared")
        ends = [window.channels[window.channel_at(k)].name for k in (i, j)]
        own = next(e for e in given.edges if [e.cause, e.effect] == ends)
        return replace(own, cause=cause, effect=effect, takes=None)


def _function(given: MechanismSpec, causes: Sequence[_Cause]) -> Function:
    """The level of a reading: its mechanism's, and what its profiles add."""
    parameters = given.parameters
    if given.kind == "linear":
        slopes = parameters["coefficients"]
        weights = [cause.share * float(slopes.get(cause.alias, 1.0)) for cause in causes]
        return linear(float(parameters.get("intercept", 0.0)), np.array(weights))
    profiles = [cause for cause in causes if cause.alias.startswith("_profile")]
    if given.kind == "polynomial":
        terms = [({**term.get("powers", {})}, term["coefficient"]) for term in parameters["terms"]]
        terms += [({cause.alias: 1}, cause.share) for cause in profiles]
        exponents = [[powers.get(cause.alias, 0) for cause in causes] for powers, _ in terms]
        matrix = np.array(exponents, dtype=np.int64).reshape(len(terms), len(causes))
        return polynomial(matrix, np.array([weight for _, weight in terms], dtype=np.float64))
    added = "".join(f" + {cause.share!r} * {cause.alias}" for cause in profiles)
    return Expression(f"({parameters['expression']}){added}", tuple(c.alias for c in causes))


def duration_of(period: Period) -> Duration:
    """A period as a causal file's length of time."""
    factor, unit = _UNITS[period.unit]
    return Duration.of(period.amount * Duration.of(float(factor), unit).amount, unit)
