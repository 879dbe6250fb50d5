"""Parts of a graph as numpy: what stands before the core of a model, and what stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ifonly.models.graph.operators.base import Operator, Tensor


@dataclass(frozen=True, eq=False)
class Step:
    """One node."""

    operator: Operator
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class GraphProgram:
    """Nodes in the order in which they are run."""

    steps: tuple[Step, ...]
    output: str

    def run(self, feeds: Mapping[str, Tensor]) -> Tensor:
        """The output for tensors by name; the batch is the first axis of each."""
        tensors = dict(feeds)
        for step in self.steps:
            tensors[step.output] = step.operator.run(*(tensors[name] for name in step.inputs))
        return tensors[self.output]
