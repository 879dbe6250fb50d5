"""Which one change of a few levers would have cleared the most of these alarms?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from ifonly.explainers.answer import Prediction, Work
from ifonly.explainers.common.boxes import Alarms, LeverSet
from ifonly.explainers.common.confirm import Confirmation
from ifonly.explainers.common.judge import ChangeJudge
from ifonly.explainers.common.levers import CommonLever, levers_of
from ifonly.explainers.common.search import Best, CommonSearch, FoundChange
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.inquiry import NEVER, scored_by
from ifonly.explainers.problem import Problem
from ifonly.explainers.remedy import (
    MOST_POINTS,
    CommonAnswer,
    CommonKind,
    CoverageCurve,
    Remedy,
    WhyLeftOut,
)
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import AT_HAND, Effort, Engine, Meter
from ifonly.explainers.search.portfolio import reach_of
from ifonly.explainers.search.trees.reach import TreeReach
from ifonly.explainers.terms import Status
from ifonly.explainers.verify import Terms
from ifonly.explainers.watch import Watch, unwatched
from ifonly.models.predictor import Predictor
from ifonly.models.rounding import rounding_of

MOST_LEVERS = 3
"""Levers of a common change."""
MOST_ALARMS = 1_000
"""Rows of one question."""


@dataclass(frozen=True, eq=False)
class CommonQuestion:
    """Alarms, and which common changes of them are wanted.

    Raises
    ------
    InvalidPolicy
        Naming the key, the value and the limit: no rows, too many, too many levers, a feature that
        cannot be set in common, or problems that are not of one model and target.
    """

    problems: Sequence[Problem]
    """One of each row: of one schema, target and policy."""
    change: CommonKind = CommonKind.RELATIVE
    max_levers: int = 2
    levers: Sequence[int] | None = None
    """Columns that may be set; None: all that the rules allow."""
    terms: Sequence[Terms] | None = field(default=None, repr=False)
    """What the documents say that each must keep, for the checker; None: what the problems say."""

    def __post_init__(self) -> None:
        count, levers = len(self.problems), self.max_levers
        if not 1 <= count <= MOST_ALARMS:
            limit = (1, MOST_ALARMS)
            raise InvalidPolicy("rows", f"are {count}, not 1 to {MOST_ALARMS}", count, limit)
        if not 1 <= levers <= MOST_LEVERS:
            limit = (1, MOST_LEVERS)
            raise InvalidPolicy("max_levers", f"is {levers}, not 1 to {MOST_LEVERS}", levers, limit)
        first = self.problems[0]
        for problem in self.problems[1:]:
            if problem.schema is not first.schema and problem.schema != first.schema:
                raise InvalidPolicy("rows", "are of several models")
            if problem.target != first.target:
                raise InvalidPolicy("target", "is not the same of all rows")


def common(
    question: CommonQuestion,
    predictor: Predictor,
    *,
    engine: Engine | None = None,
    deadline: Deadline = NEVER,
    watch: Watch = unwatched,
    effort: Effort = AT_HAND,
) -> CommonAnswer:
    """The common changes that clear the most alarms, and what fewer cost; of one lever, of two, …

    The same question and predictor give the same answer, unless the deadline cuts the search.

    Parameters
    ----------
    question : CommonQuestion
    predictor : Predictor
        The deployed model: rows, shape (n, n_features), to scores, shape (n, n_outputs).
    engine : Engine, optional
        Who knows the model; by default nobody, and it is asked of every change.
    deadline : Deadline
        What is confirmed after the search (12 points of a curve at most) comes on top of it.
    watch : Watch
        Told of each stage.
    effort : Effort
        How the search may call the model.

    Raises
    ------
    NotEligible
        If answers must survive the sensors, and nothing of this model proves it.
    GraphError
        If the model cannot score rows.
    """
    meter = Meter(predictor, deadline, effort=effort)
    ask = scored_by(predictor, meter)
    rows = np.array([problem.factual for problem in question.problems])
    scores = ask(rows)
    first = question.problems[0]
    predictions = tuple(
        Prediction.of(first.target.decision, scores[i : i + 1]) for i in range(len(rows))
    )
    done = first.target.needs_nothing(scores)
    places = np.flatnonzero(~done).tolist()
    left_out = tuple((int(i), WhyLeftOut.ALREADY) for i in np.flatnonzero(done))
    if not places:
        return CommonAnswer((), left_out, predictions, (), (), Work("none", meter.rows, meter.runs))
    rounding = rounding_of(predictor)
    problems = tuple(question.problems[i].firm(rounding) for i in places)
    alarms = Alarms(problems, rows[places])
    reach = reach_of(engine or Blackbox(), problems[0].target)
    levers = levers_of(problems, alarms.factuals, question.change, question.levers)
    judge, best = ChangeJudge(alarms, meter, reach), Best.of(len(problems))
    terms = None if question.terms is None else [question.terms[i] for i in places]
    confirmation = Confirmation(judge, ask, terms, rounding, places)
    found, searches, deadline_hit = list[_Curve](), list[CommonSearch](), False
    most_levers = min(question.max_levers, len({lever.column for lever in levers}))
    for count in range(1, most_levers + 1):
        sets = [LeverSet(alarms, chosen, reach) for chosen in _choices(levers, count)]
        _check(reach, sets)
        searches.append(CommonSearch(sets, judge, meter, best))
        with watch("search"):
            deadline_hit |= not searches[-1].run()
        found.append(_Curve.of(count, best, searches))
    with watch("verify"):
        curves = tuple(curve.confirmed(confirmation, deadline) for curve in found)
    if confirmation.is_refuted:
        curves = tuple(_unproven(curve, len(problems)) for curve in curves)
    name = "trees" if reach is not None else "enumeration"
    rejected = tuple(confirmation.rejected)
    work = Work(name, meter.rows, meter.runs, deadline_hit, meter.nodes, rejected, meter.is_spent)
    told = tuple((lever.column, lever.kind) for lever in levers)
    return CommonAnswer(tuple(places), left_out, predictions, curves, told, work)


@dataclass(frozen=True, eq=False)
class _Curve:
    """What the searches of at most so many levers have found, cheapest first."""

    max_levers: int
    points: tuple[tuple[FoundChange, float], ...]
    """Each with what no other costs less than."""
    most: int

    @classmethod
    def of(cls, max_levers: int, best: Best, searches: Sequence[CommonSearch]) -> _Curve:
        """What is known once ``searches`` have ended; later ones go on from it."""
        least = (min(s.least_cost(len(p.cleared)) for s in searches) for p in best.points)
        points = ((p, min(cost, p.cost)) for p, cost in zip(best.points, least, strict=True))
        return cls(max_levers, tuple(points), max(search.most for search in searches))

    def confirmed(self, confirmation: Confirmation, deadline: Deadline) -> CoverageCurve:
        remedies: list[Remedy] = []
        # The best of all in any case; the others while there is time.
        for point, least in reversed(self.points):
            if remedies and deadline.expired():
                break
            # Of the best what it does not clear is put to the checker, too.
            remedies.append(confirmation.remedy(point, least, is_whole=not remedies))
        remedies = [r for r in reversed(remedies) if r.coverage]
        return CoverageCurve(self.max_levers, tuple(remedies[-MOST_POINTS:]), self.most)


def _unproven(curve: CoverageCurve, n_alarms: int) -> CoverageCurve:
    """A curve whose proofs a row at hand contradicts."""
    points = (replace(p, status=Status.FEASIBLE, lower_bound=None) for p in curve.points)
    return replace(curve, points=tuple(points), most=n_alarms)


def _choices(levers: Sequence[CommonLever], count: int) -> Iterator[tuple[CommonLever, ...]]:
    """Levers of different features."""
    for chosen in combinations(levers, count):
        if len({lever.column for lever in chosen}) == count:
            yield chosen


def _check(reach: TreeReach | None, sets: Sequence[LeverSet]) -> None:
    if reach is not None:
        reach.check(sorted({j for s in sets for j in (*s.columns, *s.followers)}))
