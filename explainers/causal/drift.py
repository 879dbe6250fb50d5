"""Which mechanism moved: the noise that new rows leave, held against the noise that was fitted.

A mechanism is judged on rows whose causes lie where it was seen at work, so that what moves above
it is not its own fault. Every test has an effect size with a limit, for with enough rows all
mechanisms move a little; p-values are corrected for all tests of all nodes (Holm).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.independence import holm, noise_dependence
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.model import CausalModel
from ifonly.models.predictor import Rows

ALPHA = 0.01
LEAST_ROWS = 50
"""Fewer rows decide nothing."""
LIMITS = {
    "level": 0.2,
    "spread": 1.25,
    "causes": 0.12,
    "shape": 0.1,
    "values": 0.1,
}
"""Effects from which on something moved. ``level``: mean of the noise, in its standard
deviations. ``spread``: by what factor its standard deviation changed. ``causes``: distance
correlation of noise and causes. ``shape``: largest difference of the distributions of the noise,
each by its own mean and spread. ``values``: the same of a root's values; of categories, the
share that changed."""


class DriftVerdict(StrEnum):
    KEPT = "kept"
    MOVED = "moved"
    UNKNOWN = "unknown"
    """Too few rows where it was seen at work, or nothing is known of its noise."""


@dataclass(frozen=True)
class DriftTest:
    """One comparison of new rows with what was fitted."""

    test: str
    """A key of :data:`LIMITS`."""
    effect: float
    p: float
    """Corrected for all tests of all nodes."""

    @property
    def limit(self) -> float:
        return LIMITS[self.test]

    @property
    def moved(self) -> bool:
        return self.effect >= self.limit and self.p < ALPHA


@dataclass(frozen=True)
class NodeDrift:
    """What became of one node's module."""

    name: str
    is_root: bool
    rows: int
    """How many rows it was tested on."""
    outside: float
    """Share of the complete rows whose causes lie where it was never seen at work."""
    tests: tuple[DriftTest, ...]

    @property
    def verdict(self) -> DriftVerdict:
        if not self.tests:
            return DriftVerdict.UNKNOWN
        return DriftVerdict.MOVED if any(t.moved for t in self.tests) else DriftVerdict.KEPT


def drift(
    model: CausalModel,
    rows: Rows,
    nominal: Sequence[bool],
    fitted_rows: int,
    rng: np.random.Generator,
) -> tuple[NodeDrift, ...]:
    """Every root and every mechanism of ``model`` on new ``rows``, ``(n, d)``, by column.

    ``nominal`` names the unordered columns; ``fitted_rows`` is how many rows the model was fitted
    to. Rows in which a node or one of its causes is missing are left out for that node.
    """
    found = []
    for j, name in enumerate(model.names):
        mechanism, causes = model.mechanisms[j], list(model.graph.parents[j])
        there = np.isfinite(rows[:, [*causes, j]]).all(axis=1)
        if not causes:
            known = model.roots[j] if model.roots else None
            tests = _root_tests(known, rows[there, j], nominal[j], fitted_rows)
            found.append(NodeDrift(name, True, int(there.sum()), 0.0, tuple(tests)))
        elif mechanism is not None:
            parents, values = rows[there][:, causes], rows[there, j]
            # Where its causes have moved elsewhere, it is they that drifted.
            seen = _seen(mechanism, parents)
            tests = _mechanism_tests(mechanism, parents[seen], values[seen], fitted_rows, rng)
            outside = 1.0 - float(seen.mean()) if len(seen) else 0.0
            found.append(NodeDrift(name, False, int(seen.sum()), outside, tuple(tests)))
    return _corrected(found)


def _corrected(nodes: Sequence[NodeDrift]) -> tuple[NodeDrift, ...]:
    p = iter(holm([test.p for node in nodes for test in node.tests]))
    return tuple(
        NodeDrift(
            n.name,
            n.is_root,
            n.rows,
            n.outside,
            tuple(DriftTest(t.test, t.effect, next(p)) for t in n.tests),
        )
        for n in nodes
    )


