"""What plausible mechanisms make of an action, as sums over a program's variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.chain import Layers
from ifonly.explainers.search.milp.following import Following
from ifonly.explainers.search.milp.levers import Lever
from ifonly.explainers.search.milp.question import MilpQuestion, doubt_of
from ifonly.explainers.search.milp.reals import AffinePiece
from ifonly.explainers.search.milp.structural_equations import (
    LinearForm,
    read_part,
    set_part,
    total,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sums:
    """What plausible mechanisms make of actions that set the same movers."""

    weights: Floats
    """``(k, n_variables)``: signed raw output by each of them, before readings are rounded."""
    believed: Floats
    """``(n_variables,)``: the same by what is believed."""
    constant: float
    low: float
    """How far below what is believed any of them may be, and above it."""
    high: float
    others: LinearForm
    """Together with the constant: 0 where the same movers are set, at least 1 where others are."""
    others_constant: float

    def at(self, solution: Floats) -> Floats:
        return np.asarray(self.weights @ solution[: self.weights.shape[1]] + self.constant)


@dataclass(frozen=True, eq=False)
class PlausibilityVariables:
    """How far each feature may be set from its factual value, and what that costs."""

    low: Floats
    """``(n,)``, a feature each, like the next."""
    high: Floats
    rate: Floats
    """Least cost of a move by 1."""
    budget: float

    @classmethod
    def of(cls, levers: Sequence[Lever], factual: Floats, budget: float) -> PlausibilityVariables:
        ends = [_ends(lever, float(factual[lever.column])) for lever in levers]
        # A feature may be left alone, so 0 is among its moves.
        low = np.array([min([0.0, *(move for move, _ in own)]) for own in ends])
        high = np.array([max([0.0, *(move for move, _ in own)]) for own in ends])
        # The least rate of any end: how far a budget leads must not be told too small.
        rate = np.array([min([math.inf, *(c / abs(m) for m, c in own if m)]) for own in ends])
        return cls(low, high, rate, budget)

    def most(self, directions: Floats) -> Floats:
        """No action goes farther than this in ``directions``, ``(m, n)``: ``(m,)``. The best moves
        for their cost first, until the budget is spent."""
        # The knapsack in fractions: greedy is exact, and never less than what whole moves reach.
        gains = np.maximum(directions * self.low, directions * self.high)
        if self.budget == math.inf:
            return np.asarray(gains.sum(axis=1))
        lengths = np.where(directions > 0.0, self.high, -self.low)
        costs = np.where(
            gains > 0.0, lengths * np.where(np.isfinite(self.rate), self.rate, 0.0), 0.0
        )
        # What is free comes first.
        order = np.argsort(-gains / np.maximum(costs, 1e-300), axis=1)
        gains, costs = (np.take_along_axis(a, order, axis=1) for a in (gains, costs))
        # What is left before each move.
        left = self.budget - (np.cumsum(costs, axis=1) - costs)
        shares = np.clip(left / np.maximum(costs, 1e-300), 0.0, 1.0)
        return np.asarray((gains * shares).sum(axis=1))


@dataclass(frozen=True, eq=False)
class PlausibleMechanisms:
    """The plausible versions of what follows, as sums of a program's variables.

    For a program whose only goal is a limit on one raw output, and whose graph reads everything
    that follows as a line.
    """

    question: MilpQuestion
    following: Following
    goal: LinearGoal
    lines: dict[int, AffinePiece]
    """The line of each feature that follows."""
    columns: Floats
    """How the signed raw output moves with each of the core's columns."""
    budget: float

    @classmethod
    def of(
        cls,
        question: MilpQuestion,
        following: Following,
        goals: Sequence[LinearGoal],
        layers: Layers,
        budget: float,
    ) -> PlausibleMechanisms | None:
        """None where the goal is no such limit, or something is read otherwise."""
        # With several limits, outputs or layers the margin is no curve over one sum.
        if len(goals) > 1 or len(goals[0].weights) > 1 or len(layers) > 1:
            return None
        readings = following.readings.items()
        lines = {j: reading.line for j, reading in readings if reading.line is not None}
        if not lines or len(lines) < len(readings):
            return None
        return cls(
            question, following, goals[0], lines, layers[0].weights @ goals[0].weights, budget
        )

    def movers(self, solution: Floats) -> frozenset[int]:
        """What follows from other features, and is set."""
        flows, choices = self.following.moving, self.question.choices
        effects = (flow.effect for flow in flows)
        # Picks come back whole within the solver's tolerance only.
        return frozenset(j for j in effects if solution[choices.alone(j)].sum() < 0.5)

    @cached_property
    def doubt(self) -> float:
        """How far the deployed model may be from a sum, as far as the sums may go."""
        own = self.following.readings
        beyond = (
            float(line.deviation @ np.abs(self.columns[own[j].own]))
            for j, line in self.lines.items()
        )
        return 2.0 * doubt_of(self.goal, self.question.raw) + sum(beyond)

    @cached_property
    def _settings(self) -> PlausibilityVariables:
        levers, factual = self.question.choices.levers.each, self.following.problem.factual
        return PlausibilityVariables.of(levers, factual, self.budget)

    def sums(self, movers: frozenset[int]) -> Sums | None:
        """The sums for actions that set ``movers`` and leave others like them alone; None where a
        plausible mechanism leads beyond the lines."""
        choices, shifts = self.question.choices, self._shifts(movers)
        if not all(self._holds_line(j, shift) for j, shift in shifts.items()):
            return None
        pulls = {j: self._pull(j) for j in shifts}
        pulled = np.zeros((1 + len(self.following.moving[0].plausible), len(choices.places)))
        reads = np.zeros(len(self.question.raw.weights))
        for j, shift in shifts.items():
            pulled += pulls[j] * shift
            reads += pulls[j] * self._dense(read_part(choices, j))
        sets = np.array([self._dense(set_part(choices, j)) for j in choices.places])
        weights, constant, _ = self.question.total(self.goal)
        # What follows is read by the plausible mechanism in place of the believed one.
        each, apart = weights - reads + pulled @ sets, pulled[1:] - pulled[0]
        low, high = (float(self._settings.most(d).max()) for d in (-apart, apart))
        return Sums(each[1:], each[0], constant, low, high, *self._others(movers))

    def _holds_line(self, j: int, shift: Floats) -> bool:
        line, factual = self.lines[j], float(self.following.problem.factual[j])
        low, high = -self._settings.most(-shift).max(), self._settings.most(shift).max()
        return bool(line.lower <= factual + low and factual + high <= line.upper)

    def _pull(self, j: int) -> float:
        """How the signed raw output moves with the reading."""
        return float(self.lines[j].rise @ self.columns[self.following.readings[j].own])

    def _shifts(self, movers: frozenset[int]) -> dict[int, Floats]:
        """How far each feature follows, ``(1 + k, n_places)``, of what each is set by: by what is
        believed and by every plausible mechanism."""
        units = np.eye(len(self.question.choices.places))
        found: dict[int, Floats] = {}
        for flow in self.following.moving:
            if flow.effect in movers:
                continue
            assert flow.slopes is not None
            slopes = np.concatenate([flow.slopes[None], flow.plausible])
            own = np.zeros((len(slopes), len(units)))
            for i, cause in enumerate(flow.causes):
                if cause in found:
                    own += slopes[:, [i]] * found[cause]
                elif cause in self.question.choices.places:
                    own += slopes[:, [i]] * units[self.question.choices.places[cause]]
            found[flow.effect] = own
        return found

    def _others(self, movers: frozenset[int]) -> tuple[LinearForm, float]:
        choices, line, constant = self.question.choices, [], 0.0
        for flow in self.following.moving:
            alone = dict.fromkeys(choices.alone(flow.effect), 1.0)
            is_set = flow.effect in movers
            line.append((1.0 if is_set else -1.0, alone))
            # Counts movers whose setting differs, so 0 exactly where the same are set.
            constant += not is_set
        return total(*line), constant

    def _dense(self, line: LinearForm) -> Floats:
        weights = np.zeros(len(self.question.raw.weights))
        weights[list(line)] = list(line.values())
        return weights


def _ends(lever: Lever, factual: float) -> list[tuple[float, float]]:
    """How far each end of what may be set is from the factual value, and what it costs."""
    return [
        (piece.at(k) - factual, piece.cost + k * piece.cost_rise)
        for piece in lever.pieces
        if not (piece.follows or piece.is_missing or math.isnan(factual))
        for k in piece.ends
    ]
