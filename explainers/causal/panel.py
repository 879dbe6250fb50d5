"""What a change did to units that are seen again and again, some of which it reached at some time.

Difference in differences with staggered adoption, done by group and time (Callaway and Sant'Anna
2021): each unit that was treated is compared with itself just before, and that difference with the
one of units not treated yet, so that no unit that was treated before is a control (which is what
makes two-way fixed effects wrong where effects grow; Goodman-Bacon 2021). It rests on parallel
trends: without the change, both would have moved alike. Trends before the change are looked at;
trends after it nobody saw.

Errors are clustered by unit: each unit is one draw, however often it was seen. Treated units count
with all of their own spread, so that times with one unit have an interval, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Z95, Flags
from ifonly.explainers.causal.function import Array

Cells = Sequence[tuple[int, int]]
"""Of units and times."""
LEAST_UNITS = 4
"""Least number of treated units, and of controls of each of them."""
BOOTSTRAP = 999
"""Draws of the multiplier bootstrap."""
PERMUTATIONS = 199
"""Of the times at which units were treated, among units."""


@dataclass(frozen=True, eq=False)
class UnitPanel:
    """``m`` units at ``k`` times, nothing missing."""

    units: tuple[str, ...]
    times: tuple[str, ...]
    """In order, equally far apart as far as anybody says."""
    outcome: Array
    """``(m, k)``"""
    start: npt.NDArray[np.int64]
    """``(m,)``: the first time at which a unit is treated, as it stays; ``k``: never."""

    def __len__(self) -> int:
        return len(self.units)

    @property
    def ever(self) -> Flags:
        return self.start < len(self.times)


@dataclass(frozen=True)
class UnitEffect:
    """A mean of differences of treated units with their controls."""

    value: float
    se: float
    """Clustered by unit."""
    units: int
    """Treated ones."""
    freedom: float
    """Degrees of freedom of the error (Satterthwaite 1946)."""

    @property
    def interval(self) -> tuple[float, float]:
        """At 95 %, Student's."""
        return self.within(Z95)

    def within(self, errors: float) -> tuple[float, float]:
        """So many errors to either side, were their size known; it is not."""
        width = student(NormalDist().cdf(errors), self.freedom) * self.se
        return self.value - width, self.value + width


@dataclass(frozen=True)
class GroupTime:
    """ATT(g, t): of the units that were first treated at a time, at a time."""

    start: str
    time: str
    units: int
    controls: int
    value: float


@dataclass(frozen=True)
class EventEffect:
    """So long after the start (negative: before it)."""

    after: int
    effect: UnitEffect
    band: tuple[float, float]
    """Holds all effects of all times since the start at once, in 95 % of samples."""


@dataclass(frozen=True)
class PreTrend:
    """Whether treated and controls moved alike before the change."""

    times: int
    """Before the change that were compared; 0: nothing can be looked at."""
    p_value: float | None
    """Of all differences before it at once (multiplier bootstrap of the largest)."""
    largest_step: float | None
    """From one time to the next, of the differences before the change."""
    undone_by: float | None
    """Trends that drift apart after the change, so many times as fast as ``largest_step``, would
    explain all of the effect (Rambachan and Roth 2023, relative magnitudes; of estimates)."""
    undone_by_of_interval: float | None
    """That bring no effect into the interval; 0: it is there already."""


@dataclass(frozen=True, eq=False)
class PanelEffect:
    effect: UnitEffect
    """Of the treated: each unit's mean over the times since its start, each unit the same."""
    events: tuple[EventEffect, ...]
    groups: tuple[GroupTime, ...]
    trend: PreTrend
    two_way: float
    """What a two-way fixed-effects regression would have said, to compare."""
    permuted_p: float
    """Share of panels with the times of treatment dealt out anew among the units whose effect is as
    large (Fisher's randomization)."""
    never: int
    """Units that were never treated."""
    left_out: tuple[str, ...]
    """Treated units that have no time before, or too few controls."""
    most_telling: tuple[str, float]
    """The unit without which the effect moves most, and the effect without it."""


