"""A graph that can be served, read as mathematics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from ifonly.models.encoding import BoundEncoding, BoundInput
from ifonly.models.graph.algebra.reading import read_algebra
from ifonly.models.graph.cells import Cell, Cells, sources
from ifonly.models.graph.columns import Columns
from ifonly.models.graph.composition import Composition, compose, holds_models
from ifonly.models.graph.cores import Found, find_core, has_models
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.finish import Expand, Finish
from ifonly.models.graph.folding import with_constants_folded
from ifonly.models.graph.forms import Core, GraphForm, UnitNetwork
from ifonly.models.graph.idioms import in_short
from ifonly.models.graph.idle_casts import without_idle_casts
from ifonly.models.graph.operators.couplings import Softmax
from ifonly.models.graph.operators.elementwise import Unary
from ifonly.models.graph.operators.scorers import KernelMachine, ModelNode
from ifonly.models.graph.operators.shapes import Constant, Same
from ifonly.models.graph.operators.tree_scores import BinaryScores, PostTransform, Transform
from ifonly.models.graph.parts import Part, part
from ifonly.models.graph.program import GraphProgram, Step
from ifonly.models.graph.reduction import Reduced, fold, mirrored, reduce
from ifonly.models.graph.refusal import UnreadableGraph, refuse
from ifonly.models.graph.source import GraphSource
from ifonly.models.graph.tree_terms import as_tree_sum


def read_graph(
    model: ModelProto, encoding: BoundEncoding, columns: npt.NDArray[np.intp]
) -> GraphForm:
    """``model``, whose only output holds the scores in ``columns``, as mathematics.

    Raises
    ------
    UnreadableGraph
        If there is no such form, or none that is known; the message names node and operator.
    """
    source = _source(model)
    try:
        form = _careful(_read, source, encoding, columns)
        if isinstance(form.core, UnitNetwork) and not form.core.is_piecewise_linear:
            with suppress(UnreadableGraph):
                return replace(form, nodes=_careful(_composed, source, encoding, columns))
        return form
    except UnreadableGraph as refusal:
        try:
            return _careful(_composed, source, encoding, columns)
        # What kept it from being one model is said, unless there are models in it.
        except UnreadableGraph as other:
            raise (other if holds_models(source) else refusal) from refusal


def read_as_one(
    model: ModelProto, encoding: BoundEncoding, columns: npt.NDArray[np.intp]
) -> GraphForm:
    """As :func:`read_graph`, of a graph that is one model: trees, a linear one, or a network."""
    return _careful(_read, _source(model), encoding, columns)


def _source(model: ModelProto) -> GraphSource:
    try:
        return GraphSource(in_short(with_constants_folded(without_idle_casts(model))))
    except UnreadableGraph:
        raise
    except Exception as error:  # a node may be malformed in any way, and served all the same
        raise UnreadableGraph(f"{type(error).__name__}: {error}") from error


def _careful(
    read: Callable[[GraphSource, BoundEncoding, npt.NDArray[np.intp]], GraphForm],
    source: GraphSource,
    encoding: BoundEncoding,
    columns: npt.NDArray[np.intp],
) -> GraphForm:
    try:
        # Constants may overflow as they are folded, which whoever proves something will see.
        with np.errstate(all="ignore"):
            return read(source, encoding, columns)
    except UnreadableGraph:
        raise
    except Exception as error:  # as above
        raise UnreadableGraph(f"{type(error).__name__}: {error}") from error


def read_as_composition(
    model: ModelProto, encoding: BoundEncoding, columns: npt.NDArray[np.intp]
) -> GraphForm:
    """As :func:`read_graph`, node by node, whatever it may come to."""
    return _careful(_node_by_node, _source(model), encoding, columns)


def _composed(
    source: GraphSource, encoding: BoundEncoding, columns: npt.NDArray[np.intp]
) -> GraphForm:
    read, core = compose(source, encoding, columns)
    found = as_tree_sum(read, core)
    if found is not None:
        # Scores that are none of its sums alone are left to what is known node by node.
        with suppress(UnreadableGraph):
            return _formed(found.columns, found.ensemble, _of_steps(found.behind), columns)
    form = GraphForm.unlinked(read, core)
    # As much as can be of what makes scores of its outputs is a link: far from where the decision
    # turns scores hardly move, and their outputs do.
    for cut in _cuts(core):
        with suppress(UnreadableGraph):
            return replace(_formed(read, cut[0], _of_steps(cut[1]), columns), whole=core)
    return form


def _cuts(core: Composition) -> Iterator[tuple[Composition, GraphProgram]]:
    """The composition up to each tensor on which all that follows depends alone, and what follows,
    the shortest first."""
    steps = core.program.steps
    by_output = {step.output: step for step in steps}
    fixed = {step.output for step in steps if isinstance(step.operator, Constant)}
    tensors = core.sample()
    tensor = core.program.output
    behind: list[Step] = []
    while tensor in by_output:
        step = by_output[tensor]
        inputs = [name for name in step.inputs if name not in fixed]
        if len(inputs) != 1 or isinstance(step.operator, ModelNode | KernelMachine):
            return
        behind.insert(0, step)
        tensor = inputs[0]
        made = tensors[tensor]
        if made.ndim != 2 or made.dtype.kind != "f" or not any(map(_bends, behind)):
            continue
        before = GraphProgram(steps, tensor)
        own = [by_output[name] for each in behind for name in each.inputs if name in fixed]
        start = Step(Same(), (Finish.INPUT,), tensor)
        after = GraphProgram((start, *own, *behind), core.program.output)
        yield replace(core, program=before, pick=np.arange(made.shape[1])), after


def _bends(step: Step) -> bool:
    """Whether it is a function of its numbers that flattens out."""
    match step.operator:
        case Softmax() | PostTransform(transform=Transform.LOGISTIC | Transform.SOFTMAX):
            return True
        case BinaryScores(transform=Transform.LOGISTIC):
            return True
        case Unary(name=name):
            return name in ("Sigmoid", "Tanh")
    return False


def _node_by_node(
    source: GraphSource, encoding: BoundEncoding, columns: npt.NDArray[np.intp]
) -> GraphForm:
    read, core = compose(source, encoding, columns)
    return GraphForm.unlinked(read, core)


def _read(source: GraphSource, encoding: BoundEncoding, columns: npt.NDArray[np.intp]) -> GraphForm:
    # Only what is written in plain ONNX may be read in another way.
    if has_models(source):
        return _of_core(source, encoding, columns)
    chain: GraphForm | None = None
    with suppress(UnreadableGraph):
        chain = _of_core(source, encoding, columns)
    if chain is not None and (len(columns) == 1 or chain.keeps_order):
        return chain
    try:
        return _of_units(source, encoding, columns)
    except UnreadableGraph:
        # Scores that have not the order of a chain's outputs have it of nothing else either.
        if chain is not None:
            return chain
        raise


def _of_core(
    source: GraphSource, encoding: BoundEncoding, columns: npt.NDArray[np.intp]
) -> GraphForm:
    """As a model of its own, or a chain of layers."""
    found = find_core(source)
    before = part(source, found.input)
    features = _features(before, encoding)
    core, steps = found.read(_type_of(before, encoding, found), len(features))
    behind = part(source, source.output, start=found.output, first=steps)
    return _form(encoding, columns, before, core, behind)


def _of_units(
    source: GraphSource, encoding: BoundEncoding, columns: npt.NDArray[np.intp]
) -> GraphForm:
    """As a network of units."""

    def follows(core: UnitNetwork, behind: Part) -> None:
        if len(columns) > 1 and not _finish(core, behind, columns)[1].sense:
            raise UnreadableGraph("the scores of the classes have not the order of their sums")
        _reduce(core, behind, columns)

    whole = read_algebra(
        source, _cells(encoding), lambda prefix: _run(prefix, encoding).dtype, follows
    )
    return _form(encoding, columns, whole.before, whole.core, whole.behind)


def _form(
    encoding: BoundEncoding,
    columns: npt.NDArray[np.intp],
    before: Part,
    core: Core,
    behind: Part,
) -> GraphForm:
    features = _features(before, encoding)
    read = Columns(features, core.dtype, encoding, before.program)
    return _formed(read, core, behind, columns)


def _of_steps(program: GraphProgram) -> Part:
    """A program whose steps are no nodes' any more."""
    return Part(program, (None,) * len(program.steps))


