"""A causal model as arrays, for compiled code: what ``explainers/native/causal.hpp`` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.basis import Basis, BasisMembers, Coordinates, Expansion, linear
from ifonly.explainers.causal.errors import CausalError
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.function import Always, Array, Function, Members
from ifonly.explainers.causal.hidden import NO_TILTS, Tilt, Tilts
from ifonly.explainers.causal.members import CausalMembers
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.regressor import TreeMembers, TreeRegressor
from ifonly.models.errors import GraphError

Ints = npt.NDArray[np.int32]

MOST_POWER = 64
"""As of a formula."""


class NotFlat(CausalError):
    """A mechanism that compiled code cannot evaluate; numpy can."""

    def __init__(self, column: str, problem: str) -> None:
        self.column = column
        super().__init__(f"{column}: {problem}")


class FunctionKind(IntEnum):
    """The forms that a location or a log scale may have."""

    BASIS = 0
    AFFINE = 1
    FORMULA = 2
    TREES = 3


@dataclass(frozen=True, eq=False)
class FlatLaws:
    """A causal model and its plausible versions, ``d`` columns and ``k`` members, as arrays.

    All are int32 or float64. What belongs to one of ``n`` functions stands in a pool: that of
    function ``f`` from ``…_start[f]`` up to ``…_start[f + 1]``.
    """

    n_columns: int
    n_members: int
    order: Ints
    """``(d,)``: causes first."""
    parent_start: Ints
    """``(d + 1,)``"""
    parent: Ints
    """Causes of each column, in the order of its mechanism's parents."""
    whole: Ints
    """``(d,)``: 1 where whole numbers are read."""
    location: Ints
    """``(d,)``: the function that is each column's location; -1: it has no mechanism."""
    log_scale: Ints
    """``(d,)``: -1: a scale of 1."""

    kind: Ints
    """``(n,)``: a :class:`FunctionKind`."""
    n_parents: Ints
    """``(n,)``"""
    weight_start: Ints
    weight: Array
    """Of a basis, a weight a basis function; of an affine function, intercept and slopes."""
    member_start: Ints
    """``(n,)``: where the members' weights, ``(k, m)``, begin; -1: all have the same function."""
    member_weight: Array
    shift: Array
    """``(n,)``, as the next: added to the weighted sum of a basis, once it is multiplied."""
    scale: Array

    coordinate_start: Ints
    coordinate_parent: Ints
    coordinate_level: Array
    """NaN: a number and no indicator."""
    coordinate_centre: Array
    coordinate_spread: Array
    monomial_start: Ints
    factor_start: Ints
    """Of each monomial of all functions, one after the other."""
    factor_coordinate: Ints
    factor_power: Ints
    bump_start: Ints
    term_start: Ints
    """Of each bump: the coordinates with a precision above 0."""
    term_coordinate: Ints
    term_centre: Array
    term_precision: Array

    step_start: Ints
    step_op: Ints
    """An :class:`~ifonly.explainers.causal.expression.Op`."""
    step_number: Array

    tree_start: Ints
    tree_root: Ints
    """Nodes are counted over all functions."""
    node_start: Ints
    node_parent: Ints
    """Which parent is compared; -1: a leaf."""
    node_threshold: Array
    node_mode: Ints
    node_true: Ints
    node_false: Ints
    node_missing: Ints
    """1: a missing value goes to the true side."""
    node_value: Array
    tree_base: Array
    """``(n,)``, as the rest; 0 for what is no ensemble of trees."""
    tree_divisor: Array
    tree_slack: Array
    """By how much sums of leaves differ in another order."""
    compares_single: Ints
    """1: parents are compared in float32; leaves are added up, sums are handed over in it."""
    sums_single: Ints
    yields_single: Ints
    n_ensembles: Ints
    choice_start: Ints
    """Where the ensembles that members take, ``(k,)``, begin in ``choice``; -1: one for all."""
    choice: Ints


