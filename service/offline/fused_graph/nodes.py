"""A graph being written: nodes one after another, each named by what it yields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, compose, helper, numpy_helper

from ifonly.models.errors import GraphError


class Nodes:
    """Nodes and constants; every method returns the name of a tensor."""

    def __init__(self, opsets: dict[str, int]) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.opsets = opsets
        """Operator sets by domain: those of the graphs that are taken in."""

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        # Numbered: names must be unique in a graph.
        name = f"causal_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: npt.ArrayLike, dtype: type | str = np.float64) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def columns(self, table: str, places: Sequence[int]) -> str:
        """Some columns of ``(n, d)``, ``(n, len(places))``."""
        return self.add("Gather", table, self.constant(places, np.int64), axis=1)

    def sum(self, *terms: str) -> str:
        whole = terms[0]
        for term in terms[1:]:
            whole = self.add("Add", whole, term)
        return whole

    def any(self, flags: Sequence[str]) -> str:
        whole = flags[0]
        for flag in flags[1:]:
            whole = self.add("Or", whole, flag)
        return whole

    def take_in(self, model: ModelProto, inputs: dict[str, str], prefix: str) -> str:
        """The nodes of a whole graph, its inputs read from here; the name of its output.

        Raises
        ------
        GraphError
            If it needs another version of an operator set than the graphs before it.
        """
        for entry in model.opset_import:
            # ONNX has two spellings for its own domain.
            domain = "" if entry.domain == "ai.onnx" else entry.domain
            # One graph has one version of each operator set; under another a node may differ.
            if self.opsets.setdefault(domain, entry.version) != entry.version:
                raise GraphError(
                    f"{prefix} needs version {entry.version} of the operators "
                    f"{domain or 'ai.onnx'!r}, another graph {self.opsets[domain]}"
                )
        if model.functions:
            raise GraphError(f"{prefix} defines operators of its own")
        # Two graphs that were trained apart often use the same names.
        own = compose.add_prefix(model, f"{prefix}_")
        for name, here in inputs.items():
            self.nodes.append(helper.make_node("Identity", [here], [f"{prefix}_{name}"]))
        self.nodes.extend(own.graph.node)
        self.constants.extend(own.graph.initializer)
        return str(own.graph.output[0].name)
