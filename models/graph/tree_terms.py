"""Compositions that come to one sum over trees: bags, votes and boosted ensembles of trees.

What stands between a single tree and the sum is a function of a leaf, whatever it is, and goes into
the leaves; between a forest and the sum it must be affine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.columns import Columns
from ifonly.models.graph.composition import Composition
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.finish import Finish
from ifonly.models.graph.operators.base import Tensor
from ifonly.models.graph.operators.elementwise import Broadcast, Cast
from ifonly.models.graph.operators.reductions import Filled, Mean
from ifonly.models.graph.operators.scorers import KernelMachine, ModelNode, SquaredDistances
from ifonly.models.graph.operators.shapes import (
    Constant,
    Flatten,
    Reshape,
    Same,
    Slice,
    Squeeze,
    Take,
)
from ifonly.models.graph.operators.tree_scores import BinaryScores, PostTransform, Transform
from ifonly.models.graph.program import GraphProgram, Step
from ifonly.models.graph.sums import merged

_AFFINE = (Same, Reshape, Flatten, Squeeze, Slice, Take)


@dataclass(frozen=True, eq=False)
class TreeSum:
    """The same graph as one ensemble and what follows its sums."""

    columns: Columns
    ensemble: TreeEnsemble
    behind: GraphProgram


@dataclass(frozen=True)
class _Term:
    tensor: str
    model: int | None
    """Position of the model of which it is a function; None of a constant."""
    factor: float


class _NoSum(Exception):
    """The composition is no sum over trees."""


def as_tree_sum(columns: Columns, core: Composition) -> TreeSum | None:
    """The composition as one sum over trees of one tensor's columns; None where it is none."""
    try:
        return _Folding(columns, core).made()
    except _NoSum:
        return None


class _Folding:
    def __init__(self, columns: Columns, core: Composition) -> None:
        self._columns, self._core = columns, core
        self._tensors = core.sample()
        self._steps = [self._unfilled(step) for step in core.program.steps]
        self._by_output = {step.output: step for step in self._steps}
        if any(isinstance(s.operator, KernelMachine | SquaredDistances) for s in self._steps):
            raise _NoSum
        self._models = [s for s in self._steps if isinstance(s.operator, ModelNode)]
        if len({s.inputs[0] for s in self._models}) != 1:
            raise _NoSum
        self._needs = self._dependencies()

    def _unfilled(self, step: Step) -> Step:
        """A tensor of one value as a line of it, which is stretched over rows."""
        if not isinstance(step.operator, Filled):
            return step
        line = np.full((1, *self._tensors[step.output].shape[1:]), step.operator.value)
        return Step(Constant(line), (), step.output)

    def _dependencies(self) -> dict[str, frozenset[int | None]]:
        """Models on which each tensor depends; None of what reads columns without one."""
        needs: dict[str, frozenset[int | None]] = {Composition.COLUMNS: frozenset({None})}
        place = {step.output: k for k, step in enumerate(self._models)}
        for step in self._steps:
            if step.output in place:
                needs[step.output] = frozenset({place[step.output]})
            else:
                needs[step.output] = frozenset().union(*(needs[n] for n in step.inputs))
        return needs

    def made(self) -> TreeSum:
        if len(self._models) == 1:
            return self._of_one(self._models[0])
        joint = self._joint()
        terms = list(self._terms(joint.output, 1.0))
        behind = self._behind(joint)
        width = self._tensors[joint.output].shape[-1]
        parts = [self._part(k, terms, width) for k in range(len(self._models))]
        fixed = np.zeros(width)
        for term in terms:
            if term.model is None:
                fixed = fixed + term.factor * np.broadcast_to(
                    self._tensors[term.tensor], (1, width)
                ).reshape(-1)
        whole = merged(parts)
        sums = self._tensors[joint.output].dtype
        ensemble = replace(whole, base=whole.base + fixed, sums=np.dtype(sums))
        return TreeSum(self._own_columns(), ensemble, behind)

    def _of_one(self, step: Step) -> TreeSum:
        """One ensemble, such as a forest whose probabilities are calibrated."""
        assert isinstance(step.operator, ModelNode)
        core = step.operator.core
        if not isinstance(core, TreeEnsemble):
            raise _NoSum
        output = self._core.program.output
        steps = self._between(output, step.output)
        start = Step(Same(), (Finish.INPUT,), step.output)
        return TreeSum(self._own_columns(), core, GraphProgram((start, *steps), output))

    def _joint(self) -> Step:
        """The last step in which several models meet."""
        found = [
            step
            for step in self._steps
            if len({self._needs[n] for n in step.inputs if self._needs[n]}) > 1
        ]
        if not found or self._tensors[found[-1].output].ndim != 2:
            raise _NoSum
        return found[-1]

    def _terms(self, tensor: str, factor: float) -> Iterator[_Term]:
        needs, step = self._needs[tensor], self._by_output[tensor]
        if len(needs) <= 1:
            model = next(iter(needs), None)
            if needs and model is None:
                raise _NoSum  # it reads columns and no model
            yield _Term(tensor, model, factor)
            return
        operator = step.operator
        is_sum = isinstance(operator, Broadcast) and operator.name in ("Add", "Sum")
        if not is_sum and not isinstance(operator, Mean):
            raise _NoSum
        share = factor if is_sum else factor / len(step.inputs)
        for name in step.inputs:
            yield from self._terms(name, share)

    def _behind(self, joint: Step) -> GraphProgram:
        """What is made of the sums, and of nothing else that depends on the row."""
        after = self._between(self._core.program.output, joint.output)
        start = Step(Same(), (Finish.INPUT,), joint.output)
        return GraphProgram((start, *after), self._core.program.output)

    def _between(self, output: str, start: str) -> list[Step]:
        """The steps from ``start`` to ``output``, constants included."""
        wanted, found = {output}, []
        for step in reversed(self._steps):
            if step.output in wanted and step.output != start:
                found.append(step)
                wanted.update(step.inputs)
        if Composition.COLUMNS in wanted:
            raise _NoSum
        return found[::-1]

    def _part(self, place: int, terms: Sequence[_Term], width: int) -> TreeEnsemble:
        """One model's trees with what its terms make of its leaves."""
        step = self._models[place]
        assert isinstance(step.operator, ModelNode)
        core = step.operator.core
        if not isinstance(core, TreeEnsemble):
            raise _NoSum
        values, base = np.zeros((core.n_nodes, width)), np.zeros(width)
        for term in terms:
            if term.model != place:
                continue
            between = self._between(term.tensor, step.output)
            if core.n_trees == 1:
                # One tree: each leaf is an output of its own, so the function is taken of it.
                raw = (core.values + core.base).astype(core.sums)
                made = _run(between, step.output, raw, term.tensor)
                own = np.where(core.is_leaf[:, None], _wide(made, len(raw), width), 0.0)
                values = values + term.factor * own
                continue
            turn, shift = _affine(between, step.output, core, term.tensor, width)
            values = values + term.factor * (core.values @ turn)
            base = base + term.factor * (core.base @ turn + shift)
        return replace(core, n_outputs=width, values=values, base=base, divisor=1.0)

    def _own_columns(self) -> Columns:
        """Those of the tensor that all models read."""
        name = self._models[0].inputs[0]
        line, cast = self._by_output.get(f"{name}/line"), self._by_output.get(name)
        if line is None or cast is None or not isinstance(line.operator, Take):
            raise _NoSum
        assert isinstance(cast.operator, Cast)
        if self._tensors[name].ndim != 2:
            raise _NoSum
        prefix = self._columns.prefix
        wanted, kept = {name}, []
        for step in reversed(prefix.steps):
            if step.output in wanted:
                kept.append(step)
                wanted.update(step.inputs)
        return Columns(
            self._columns.feature[line.operator.places],
            cast.operator.dtype,
            self._columns.encoding,
            GraphProgram(tuple(kept[::-1]), name),
        )


