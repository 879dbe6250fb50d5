"""Which basis functions a mechanism may be made of, given the parents that were seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.basis import Coordinates, Expansion
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.regression import Groups

_BUMPS = 10
"""Bumps along one coordinate."""
_JOINT = 40
"""Bumps in the space of all coordinates."""
_CONSTANT, _LINEAR, _PRODUCTS, _ALONG, _TOGETHER = -1, 0, 1, 2, 3
_CONTINUOUS = 6
"""Least number of values of a coordinate that is bent."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """An expansion, and which of its weights share a prior."""

    expansion: Expansion
    groups: Groups


def standardised(parents: Array, nominal: Sequence[bool]) -> Coordinates:
    """Coordinates of parents ``(n, p)``: numbers by mean and standard deviation, a nominal one
    as an indicator of each category seen but the commonest."""
    rows: list[tuple[int, float, float, float]] = []
    for i, is_nominal in enumerate(nominal):
        column = parents[:, i]
        if is_nominal:
            levels, counts = np.unique(column, return_counts=True)
            # One category is left to the intercept; the commonest, so that it is known best.
            others = np.delete(levels, np.argmax(counts))
            rows += [(i, float(level), 0.0, 1.0) for level in others]
        else:
            spread = float(column.std())
            # A constant column has no spread, and must not divide by 0.
            rows.append((i, np.nan, float(column.mean()), spread if spread > 0 else 1.0))
    parent, level, centre, scale = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Coordinates(
        np.array(parent, dtype=np.int64),
        np.array(level, dtype=np.float64),
        np.array(centre, dtype=np.float64),
        np.array(scale, dtype=np.float64),
        parents.shape[1],
    )


def linear_candidate(coordinates: Coordinates) -> Candidate:
    return _assembled(coordinates, 1, np.empty((0, 0)), ())


def polynomial_candidates(coordinates: Coordinates, z: Array) -> list[Candidate]:
    """Shapes of the second degree with all products, and of the third along each coordinate."""
    return [_assembled(coordinates, degree, z, ()) for degree in (2, 3)]


def basis_candidates(
    coordinates: Coordinates, z: Array, rng: np.random.Generator
) -> list[Candidate]:
    """Lines, products and bumps along each coordinate and, of several, in their common space;
    one candidate for each width of the bumps."""
    bent = _bent(z)
    found = []
    # Several widths and no search over them: held-out rows weigh them afterwards.
    for width in (0.6, 1.0, 1.8):
        bumps = [_along(z, i, width) for i in bent]
        if bent and z.shape[1] > 1:
            bumps.append(_together(z, bent, width, rng))
        found.append(_assembled(coordinates, 2, z, bumps))
    return found


def quick_candidate(coordinates: Coordinates, z: Array) -> Candidate:
    """One good guess for many regressions: lines, products, bumps along each coordinate."""
    return _assembled(coordinates, 2, z, [_along(z, i, 1.0, n=8) for i in _bent(z)])


def scale_candidate(coordinates: Coordinates, z: Array) -> Candidate:
    """For the log of a scale: lines, squares and a few wide bumps along each coordinate."""
    bumps = [_along(z, i, 1.0, n=6) for i in _bent(z)]
    return _assembled(coordinates, 2, z, bumps)


_Bumps = tuple[Array, Array, int]
"""Centres, precisions and group."""


def _bent(z: Array) -> list[int]:
    # Of few distinct values a bump could be fitted to each, and say nothing between.
    return [i for i in range(z.shape[1]) if len(np.unique(z[:, i])) >= _CONTINUOUS]


def _along(z: Array, i: int, width: float, n: int = _BUMPS) -> _Bumps:
    """Bumps along coordinate ``i``, half of the spacing by rank and half by distance."""
    shares = np.linspace(0.0, 1.0, n)
    # Not the extremes: one outlier would draw the bumps away from the rows.
    low, high = np.quantile(z[:, i], [0.005, 0.995])
    # By rank alone, sparse ends have no bump; by distance alone, dense places have too few.
    places = 0.5 * np.quantile(z[:, i], shares) + 0.5 * (low + shares * (high - low))
    centres, precisions = np.zeros((n, z.shape[1])), np.zeros((n, z.shape[1]))
    centres[:, i] = places
    gaps = np.maximum(np.gradient(places), 1e-3)
    precisions[:, i] = 1.0 / (1.5 * width * gaps) ** 2
    return centres, precisions, _ALONG


def _together(z: Array, bent: Sequence[int], width: float, rng: np.random.Generator) -> _Bumps:
    """Bumps about rows far from one another (farthest-point order)."""
    rows = z[rng.permutation(len(z))[:2000]]
    chosen = [0]
    distance = ((rows - rows[0]) ** 2).sum(axis=1)
    # Farthest-point order: rows cover the space whatever their density.
    while len(chosen) < min(_JOINT, len(rows)) and distance.max() > 1e-9:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((rows - rows[chosen[-1]]) ** 2).sum(axis=1))
    centres = rows[chosen]
    length = 1.5 * width * np.sqrt(max(len(bent), 1) / 2.0)
    return centres, np.full(centres.shape, 1.0 / length**2), _TOGETHER


def _assembled(
    coordinates: Coordinates, degree: int, z: Array, bumps: Sequence[_Bumps]
) -> Candidate:
    c = len(coordinates.parent)
    eye = np.eye(c, dtype=np.int64)
    exponents = [np.zeros((1, c), dtype=np.int64), eye]
    groups = [np.array([_CONSTANT]), np.full(c, _LINEAR)]
    if degree > 1:
        # A power of an indicator is the indicator itself, so only bent coordinates have powers.
        powers = [k * eye[i] for i in _bent(z) for k in range(2, degree + 1)]
        products = [eye[i] + eye[j] for i, j in combinations(range(c), 2)]
        more = powers + [p for p in products if _varies(z, p)]
        if more:
            exponents.append(np.array(more))
            groups.append(np.full(len(more), _PRODUCTS))
    groups += [np.full(len(b[0]), b[2]) for b in bumps]
    none: npt.NDArray[np.float64] = np.empty((0, c))
    expansion = Expansion(
        coordinates,
        np.concatenate(exponents),
        np.concatenate([none, *(b[0] for b in bumps)]),
        np.concatenate([none, *(b[1] for b in bumps)]),
    )
    return Candidate(expansion, np.concatenate(groups).astype(np.int64))


def _varies(z: Array, exponent: npt.NDArray[np.int64]) -> bool:
    """Whether a product is more than a constant: indicators of one parent exclude each other."""
    return float(np.prod(z**exponent, axis=1).std()) > 1e-12
