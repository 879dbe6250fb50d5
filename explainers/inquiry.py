"""One question's engine, model, clock and checker: an engine proposes, the checker decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ifonly.explainers.answer import Cheaper, Counterfactual, Work
from ifonly.explainers.constraints import Source
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import CallsSpent, DeadlineReached
from ifonly.explainers.in_company import Steps, alone
from ifonly.explainers.problem import Problem
from ifonly.explainers.proposals import counterfactual_of, over_graphs, proposal_of
from ifonly.explainers.search.engine import Engine, Meter, SearchOutcome
from ifonly.explainers.search.portfolio import met_by
from ifonly.explainers.space import slack
from ifonly.explainers.verify import Checker, Proposal, Terms
from ifonly.explainers.verify.reading import differing
from ifonly.explainers.watch import Watch
from ifonly.models.predictor import Predictor, Row, Rows, Scores, finite
from ifonly.models.rounding import UNKNOWN, Rounding
from ifonly.models.schema import Kind

Found = tuple[Counterfactual | None, SearchOutcome]
NEVER = Deadline.never()


def unheard(reason: str, /) -> None:
    """For whoever reads it in the answer."""


def scored_by(predictor: Predictor, meter: Meter) -> Callable[[Rows], Scores]:
    """The deployed model's word for the checker: past the deadline too, in one call, counted.

    Raises
    ------
    NotFinite
        If a score is no number.
    """

    def score(rows: Rows) -> Scores:
        # Not through the engines' meter, which looks at the deadline. Counted all the same: the
        # answer says how much the model was asked.
        meter.asked(len(rows))
        return finite(np.asarray(predictor.score(rows)), rows)

    return score


@dataclass
class Inquiry:
    """One question's engine, model and clock, and a log of what the checker rejected."""

    engine: Engine
    meter: Meter
    deadline: Deadline
    watch: Watch
    rounding: Rounding = UNKNOWN
    """Rounding of the model's scores: answers that hold whatever it is are preferred."""
    doubted: Callable[[str], object] = unheard
    is_cut: bool = False
    """Whether the deadline left a range out of an answer that was found in time."""
    rejected: list[str] = field(default_factory=list)
    """What was proposed or claimed and did not hold, and why."""

    @cached_property
    def deployed(self) -> Meter:
        """The model, for what must be asked of it even after the deadline."""
        return self.meter.without_end()

    def needs_nothing(self, problem: Problem, terms: Terms, scores: Scores) -> bool:
        """Whether the factual is in the target already; by the checker's word, if they differ."""
        claimed = bool(problem.target.needs_nothing(scores)[0])
        by_policy = problem.target.origin.source is Source.POLICY
        goal = terms.goal.alone if by_policy else terms.goal
        is_met = goal.met(scores[0].tolist())
        if is_met is not claimed:
            told = "already in the target" if claimed else "not in the target"
            self.reject(problem.factual, (f"{told}, was claimed of scores {scores[0].tolist()}",))
        # The checker's word, as everywhere else.
        return is_met

    def best(
        self, problem: Problem, checker: Checker, asked: Problem | None = None
    ) -> tuple[Counterfactual | None, SearchOutcome]:
        """As :meth:`finding`, the model being asked at once."""
        return alone(self.finding(problem, checker, asked), checker.score)

    def finding(
        self, problem: Problem, checker: Checker, asked: Problem | None = None
    ) -> Steps[Found]:
        """The cheapest answer that holds in every session of the model; where there is none, the
        cheapest that holds in this one. ``asked``: the question whose constraints sufficient ranges
        keep; None: no ranges are sought."""
        firm = problem.firm(self.rounding)
        # No rounding is known of this model, so the two questions are one.
        if firm is problem:
            return (yield from self._finding(problem, checker, asked))
        ranged = None if asked is None else asked.firm(self.rounding)
        found, outcome = yield from self._finding(firm, checker.firm(self.rounding), ranged)
        # A second search only where rounding can make a difference.
        if found is not None or not self._may_round(problem, outcome):
            return found, outcome
        found, outcome = yield from self._finding(problem, checker, asked)
        # Told, since another session of the same graph may deny it.
        return found and replace(found, rests_on_rounding=True), outcome

    def _may_round(self, problem: Problem, outcome: SearchOutcome) -> bool:
        """Whether something may be in the target, where nothing is in it in every session."""
        if self.deadline.expired() or len(outcome.candidates) or problem.conflict is not None:
            return False
        if outcome.nearest is not None and problem.target.met(outcome.nearest)[0]:
            return True
        return outcome.is_infeasible

    def _finding(self, problem: Problem, checker: Checker, asked: Problem | None) -> Steps[Found]:
        """The cheapest proposal that holds. If a cheaper one did not, or if the one that holds
        is cheaper than the bound, an engine erred somewhere, so its bound is not repeated."""
        with self.watch("search"):
            outcome = self.engine.search(problem, self.meter, self.deadline)
        for rank, action in enumerate(outcome.candidates):
            # The bound was of the first proposal; if that does not hold, the engine erred.
            bound = None if rank else outcome.lower_bound
            found = yield from self._checking(problem, checker, action, bound, asked)
            if found is not None:
                is_first = rank == 0 and outcome.enumerated
                return replace(found, enumerated=outcome.enumerated) if is_first else found, outcome
        return None, outcome

    def _checking(
        self,
        problem: Problem,
        checker: Checker,
        action: Row,
        bound: float | None,
        asked: Problem | None,
    ) -> Steps[Counterfactual | None]:
        """``action`` as an answer that claims that nothing is cheaper than ``bound``; None if it
        does not hold. The ends of its ranges are checked in the same model call: one that does
        not hold is not told, one that holds and is cheaper takes that claim back."""
        proposal = proposal_of(problem, action)
        draft, ranges = checker.draft(proposal), dict[int, tuple[float, float]]()
        # Ranges only of what may hold: they are the dearer part.
        if asked is not None and draft.is_open:
            columns = differing(proposal.action, problem.factual.tolist())
            with self.watch("complete"):
                ranges = dict(self._ranges(asked, action, columns))
        others = list(_other_ends(proposal.action, ranges))
        with self.watch("verify"):
            claimed = [Proposal(_with(proposal.action, j, end)) for j, end in others]
            # The answer and all ends of its ranges in one call of the model.
            drafts = [draft, *map(checker.draft, claimed)]
            rows = checker.rows_of(drafts)
            report, *ends = checker.judged(drafts, (yield rows) if len(rows) else None)
        if not report.holds:
            self.reject(proposal.action, report.reasons)
            return None
        bound = self._bound(proposal.action, report.cost, bound)
        for (j, end), told in zip(others, ends, strict=True):
            if told.holds:
                bound = self._bound(told.action, told.cost, bound)
            else:
                # A range of which one end fails is not told at all.
                ranges.pop(j, None)
                self.reject(_with(proposal.action, j, end), told.reasons, "range: ")
        return counterfactual_of(problem, proposal, report, ranges, bound)

    def _ranges(
        self, problem: Problem, action: Row, columns: Sequence[int]
    ) -> Iterator[tuple[int, tuple[float, float]]]:
        """The sufficient range of each number and ordered category that was set, with its column.

        The answer stands without the ranges that time does not allow.
        """
        for j in columns:
            if problem.schema.features[j].kind is not Kind.NOMINAL:
                try:
                    ends = self.engine.sufficient_range(problem, self.meter, action, j)
                except DeadlineReached as cut:
                    # Calls that are spent are told by themselves, and are the same each time.
                    self.is_cut |= not isinstance(cut, CallsSpent)
                    continue
                yield j, ends

    def _bound(self, action: Sequence[float], cost: float, bound: float | None) -> float | None:
        """``bound``; None if ``action``, which holds, costs less and so refutes it."""
        # Within slack: the last digit of a sum is no contradiction.
        if bound is None or cost >= bound - slack(bound):
            return bound
        self.reject(action, (f"bound: nothing below {bound} was claimed, and it costs {cost}",))
        return None

    def reject(self, row: Iterable[float], reasons: Sequence[str], of: str = "") -> None:
        """Note that a claim about ``row`` does not hold; ``of``: which claim, if not the answer."""
        self.rejected.append(f"{[float(v) for v in row]}: {of}{'; '.join(reasons)}")
        self.doubted(self.rejected[-1])

    def uncontradicted(
        self, first: Counterfactual, others: Sequence[Counterfactual]
    ) -> Counterfactual:
        """The first answer, its bound taken back where another that holds is cheaper."""
        bound = first.lower_bound
        for other in others:
            # An answer that rests on rounding is one to a weaker question: it refutes nothing firm.
            if not other.rests_on_rounding or first.rests_on_rounding:
                bound = self._bound(other.row, other.cost, bound)
        return first if bound == first.lower_bound else replace(first, lower_bound=bound)

    def beside_main(
        self,
        problem: Problem,
        checker: Checker,
        found: Counterfactual,
        outcome: SearchOutcome,
    ) -> Counterfactual:
        """The answer; with it the cheaper one that would do were the main graph certain."""
        # Nothing was refused for another graph, so the search would find the same.
        if outcome.same_by_main and found.gap == 0.0 and not found.rests_on_rounding:
            return found
        graphs = () if problem.consequences is None else problem.consequences.graphs
        follows = checker.terms.what_follows
        if follows is None or not graphs:
            return found
        alone = replace(problem, consequences=graphs[0].consequences, alternatives=1)
        terms = replace(checker.terms, what_follows=follows.by_main)
        other, _ = self.best(alone, checker.under(terms))
        if other is None or other.cost >= found.cost - slack(found.cost):
            return found
        action = other.action_on(problem.factual).tolist()
        report = checker.check(Proposal(action, other.row, other.cost))
        over = over_graphs(report)
        # Sure enough after all: then it is not the graph that makes the answer dearer.
        if over is None or report.holds:
            return found
        return replace(found, cheaper=Cheaper(other.cost, over))

    def assured(self, problem: Problem, counterfactual: Counterfactual) -> Counterfactual:
        """The answer and how sure it is, where something follows from what is set."""
        # Margins are measured against the target that the answer was found for.
        if not counterfactual.rests_on_rounding:
            problem = problem.firm(self.rounding)
        if problem.consequences is None:
            return counterfactual
        row = counterfactual.action_on(problem.factual)
        columns = [action.column for action in counterfactual.actions]
        met = met_by(self.engine, problem, self.deployed.score)
        assurance = problem.consequences.assurance(problem.factual, columns, row[columns], met)
        return replace(counterfactual, assurance=assurance)

    def work(self, outcome: SearchOutcome, deadline_hit: bool) -> Work:
        name = outcome.engine or self.engine.name
        rejected = tuple(self.rejected)
        return Work(
            name,
            self.meter.rows,
            self.meter.runs,
            deadline_hit,
            self.meter.nodes,
            rejected,
            self.meter.is_spent,
        )


def _other_ends(
    action: Sequence[float], ranges: Mapping[int, tuple[float, float]]
) -> Iterator[tuple[int, float]]:
    """Ends of ranges that are not the value itself."""
    for column, ends in ranges.items():
        for end in dict.fromkeys(ends):
            if end != action[column]:
                yield column, end


def _with(action: Sequence[float], column: int, value: float) -> list[float]:
    """An action with one setting changed."""
    found = list(action)
    found[column] = value
    return found