def flatten(
    model: CausalModel, members: CausalMembers, whole: Sequence[int], tilts: Tilts = NO_TILTS
) -> FlatLaws:
    """``model`` and its plausible versions as arrays; ``whole`` are columns read as whole numbers.
    Under ``tilts`` the versions are what hidden common causes make of them, while the model stays
    as it is.

    Raises
    ------
    NotFlat
        Naming the first column that compiled code cannot evaluate, and why.
    """
    d, pieces = model.n_columns, list[_Piece]()
    location, log_scale = np.full((2, d), -1, dtype=np.int32)
    for j, (mechanism, versions) in enumerate(
        zip(model.mechanisms, members.mechanisms, strict=True)
    ):
        # Nothing says how it moves: where it would have to, nothing is known.
        if mechanism is None or versions is None:
            continue
        try:
            location[j] = len(pieces)
            own: tuple[Function, Members] = mechanism.location, versions.location
            if j in tilts:
                own = _tilted(model, members, j, tilts[j])
            pieces.append(_piece(*own))
            if mechanism.log_scale is not None and versions.log_scale is not None:
                log_scale[j] = len(pieces)
                pieces.append(_piece(mechanism.log_scale, versions.log_scale))
        except _Unknown as error:
            raise NotFlat(model.names[j], str(error)) from None
    parents = model.graph.parents
    return FlatLaws(
        n_columns=d,
        n_members=members.k,
        order=_ints(model.graph.order),
        parent_start=_starts([len(causes) for causes in parents]),
        parent=_ints([i for causes in parents for i in causes]),
        whole=np.isin(np.arange(d), list(whole)).astype(np.int32),
        location=location,
        log_scale=log_scale,
        **_joined(pieces),
    )


class _Unknown(ValueError):
    """Why a function cannot be arrays."""


_Piece = Mapping[str, Any]
"""What one function adds to each pool; nothing to those that are not named."""

_ALONE = {
    **dict.fromkeys(("kind", "n_parents"), 0),
    **dict.fromkeys(("compares_single", "sums_single", "yields_single", "n_ensembles"), 0),
    **dict.fromkeys(("shift", "tree_base", "tree_slack"), 0.0),
    **dict.fromkeys(("scale", "tree_divisor"), 1.0),
}
"""What every function has one number of, and which where it does not matter."""

_POOLS = {
    "weight_start": "weight",
    "coordinate_start": "coordinate_parent",
    "monomial_start": "monomial_size",
    "bump_start": "bump_size",
    "step_start": "step_op",
    "tree_start": "tree_root",
    "node_start": "node_parent",
}
_PARTS = {"factor_start": "monomial_size", "term_start": "bump_size"}
_OPTIONAL = {"member_start": "member_weight", "choice_start": "choice"}
_NODES = ("tree_root", "node_true", "node_false")
_MADE = {"n_columns", "n_members", "order", "parent_start", "parent", "whole"}
_MADE |= {"location", "log_scale", *_POOLS, *_PARTS, *_OPTIONAL}


def _joined(pieces: Sequence[_Piece]) -> dict[str, Any]:
    """The arrays of all functions."""
    found = dict[str, Any]()
    for start, pool in _POOLS.items():
        found[start] = _starts([len(piece.get(pool, ())) for piece in pieces])
    for start, pool in _PARTS.items():
        found[start] = _starts([size for piece in pieces for size in piece.get(pool, ())])
    for start, pool in _OPTIONAL.items():
        before = _starts([np.size(piece.get(pool, ())) for piece in pieces])[:-1]
        found[start] = _ints([s if pool in p else -1 for s, p in zip(before, pieces, strict=True)])
    for array in fields(FlatLaws):
        name = array.name
        if name in _MADE:
            continue
        dtype = np.int32 if array.type == "Ints" else np.float64
        values = [np.ravel(piece.get(name, _ALONE.get(name, ()))) for piece in pieces]
        if name in _NODES:
            values = [v + n for v, n in zip(values, found["node_start"], strict=False)]
        # An empty one first, for models without functions.
        found[name] = np.concatenate([np.empty(0, dtype), *values]).astype(dtype)
    return found


def _tilted(
    model: CausalModel, members: CausalMembers, j: int, tilts: Sequence[Tilt]
) -> tuple[Basis, BasisMembers]:
    """A location whose versions are less what of them is hidden causes': the noise of each cause,
    its value less its own location, is a weighted sum of the same parents."""
    parents = model.graph.parents[j]
    own, drawn = _weighted(model, members, j)
    # Each part: the sum, its weights in the members, (1 or k, m), and by what it is multiplied.
    parts = [(own, drawn, 1.0)]
    for tilt in tilts:
        value = linear(0.0, np.equal(parents, tilt.cause).astype(float))
        parts.append((value, value.weights[None, :], -float(tilt.slope)))
        if model.mechanisms[tilt.cause] is not None:
            noise_of, weights = _weighted(model, members, tilt.cause)
            if tilt.own_noise:
                places = [parents.index(i) for i in model.graph.parents[tilt.cause]]
                noise_of = _reading(noise_of, places, len(parents))
                parts.append((noise_of, weights, float(tilt.slope)))
    joined = Basis(
        _joined_expansions([part.expansion for part, _, _ in parts]),
        # By what is believed there is no hidden cause.
        _in_order(
            [(own, own.scale * own.weights), *((p, 0.0 * p.weights) for p, _, _ in parts[1:])]
        ),
        np.empty((sum(len(p.weights) for p, _, _ in parts), 0)),
        own.shift,
    )
    k = members.k
    each = [(p, np.broadcast_to(by * p.scale * w, (k, w.shape[1]))) for p, w, by in parts]
    return joined, BasisMembers(joined, _in_order(each))


