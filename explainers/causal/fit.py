"""Every mechanism of a graph learned from rows, ready to lie beside the model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ifonly.explainers.causal.build import LoadGraph, build_model
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.learning import FOLDS, KINDS, MOST_ROWS, Learned, learn, quantiles
from ifonly.explainers.causal.mechanism import Noise, NoiseForm
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.pooling import LEAST_GAIN, gain
from ifonly.explainers.causal.spec import CausalSpec, MechanismSpec
from ifonly.explainers.causal.storage import mechanism_to_json, root_to_json
from ifonly.models.predictor import Rows
from ifonly.models.schema import Kind

NoiseOf = Callable[[Array, Array], Array]
Grow = Callable[[Array, Array, np.random.Generator, int], bytes]
"""Parents ``(n, p)``, values ``(n,)`` and a number of ensembles to an ONNX graph: so many tree
ensembles of equal length, each grown on rows drawn anew, and their average."""

MEMBERS = 20
"""Ensembles of a mechanism of trees."""

LEAST_ROWS = 20
"""Fewer complete rows decide nothing."""


@dataclass(frozen=True)
class FittedNode:
    """What was fitted for one node."""

    name: str
    kind: str
    noise: NoiseForm | None
    """None for a root."""
    rows: int
    """Rows in which neither the node nor a cause was missing."""
    sd: float
    """Standard deviation of the noise."""
    likelihoods: Mapping[str, float] = field(default_factory=dict)
    """Mean held-out log density of what was tried, ``kind/noise``."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A spec whose mechanisms are fitted, with the files that it names."""

    spec: CausalSpec
    """Digests and all; not yet accepted by anybody if it was not before."""
    files: Mapping[str, bytes]
    model: CausalModel
    nodes: tuple[FittedNode, ...]


def fit(
    spec: CausalSpec,
    rows: Rows,
    rng: np.random.Generator,
    *,
    kinds: Sequence[str] = KINDS,
    forms: Sequence[NoiseForm] = tuple(NoiseForm),
    files: Mapping[str, bytes] | None = None,
    load_graph: LoadGraph | None = None,
    grow: Grow | None = None,
) -> Fitted:
    """Learn the mechanisms of a causal spec from rows.

    A mechanism that was declared (a formula, numbers, a graph in ``files``) is kept, and only
    the spread of its noise is measured. A category that follows from something gets none: it
    can be read and never moves.

    Parameters
    ----------
    spec : CausalSpec
    rows : ndarray, shape (n, d)
        In schema order, physical units, categories as codes, NaN if missing.
    rng : numpy.random.Generator
    kinds, forms : sequence
        Shapes and forms of noise that are tried, simplest first.
    files : mapping of str to bytes, optional
        What ``spec`` names, by path.
    load_graph : callable, optional
        Opens mechanisms that are ONNX graphs.
    grow : callable, optional
        With it (and ``load_graph``, which opens what it yields) trees are tried as well, and taken
        where they are surely likelier on held-out rows.

    Raises
    ------
    ValueError
        If a node has too few rows without missing readings.
    """
    fitter = _Fitter(spec, rows, rng, kinds, forms, load_graph, grow)
    kept = {name: m for name, m in spec.mechanisms.items() if _is_declared(m)}
    # First the declared ones alone, so that a wrong formula is said before anything is learned.
    declared = build_model(replace(spec, mechanisms=kept), files, load_graph=load_graph)
    for name in spec.schema.names:
        fitter.node(name, kept.get(name), declared)
    known = {m.file: (files or {})[m.file] for m in kept.values() if m.file}
    found = {**known, **fitter.files}
    fitted = replace(spec, mechanisms=fitter.mechanisms)
    return Fitted(
        fitted, found, build_model(fitted, found, load_graph=load_graph), tuple(fitter.nodes)
    )


def fit_alternatives(
    spec: CausalSpec,
    rows: Rows,
    rng: np.random.Generator,
    *,
    kinds: Sequence[str] = KINDS,
    forms: Sequence[NoiseForm] = tuple(NoiseForm),
    files: Mapping[str, bytes] | None = None,
    load_graph: LoadGraph | None = None,
) -> tuple[CausalSpec, dict[str, bytes]]:
    """``spec`` with the mechanisms of its alternatives learned from rows, and their files.

    Of each alternative only features whose causes are others in it are learned; what was declared
    is kept, and only the spread of its noise is measured. Parameters and errors as :func:`fit`.
    """
    fitted, found = [], dict[str, bytes]()
    for other in spec.alternatives:
        under = spec.under(other)
        fitter = _Fitter(
            under, rows, rng, kinds, forms, load_graph, None, f"alternative.{other.name}."
        )
        kept = {name: m for name, m in other.mechanisms.items() if _is_declared(m)}
        declared = build_model(replace(under, mechanisms=kept), files, load_graph=load_graph)
        for name in sorted(spec.changed(other), key=spec.schema.index):
            fitter.node(name, kept.get(name), declared)
        found |= {m.file: (files or {})[m.file] for m in kept.values() if m.file}
        found |= fitter.files
        fitted.append(replace(other, mechanisms=fitter.mechanisms))
    return replace(spec, alternatives=tuple(fitted)), found


def _is_declared(mechanism: MechanismSpec) -> bool:
    return bool(mechanism.parameters) or mechanism.kind in ("trees", "onnx")


