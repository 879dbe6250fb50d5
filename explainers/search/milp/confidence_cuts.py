"""Cuts for actions that are not sure enough.

An action is answered with where ``mean - gamma * sd`` of its margin, over plausible mechanisms, is
at least 0, and where a share of them meets the target. Every plausible mechanism has a raw output
of its own, a sum over what is set; the margin is a curve over it. The lower bound is concave in the
margins, so it is nowhere above its tangent at a refused action; the curve is nowhere above its hull
over the raw outputs in question. Both together are one row that the refused action breaks and every
action that is sure enough keeps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ifonly.explainers.consequences import Flows
from ifonly.explainers.search.milp.hull import Cap
from ifonly.explainers.search.milp.plausible import PlausibleMechanisms, Sums
from ifonly.explainers.search.milp.program import Program
from ifonly.explainers.search.milp.structural_equations import LinearForm, add, total

Floats = npt.NDArray[np.float64]
MarginCurve = Callable[[Floats], Floats]
"""Raw outputs, signed so that the target is below its limit, to margins, both ``(n,)``."""

POINTS = 257
"""Number of points at which the curve is looked at."""
HALVINGS = 10
"""How often a cut may speak of half as many raw outputs as before."""
ENOUGH = 0.5
"""Part of what an action lacks: a row that takes as much away is enough, and need not speak of
fewer raw outputs."""
LEAST = 1e-6
"""What a row must take away to be worth adding."""


@dataclass(frozen=True, eq=False)
class CutRow:
    """``weights @ x + level >= 0`` where what is believed is above ``low``."""

    weights: Floats
    level: float
    low: float

    def lacks(self, solution: Floats) -> float:
        return -float(self.weights @ solution[: len(self.weights)]) - self.level


@dataclass(frozen=True, eq=False)
class ConfidenceCuts:
    """Cuts within one program."""

    plausible: PlausibleMechanisms
    curve: MarginCurve
    _known: dict[frozenset[int], Sums | None] = field(default_factory=dict)
    """Sums that were made, by the movers that are set."""
    _shared: set[frozenset[int]] = field(default_factory=set)

    def cut(self, solution: Floats) -> bool:
        """Add a row that the refused action of ``solution`` breaks; whether there is one."""
        movers = self.plausible.movers(solution)
        # Which features are set decides what follows, so sums are made once a set of movers.
        if movers not in self._known:
            self._known[movers] = self.plausible.sums(movers)
        sums = self._known[movers]
        if sums is None:
            return False
        row = self._bound_row(sums, solution)
        if row.lacks(solution) >= LEAST:
            self._add(row, sums)
            return True
        # The bound cannot refuse it, so it must be the share of mechanisms that it lacks.
        share = float((self.curve(sums.at(solution)) >= 0.0).mean())
        if movers in self._shared or share >= self._flows.floor:
            return False
        self._shared.add(movers)
        self._add_share(sums)
        return True

    @property
    def _flows(self) -> Flows:
        return self.plausible.following.flows

    @property
    def _program(self) -> Program:
        return self.plausible.question.program

    # --- the lower bound -------------------------------------------------------------------------

    def _bound_row(self, sums: Sums, solution: Floats) -> CutRow:
        """The first row that takes away enough, over ever fewer raw outputs; else the best row."""
        raws = sums.at(solution)
        margins = self.curve(raws)
        weights = _tangent(margins, self._flows.gamma)
        enough = -ENOUGH * float(weights @ margins)
        here = float(sums.believed @ solution[: len(sums.believed)]) + sums.constant
        least = self._least(sums.believed) + sums.constant
        rows = []
        for part in range(HALVINGS):
            # Fewer raw outputs make the hull nearer to the curve, and
            # the row speak of fewer actions.
            low = max(least, here - (self._top - least) * 0.5**part) if part else least
            rows.append(self._row(sums, weights, raws, low))
            if rows[-1].lacks(solution) >= enough:
                break
        return max(rows, key=lambda row: row.lacks(solution))

    @property
    def _top(self) -> float:
        return self.plausible.goal.limit + self.plausible.doubt

    def _row(self, sums: Sums, weights: Floats, raws: Floats, low: float) -> CutRow:
        doubt = self.plausible.doubt
        # Some plausible mechanism meets the target, and what is believed is not far above it.
        high = self._top + sums.low + sums.high + doubt
        points = np.linspace(low - sums.low - doubt, high, POINTS)
        values = self.curve(points)
        up, down = Cap.over(points, values).lines(raws), Cap.over(points, -values).lines(raws)
        rises = weights * np.where(weights > 0.0, up[0], -down[0])
        levels = weights * np.where(weights > 0.0, up[1], -down[1])
        # Between two points the curve may be that far from what was looked at.
        bends = np.abs(np.diff(values, 2)).max(initial=0.0)
        steepest = np.abs(np.diff(values)).max() / (points[1] - points[0])
        slack = float(np.abs(weights).sum()) * (bends + steepest * doubt)
        level = float(levels.sum()) + float(rises.sum()) * sums.constant + slack
        return CutRow(rises @ sums.weights, level, low)

    def _least(self, weights: Floats) -> float:
        """No values of the variables give less."""
        lower, upper = self._program.bounds
        n = len(weights)
        return float(np.minimum(weights * lower[:n], weights * upper[:n]).sum())

    def _add(self, row: CutRow, sums: Sums) -> None:
        """It holds unless other movers are set or what is believed is below it."""
        program = self._program
        # Scaled by the most that the row can lack, so that one excuse is enough to lift it.
        most = -self._least(row.weights) - row.level
        excuse = total((1.0, sums.others))
        if row.low > self._least(sums.believed) + sums.constant:
            below, highest = program.binary(), -self._least(-sums.believed) + sums.constant
            excuse = total((1.0, excuse), (1.0, {below: 1.0}))
            line = total((1.0, _sparse(sums.believed)), (highest - row.low, {below: 1.0}))
            add(program, line, upper=highest - sums.constant)
        line = total((1.0 / most, _sparse(row.weights)), (1.0, excuse))
        add(program, line, lower=-row.level / most - sums.others_constant)

    # --- the share -------------------------------------------------------------------------------

    def _add_share(self, sums: Sums) -> None:
        """Demand that at least ``floor`` of the plausible mechanisms meet the target."""
        program, inside = self._program, []
        for weights in sums.weights:
            binary, most = program.binary(), -self._least(-weights) + sums.constant - self._top
            inside.append(binary)
            if most > 0.0:
                line = total((1.0 / most, _sparse(weights)), (1.0, {binary: 1.0}))
                add(program, line, upper=1.0 + (self._top - sums.constant) / most)
        # The smaller number: 0.9 of 10 must not become 10 through rounding.
        needed = float(math.ceil(self._flows.floor * len(inside) - 1e-9))
        line = total((1.0, dict.fromkeys(inside, 1.0)), (needed, sums.others))
        add(program, line, lower=needed * (1.0 - sums.others_constant))


def _tangent(margins: Floats, gamma: float) -> Floats:
    """Weights of the margins by which their lower bound is no less anywhere than here."""
    k = len(margins)
    apart = margins - margins.mean()
    sd = margins.std(ddof=1) if k > 1 else 0.0
    # The gradient of the standard deviation; at 0 any of its subgradients will do.
    slope = apart / ((k - 1) * sd) if sd > 0.0 else np.zeros(k)
    return np.asarray(1.0 / k - gamma * slope)


def _sparse(weights: Floats) -> LinearForm:
    used = np.flatnonzero(weights)
    return dict(zip(used.tolist(), weights[used].tolist(), strict=True))