def _in_order(parts: Sequence[tuple[Basis, Array]]) -> Array:
    """Weights of parts, ``(..., m)``, as of one sum: all monomials' before all bumps'."""
    firsts = [w[..., : len(p.expansion.exponents)] for p, w in parts]
    rests = [w[..., len(p.expansion.exponents) :] for p, w in parts]
    return np.concatenate([*firsts, *rests], axis=-1)


def _weighted(model: CausalModel, members: CausalMembers, j: int) -> tuple[Basis, Array]:
    """A location that is a weighted sum, and its weights in the members, ``(1 or k, m)``."""
    mechanism, versions = model.mechanisms[j], members.mechanisms[j]
    assert mechanism is not None
    assert versions is not None
    function = mechanism.location
    if not isinstance(function, Basis) or mechanism.log_scale is not None:
        raise _Unknown("a hidden cause tilts what is no weighted sum with additive noise")
    if isinstance(versions.location, Always):
        return function, function.weights[None, :]
    return function, _drawn(function, versions.location)


def _reading(function: Basis, places: Sequence[int], n_parents: int) -> Basis:
    """The same function of more parents, of which its own stand at ``places``."""
    coordinates = function.expansion.coordinates
    parent = np.array(places, dtype=np.int64)[coordinates.parent]
    moved = replace(coordinates, parent=parent, n_parents=n_parents)
    return replace(function, expansion=replace(function.expansion, coordinates=moved))


def _joined_expansions(parts: Sequence[Expansion]) -> Expansion:
    """One expansion with the basis functions of all: monomials of each, then bumps of each."""
    every = [p.coordinates for p in parts]
    coordinates = Coordinates(
        np.concatenate([c.parent for c in every]),
        np.concatenate([c.level for c in every]),
        np.concatenate([c.centre for c in every]),
        np.concatenate([c.spread for c in every]),
        every[0].n_parents,
    )
    return Expansion(
        coordinates,
        _diagonal([p.exponents for p in parts]).astype(np.int64),
        _diagonal([p.centres for p in parts]),
        _diagonal([p.precisions for p in parts]),
    )


def _diagonal(blocks: Sequence[npt.NDArray[Any]]) -> Array:
    """The blocks, each with rows and columns of its own, and 0 elsewhere."""
    shapes = np.array([block.shape for block in blocks])
    found = np.zeros(shapes.sum(axis=0))
    for block, (row, column) in zip(blocks, np.cumsum(shapes, axis=0) - shapes, strict=True):
        found[row : row + block.shape[0], column : column + block.shape[1]] = block
    return found


def _piece(function: Function, members: Members) -> _Piece:
    match function:
        case Basis() if function.affine is not None:
            piece = _affine(function, members)
        case Basis():
            piece = _basis(function, members)
        case Expression():
            piece = _formula(function)
        case TreeRegressor():
            piece = _trees(function, members)
        case _:
            raise _Unknown(f"nothing bounds a {type(function).__name__}")
    return {**piece, "n_parents": function.n_parents}


def _affine(function: Basis, members: Members) -> _Piece:
    own = {"kind": FunctionKind.AFFINE, "weight": _line(function)}
    if isinstance(members, Always):
        return own
    drawn = _drawn(function, members)
    return own | {"member_weight": np.stack([_line(replace(function, weights=w)) for w in drawn])}


def _line(function: Basis) -> Array:
    assert function.affine is not None
    intercept, slopes = function.affine
    return np.concatenate([[intercept], slopes])


def _drawn(function: Basis, members: Members) -> Array:
    """``(k, m)``"""
    if not isinstance(members, BasisMembers) or members.basis is not function:
        raise _Unknown("its versions are not draws of its weights")
    return members.weights