@dataclass(frozen=True, eq=False)
class _Differences:
    """Every treated unit at every time against its controls."""

    panel: UnitPanel
    anticipation: int
    never_only: bool

    @cached_property
    def base(self) -> npt.NDArray[np.int64]:
        """The last time at which a unit cannot have been moved yet."""
        return self.panel.start - 1 - self.anticipation

    @cached_property
    def changes(self) -> dict[int, Array]:
        """By base, how far each unit has moved from it, ``(m, k)``."""
        y = self.panel.outcome
        return {b: y - y[:, [b]] for b in np.unique(self.base[self.panel.ever]).tolist() if b >= 0}

    def controls(self, start: int, time: int) -> Flags:
        """Units not treated, nor about to be, at the time nor at the base of those of ``start``."""
        own = self.panel.start
        if self.never_only:
            return np.asarray(own == len(self.panel.times))
        last = max(time, start - 1 - self.anticipation) + self.anticipation
        return np.asarray((own > last) & (own != start))

    @cached_property
    def cells(self) -> dict[tuple[int, int], tuple[Flags, float]]:
        """By start and time, where there are enough: controls and their mean change."""
        found = {}
        for start in np.unique(self.panel.start[self.panel.ever]).tolist():
            base = start - 1 - self.anticipation
            for time in range(len(self.panel.times)) if base >= 0 else ():
                controls = self.controls(start, time)
                if time != base and controls.sum() >= LEAST_UNITS:
                    change = self.changes[base][controls, time]
                    found[start, time] = (controls, float(change.mean()))
        return found

    def cells_of(self, unit: int, after: int | None) -> list[tuple[int, int]]:
        """Start and time of a treated unit, so long after its start; None: all times since."""
        start = int(self.panel.start[unit])
        if after is not None:
            return [(start, start + after)] if (start, start + after) in self.cells else []
        return [(g, t) for g, t in self.cells if g == start and t >= start]

    def mean(self, after: int | None) -> tuple[UnitEffect, Array] | None:
        """The mean over treated units, and what each unit adds to its error, ``(m,)``; None: too
        few are treated."""
        own = {
            i: cells
            for i in np.flatnonzero(self.panel.ever).tolist()
            if (cells := self.cells_of(i, after))
        }
        if len(own) < LEAST_UNITS:
            return None
        n, m = len(own), len(self.panel)
        weights: dict[tuple[int, int], float] = {}
        each = np.zeros(n)
        for place, (i, cells) in enumerate(own.items()):
            change = self.changes[int(self.base[i])]
            each[place] = np.mean([change[i, t] - self.cells[g, t][1] for g, t in cells])
            for cell in cells:
                weights[cell] = weights.get(cell, 0.0) + 1.0 / n / len(cells)
        value = float(each.mean())
        treated, controls = np.zeros(m), np.zeros(m)
        treated[list(own)] = (each - value) / n * np.sqrt(n / (n - 1))
        fewest = m
        for (start, time), weight in weights.items():
            inside, level = self.cells[start, time]
            k = int(inside.sum())
            fewest = min(fewest, k)
            change = self.changes[start - 1 - self.anticipation][inside, time]
            controls[inside] -= weight * (change - level) / k * np.sqrt(k / (k - 1))
        whole = treated + controls
        parts = float((treated**2).sum()), float((controls**2).sum())
        # Satterthwaite's, of two spreads that are each estimated.
        below = parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (fewest - 1)
        freedom = sum(parts) ** 2 / below if below > 0.0 else float(n - 1)
        se = float(np.sqrt((whole**2).sum()))
        return UnitEffect(value, se, n, freedom), whole


def panel_effect(
    panel: UnitPanel,
    rng: np.random.Generator,
    *,
    anticipation: int = 0,
    never_only: bool = False,
) -> PanelEffect:
    """What the change did to the units that it reached.

    Parameters
    ----------
    panel : UnitPanel
    rng : numpy.random.Generator
        Of the bootstrap and of permutations.
    anticipation : int
        So many times before its start a unit may have moved already.
    never_only : bool
        Controls are units that were never treated; otherwise also those not treated yet.

    Raises
    ------
    NotIdentified
        If too few units are treated at a time with one before it and with enough controls.
    """
    differences = _Differences(panel, anticipation, never_only)
    whole = differences.mean(None)
    if whole is None:
        raise NotIdentified(_why_not(differences))
    effect, influence = whole
    reached = sorted(
        {t - int(g) for g, t in differences.cells} - set(range(-1 - anticipation, -anticipation))
    )
    found = {e: told for e in reached if (told := differences.mean(e)) is not None}
    since = {e: told for e, told in found.items() if e >= 0}
    before = {e: told for e, told in found.items() if e < -1 - anticipation}
    width = _largest(since, rng)[0]
    used = {i for i in np.flatnonzero(panel.ever).tolist() if differences.cells_of(i, None)}
    out = tuple(panel.units[i] for i in np.flatnonzero(panel.ever).tolist() if i not in used)
    return PanelEffect(
        effect,
        tuple(EventEffect(e, told, told.within(width)) for e, (told, _) in sorted(found.items())),
        tuple(_groups(differences)),
        _trend(before, differences, effect, rng),
        _two_way(panel),
        _permuted(panel, effect.value, anticipation, never_only, rng),
        int((~panel.ever).sum()),
        out,
        _most_telling(panel, effect, influence, anticipation, never_only),
    )


