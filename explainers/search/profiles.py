"""Windows: every action by profiles, cheapest first, scored by the deployed model itself.

Where rules have a channel moved by one profile at most, a window of many readings has few levers,
and often so few actions that all of them can be scored: then the answer is proven of any graph,
recurrent ones too. Where they are more, nothing that was passed by is cheaper than the bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Changes
from ifonly.explainers.constraints.forms import Implication, OneStays
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import CallsSpent, DeadlineReached, NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome, range_by_asking, refuse_tolerances
from ifonly.explainers.search.incumbents import BudgetSpent, Incumbents
from ifonly.explainers.space import LONGEST_LISTED, TOLERANCE
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.window import Window, window_of

NAME = "profiles"
AT_ONCE = 8_192
"""Actions of one band of costs."""
MOST_PARTIAL = 1 << 18
"""Combinations of all channels but the one with the most values."""

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ChannelMoves:
    """Everything that one channel may be moved by, cheapest first; to be left alone is one."""

    columns: Places
    """Of the profile; -1: left alone."""
    values: Floats
    costs: Floats

    def __len__(self) -> int:
        return len(self.costs)

    @classmethod
    def of(cls, problem: Problem, levers: tuple[int, ...], may_stay: bool) -> ChannelMoves:
        """Raises
        ------
        NotEligible
            If one has more values than may be listed.
        """
        columns, values = [np.full(int(may_stay), -1)], [np.zeros(int(may_stay))]
        costs = [np.zeros(int(may_stay))]
        for j in levers:
            axis, factual = problem.axes[j], float(problem.factual[j])
            if len(axis) > 16 * LONGEST_LISTED:
                raise NotEligible(NAME, f"{problem.schema.names[j]} has {len(axis):,} values")
            own = axis.values()
            own = own[own != factual]
            actions = np.repeat(problem.factual[None, :], len(own), axis=0)
            actions[:, j] = own
            columns.append(np.full(len(own), j))
            values.append(own)
            costs.append(problem.cost_of(actions))
        order = np.argsort(np.concatenate(costs), kind="stable")
        return cls(*(np.concatenate(part)[order] for part in (columns, values, costs)))


@dataclass(frozen=True)
class Profiles:
    """The engine for windows whose actions can be scored one and all."""

    most: int
    """Actions that are scored before it ends with a bound."""

    @property
    def name(self) -> str:
        return NAME

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        """The optimum with its proof, or the best row and the cost up to which all was scored.

        Raises
        ------
        NotEligible
            If the model reads no window, or answers must survive the sensors.
        """
        window = window_of(problem.schema)
        if window is None:
            raise NotEligible(self.name, "the model reads no window")
        refuse_tolerances(problem, self.name)
        if problem.conflict is not None:
            return SearchOutcome.none(problem)
        incumbents, bound, hit = Incumbents(problem, meter), 0.0, False
        try:
            for actions, cost in self._bands(window, problem):
                incumbents.consider(actions)
                # All of them that are cheaper have been scored.
                bound = cost
                if incumbents.cost <= bound:
                    break
            bound = min(bound, incumbents.cost)
        except (BudgetSpent, CallsSpent):
            pass
        except DeadlineReached:
            hit = True
        # What costs are sums of is added in another order here.
        known = bound if bound in (np.inf, incumbents.cost) else bound * (1.0 - TOLERANCE)
        return SearchOutcome(
            incumbents.rows, known, incumbents.nearest, hit, unsure=incumbents.unsure
        )

    def _bands(self, window: Window, problem: Problem) -> Iterator[tuple[Rows, float]]:
        """Actions, and a cost below which no further one is; the last is infinite."""
        each = self._moves(window, problem)
        # Nothing may be set, or something must be that has no value.
        if not each or not all(map(len, each)):
            yield np.empty((0, len(problem.schema))), np.inf
            return
        *others, longest = sorted(each, key=len)
        picks, costs = _crossed(others)
        order = np.argsort(costs, kind="stable")
        picks, costs = picks[order], costs[order]
        # Of each combination of the others: how many moves of the last have been paired with it.
        done, made = np.zeros(len(costs), dtype=np.int64), 0
        total = len(costs) * len(longest)
        while made < min(total, self.most):
            till = _cost_of_next(costs, longest.costs, done, AT_ONCE)
            upto = np.searchsorted(longest.costs, till - costs, side="right")
            upto = np.maximum(upto, done)
            counts = upto - done
            source = np.repeat(np.arange(len(costs)), counts)
            within = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
            actions = np.repeat(problem.factual[None, :], len(source), axis=0)
            for moves, pick in (
                *((own, picks[source, k]) for k, own in enumerate(others)),
                (longest, done[source] + within),
            ):
                set_ = np.flatnonzero(moves.columns[pick] >= 0)
                actions[set_, moves.columns[pick[set_]]] = moves.values[pick[set_]]
            done, made = upto, made + len(source)
            yield actions, np.inf if made == total else float(till)

    def _moves(self, window: Window, problem: Problem) -> list[ChannelMoves]:
        """Raises
        ------
        NotEligible
            If something else may be set, or there is too much to combine.
        """
        movable = {int(j) for j in problem.movable}
        each, known, apart = [], set[int](), _kept_apart(problem)
        for c in range(len(window.channels)):
            levers = window.levers(c)
            own = tuple(j for j in levers if j in movable)
            # What cannot stay at 0 must be moved.
            stays = all(float(problem.factual[j]) in problem.axes[j] for j in levers)
            # Those rules may be left out of a question, to see what they bring about.
            if not all(frozenset(pair) in apart for pair in combinations(own, 2)):
                name = window.channels[c].name
                raise NotEligible(NAME, f"{name} may be moved by several profiles at once")
            if own:
                each.append(ChannelMoves.of(problem, own, stays))
            known |= set(own)
        if movable - known:
            raise NotEligible(NAME, "what may be set is no profile alone")
        partial = sorted(map(len, each))[:-1]
        if float(np.prod(partial, dtype=np.float64)) > MOST_PARTIAL:
            raise NotEligible(NAME, f"{len(each)} channels have too many moves to combine")
        return each

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        return None  # noted while searching

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        return range_by_asking(problem, meter, row, column)


def _kept_apart(problem: Problem) -> set[frozenset[int]]:
    """Pairs of features of which one at most may be set, by one constraint alone."""
    found = set[frozenset[int]]()
    for constraint in problem.constraints:
        match constraint.form:
            case OneStays(columns=columns) if len(columns) == 2:
                found.add(columns)
            case Implication(when=(Changes(column=one, does=True),), then=then):
                found |= {
                    frozenset((one, other.column))
                    for other in then
                    if isinstance(other, Changes) and not other.does
                }
    return found


def _crossed(each: list[ChannelMoves]) -> tuple[Places, Floats]:
    """Every combination: which move of each, ``(n, n_channels)``, and what they cost together."""
    picks, costs = np.zeros((1, 0), dtype=np.int64), np.zeros(1)
    for moves in each:
        n = len(moves)
        own = np.tile(np.arange(n), len(picks))[:, None]
        picks = np.concatenate([np.repeat(picks, n, axis=0), own], axis=1)
        costs = (costs[:, None] + moves.costs[None, :]).ravel()
    return picks, costs


def _cost_of_next(costs: Floats, last: Floats, done: Places, count: int) -> float:
    """A cost up to which about ``count`` further actions are, at least one."""
    open_ = np.flatnonzero(done < len(last))
    cheapest = costs[open_] + last[done[open_]]
    low, high = float(cheapest.min()), float(costs.max() + last[-1])
    if _upto(costs, last, high, done) <= count:
        return high
    # Halved until the band is of the size that is wanted, or holds what costs the same.
    for _ in range(40):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if _upto(costs, last, middle, done) > count:
            high = middle
        else:
            low = middle
    return low


def _upto(costs: Floats, last: Floats, cost: float, done: Places) -> int:
    found = np.searchsorted(last, cost - costs, side="right")
    return int(np.maximum(found - done, 0).sum())