class _Fitter:
    def __init__(
        self,
        spec: CausalSpec,
        rows: Rows,
        rng: np.random.Generator,
        kinds: Sequence[str],
        forms: Sequence[NoiseForm],
        load_graph: LoadGraph | None,
        grow: Grow | None,
        prefix: str = "",
    ) -> None:
        self._prefix = prefix
        self._spec = spec
        self._rows = rows
        self._rng = rng
        self._kinds = kinds
        self._forms = forms
        self._load_graph = load_graph
        self._grow = grow
        self.mechanisms: dict[str, MechanismSpec] = {}
        self.files: dict[str, bytes] = {}
        self.nodes: list[FittedNode] = []

    def node(self, name: str, given: MechanismSpec | None, declared: CausalModel) -> None:
        """How ``name`` follows: as ``given``, which is part of ``declared``, or learned."""
        mechanism = declared.mechanisms[self._spec.schema.index(name)]
        if given is not None and mechanism is not None:
            self.measure(name, given, mechanism.noise_of)
        elif not self._spec.parents(name):
            self.root(name)
        # A category with causes gets no law: it can be read, and never moves.
        elif not self._spec.schema[name].kind.is_categorical:
            self.learn(name)

    def root(self, name: str) -> None:
        _, values = self._complete(name)
        noise = Noise(float(values.std()), quantiles(values))
        self._keep(name, MechanismSpec("root"), root_to_json(name, noise))
        self.nodes.append(FittedNode(name, "root", None, len(values), noise.sd))

    def learn(self, name: str) -> None:
        parents, values = self._complete(name)
        nominal = [self._spec.schema[p].kind is Kind.NOMINAL for p in self._spec.parents(name)]
        # Here and not in `learn` alone: trees are compared on the same rows.
        if len(values) > MOST_ROWS:
            drawn = self._rng.choice(len(values), size=MOST_ROWS, replace=False)
            parents, values = parents[drawn], values[drawn]
        found = learn(parents, values, nominal, self._rng, self._kinds, self._forms)
        gaps = self._gaps_of_trees(name, parents, values, found)
        likelihoods = dict(found.likelihoods)
        if gaps is not None:
            density = _normal_density(gaps)
            likelihoods["trees/additive"] = float(density.mean())
            # The lower end of what they gain: they must surely be likelier, not by chance.
            if gain(found.held_out, density)[0] > LEAST_GAIN:
                self._keep_trees(name, parents, values, float(gaps.std()), likelihoods)
                return
        form, noise = found.mechanism.form, found.mechanism.noise
        data = mechanism_to_json(name, self._spec.parents(name), found.mechanism)
        self._keep(name, MechanismSpec(found.kind, form), data)
        sd = 0.0 if noise is None else noise.sd
        self.nodes.append(FittedNode(name, found.kind, form, len(values), sd, likelihoods))

    def _gaps_of_trees(
        self, name: str, parents: Array, values: Array, found: Learned
    ) -> Array | None:
        """What trees miss each value by when they are grown without its fold, ``(n,)``."""
        if self._grow is None or self._load_graph is None:
            return None
        gaps = np.empty(len(values))
        for k in range(FOLDS):
            # The folds of the other shapes: both densities are of the same rows held out.
            out = found.fold == k
            data = self._grow(parents[~out], values[~out], self._rng, 1)
            trees = self._load_graph(data, self._spec.parents(name), True)
            gaps[out] = values[out] - trees(parents[out])
        return gaps

    def _keep_trees(
        self,
        name: str,
        parents: Array,
        values: Array,
        sd: float,
        likelihoods: Mapping[str, float],
    ) -> None:
        assert self._grow is not None
        # Many ensembles now: their spread is what plausible mechanisms are drawn from.
        data = self._grow(parents, values, self._rng, MEMBERS)
        spec = MechanismSpec("trees", sd=sd, parameters={"members": MEMBERS})
        self._keep(name, spec, data, "onnx")
        form = NoiseForm.ADDITIVE
        self.nodes.append(FittedNode(name, "trees", form, len(values), sd, likelihoods))

    def measure(self, name: str, given: MechanismSpec, noise_of: NoiseOf) -> None:
        parents, values = self._complete(name)
        noise = noise_of(parents, values)
        # A formula may be undefined on some rows; the others still show its spread.
        noise = noise[np.isfinite(noise)]
        sd = float(noise.std())
        self.mechanisms[name] = replace(given, sd=sd)
        self.nodes.append(FittedNode(name, given.kind, given.noise, len(noise), sd))

    def _complete(self, name: str) -> tuple[Array, Array]:
        """Causes and values of ``name`` where none of them is missing."""
        j = self._spec.schema.index(name)
        causes = list(self._spec.graph.parents[j])
        # Of this node and its causes only: other columns may be missing.
        there = np.isfinite(self._rows[:, [*causes, j]]).all(axis=1)
        if there.sum() < LEAST_ROWS:
            raise ValueError(f"{name} has {there.sum()} complete rows, the least is {LEAST_ROWS}")
        return self._rows[there][:, causes], self._rows[there, j]

    def _keep(self, name: str, mechanism: MechanismSpec, data: bytes, suffix: str = "json") -> None:
        path = f"mechanisms/{self._prefix}{self._file_name(name)}.{suffix}"
        digest = hashlib.sha256(data).hexdigest()
        self.files[path] = data
        self.mechanisms[name] = replace(mechanism, file=path, sha256=digest)

    def _file_name(self, name: str) -> str:
        """``name`` where a file may be called so; otherwise its column and what is left of it."""
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            return name
        # The column's number keeps names apart that differ in other signs only.
        left = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        return f"{self._spec.schema.index(name)}.{left}"


def _normal_density(gaps: Array) -> Array:
    """Log density of each, were they normal about 0."""
    # A perfect fit has no variance, and the logarithm of 0 no value.
    variance = max(float((gaps**2).mean()), np.finfo(float).tiny)
    return np.asarray(-0.5 * (np.log(2.0 * np.pi * variance) + gaps**2 / variance))
