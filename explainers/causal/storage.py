"""Fitted mechanisms as JSON: every float64 as the shortest text that reads back as itself.

Never a pickle. A file holds one node: its parents by name, location, log scale, noise, support.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.basis import Basis, Coordinates, Expansion
from ifonly.explainers.causal.function import Array, Function
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.support import Support

FORMAT = 1


class BadFile(ValueError):
    """The file is not a mechanism of this node."""


def mechanism_to_json(node: str, parents: Sequence[str], mechanism: Mechanism) -> bytes:
    """A fitted mechanism as a file.

    Raises
    ------
    TypeError
        If its functions are no sums of basis functions: formulas and graphs have files of
        their own.
    """
    scale, support = mechanism.log_scale, mechanism.support
    return _dump(
        {
            "format": FORMAT,
            "node": node,
            "parents": list(parents),
            "location": _basis_out(mechanism.location),
            "log_scale": None if scale is None else _basis_out(scale),
            "noise": None if mechanism.noise is None else _noise_out(mechanism.noise),
            "support": None if support is None else _support_out(support),
        }
    )


def mechanism_from_json(data: bytes, node: str, parents: Sequence[str]) -> Mechanism:
    """The inverse of :func:`mechanism_to_json`.

    Raises
    ------
    BadFile
        If it is not the file of a mechanism of ``node`` with these ``parents``.
    """
    table = _load(data, node, parents)
    try:
        return Mechanism(
            _basis_in(table["location"], len(parents)),
            None if table["log_scale"] is None else _basis_in(table["log_scale"], len(parents)),
            None if table["noise"] is None else _noise_in(table["noise"]),
            None if table["support"] is None else _support_in(table["support"], len(parents)),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadFile(f"is broken: {type(error).__name__}: {error}") from error


def root_to_json(node: str, noise: Noise) -> bytes:
    """The distribution of a node without causes as a file."""
    return _dump({"format": FORMAT, "node": node, "parents": [], "noise": _noise_out(noise)})


def root_from_json(data: bytes, node: str) -> Noise:
    """The inverse of :func:`root_to_json`.

    Raises
    ------
    BadFile
        If it is not the file of a root called ``node``.
    """
    table = _load(data, node, ())
    try:
        return _noise_in(table["noise"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(f"is broken: {type(error).__name__}: {error}") from error


def _dump(table: Mapping[str, object]) -> bytes:
    # NaN is no JSON, and a mechanism that holds one must not be kept.
    return (json.dumps(table, allow_nan=False) + "\n").encode()


def _load(data: bytes, node: str, parents: Sequence[str]) -> Mapping[str, Any]:
    try:
        table = json.loads(data)
    # JSON that is nested too deep is no mechanism either, and is told like any other.
    except (ValueError, RecursionError) as error:
        raise BadFile(f"is not JSON: {error}") from error
    if not isinstance(table, dict):
        raise BadFile("is not a table")
    for key, wanted in (("format", FORMAT), ("node", node), ("parents", list(parents))):
        if table.get(key) != wanted:
            raise BadFile(f"has {key} {table.get(key)!r}, not {wanted!r}")
    return table


def _coordinates_out(c: Coordinates) -> dict[str, object]:
    # JSON has no NaN.
    levels = [None if np.isnan(level) else level for level in c.level.tolist()]
    return {
        "parent": c.parent.tolist(),
        "level": levels,
        "centre": c.centre.tolist(),
        "spread": c.spread.tolist(),
    }


def _coordinates_in(table: Mapping[str, Any], n_parents: int) -> Coordinates:
    parent = np.array(table["parent"], dtype=np.int64)
    # A negative number would silently read another parent, counted from the end.
    if ((parent < 0) | (parent >= n_parents)).any():
        raise ValueError(f"a coordinate reads a parent that is not one of {n_parents}")
    c = len(parent)
    levels = [np.nan if level is None else level for level in table["level"]]
    spread = _floats(table["spread"], (c,))
    if not (spread > 0).all():
        raise ValueError("a spread is not above 0")
    return Coordinates(
        parent, np.array(levels, dtype=np.float64), _floats(table["centre"], (c,)), spread,
        n_parents,
    )  # fmt: skip


def _basis_out(function: Function) -> dict[str, object]:
    if not isinstance(function, Basis):
        raise TypeError(f"a {type(function).__name__} has a file of its own")
    expansion = function.expansion
    return {
        "coordinates": _coordinates_out(expansion.coordinates),
        "exponents": expansion.exponents.tolist(),
        "centres": expansion.centres.tolist(),
        "precisions": expansion.precisions.tolist(),
        "weights": function.weights.tolist(),
        "root": function.root.tolist(),
        "shift": function.shift,
        "scale": function.scale,
    }


def _basis_in(table: Mapping[str, Any], n_parents: int) -> Basis:
    coordinates = _coordinates_in(table["coordinates"], n_parents)
    c = len(coordinates.parent)
    exponents = np.array(table["exponents"], dtype=np.int64).reshape(-1, c)
    centres = _floats(table["centres"], (-1, c))
    precisions = _floats(table["precisions"], centres.shape)
    # A negative power has a pole; a negative precision grows without bound.
    if (exponents < 0).any() or (precisions < 0).any():
        raise ValueError("an exponent or a precision is below 0")
    expansion = Expansion(coordinates, exponents, centres, precisions)
    m = len(expansion)
    return Basis(
        expansion,
        _floats(table["weights"], (m,)),
        _floats(table["root"], (m, -1)) if m else np.empty((0, 0)),
        float(table["shift"]),
        float(table["scale"]),
    )


def _noise_out(noise: Noise) -> dict[str, object]:
    return {"sd": noise.sd, "sample": None if noise.sample is None else noise.sample.tolist()}


def _noise_in(table: Mapping[str, Any]) -> Noise:
    sample = table["sample"]
    return Noise(float(table["sd"]), None if sample is None else _floats(sample, (-1,)))


def _support_out(support: Support) -> dict[str, object]:
    return {
        "coordinates": _coordinates_out(support.coordinates),
        "points": support.points.tolist(),
        "limit": support.limit,
    }


def _support_in(table: Mapping[str, Any], n_parents: int) -> Support:
    coordinates = _coordinates_in(table["coordinates"], n_parents)
    points = _floats(table["points"], (-1, len(coordinates.parent)))
    return Support(coordinates, points, float(table["limit"]))


def _floats(value: Any, shape: tuple[int, ...]) -> Array:
    array: npt.NDArray[np.float64] = np.array(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a number is not finite")
    if array.size == 0:
        return array.reshape([max(length, 0) for length in shape])
    return array.reshape(shape)