def _seen(mechanism: Mechanism, parents: Array) -> npt.NDArray[np.bool_]:
    if mechanism.support is None or not len(parents):
        return np.ones(len(parents), dtype=np.bool_)
    return np.asarray(~mechanism.support.outside(parents))


def _mechanism_tests(
    mechanism: Mechanism, parents: Array, values: Array, fitted_rows: int, rng: np.random.Generator
) -> Iterator[DriftTest]:
    known, n = mechanism.noise, len(values)
    if known is None or known.sd <= 0 or n < LEAST_ROWS:
        return
    noise = mechanism.noise_of(parents, values) / known.sd
    # Both samples err: the new rows, and those it was fitted to.
    share = math.sqrt(1.0 / n + 1.0 / fitted_rows)
    level, spread = float(noise.mean()), float(noise.std())
    # By the larger spread: noise that grew makes its mean less sure, too.
    yield DriftTest("level", abs(level), _two_sided(level / (max(spread, 1.0) * share)))
    if spread > 0:
        # The error of a log standard deviation, by the noise's own fourth moment.
        tails = float((((noise - level) / spread) ** 4).mean())
        error = 0.5 * math.sqrt(max(tails - 1.0, 0.1)) * share
        yield DriftTest("spread", max(spread, 1 / spread), _two_sided(math.log(spread) / error))
        if known.sample is not None:
            yield _distance("shape", (noise - level) / spread, _standard(known.sample), fitted_rows)
    found = noise_dependence(noise, parents, rng)
    yield DriftTest("causes", found.effect, found.p)


def _root_tests(
    known: Noise | None, values: Array, is_nominal: bool, fitted_rows: int
) -> Iterator[DriftTest]:
    if known is None or known.sample is None or len(values) < LEAST_ROWS:
        return
    if is_nominal:
        yield _shares(values, known.sample, fitted_rows)
    else:
        yield _distance("values", values, known.sample, fitted_rows)


def _distance(test: str, new: Array, old: Array, fitted_rows: int) -> DriftTest:
    """Kolmogorov and Smirnov's distance; ``old`` stands, by quantiles, for ``fitted_rows``."""
    points = np.concatenate([new, old])
    shares = [np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (new, old)]
    # A distribution kept as quantiles is known to one step of them.
    effect = max(0.0, float(np.abs(shares[0] - shares[1]).max()) - 0.5 / len(old))
    size = math.sqrt(1.0 / (1.0 / len(new) + 1.0 / fitted_rows))
    x = (size + 0.12 + 0.11 / size) * effect
    # Kolmogorov's series, with Stephens's correction for small samples in `x`.
    terms = [2.0 * (-1) ** (k - 1) * math.exp(-2.0 * (k * x) ** 2) for k in range(1, 101)]
    return DriftTest(test, effect, 1.0 if x < 0.2 else min(1.0, max(0.0, math.fsum(terms))))


def _shares(new: Array, old: Array, fitted_rows: int) -> DriftTest:
    """Half the sum of what each category's share changed by; p of the category that did most."""
    changes, ps = [], []
    levels = np.unique(np.concatenate([new, old]))
    for level in levels.tolist():
        a, b = float((new == level).mean()), float((old == level).mean())
        # The pooled share, as for any test of two proportions.
        both = (a * len(new) + b * fitted_rows) / (len(new) + fitted_rows)
        error = math.sqrt(max(both * (1 - both), 1e-12) * (1 / len(new) + 1 / fitted_rows))
        changes.append(abs(a - b))
        ps.append(_two_sided((a - b) / error))
    return DriftTest("values", 0.5 * math.fsum(changes), min(1.0, len(levels) * min(ps)))


def _standard(sample: Array) -> Array:
    return np.asarray((sample - sample.mean()) / (float(sample.std()) or 1.0))


def _two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2.0))
