"""What can be tested of a causal model, tested on rows that it was not fitted to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ifonly.explainers.causal.candidates import quick_candidate, standardised
from ifonly.explainers.causal.doubts import IDLE_EDGE, MISSING, REVERSED
from ifonly.explainers.causal.falsify import GATE, PERMUTATIONS, Falsification, falsify
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.graph import Graph, find_loop
from ifonly.explainers.causal.independence import ONE_SIDED, Dependence, holm, noise_dependence
from ifonly.explainers.causal.learning import log_density
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.regression import fit_location
from ifonly.explainers.causal.spec import CheckResult, ProvenanceCheck
from ifonly.models.predictor import Rows

ALPHA = 0.05
DEPENDENT = 0.12
"""Distance correlation of noise and causes from which on a mechanism is wrong. At 10,000 rows
mechanisms that are true but for their last digit are rejected by p alone."""
LEAST_WITHIN, MOST_WITHIN = 0.9, 0.99
"""Share of values inside the central 95 % of the noise between which its spread is right."""
EXACT = 1e-9
GRAPH_ROWS, TURN_ROWS = 2000, 4000
"""Rows for the tests of the graph, and of the direction of its edges; of more, some are drawn."""


@dataclass(frozen=True)
class NodeValidation:
    """One mechanism on held-out rows."""

    name: str
    explained: float
    """Share of the variance that its causes explain (R squared)."""
    log_density: float
    """Mean, of the values given the causes."""
    within: float
    """Share of values inside the central 95 % of the noise: 0.95 if its spread is right."""
    noise: Dependence
    """How far the noise depends on the causes; p corrected for the number of nodes."""
    rows: int

    @property
    def noise_is_independent(self) -> bool:
        return self.noise.effect < DEPENDENT or self.noise.p >= ALPHA

    @property
    def noise_result(self) -> CheckResult:
        if not self.noise_is_independent:
            return CheckResult.FAILED
        return _if_shown(self.noise.upper < DEPENDENT)

    @property
    def fit_result(self) -> CheckResult:
        """By an interval (Wilson 1927) of the share: all of it within the limits, or the share
        outside of them and 95 % not in it."""
        if math.isnan(self.within):
            return CheckResult.NOT_REJECTED
        low, high = _wilson(self.within, self.rows)
        is_right = LEAST_WITHIN <= self.within <= MOST_WITHIN
        if not is_right and not low <= 0.95 <= high:
            return CheckResult.FAILED
        return _if_shown(low >= LEAST_WITHIN and high <= MOST_WITHIN)


def _if_shown(is_shown: bool) -> CheckResult:
    return CheckResult.TESTED if is_shown else CheckResult.NOT_REJECTED


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Both bounds of a share of ``n``, each at 95 %."""
    z = ONE_SIDED
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1.0 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


@dataclass(frozen=True)
class EdgeReversal:
    """An edge that fits better the other way round."""

    cause: int
    effect: int
    as_declared: float
    """Dependence of noise on causes, the larger of the two nodes."""
    turned: float


@dataclass(frozen=True)
class Validation:
    nodes: tuple[NodeValidation, ...]
    graph: Falsification
    reversed: tuple[EdgeReversal, ...]
    invertibility: float
    """Largest error of predicting rows from their abducted noise, relative to the spread."""
    composition: float
    """Largest change by setting what is so, relative to the spread."""

    def checks(self, names: Sequence[str]) -> tuple[ProvenanceCheck, ...]:
        """As ``causal.toml`` keeps them; ``names`` of the columns."""
        found: list[ProvenanceCheck] = []
        for node in self.nodes:
            found += _node_checks(node)
        found.append(_graph_check(self, names))
        found += _edge_checks(self, names)
        for name, error in (
            ("invertibility", self.invertibility),
            ("composition", self.composition),
        ):
            result = CheckResult.TESTED if error <= EXACT else CheckResult.FAILED
            found.append(_check(name, result, value=error, limit=EXACT))
        return tuple(found)