def _formed(read: Columns, core: Core, behind: Part, columns: npt.NDArray[np.intp]) -> GraphForm:
    """Columns, a core, and what is made of its outputs."""
    reduced, finish = _finish(core, behind, columns)
    return GraphForm(read, reduced.core, finish, core)


def _finish(core: Core, behind: Part, columns: npt.NDArray[np.intp]) -> tuple[Reduced, Finish]:
    reduced = _reduce(core, behind, columns)
    return reduced, _settled(
        Finish(
            expand=reduced.expand,
            program=behind.program,
            dtype=core.sums if isinstance(core, TreeEnsemble) else core.dtype,
            pick=columns,
            sense=reduced.sense,
        )
    )


def _settled(finish: Finish) -> Finish:
    """``finish``, its sense settled where two scores move in opposite directions.

    Such scores have the order of their raw outputs if they meet where those do.
    """
    is_pair = finish.expand is not None and len(finish.expand) == 2 and not finish.expand[0].any()
    if not is_pair or finish.sense == 1:
        return finish
    # Both move monotonically, so where they meet is where the order of the two turns.
    meet = finish(np.zeros((1, 2)))[0]
    return replace(finish, sense=int(meet[0] == meet[1]))


def _reduce(core: Core, behind: Part, columns: npt.NDArray[np.intp]) -> Reduced:
    """The core with one output for each score."""
    if len(columns) > 1 or not mirrored(core):
        return reduce(core, _scores(behind, sources(range(core.n_outputs)), columns))
    folded = fold(core)
    both = sources([0, 0])
    # One source that moves the two scores in opposite directions.
    both[0] = [Cell(frozenset({0}), 0, sense) for sense in (-1, 1)]
    reduced = reduce(folded.core, _scores(behind, both, columns))
    return replace(reduced, expand=_through(reduced.expand, folded.expand))


