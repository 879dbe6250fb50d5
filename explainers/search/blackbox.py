"""Search by asking: works on any graph, whatever it computes.

Candidates are made in bulk and cheapest first, never one at a time: every value of every lever
alone, pairs of levers, starts from rows seen in service that are in the target, beams over
larger sets, random rows within the best cost so far; and each improvement is drawn back
towards the factual on the full grid. Nothing is random but by ``problem.seed``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints.forms import MostSet
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import CallsSpent, DeadlineReached
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.annealing import anneal
from ifonly.explainers.search.bracket import Bracket, closed_in
from ifonly.explainers.search.cost_ball import cost_ball
from ifonly.explainers.search.elites import Elites
from ifonly.explainers.search.engine import Meter, SearchOutcome, range_by_asking, refuse_tolerances
from ifonly.explainers.search.gradients import Slopes
from ifonly.explainers.search.incumbents import BudgetSpent, Incumbents, Tried
from ifonly.explainers.search.ladder import LONGEST, Ladder
from ifonly.explainers.space import changed
from ifonly.models.predictor import Row, Rows, Scores

SINGLE_ROWS = 12_288
FIRST_LOOK = 384
"""Values all over an axis that is too long to be listed; where the score enters the target between
two that are looked at, it is looked at closer."""
PAIR_ROWS = 8_192
MOST_PAIRED = 64
"""Levers that are tried in pairs."""
BEAM_WIDTH = 24
BEAM_RUNGS = 12
BEAM_DEPTH = 6
STARTS = 64
RANDOM_ROWS = 1_024
RANDOM_ROUNDS = 3
POLISH_ROUNDS = 24
RETREAT_RUNGS = 96
TRADE_RUNGS = 16
MOST_ENUMERATED = 3
SLOPED = 24
"""Rows of the front from which slopes are measured at once."""
LEAST_IN_VAIN = 131_072
"""Rows that are scored without a gain before a search ends that may go on."""
LEAST_OF_TURN, MOST_IDLE = 4_096, 8
"""Turns that scored fewer rows than that without a gain, after which there is little left."""
PARTNERS = 8
"""Levers that a polished row may lean on besides its own."""

Floats = npt.NDArray[np.float64]
Ladders = dict[int, Ladder]
Curves = dict[int, Floats]


@dataclass(frozen=True)
class Blackbox:
    """The engine that is always eligible."""

    enumerable: int = 32_768
    """Rows up to which everything is scored instead of searched; then the answer is proven."""

    @property
    def name(self) -> str:
        return "blackbox"

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        refuse_tolerances(problem, self.name)
        if problem.conflict is not None:
            return SearchOutcome.none(problem)
        incumbents = Incumbents(problem, meter)
        bound: float | None = None
        enumerated = 0
        deadline_hit = False
        try:
            # Small questions are settled at once, by scoring everything.
            bound = _prove(incumbents, self.enumerable)
            if bound is None:
                _hunt(incumbents)
                # A cheap answer leaves less to be scored: the ball of
                # its cost may now be small enough.
                bound = _prove(incumbents, self.enumerable)
            while bound is None and enumerated < MOST_ENUMERATED:
                # All sets of one lever, then of two: each that is whole is a claim of its own.
                if not _enumerate(incumbents, self.enumerable, enumerated + 1):
                    break
                enumerated += 1
        # What was found stays, without a bound.
        except (BudgetSpent, CallsSpent):
            pass
        except DeadlineReached:
            deadline_hit = True
        return SearchOutcome(
            incumbents.rows,
            bound,
            incumbents.nearest,
            deadline_hit,
            enumerated,
            unsure=incumbents.unsure,
        )

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        return None  # noted while searching

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        return range_by_asking(problem, meter, row, column)


def _prove(incumbents: Incumbents, most: int) -> float | None:
    """Score everything cheaper than the best, if that is little; the cost then proven least."""
    return incumbents.cost if _enumerate(incumbents, most) else None


def _enumerate(incumbents: Incumbents, most: int, changes: int | None = None) -> bool:
    """Score everything cheaper than the best, of what changes at most so many features, if that
    is little; whether it was."""
    rows = cost_ball(incumbents.problem, incumbents.cost, most, changes)
    if rows is None:
        return False
    # Cheapest first: a row in the target ends the scoring of what is dearer.
    rows = rows[np.argsort(incumbents.problem.cost_of(rows), kind="stable")]
    for start in range(0, len(rows), PAIR_ROWS):
        incumbents.consider(rows[start : start + PAIR_ROWS])
    return True


def _hunt(incumbents: Incumbents) -> None:
    """Look where answers are likeliest first and polish what is found, down to the least likely."""
    problem = incumbents.problem
    # The budget of single moves is shared out, but no lever is left with a handful of values.
    each = max(16, SINGLE_ROWS // max(1, len(problem.movable)))
    ladders = {int(j): _first_look(incumbents, int(j), each) for j in problem.movable}
    rungs, tried = _single_moves(incumbents, ladders)
    if _most_changes(problem) >= 2:
        tried = Tried.joined([tried, _pairs(incumbents, _nearest(incumbents, rungs, tried))])
    _neighbours(incumbents)
    # Before the beam, so that it need not grow what is dearer than a polished row.
    _polish(incumbents, rungs)
    _beam(incumbents, rungs, tried)
    _polish(incumbents, rungs)
    # The one source of chance, so that the same seed gives the same answer.
    generator = np.random.default_rng(problem.seed)
    elites = Elites(incumbents, rungs, generator)
    elites.add(tried)
    for _ in range(RANDOM_ROUNDS):
        cost = incumbents.cost
        elites.add(incumbents.consider(_random_rows(problem, ladders, cost, generator)))
        if incumbents.cost < cost:
            _polish(incumbents, rungs)
    _improve(incumbents, ladders, rungs, elites, generator)


def _improve(
    incumbents: Incumbents,
    ladders: Ladders,
    rungs: Ladders,
    elites: Elites,
    generator: np.random.Generator,
) -> None:
    """Steps from the front, along slopes and by annealing, in turn: as long as they gain, then
    until as much was scored in vain as it took to come so far. Without an answer, until the budget
    is spent. No more is scored than there are rows."""
    most = math.prod(len(axis) for axis in incumbents.problem.axes)
    gained_at, rungs_from, idle = incumbents.scored, math.inf, 0
    while incumbents.scored < most and idle < MOST_IDLE:
        before, scored = incumbents.cost, incumbents.scored
        if before < rungs_from:
            rungs, rungs_from = _also_from(incumbents, ladders, rungs), before
            elites.climb(rungs)
        elites.improve()
        near = elites.nearest(SLOPED)
        elites.add(incumbents.consider(Slopes(incumbents, rungs).steps(near.rows, near.shortfalls)))
        elites.add(anneal(incumbents, rungs, elites.front, generator))
        if incumbents.cost < before:
            _polish(incumbents, rungs)
            gained_at, idle = incumbents.scored, 0
            continue
        if before < math.inf and incumbents.scored - gained_at >= max(gained_at, LEAST_IN_VAIN):
            return
        # Where rules leave little to be scored the rows run out of what is new, not the budget.
        idle = idle + 1 if incumbents.scored - scored < LEAST_OF_TURN else 0


def _single_moves(incumbents: Incumbents, ladders: Ladders) -> tuple[Ladders, Tried]:
    """Score every lever alone; return the rungs at which the score changes, and what missed."""
    problem = incumbents.problem
    # All are scored, also those that a rule forbids alone: their curves guide the pairs.
    whole, shortfalls, curves = _curves(incumbents, problem.start, ladders)
    rungs, entries = {}, list[Bracket]()
    for j, ladder in ladders.items():
        rungs[j] = ladder.at(_telling(ladder.values, curves[j], float(problem.factual[j])))
        entries += _entries(problem, ladder, curves[j])
    # A long axis was looked at in places only: halve down to where it enters the target.
    closed_in(problem, incumbents.probe, problem.start, entries)
    missed = problem.allowed(whole) & (shortfalls > 0)
    return rungs, Tried(whole[missed], problem.cost_of(whole[missed]), shortfalls[missed])


def _also_from(incumbents: Incumbents, ladders: Ladders, rungs: Ladders) -> Ladders:
    """The rungs, and those at which the score changes along a lever from the best row: there
    are thresholds that only count beside what it has set."""
    problem = incumbents.problem
    _, _, curves = _curves(incumbents, incumbents.row, ladders)
    found = {}
    for j, ladder in ladders.items():
        new = ladder.values[_telling(ladder.values, curves[j], float(problem.factual[j]))]
        found[j] = Ladder.around(problem, j, np.union1d(rungs[j].values, new))
    return found


def _curves(incumbents: Incumbents, row: Row, ladders: Ladders) -> tuple[Rows, Floats, Curves]:
    """``row`` with each lever at each of its rungs, and by how much each misses the target: of all
    rows, ``(n_rows,)``, and by lever."""
    moved = _stacked(row, (ladder.on(row[None, :]) for ladder in ladders.values()))
    shortfalls = incumbents.probe(moved)
    curves, start = {}, 0
    for j, ladder in ladders.items():
        curves[j] = shortfalls[start : start + len(ladder)]
        start += len(ladder)
    return moved, shortfalls, curves


def _first_look(incumbents: Incumbents, column: int, each: int) -> Ladder:
    if _is_long(incumbents.problem, column):
        return Ladder.outward(incumbents.problem, column, min(each, FIRST_LOOK))
    return incumbents.ladder(column).thinned(each)


def _is_long(problem: Problem, column: int) -> bool:
    """Whether a ladder leaves out values."""
    return len(problem.axes[column]) > LONGEST


def _entries(problem: Problem, ladder: Ladder, curve: npt.NDArray[np.float64]) -> Iterator[Bracket]:
    """On either side of the factual value, where the first rung is in the target and rungs leave
    out values before it."""
    axis, factual = problem.axes[ladder.column], float(problem.factual[ladder.column])
    if not _is_long(problem, ladder.column) or math.isnan(factual):
        return
    up, numbers = ladder.values > factual, ~np.isnan(ladder.values)
    for side in (np.flatnonzero(up), np.flatnonzero(~up & numbers)):
        met = np.flatnonzero(curve[side] == 0.0)
        if met.size:
            far = axis.position(float(ladder.values[side[met[0]]]))
            bracket = Bracket.out_to(axis, ladder.column, factual, far)
            # From the last rung that missed, if there is one, and else from the factual.
            before = ladder.values[side[: met[0]]][-1:]
            yield replace(bracket, near=axis.position(float(before[0]))) if len(before) else bracket


def _telling(
    values: npt.NDArray[np.float64], curve: npt.NDArray[np.float64], factual: float
) -> npt.NDArray[np.int64]:
    """Rungs at which the curve differs from the rung before, going away from the factual on
    either side: between them, dearer values buy nothing."""
    up = values > factual
    keep = np.zeros(len(values), dtype=np.bool_)
    for side in (np.flatnonzero(up), np.flatnonzero(~up)):
        if side.size:
            # The first has no rung before it to be compared with.
            keep[side[0]] = True
            keep[side[1:][np.diff(curve[side]) != 0.0]] = True
    return np.flatnonzero(keep)


def _nearest(incumbents: Incumbents, rungs: Ladders, tried: Tried) -> Ladders:
    """Of many levers those that alone came nearest to the target: pairs of 400 are 80 thousand."""
    if len(rungs) <= MOST_PAIRED:
        return rungs
    start = incumbents.problem.start
    # Each of the rows has one column that differs; NaN differs from itself, too.
    moved = (tried.rows != start) & ~(np.isnan(tried.rows) & np.isnan(start))
    shortfalls = np.full(len(start), np.inf)
    np.minimum.at(shortfalls, np.argmax(moved, axis=1), tried.shortfalls)
    kept = sorted(rungs, key=lambda j: (shortfalls[j], j))[:MOST_PAIRED]
    return {j: rungs[j] for j in sorted(kept)}


def _pairs(incumbents: Incumbents, rungs: Ladders) -> Tried:
    """A coarse grid over every pair of levers, within the best cost so far."""
    pairs = list(combinations(rungs, 2))
    if not pairs:
        return _nothing_tried(incumbents)
    # So many rungs a lever that all pairs together stay within their budget.
    each = int(np.clip(math.sqrt(PAIR_ROWS / len(pairs)), 4, 40))
    affordable = {j: ladder.below(incumbents.cost).thinned(each) for j, ladder in rungs.items()}
    start = incumbents.problem.start
    crossed = (
        _crossed(start[None, :], affordable[i], affordable[j], incumbents.cost) for i, j in pairs
    )
    return incumbents.consider(_stacked(start, crossed))


def _neighbours(incumbents: Incumbents) -> None:
    """Rows seen in service that are in the target, moved onto what may be set here.

    As NICE does (Brughmans et al. 2023); the polishing then gives back what is not needed.
    """
    problem = incumbents.problem
    if problem.references is None or not len(problem.references):
        return
    rows = np.repeat(problem.factual[None, :], len(problem.references), axis=0)
    for j in problem.movable:
        # What was not read in the row seen keeps the value that it has here.
        seen = ~np.isnan(problem.references[:, j])
        rows[seen, j] = problem.axes[j].nearest(problem.references[seen, j])
    order = np.argsort(problem.cost_of(rows), kind="stable")
    for start in range(0, len(rows), STARTS):
        incumbents.consider(rows[order[start : start + STARTS]])
        # One start is enough: it is polished next.
        if incumbents.cost < math.inf:
            return


def _beam(incumbents: Incumbents, rungs: Ladders, tried: Tried) -> None:
    """Grow the sets of levers that came nearest to the target, one lever at a time."""
    for _ in range(min(BEAM_DEPTH, _most_changes(incumbents.problem)) - 1):
        # Nearest to the target first: one more lever is likeliest to bring these in.
        beam = tried.best(BEAM_WIDTH, incumbents.cost)
        if not len(beam):
            return
        steps = {
            j: ladder.below(incumbents.cost).thinned(BEAM_RUNGS) for j, ladder in rungs.items()
        }
        factual = incumbents.problem.factual
        grown = (ladder.on(beam[~changed(beam, factual)[:, j]]) for j, ladder in steps.items())
        tried = incumbents.consider(_stacked(factual, grown))


def _polish(incumbents: Incumbents, rungs: Ladders) -> None:
    """Draw the best row back towards the factual until no step back stays in the target."""
    if incumbents.cost == math.inf:
        return
    for _ in range(POLISH_ROUNDS):
        _draw_back(incumbents)
        before, row = incumbents.cost, incumbents.row
        moved = _moved(incumbents).tolist()
        partners = [*moved, *_partners(incumbents, rungs, set(moved))]
        incumbents.consider(_stacked(row, _all_trades(incumbents, row, moved, partners)))
        # Nothing was gained, and the same row would only be drawn back in the same ways.
        if incumbents.cost >= before:
            return


def _draw_back(incumbents: Incumbents) -> None:
    """One change at a time, as far as it goes: before any trade, of which a row that changes
    many levers has a thousand times more."""
    cost = math.inf
    while incumbents.cost < cost:
        cost, row = incumbents.cost, incumbents.row
        back = (_retreats(incumbents, row, int(j)) for j in _moved(incumbents))
        incumbents.consider(_stacked(row, back))


def _moved(incumbents: Incumbents) -> npt.NDArray[np.int64]:
    return np.flatnonzero(changed(incumbents.row[None, :], incumbents.problem.factual)[0])


def _partners(incumbents: Incumbents, rungs: Ladders, moved: set[int]) -> list[int]:
    """Other levers, those with the cheapest first step first."""
    others = [(float(r.costs[0]), j) for j, r in rungs.items() if j not in moved and len(r)]
    return [j for _, j in sorted(others)[:PARTNERS]]


def _retreats(incumbents: Incumbents, row: Row, column: int) -> Rows:
    """``row`` with one of its changes made smaller, or taken back."""
    problem = incumbents.problem
    spent = _cost_of_column(problem, row, column)
    values = _cheaper(incumbents, column, spent, RETREAT_RUNGS).values
    if float(problem.factual[column]) in problem.axes[column]:
        # Taken back altogether, where the factual value is allowed.
        values = np.append(values, problem.factual[column])
    return _with_column(row, column, values)


def _all_trades(
    incumbents: Incumbents, row: Row, moved: Sequence[int], partners: Sequence[int]
) -> Iterator[Rows]:
    """Making them takes longer than a search may be late."""
    for giving in moved:
        for taking in partners:
            if giving != taking:
                incumbents.check()
                yield _trades(incumbents, row, giving, taking)


def _trades(incumbents: Incumbents, row: Row, giving: int, taking: int) -> Rows:
    """``row`` with one change made smaller and another made larger, for less in all."""
    problem = incumbents.problem
    spent = _cost_of_column(problem, row, giving)
    held = _cost_of_column(problem, row, taking)
    given = _cheaper(incumbents, giving, spent, TRADE_RUNGS)
    # It may spend what the other gives back, and no more.
    taken = _cheaper(incumbents, taking, held + spent, TRADE_RUNGS)
    if float(problem.factual[giving]) in problem.axes[giving]:
        given = Ladder(
            giving,
            np.append(given.values, problem.factual[giving]),
            np.append(given.costs, 0.0),
        )
    return _crossed(row[None, :], given, taken, spent + held)


def _cheaper(incumbents: Incumbents, column: int, cost: float, most: int) -> Ladder:
    """Values of a lever that cost less than ``cost``: the dearest ones, one grid step apart,
    and a spread of the others."""
    ladder = incumbents.ladder(column).below(cost)
    if len(ladder) <= most:
        return ladder
    near = np.arange(len(ladder) - most // 3, len(ladder))
    spread = np.linspace(0, len(ladder) - 1, most - len(near)).astype(np.int64)
    return ladder.at(np.union1d(near, spread))


def _cost_of_column(problem: Problem, row: Row, column: int) -> float:
    value = row[[column]]
    return float(problem.cost.of_feature(column, value, float(problem.factual[column]))[0])


def _random_rows(
    problem: Problem, ladders: Ladders, cost: float, generator: np.random.Generator
) -> Rows:
    """Rows that spend a random part of ``cost`` on a random few levers."""
    rows = np.repeat(problem.start[None, :], RANDOM_ROWS, axis=0)
    columns = [j for j, ladder in ladders.items() if len(ladder)]
    if not columns:
        return rows[:0]
    sizes = generator.integers(1, min(_most_changes(problem), len(columns)) + 1, RANDOM_ROWS)
    priority = generator.random((RANDOM_ROWS, len(columns))).argsort(axis=1)
    # Even over all ways to split; levers beyond the drawn number get nothing.
    shares = generator.dirichlet(np.ones(len(columns)), RANDOM_ROWS) * (priority < sizes[:, None])
    # And in all a random part of the cost, so that cheap rows are drawn as well as dear ones.
    shares *= generator.random((RANDOM_ROWS, 1)) / shares.sum(axis=1, keepdims=True)
    for k, j in enumerate(columns):
        ladder = ladders[j].below(cost)
        if not len(ladder):
            continue
        # Without an answer yet, up to twice the dearest value of the lever may be spent.
        ceiling = cost if math.isfinite(cost) else float(ladder.costs[-1]) * 2.0 + 1.0
        affordable = np.searchsorted(ladder.costs, shares[:, k] * ceiling, side="right")
        rung = np.minimum((generator.random(RANDOM_ROWS) * affordable).astype(np.int64), affordable)
        moves = (affordable > 0) & (shares[:, k] > 0)
        rows[moves, j] = ladder.values[np.maximum(rung, 0)[moves]]
    return rows


def _most_changes(problem: Problem) -> int:
    forms = [c.form for c in problem.constraints]
    limits = [form.count for form in forms if isinstance(form, MostSet)]
    return min([len(problem.movable), *limits])


def _with_column(row: Row, column: int, values: npt.NDArray[np.float64]) -> Rows:
    rows = np.repeat(row[None, :], len(values), axis=0)
    rows[:, column] = values
    return rows


def _crossed(rows: Rows, first: Ladder, second: Ladder, cost: float) -> Rows:
    """Each of ``rows`` with every pair of rungs that together cost less than ``cost``."""
    total = first.costs[:, None] + second.costs[None, :]
    i, j = np.nonzero(total < cost)
    crossed = np.repeat(rows, len(i), axis=0)
    crossed[:, first.column] = np.tile(first.values[i], len(rows))
    crossed[:, second.column] = np.tile(second.values[j], len(rows))
    return crossed


def _stacked(row: Row, parts: Iterable[Rows]) -> Rows:
    return np.concatenate([np.empty((0, len(row))), *parts])


def _nothing_tried(incumbents: Incumbents) -> Tried:
    return Tried(np.empty((0, len(incumbents.problem.schema))), np.empty(0), np.empty(0))