def _why_not(differences: _Differences) -> str:
    panel = differences.panel
    ever = int(panel.ever.sum())
    early = int((panel.ever & (differences.base < 0)).sum())
    said = f"{ever} units are treated, {early} of them with no time before that"
    controls = "units never treated" if differences.never_only else "units not treated yet"
    return (
        f"{said}; {len(panel) - ever} are never treated. {LEAST_UNITS} treated units, each with "
        f"{LEAST_UNITS} {controls} at the same time, are needed"
    )


def _groups(differences: _Differences) -> Iterator[GroupTime]:
    panel = differences.panel
    for (start, time), (controls, level) in sorted(differences.cells.items()):
        own = panel.start == start
        change = differences.changes[start - 1 - differences.anticipation][own, time]
        yield GroupTime(
            panel.times[start],
            panel.times[time],
            int(own.sum()),
            int(controls.sum()),
            float(change.mean()) - level,
        )


def _largest(
    found: dict[int, tuple[UnitEffect, Array]], rng: np.random.Generator
) -> tuple[float, float]:
    """By how many errors of known size the largest of several means is off in 95 % of samples, and
    the share of samples in which it is off as far as seen, were all of them 0."""
    means = [(effect, own) for effect, own in found.values() if effect.se > 0.0]
    if not means:
        return 0.0, 1.0
    scaled = np.stack([own / effect.se for effect, own in means])
    signs = rng.choice([-1.0, 1.0], size=(BOOTSTRAP, scaled.shape[1]))
    largest = np.abs(signs @ scaled.T).max(axis=1)
    seen = max(_as_normal(effect) for effect, _ in means)
    p_value = float((1 + (largest >= seen).sum()) / (BOOTSTRAP + 1))
    return max(float(np.quantile(largest, 0.95)), Z95), p_value


def _as_normal(effect: UnitEffect) -> float:
    """How many errors a mean is from 0, as if the error were known (Wallace 1959)."""
    # Signs know nothing of how unsure the error of a few units is.
    n, t = effect.freedom, effect.value / effect.se
    return float(np.sqrt(n * np.log1p(t**2 / n)) * (8.0 * n + 1.0) / (8.0 * n + 3.0))


def _trend(
    before: dict[int, tuple[UnitEffect, Array]],
    differences: _Differences,
    effect: UnitEffect,
    rng: np.random.Generator,
) -> PreTrend:
    if not before:
        return PreTrend(0, None, None, None, None)
    # The base itself is 0 by definition.
    line = [told.value for _, (told, _) in sorted(before.items())] + [0.0]
    step = float(np.abs(np.diff(line)).max())
    p_value = _largest(before, rng)[1]
    ahead = [
        np.mean([t - g + 1 + differences.anticipation for g, t in cells])
        for i in np.flatnonzero(differences.panel.ever).tolist()
        if (cells := differences.cells_of(i, None))
    ]
    bias = step * float(np.mean(ahead))
    if bias == 0.0:
        return PreTrend(len(before), p_value, step, None, None)
    low, high = effect.interval
    nearest = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    return PreTrend(len(before), p_value, step, abs(effect.value) / bias, nearest / bias)


def _two_way(panel: UnitPanel) -> float:
    """Slope of the outcome on being treated, unit and time held fixed."""
    treated = (np.arange(len(panel.times)) >= panel.start[:, None]).astype(np.float64)

    def left(x: Array) -> Array:
        return np.asarray(x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean())

    d = left(treated)
    below = float((d**2).sum())
    return float((d * panel.outcome).sum()) / below if below > 0.0 else float("nan")


def _permuted(
    panel: UnitPanel,
    value: float,
    anticipation: int,
    never_only: bool,
    rng: np.random.Generator,
) -> float:
    at_least = 1
    for _ in range(PERMUTATIONS):
        other = replace(panel, start=rng.permutation(panel.start))
        told = _Differences(other, anticipation, never_only).mean(None)
        at_least += told is None or abs(told[0].value) >= abs(value)
    return at_least / (PERMUTATIONS + 1)


def _most_telling(
    panel: UnitPanel, effect: UnitEffect, influence: Array, anticipation: int, never_only: bool
) -> tuple[str, float]:
    i = int(np.argmax(np.abs(influence)))
    kept = np.arange(len(panel)) != i
    units = tuple(name for name, is_kept in zip(panel.units, kept, strict=True) if is_kept)
    other = UnitPanel(units, panel.times, panel.outcome[kept], panel.start[kept])
    told = _Differences(other, anticipation, never_only).mean(None)
    return panel.units[i], effect.value if told is None else told[0].value


def student(probability: float, freedom: float) -> float:
    """Quantile of Student's distribution, of two degrees of freedom or more: within a hundredth
    (Abramowitz and Stegun 1964, 26.7.5)."""
    z = NormalDist().inv_cdf(probability)
    if not np.isfinite(freedom):
        return z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + float(sum(t / freedom**k for k, t in enumerate(terms, 1)))