def _through(first: Expand, then: Expand) -> Expand:
    """One expansion after the other."""
    if first is None or then is None:
        return then if first is None else first
    return first @ then


def _scores(behind: Part, raw: Cells, columns: npt.NDArray[np.intp]) -> list[Cell]:
    """What each score depends on, of a core whose outputs are ``raw``."""
    cells = behind.trace({Finish.INPUT: raw})
    line = cells[0] if cells.ndim == 2 else cells
    return [line[column] for column in columns]


def _features(before: Part, encoding: BoundEncoding) -> npt.NDArray[np.int32]:
    """The feature behind each column that the core reads."""
    cells = before.trace(_cells(encoding), single=True)
    if cells.ndim != 2:
        raise UnreadableGraph(f"{before.output!r}, which the model reads, has rank {cells.ndim}")
    # A column of no source is constant; it is given feature 0, which it never moves with.
    return np.array([min(cell.sources, default=0) for cell in cells[0]], dtype=np.int32)


def _cells(encoding: BoundEncoding) -> dict[str, Cells]:
    """The features behind each number of the graph's inputs."""
    return {
        bound.tensor.name: _shaped([c.feature for c in bound.columns], bound)
        for bound in encoding.inputs
    }


def _shaped(features: list[int], bound: BoundInput) -> Cells:
    cells = sources(features)
    if bound.window:
        return cells.reshape(len(cells), *bound.window)
    return cells[:, 0] if len(bound.tensor.shape) == 1 else cells


def _type_of(before: Part, encoding: BoundEncoding, found: Found) -> np.dtype[Any]:
    """Type of the tensor that the core reads."""
    tensor = _run(before, encoding)
    if tensor.dtype.kind not in "fiu":
        raise refuse(found.node, f"reads {tensor.dtype.name}, not numbers")
    return tensor.dtype


def _run(before: Part, encoding: BoundEncoding) -> npt.NDArray[Any]:
    """What a program makes of two rows of zeros."""
    with np.errstate(all="ignore"):
        return before.program.run(encoding.feeds(np.zeros((2, encoding.n_features))))
