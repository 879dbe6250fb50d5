"""A core cut down to the outputs that the scores depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.cells import Cell
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.finish import Expand
from ifonly.models.graph.forms import Affine, Core, ReluNetwork, UnitNetwork
from ifonly.models.graph.refusal import UnreadableGraph

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reduced:
    """A core whose outputs the scores follow."""

    core: Core
    expand: Expand
    """Takes its outputs to those of the graph's core."""
    sense: int
    """See :attr:`ifonly.models.graph.finish.Finish.sense`."""


def mirrored(core: Core) -> bool:
    """Whether the core has two outputs, one the negative of the other, as in a logistic regression
    that is written with a line of weights for each class.
    """
    if core.n_outputs != 2:
        return False
    pairs: Sequence[npt.NDArray[np.floating]]
    match core:
        case TreeEnsemble():
            pairs = [core.values, core.base]
        case Affine():
            pairs = [core.weights, core.bias]
        case UnitNetwork():
            pairs = [core.weights, core.bias]
        case ReluNetwork():
            pairs = core.layers[-1]
    # Exactly so: nearly opposite outputs would be read as something else.
    return all(np.array_equal(pair[..., 0], -pair[..., 1]) for pair in pairs)


def fold(core: Core) -> Reduced:
    """A :func:`mirrored` core as its second output alone."""
    return Reduced(_combine(core, np.array([[0.0], [1.0]])), np.array([[-1.0, 1.0]]), 1)


def reduce(core: Core, scores: Sequence[Cell]) -> Reduced:
    """``core`` with one output for each of ``scores``, or the reason why there is none.

    Raises
    ------
    UnreadableGraph
        If one score depends on outputs in a way that is no function of one number.
    """
    if len(scores) == 2 and scores[0].sources == scores[1].sources == {scores[0].main}:
        return _pair(core, scores)
    if len(scores) > 1:
        return _one_each(core, scores)
    (cell,) = scores
    if cell.main is None or cell.sense == 0:
        raise UnreadableGraph("the score is no monotone function of what the model adds up")
    if len(cell.sources) == 1:
        combine = np.zeros((core.n_outputs, 1))
        # Turned round where the score falls, so that it always rises with our raw output.
        combine[cell.main, 0] = cell.sense
        return Reduced(_combine(core, combine), combine.T, 1)
    # A softmax of two is a logistic of their difference.
    if len(cell.sources) == 2 and cell.shift:
        (other,) = cell.sources - {cell.main}
        combine = np.zeros((core.n_outputs, 1))
        combine[cell.main, 0], combine[other, 0] = cell.sense, -cell.sense
        expand = np.zeros((1, core.n_outputs))
        expand[0, cell.main] = cell.sense
        return Reduced(_combine(core, combine), expand, 1)
    raise UnreadableGraph(
        f"the score depends on {len(cell.sources)} outputs of the model, not on one or on the "
        f"difference of two"
    )


def _pair(core: Core, scores: Sequence[Cell]) -> Reduced:
    """Scores of two classes that one output moves, in opposite directions."""
    main, (first, second) = scores[0].main, (cell.sense for cell in scores)
    if main is None or first * second != -1:
        raise UnreadableGraph("the scores of two classes do not move in opposite directions")
    combine = np.zeros((core.n_outputs, 2))
    combine[main] = first, second
    expand = np.zeros((2, core.n_outputs))
    expand[1, main] = second
    return Reduced(_combine(core, combine), expand, 0)


def _one_each(core: Core, scores: Sequence[Cell]) -> Reduced:
    """Scores of several classes, each with an output of its own."""
    mains = [cell.main for cell in scores]
    needed = frozenset().union(*(cell.sources for cell in scores))
    # Each score must belong to an output of its own, or their order says nothing.
    if None in mains or len(set(mains)) < len(mains) or needed != set(mains):
        raise UnreadableGraph("the scores of the classes have no output of the model each")
    order = np.array(mains, dtype=np.intp)
    ordered = all(cell.order == 1 for cell in scores)
    if len(order) == core.n_outputs and (order == np.arange(len(order))).all():
        return Reduced(core, None, int(ordered))
    combine = np.zeros((core.n_outputs, len(order)))
    combine[order, np.arange(len(order))] = 1.0
    return Reduced(_combine(core, combine), combine.T, int(ordered))


def _combine(core: Core, combine: Floats) -> Core:
    """``core`` with outputs that are ``(n_outputs, k)`` combinations of its own.

    A choice or a change of sign is exact. A difference is added up in float64, for its rounding
    is nobody's.
    """
    # One output with weight 1 or -1: no sum is taken, so nothing is rounded anew.
    exact = bool((np.abs(combine).sum(axis=0) == 1.0).all())
    if exact and np.array_equal(combine, np.eye(core.n_outputs)):
        return core
    match core:
        case TreeEnsemble():
            return replace(
                core,
                n_outputs=combine.shape[1],
                values=core.values @ combine,
                base=core.base @ combine,
                # A difference of two float32 sums is none of the graph's; ours is taken in float64.
                sums=core.sums if exact else np.dtype(np.float64),
            )
        case Affine() if exact:
            return Affine(*_combine_layer((core.weights, core.bias), combine))
        case Affine():
            return Affine(core.weights @ combine, core.bias @ combine)
        case UnitNetwork():
            return replace(
                core,
                weights=core.weights @ combine,
                bias=core.bias @ combine,
                slips=core.slips @ np.abs(combine),
            )
        case ReluNetwork():
            *hidden, last = core.layers
            return ReluNetwork((*hidden, _combine_layer(last, combine)))


def _combine_layer(
    layer: tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]], combine: Floats
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    weights, bias = layer
    return (weights @ combine).astype(weights.dtype), (bias @ combine).astype(bias.dtype)