def _basis(function: Basis, members: Members) -> _Piece:
    expansion, coordinates = function.expansion, function.expansion.coordinates
    exponents, used = expansion.exponents, expansion.precisions != 0
    if (exponents < 0).any() or (exponents > MOST_POWER).any():
        raise _Unknown(f"has powers outside 0 to {MOST_POWER}")
    if not (expansion.precisions >= 0).all():
        raise _Unknown("has precisions below 0")
    piece = {
        "kind": FunctionKind.BASIS,
        "weight": function.weights,
        "shift": function.shift,
        "scale": function.scale,
        "coordinate_parent": coordinates.parent,
        "coordinate_level": coordinates.level,
        "coordinate_centre": coordinates.centre,
        "coordinate_spread": coordinates.spread,
        "monomial_size": (exponents > 0).sum(axis=1),
        "factor_coordinate": np.nonzero(exponents)[1],
        "factor_power": exponents[exponents > 0],
        "bump_size": used.sum(axis=1),
        "term_coordinate": np.nonzero(used)[1],
        "term_centre": expansion.centres[used],
        "term_precision": expansion.precisions[used],
    }
    return (
        piece
        if isinstance(members, Always)
        else piece | {"member_weight": _drawn(function, members)}
    )


def _formula(function: Expression) -> _Piece:
    ops, numbers = zip(*function.program, strict=True)
    return {"kind": FunctionKind.FORMULA, "step_op": ops, "step_number": numbers}


def _trees(function: TreeRegressor, members: Members) -> _Piece:
    trees, columns, finish = function.trees, function.form.columns, function.form.finish
    if not np.isfinite(trees.values).all():
        raise _Unknown("has leaves that are not finite")
    if not _is_plain(function):
        raise _Unknown("its trees do not compare its causes as they are")
    if not _hands_over(function):
        raise _Unknown("its sums of leaves are not what it yields")
    piece = {
        "kind": FunctionKind.TREES,
        "tree_root": trees.roots,
        "node_parent": np.where(trees.is_leaf, -1, columns.feature[trees.column]),
        "node_threshold": trees.threshold,
        # That of a leaf means nothing.
        "node_mode": np.where(trees.is_leaf, 0, trees.mode),
        "node_true": trees.true_child,
        "node_false": trees.false_child,
        "node_missing": trees.missing_true,
        "node_value": trees.values[:, 0],
        "tree_base": trees.base[0],
        "tree_divisor": trees.divisor,
        "tree_slack": function.rounding,
        "compares_single": trees.dtype == np.float32,
        "sums_single": trees.sums == np.float32,
        "yields_single": finish.dtype == np.float32,
    }
    if isinstance(members, Always):
        return piece
    if not isinstance(members, TreeMembers) or members.regressor is not function:
        raise _Unknown("its versions are not ensembles of its trees")
    return piece | {"n_ensembles": function.n_members, "choice": members.chosen}


def _is_plain(function: TreeRegressor) -> bool:
    """Whether each column that is compared is a parent, but for its type."""
    trees, columns = function.trees, function.form.columns
    inner = ~trees.is_leaf
    # By what it computes, not by its nodes: at and beside each threshold, and far from all.
    edges = trees.threshold[inner].astype(np.float64)
    beside = [edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), _FAR]
    values = np.unique(np.concatenate(beside))
    rows = np.repeat(values[:, None], function.n_parents, axis=1)
    # Another value for each parent, so that a mixed-up column shows.
    rows = np.stack([np.roll(rows[:, i], i) for i in range(function.n_parents)], axis=1)
    try:
        encoded = columns.encode(rows)
    except (GraphError, IndexError, ValueError):  # a category that there is not
        return False
    used = np.unique(trees.column[inner])
    with np.errstate(over="ignore"):
        cast = rows[:, columns.feature[used]].astype(trees.dtype)
    return bool(np.array_equal(encoded[:, used].astype(trees.dtype), cast, equal_nan=True))


def _hands_over(function: TreeRegressor) -> bool:
    """Whether what it yields is its sum of leaves, but for its type."""
    with np.errstate(over="ignore"):
        cast = _FAR.astype(function.form.finish.dtype).astype(np.float64)
    return bool(np.array_equal(function.form.scores_of(_FAR[:, None])[:, 0], cast, equal_nan=True))


_POWERS = 10.0 ** np.arange(-9.0, 31.0, 3.0)
_FAR = np.concatenate(
    [np.linspace(-9.7, 9.7, 41), _POWERS, -_POWERS, [0.0, np.nan, np.inf, -np.inf]]
)


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int32)


def _starts(sizes: Sequence[int]) -> Ints:
    """Where each of several pieces begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