def _run(steps: Sequence[Step], start: str, tensor: Tensor, output: str) -> Tensor:
    tensors: dict[str, Tensor] = {start: tensor}
    with np.errstate(all="ignore"):
        for step in steps:
            tensors[step.output] = step.operator.run(*(tensors[n] for n in step.inputs))
    return tensors[output]


def _wide(tensor: Tensor, n: int, width: int) -> npt.NDArray[np.float64]:
    if tensor.ndim != 2 or tensor.shape[0] != n or tensor.shape[1] not in (1, width):
        raise _NoSum
    return np.broadcast_to(tensor, (n, width)).astype(np.float64)


def _affine(
    steps: Sequence[Step],
    start: str,
    core: TreeEnsemble,
    output: str,
    width: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What becomes of the sums of several trees: ``sums @ turn + shift``."""
    if not all(_is_affine(step, steps) for step in steps):
        raise _NoSum
    # At 0 and at each unit: exact, for nothing is added to anything there but one constant.
    tried = np.concatenate([np.zeros((1, core.n_outputs)), np.eye(core.n_outputs)])
    made = _wide(_run(steps, start, tried.astype(core.sums), output), len(tried), width)
    return made[1:] - made[0], made[0]


def _is_affine(step: Step, steps: Sequence[Step]) -> bool:
    operator: Any = step.operator
    fixed: Mapping[str, bool] = {s.output: isinstance(s.operator, Constant) for s in steps}
    match operator:
        case Constant():
            return True
        # Two scores of one sum are the sum and its complement.
        case PostTransform(transform=Transform.NONE):
            return True
        case BinaryScores():
            return operator.transform is not Transform.LOGISTIC
        case Cast():
            return bool(operator.dtype.kind == "f")
        case Broadcast(name="Mul"):
            return any(fixed.get(name, False) for name in step.inputs)
        case Broadcast(name="Div"):
            return fixed.get(step.inputs[1], False)
        case Broadcast(name="Add" | "Sub" | "Sum"):
            return True
        case _:
            return isinstance(operator, _AFFINE)