def validate(
    model: CausalModel,
    rows: Rows,
    nominal: Sequence[bool],
    rng: np.random.Generator,
    n_permutations: int = PERMUTATIONS,
) -> Validation:
    """Test a model on rows that it was not fitted to.

    Parameters
    ----------
    model : CausalModel
    rows : ndarray, shape (n, d)
        Rows with missing readings are left out.
    nominal : sequence of bool, length d
        Which columns are unordered categories.
    rng : numpy.random.Generator
    n_permutations : int
        Shuffled graphs that the graph is held against.
    """
    rows = rows[np.isfinite(rows).all(axis=1)]
    columns = [j for j, m in enumerate(model.mechanisms) if m is not None]
    tested = {j: _noise_dependence(model, j, rows, rng) for j in columns}
    # One test a node: by chance one of twenty would fail.
    corrected = holm([tested[j].p for j in columns])
    noise = {j: replace(tested[j], p=p) for j, p in zip(columns, corrected, strict=True)}
    nodes = tuple(_node(model, j, rows, noise[j]) for j in columns)
    # Rows may come in the order of time, and the first ones be of one day.
    shuffled = rows[rng.permutation(len(rows))]
    few = shuffled[:GRAPH_ROWS]
    # Directions are asked only about nodes whose noise gives reason to.
    suspects = [j for j, node in zip(columns, nodes, strict=True) if not node.noise_is_independent]
    return Validation(
        nodes,
        falsify(model.graph, few, nominal, rng, n_permutations),
        tuple(_turns(model.graph, shuffled[:TURN_ROWS], nominal, suspects, rng)),
        _invertibility(model, few, columns),
        _composition(model, few),
    )


def _node(model: CausalModel, j: int, rows: Rows, noise: Dependence) -> NodeValidation:
    mechanism = model.mechanisms[j]
    assert mechanism is not None
    parents, values = rows[:, model.graph.parents[j]], rows[:, j]
    left = float(((values - mechanism.location(parents)) ** 2).mean())
    return NodeValidation(
        model.names[j],
        # A constant column has no variance to explain.
        1.0 - left / (float(values.var()) or 1.0),
        float(log_density(mechanism, parents, values).mean()),
        _within(mechanism, parents, values),
        noise,
        len(rows),
    )


def _within(mechanism: Mechanism, parents: Array, values: Array) -> float:
    noise = mechanism.noise_of(parents, values)
    known = mechanism.noise
    if known is None:
        return float("nan")
    if known.sample is None:
        low, high = -1.96 * known.sd, 1.96 * known.sd
    else:
        # By the noise's own quantiles, as it need not be normal.
        low, high = np.quantile(known.sample, [0.025, 0.975])
    return float(((noise >= low) & (noise <= high)).mean())


def _noise_dependence(
    model: CausalModel, j: int, rows: Rows, rng: np.random.Generator
) -> Dependence:
    mechanism = model.mechanisms[j]
    assert mechanism is not None
    parents = rows[:, model.graph.parents[j]]
    noise = mechanism.noise_of(parents, rows[:, j])
    return noise_dependence(noise, parents, rng)


# --- the direction of edges ---------------------------------------------------------------


def _turns(
    graph: Graph,
    rows: Rows,
    nominal: Sequence[bool],
    suspects: Sequence[int],
    rng: np.random.Generator,
) -> list[EdgeReversal]:
    """Edges into ``suspects``, or out of them, that leave independent noise the other way."""
    found, noises = [], _Noises(rows, nominal, rng)
    for i, j in graph.edges:
        turned = {k: list(p) for k, p in enumerate(graph.parents)}
        turned[j].remove(i)
        turned[i].append(j)
        # Categories have no additive noise, and a turned edge must not close a loop.
        if not {i, j} & set(suspects) or find_loop(turned) or nominal[i] or nominal[j]:
            continue
        now = noises.largest(dict(enumerate(graph.parents)), (i, j))
        then = noises.largest(turned, (i, j))
        # Wrong as declared and right when turned: either alone says nothing of the direction.
        if now >= DEPENDENT > then:
            found.append(EdgeReversal(i, j, now, then))
    # The one that gains most by turning first.
    return sorted(found, key=lambda t: t.turned - t.as_declared)


class _Noises:
    """Dependence of a node's noise on causes that it may have, fitted on half of the rows."""

    def __init__(self, rows: Rows, nominal: Sequence[bool], rng: np.random.Generator) -> None:
        self._rows, self._nominal, self._rng = rows, nominal, rng
        self._known: dict[tuple[int, frozenset[int]], float] = {}

    def largest(self, parents: Mapping[int, Sequence[int]], nodes: Sequence[int]) -> float:
        return max(self._of(j, frozenset(parents[j])) for j in nodes)

    def _of(self, j: int, causes: frozenset[int]) -> float:
        # A root's noise is its value, which depends on nothing.
        if not causes:
            return 0.0
        if (j, causes) not in self._known:
            self._known[j, causes] = self._fitted(j, sorted(causes))
        return self._known[j, causes]

    def _fitted(self, j: int, causes: list[int]) -> float:
        x, y = self._rows[:, causes], self._rows[:, j]
        coordinates = standardised(x, [self._nominal[i] for i in causes])
        candidate = quick_candidate(coordinates, coordinates(x))
        features, target = candidate.expansion(x), (y - y.mean()) / (float(y.std()) or 1.0)
        # Noise is judged on rows that were not fitted: residuals of fitted
        # rows are made to look independent.
        half = len(x) // 2
        weights = fit_location(features[:half], target[:half], candidate.groups).mean
        noise = target[half:] - features[half:] @ weights
        return noise_dependence(noise, x[half:], self._rng).effect


