"""What is published of a common change: alarm by alarm, by the checker and the deployed model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ifonly.explainers.answer import Action, Effect, Prediction
from ifonly.explainers.common.judge import (
    CLEARED,
    NOT_ALLOWED,
    NOT_CERTAIN,
    NOT_ROBUST,
    STILL_ALARM,
    WHY,
    ChangeJudge,
)
from ifonly.explainers.common.search import FoundChange
from ifonly.explainers.explain import agreed
from ifonly.explainers.problem import Problem
from ifonly.explainers.remedy import Remedy, RowOutcome, Uncleared
from ifonly.explainers.terms import Status
from ifonly.explainers.transcript import terms_of
from ifonly.explainers.verify import Checker, Proposal, Report, Terms
from ifonly.explainers.verify.drafts import CheckDraft
from ifonly.explainers.verify.reading import differing
from ifonly.models.predictor import Rows, Scores
from ifonly.models.rounding import Rounding

BROKEN = {STILL_ALARM: ("target",), NOT_ROBUST: ("robust",), NOT_CERTAIN: ("certainty",)}
"""What the checker would call it."""


@dataclass(eq=False)
class Confirmation:
    """Confirms the changes that a search has found."""

    judge: ChangeJudge
    ask: Callable[[Rows], Scores]
    """The deployed model."""
    terms: Sequence[Terms] | None
    """Of each alarm; None: what its problem says."""
    rounding: Rounding
    places: Sequence[int]
    """Of each alarm among the rows of the question."""
    rejected: list[str] = field(default_factory=list)
    """What was claimed and does not hold, and why."""
    is_refuted: bool = False
    """Whether the checker finds something cleared that the search does not: its proofs are not
    repeated."""
    _checkers: dict[int, Checker] = field(default_factory=dict)
    _known: dict[int, tuple[RowOutcome, ...]] = field(default_factory=dict)

    def remedy(
        self, found: FoundChange, lower_bound: float | None, *, is_whole: bool = True
    ) -> Remedy:
        """A common change with what it does to each alarm. ``lower_bound``: what is claimed that no
        other clears as many for. ``is_whole``: whether what it is said not to clear is put to the
        checker, too."""
        key = id(found)
        if key not in self._known:
            self._known[key] = self._outcomes(found, is_whole)
        outcomes = self._known[key]
        coverage = sum(o.cleared for o in outcomes)
        # The bound is of those that clear as many as the search said.
        bound = lower_bound if coverage == len(found.cleared) else None
        is_best = bound is not None and bound >= found.cost
        pairs = zip(found.levers.levers, found.at.tolist(), strict=True)
        return Remedy(
            tuple(lever.setting(at) for lever, at in pairs),
            coverage,
            found.cost,
            Status.OPTIMAL if is_best else Status.FEASIBLE,
            bound,
            outcomes,
        )

    def _outcomes(self, found: FoundChange, is_whole: bool) -> tuple[RowOutcome, ...]:
        alarms = self.judge.alarms
        every = np.arange(len(alarms))
        verdicts = np.full(len(alarms), CLEARED, dtype=np.int64)
        at = np.repeat(found.at[None, :], len(alarms), axis=0)
        others = np.setdiff1d(every, found.cleared)
        judge = replace(self.judge, meter=self.judge.meter.without_end())
        verdicts[others] = judge.verdicts(found.levers, at[others], others)
        actions = found.levers.actions(every, at)
        rows = actions.copy()
        settable = np.flatnonzero(found.levers.settable(every, at))
        rows[settable] = found.levers.rows(settable, actions[settable])
        drafts: list[CheckDraft | None] = [None] * len(alarms)
        for i in settable.tolist():
            # Which rule is in the way the checker says; the rest is known.
            if not is_whole and verdicts[i] not in (CLEARED, NOT_ALLOWED):
                continue
            problem = alarms.problems[i]
            cost = float(problem.cost_of(actions[i : i + 1])[0])
            proposal = Proposal(actions[i].tolist(), rows[i].tolist(), cost)
            drafts[i] = self._checker(i).draft(proposal)
        reports = self._judged(drafts)
        return tuple(
            self._outcome(i, actions[i], int(verdicts[i]), reports[i]) for i in range(len(alarms))
        )

    def _judged(self, drafts: Sequence[CheckDraft | None]) -> list[Report | None]:
        """Reports on all drafts; the model is asked once."""
        asked = [rows for draft in drafts if draft is not None for rows in draft.to_score]
        scores = self.ask(np.concatenate(asked)) if asked else np.empty((0, 0))
        reports: list[Report | None] = []
        start = 0
        for i, draft in enumerate(drafts):
            if draft is None:
                reports.append(None)
                continue
            own = scores[start : start + draft.n_to_score]
            start += len(own)
            # The same checker, told the scores that were asked for all.
            reports.extend(replace(self._checker(i), score=_told(own)).judge([draft]))
        return reports

    def _checker(self, i: int) -> Checker:
        if i not in self._checkers:
            problem = self.judge.alarms.problems[i]
            terms = terms_of(problem) if self.terms is None else agreed(problem, self.terms[i])
            checker = Checker(terms, tuple(problem.factual.tolist()), self.ask)
            self._checkers[i] = checker.firm(self.rounding)
        return self._checkers[i]

    def _outcome(self, i: int, action: Rows, verdict: int, report: Report | None) -> RowOutcome:
        place = self.places[i]
        if report is None:
            return RowOutcome(place, False, why=WHY[verdict], broken=BROKEN.get(verdict, ()))
        problem = self.judge.alarms.problems[i]
        before = problem.factual.tolist()
        columns = differing(action.tolist(), before)
        actions = tuple(Action(j, before[j], float(action[j])) for j in columns)
        cost = float(problem.cost_of(action[None, :])[0])
        prediction = None
        effects: tuple[Effect, ...] = ()
        if report.scores:
            prediction = Prediction.of(problem.target.decision, np.array([report.scores]))
            moved = differing(report.row, action.tolist())
            effects = tuple(
                Effect(j, before[j], report.row[j], report.via.get(j, ())) for j in moved
            )
        cleared = verdict == CLEARED and report.holds
        if verdict == CLEARED and not report.holds:
            self.rejected.append(f"row {place}, {action.tolist()}: {'; '.join(report.reasons)}")
        elif verdict != CLEARED and report.holds and WHY[verdict] is not Uncleared.NOT_ROBUST:
            self.is_refuted = True
            self.rejected.append(f"row {place}, {action.tolist()}: it holds, and was ruled out")
        why = None if cleared else WHY.get(verdict, _why(report, problem))
        # Of several things that are broken the first says why: rules, before the model is asked.
        broken = BROKEN.get(verdict) or tuple(sorted(report.broken))
        return RowOutcome(place, cleared, actions, effects, cost, prediction, why, broken)


def _told(scores: Scores) -> Callable[[Rows], Scores]:
    return lambda rows: scores


def _why(report: Report, problem: Problem) -> Uncleared:
    """Of an alarm that the checker does not find cleared."""
    for name, why in (
        ("target", Uncleared.STILL_ALARM),
        ("robust", Uncleared.NOT_ROBUST),
        ("certainty", Uncleared.NOT_CERTAIN),
    ):
        if report.broken == {name}:
            return why
    return Uncleared.NOT_ALLOWED
