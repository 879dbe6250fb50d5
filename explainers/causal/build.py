"""From ``causal.toml`` and the files that it names to a model that can be asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ifonly.explainers.causal.basis import linear, polynomial
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.function import Function
from ifonly.explainers.causal.mechanism import Mechanism, Noise, NoiseForm
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.regressor import TreeRegressor
from ifonly.explainers.causal.spec import Alternative, CausalSpec, MechanismSpec
from ifonly.explainers.causal.storage import BadFile, mechanism_from_json, root_from_json
from ifonly.models.errors import SpecError

Parts = tuple[Mechanism | None, Noise | None]
"""How a feature follows, and, of a root, how it is distributed."""
LoadGraph = Callable[[bytes, tuple[str, ...], bool], Function]
"""Makes a function of an ONNX graph: its bytes, the parents' names in the order of its columns,
and whether it must be a tree ensemble. Raises GraphError if it cannot."""


def build_model(
    spec: CausalSpec,
    files: Mapping[str, bytes] | None = None,
    file: str = "causal.toml",
    load_graph: LoadGraph | None = None,
) -> CausalModel:
    """The model that ``spec`` describes.

    ``files`` are the bytes of what it names, by path; ``file`` is how errors call it;
    ``load_graph`` reads mechanisms that are ONNX graphs, which only the caller can run. A node
    with causes and without a mechanism is left without: it can be read, not moved.

    Raises
    ------
    SpecError
        If a file is missing, is not what its digest says, or is no mechanism of its node.
    GraphError
        If an ONNX graph cannot be used.
    """
    return _Builder(spec, files or {}, file, load_graph).model()


def build_alternatives(
    spec: CausalSpec,
    files: Mapping[str, bytes] | None = None,
    file: str = "causal.toml",
    load_graph: LoadGraph | None = None,
    main: CausalModel | None = None,
) -> tuple[CausalModel, ...]:
    """The model of each of the spec's alternatives, in their order; as :func:`build_model`.

    What follows in an alternative as in the main graph does so by the very mechanism of ``main``,
    if that is given: the spec's own model.
    """
    found = []
    for i, other in enumerate(spec.alternatives):
        model = _Builder(spec.under(other), files or {}, file, load_graph, other, i).model(
            {} if main is None else _kept(main, spec.changed(other))
        )
        found.append(model)
    return tuple(found)


def _kept(main: CausalModel, changed: frozenset[str]) -> dict[str, Parts]:
    """The mechanisms of features that follow as they do in the main graph, by name."""
    each = zip(main.names, main.mechanisms, main.roots, strict=True)
    return {name: (mechanism, root) for name, mechanism, root in each if name not in changed}


class _Builder:
    def __init__(
        self,
        spec: CausalSpec,
        files: Mapping[str, bytes],
        file: str,
        load_graph: LoadGraph | None,
        other: Alternative | None = None,
        position: int = 0,
    ) -> None:
        self._spec = spec
        self._other = other
        self._position = position
        self._files = files
        self._file = file
        self._load_graph = load_graph

    def model(self, known: Mapping[str, Parts] = MappingProxyType({})) -> CausalModel:
        """The model, with those parts that are ``known``, by name."""
        names = self._spec.schema.names
        parts = [known.get(name) or (self.mechanism(name), self.root(name)) for name in names]
        mechanisms, roots = zip(*parts, strict=True)
        return CausalModel(names, self._spec.graph, mechanisms, roots)

    def root(self, name: str) -> Noise | None:
        given = self._spec.mechanisms.get(name)
        if given is None or given.kind != "root":
            return None
        if not given.file:
            return None if given.sd is None else Noise(given.sd)
        try:
            return root_from_json(self._bytes(name, given), name)
        except BadFile as error:
            raise self._error(name, error) from error

    def mechanism(self, name: str) -> Mechanism | None:
        given = self._spec.mechanisms.get(name)
        if given is None or given.kind == "root":
            return None
        parents = self._spec.parents(name)
        if given.file and given.kind in ("trees", "onnx"):
            function = self._graph(name, given, parents)
            # Trees are read as leaves, so that each ensemble can be asked alone.
            if "members" in given.parameters and isinstance(function, TreeRegressor):
                function = self._ensembles(name, given, function)
            return Mechanism(function, None, _declared_noise(given))
        if given.file:
            return self._fitted(name, given, parents)
        location, log_scale = _inline(given, parents)
        return Mechanism(location, log_scale, _declared_noise(given))

    def _fitted(self, name: str, given: MechanismSpec, parents: Sequence[str]) -> Mechanism:
        try:
            mechanism = mechanism_from_json(self._bytes(name, given), name, parents)
        except BadFile as error:
            raise self._error(name, error) from error
        # The file and the spec must say the same: what is reviewed is the spec.
        if mechanism.form is not given.noise:
            raise SpecError(
                self._file,
                f"{self._key(name)}.noise",
                f"is {given.noise.value!r}, but {given.file} has {mechanism.form.value} noise",
            )
        return mechanism

    def _graph(self, name: str, given: MechanismSpec, parents: tuple[str, ...]) -> Function:
        if self._load_graph is None:
            raise SpecError(
                self._file, f"{self._key(name)}.kind", f"is {given.kind!r}: no graphs are read here"
            )
        return self._load_graph(self._bytes(name, given), parents, given.kind == "trees")

    def _ensembles(self, name: str, given: MechanismSpec, trees: TreeRegressor) -> TreeRegressor:
        try:
            return replace(trees, n_members=given.parameters["members"])
        except ValueError as error:
            raise SpecError(self._file, f"{self._key(name)}.members", str(error)) from error

    def _bytes(self, name: str, given: MechanismSpec) -> bytes:
        data = self._files.get(given.file)
        key = self._key(name)
        if data is None:
            raise SpecError(self._file, f"{key}.file", f"{given.file} is missing")
        digest = hashlib.sha256(data).hexdigest()
        if digest != given.sha256:
            raise SpecError(
                self._file, f"{key}.sha256", f"is {given.sha256}, but {given.file} has {digest}"
            )
        return data

    def _key(self, name: str) -> str:
        """Where the file says how ``name`` follows."""
        own = self._other is not None and name in self._other.mechanisms
        return f"alternatives[{self._position}].mechanisms.{name}" if own else f"mechanisms.{name}"

    def _error(self, name: str, error: BadFile) -> SpecError:
        file = self._spec.mechanisms[name].file
        return SpecError(self._file, f"{self._key(name)}.file", f"{file} {error}")


def _declared_noise(given: MechanismSpec) -> Noise | None:
    return None if given.sd is None else Noise(given.sd)


def _inline(given: MechanismSpec, parents: tuple[str, ...]) -> tuple[Function, Function | None]:
    parameters = given.parameters
    if given.kind == "linear":
        coefficients = np.array([parameters["coefficients"][name] for name in parents])
        return linear(parameters.get("intercept", 0.0), coefficients), None
    if given.kind == "polynomial":
        return polynomial(*_terms(parameters["terms"], parents)), None
    location = Expression(parameters["expression"], parents)
    if given.noise is NoiseForm.ADDITIVE:
        return location, None
    return location, Expression(parameters["log_scale"], parents)


def _terms(terms: Sequence[Mapping[str, Any]], parents: Sequence[str]) -> tuple[Any, Any]:
    exponents = np.array(
        [[term.get("powers", {}).get(name, 0) for name in parents] for term in terms],
        dtype=np.int64,
        # No terms at all still need their second axis.
    ).reshape(len(terms), len(parents))
    return exponents, np.array([term["coefficient"] for term in terms], dtype=np.float64)