# --- laws ---------------------------------------------------------------------------------


def _invertibility(model: CausalModel, rows: Rows, columns: Sequence[int]) -> float:
    """Node by node: a category without a mechanism must not stop the test of the others."""
    worst = 0.0
    for j in columns:
        mechanism = model.mechanisms[j]
        assert mechanism is not None
        parents = rows[:, model.graph.parents[j]]
        again = mechanism.predict(parents, mechanism.noise_of(parents, rows[:, j]))
        worst = max(worst, _error(again, rows[:, j]))
    return worst


def _composition(model: CausalModel, rows: Rows) -> float:
    worst = 0.0
    for j in range(model.n_columns):
        # What must not move cannot be asked what it would be.
        if any(model.mechanisms[k] is None for k in model.graph.affected([j])):
            continue
        # Setting what is so must change nothing (Galles and Pearl 1998).
        again = model.counterfactual(rows, [j], rows[:, [j]])
        worst = max(worst, *(_error(again[:, k], rows[:, k]) for k in range(model.n_columns)))
    return worst


def _error(found: Array, wanted: Array) -> float:
    return float(np.abs(found - wanted).max() / (float(wanted.std()) or 1.0))


# --- as causal.toml keeps them ------------------------------------------------------------


def _check(
    name: str,
    result: CheckResult,
    *,
    node: str = "",
    value: float | None = None,
    limit: float | None = None,
    note: str = "",
    between: tuple[str, str] | None = None,
) -> ProvenanceCheck:
    is_open = result is not CheckResult.FAILED
    return ProvenanceCheck(name, is_open, node, value, limit, note, between, result)


def _node_checks(node: NodeValidation) -> list[ProvenanceCheck]:
    is_told = not math.isnan(node.within)
    told = "share within the central 95 % of the noise" if is_told else "its spread is not known"
    return [
        _check(
            "held-out fit",
            node.fit_result,
            node=node.name,
            value=_rounded(node.within) if is_told else None,
            limit=0.95,
            note=f"{told}; causes explain {node.explained:.1%}",
        ),
        _check(
            "noise independence",
            node.noise_result,
            node=node.name,
            value=_rounded(node.noise.effect),
            limit=DEPENDENT,
            note=f"distance correlation of noise and causes, at most {node.noise.upper:.2f} at "
            f"95 %; p {node.noise.p:.3f}",
        ),
    ]


def _graph_check(found: Validation, names: Sequence[str]) -> ProvenanceCheck:
    graph = found.graph
    notes = [f"missing {names[f.a]} - {names[f.b]} ({f.effect:.2f})" for f in graph.missing]
    notes += [f"idle {names[f.a]} -> {names[f.b]} ({f.effect:.2f})" for f in graph.superfluous]
    notes += [f"reversed? {names[t.cause]} -> {names[t.effect]}" for t in found.reversed]
    against = "; ".join(notes) or f"nothing against it; shuffled graphs as good: p {graph.p:.3f}"
    shown = f"{graph.shown} of {graph.statements} independences shown within {GATE}"
    unseen = [f"{names[f.a]} -> {names[f.b]} not seen" for f in graph.unseen]
    result = _if_shown(graph.is_shown)
    if found.reversed or not graph.agrees:
        result = CheckResult.FAILED
    note = "; ".join([against, shown, *unseen])
    return _check("graph", result, value=_rounded(graph.broken), limit=0.0, note=note)


def _edge_checks(found: Validation, names: Sequence[str]) -> Iterator[ProvenanceCheck]:
    """One for each edge that failed."""
    graph = found.graph
    for f in graph.missing:
        note = f"they depend on one another given the causes of {names[f.b]}; p {f.p:.3f}"
        yield _edge_check(MISSING, (f.a, f.b), names, f.effect, GATE, note)
    for f in graph.superfluous:
        note = f"it does next to nothing: at most {f.upper:.2f} at 95 %"
        yield _edge_check(IDLE_EDGE, (f.a, f.b), names, f.effect, GATE, note)
    for t in found.reversed:
        note = f"noise depends on causes by {t.as_declared:.2f}; the other way by {t.turned:.2f}"
        yield _edge_check(REVERSED, (t.cause, t.effect), names, t.as_declared, DEPENDENT, note)


def _edge_check(
    name: str,
    edge: tuple[int, int],
    names: Sequence[str],
    value: float,
    limit: float,
    note: str,
) -> ProvenanceCheck:
    between = (names[edge[0]], names[edge[1]])
    return _check(
        name, CheckResult.FAILED, value=_rounded(value), limit=limit, note=note, between=between
    )


def _rounded(number: float) -> float:
    return float(round(number, 4))
