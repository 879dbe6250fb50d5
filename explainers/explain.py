"""One question, one answer: ``explain(problem, predictor)``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from ifonly.explainers.answer import (
    Abstained,
    Action,
    AlreadyTarget,
    Answer,
    Blocker,
    Cheaper,
    Counterfactual,
    Effect,
    GraphChance,
    Infeasible,
    OverGraphs,
    Prediction,
    Recourse,
    Relaxation,
    Unknown,
    Work,
)
from ifonly.explainers.constraints import Source
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import CallsSpent, DeadlineReached, DocumentsDiffer
from ifonly.explainers.in_company import Steps, alone, counted
from ifonly.explainers.infeasible_subsystem import infeasible_subsystem, without
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import (
    AT_HAND,
    Effort,
    Engine,
    Meter,
    SearchOutcome,
    reaches,
    tells_quickly,
)
from ifonly.explainers.search.portfolio import met_by
from ifonly.explainers.space import slack
from ifonly.explainers.target import Demand
from ifonly.explainers.transcript import goal_of, terms_of
from ifonly.explainers.verify import Checker, Proposal, Report, Terms
from ifonly.explainers.verify.limits import leaves_one
from ifonly.explainers.verify.reading import differing
from ifonly.explainers.watch import Watch, unwatched
from ifonly.models.predictor import Predictor, Row, Rows, Scores, finite
from ifonly.models.rounding import UNKNOWN, Rounding, rounding_of
from ifonly.models.schema import Decision, Kind

Found = tuple[Counterfactual | None, SearchOutcome]
NEVER = Deadline.never()
MOST_AROUND = 64
"""Levers of whose ends the model is asked before it is said that nothing is allowed."""
SHARE_OF_SUBSYSTEM = 0.5
"""Part of the time that is left in which it is shown what an irreducible set is."""


def unheard(reason: str, /) -> None:
    """For whoever reads it in the answer."""


def explain(
    problem: Problem,
    predictor: Predictor,
    *,
    engine: Engine | None = None,
    deadline: Deadline = NEVER,
    watch: Watch = unwatched,
    terms: Terms | None = None,
    effort: Effort = AT_HAND,
    doubted: Callable[[str], object] = unheard,
) -> Answer:
    """The smallest allowed change that puts the prediction in the target, or why there is none.

    The same problem and predictor give the same answer, unless the deadline cuts the search;
    then ``answer.work.deadline_hit`` says so.

    Parameters
    ----------
    problem : Problem
    predictor : Predictor
        The deployed model: rows, shape (n, n_features), to scores, shape (n, n_outputs).
    engine : Engine, optional
        Who searches; by default the one that works on any graph.
    deadline : Deadline
    watch : Watch
        Told of each stage; see :class:`ifonly.explainers.watch.Watch`.
    terms : Terms, optional
        What the documents say that an answer must keep, for the checker; where there are no
        documents, what ``problem`` itself declares.
    effort : Effort
        How the search may call the model, where that is far away.
    doubted : callable
        Told at once what the checker does not find true, so that it is known even where the model
        fails later in the question; answers list it in ``answer.work.rejected``.

    Raises
    ------
    GraphError
        If the model cannot score rows.
    DocumentsDiffer
        If a constraint that one of ``problem`` and ``terms`` demands has no namesake in the other,
        or their targets differ. What a namesake demands, the checker decides.

    Examples
    --------
    >>> from decimal import Decimal
    >>> from ifonly.explainers.policy import Policy
    >>> from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task
    >>> torque = Feature("torque", Kind.CONTINUOUS, "Nm", 0.0, 100.0, Decimal("0.1"))
    >>> alarm = Decision(Task.BINARY, (Category("normal"), Category("alarm")), 1, 0.5, desired=0)
    >>> class AboveFifty:
    ...     def score(self, rows):
    ...         return (rows > 50.0).astype(float)
    >>> problem = Policy.read({}, Schema((torque,)), alarm).problem(np.array([53.2]))
    >>> explain(problem, AboveFifty()).counterfactuals[0].actions
    (Action(column=0, factual=53.2, counterfactual=50.0, sufficient_range=(0.0, 50.0)),)
    """
    steps = explaining(
        problem,
        predictor,
        engine=engine,
        deadline=deadline,
        watch=watch,
        terms=terms,
        effort=effort,
        doubted=doubted,
    )
    return alone(steps, predictor.score)


def explaining(
    problem: Problem,
    predictor: Predictor,
    *,
    engine: Engine | None = None,
    deadline: Deadline = NEVER,
    watch: Watch = unwatched,
    terms: Terms | None = None,
    effort: Effort = AT_HAND,
    doubted: Callable[[str], object] = unheard,
) -> Steps[Answer]:
    """As :func:`explain`, in steps: stops where the checker needs the model's word on rows, and
    goes on once it is sent their scores."""
    terms = terms_of(problem) if terms is None else agreed(problem, terms)
    meter = Meter(predictor, deadline, effort=effort)
    asking = Inquiry(engine or Blackbox(), meter, deadline, watch, rounding_of(predictor), doubted)
    checker = Checker(terms, tuple(problem.factual.tolist()), partial(_asked, predictor, meter))
    return counted(_explaining(problem, asking, checker), meter.asked)


def _explaining(problem: Problem, asking: Inquiry, checker: Checker) -> Steps[Answer]:
    # Through the checker's door and not the meter's, so that the factual is
    # scored even past the deadline.
    scores = yield problem.factual[None, :]
    prediction = predicted(problem.target.decision, scores)
    if asking.needs_nothing(problem, checker.terms, scores):
        rejected = tuple(asking.rejected)
        work = Work("none", asking.meter.rows, asking.meter.runs, rejected=rejected)
        return AlreadyTarget(prediction, work)

    deadline = asking.deadline
    first, outcome = yield from asking.finding(problem, checker, problem)
    if first is None:
        return asking.nothing(problem, checker, prediction, outcome)
    found, deadline_hit = [first], outcome.deadline_hit
    question, another = problem, checker
    # Each alternative leaves at least one lever of the answer before it alone.
    while len(found) < problem.alternatives:
        # Asked before the next question: what the time does not allow is told, not begun.
        deadline_hit |= deadline.expired()
        levers = frozenset(a.column for a in found[-1].actions)
        question, another = question.excluding(levers), another.excluding(leaves_one(levers))
        if deadline_hit:
            break
        further, next_outcome = yield from asking.finding(question, another, problem)
        deadline_hit |= next_outcome.deadline_hit
        if further is None:
            break
        found.append(further)
    # A cheaper answer of a later rank shows that the bound of the first was wrong.
    found[0] = asking.uncontradicted(first, found[1:])
    if not deadline_hit:
        found[0] = asking.beside_main(problem, checker, found[0], outcome)
    with asking.watch("complete"):
        assured = tuple(asking.assured(problem, counterfactual) for counterfactual in found)
    deadline_hit |= asking.is_cut
    return Recourse(prediction, assured, asking.work(outcome, deadline_hit))


def _asked(predictor: Predictor, meter: Meter, rows: Rows) -> Scores:
    """The deployed model's word for the checker: not through the engines' meter, which counts it.

    Raises
    ------
    NotFinite
        If a score is no number.
    """
    # Counted all the same: the answer says how much the model was asked.
    meter.asked(len(rows))
    return finite(predictor.score(rows), rows)


def agreed(problem: Problem, terms: Terms) -> Terms:
    """``terms``, if the search was asked for the same.

    Raises
    ------
    DocumentsDiffer
        Naming what only one of them demands.
    """
    told = {constraint.origin.key for constraint in problem.constraints}
    # By names alone: what each demands is the checker's to decide, by its own reading.
    if told != terms.keys:
        raise DocumentsDiffer(sorted(told - terms.keys), sorted(terms.keys - told))
    if goal_of(problem.target) != terms.goal:
        raise DocumentsDiffer([str(goal_of(problem.target))], [str(terms.goal)])
    return terms


@dataclass
class Inquiry:
    """One question's engine, model and clock, and whom the checker's doubts are told."""

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
        cheapest that holds in this one. ``asked`` is the question of whose constraints ranges are
        told; None: none are."""
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
        proposal = _proposal(problem, action)
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
        return _counterfactual(problem, proposal, report, ranges, bound)

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
        """``bound``, if ``action``, which holds, does not cost less."""
        # Within slack: the last digit of a sum is no contradiction.
        if bound is None or cost >= bound - slack(bound):
            return bound
        self.reject(action, (f"bound: nothing below {bound} was claimed, and it costs {cost}",))
        return None

    def reject(self, row: Iterable[float], reasons: Sequence[str], of: str = "") -> None:
        self.rejected.append(f"{[float(v) for v in row]}: {of}{'; '.join(reasons)}")
        self.doubted(self.rejected[-1])

    def uncontradicted(
        self, first: Counterfactual, others: Sequence[Counterfactual]
    ) -> Counterfactual:
        """The first answer, its bound taken back where another that holds is cheaper."""
        bound = first.lower_bound
        for other in others:
            # An answer that rests on rounding is one to a weaker
            # question, and refutes nothing firm.
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
        """The answer, and what would do were the main graph certain, where that is cheaper."""
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
        over = _over_graphs(report)
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

    def nothing(
        self, problem: Problem, checker: Checker, prediction: Prediction, outcome: SearchOutcome
    ) -> Answer:
        """Why there is no answer; unless what is claimed of it is refuted by a row at hand."""
        # Cut by the deadline, a surer action might still have come.
        if problem.conflict is None and outcome.unsure is not None and not outcome.deadline_hit:
            answer = self._unsure(problem, checker, prediction, outcome, outcome.unsure)
            if answer is not None:
                return answer
        is_proven = outcome.is_infeasible and not len(outcome.candidates)
        if problem.conflict is None and not is_proven:
            best = self._nearest(problem, outcome, proven=False)
            return Unknown(prediction, self.work(outcome, outcome.deadline_hit), best)
        if is_proven and problem.conflict is None:
            self._looks_around(problem)
        claim = self._infeasible(problem, checker, prediction, outcome)
        refuted = self._refuted(problem, checker, claim.relaxation)
        # Rows at hand are checked against the claim: it costs one call, and catches a wrong proof.
        if refuted is None:
            return claim
        self.reject(refuted.row, ("infeasible was claimed, and it holds",))
        return Recourse(prediction, (refuted,), self.work(outcome, outcome.deadline_hit))

    def _looks_around(self, problem: Problem) -> None:
        """Ask the model of rows with one lever at either end of what is allowed: a proof by
        mathematics asks about none, and is none of a model that gives no numbers.

        Raises
        ------
        NotFinite
            If one of its scores is no number.
        """
        levers = problem.movable[:MOST_AROUND]
        actions = np.repeat(problem.factual[None, :], 2 * len(levers), axis=0)
        for k, j in enumerate(levers):
            axis = problem.axes[j]
            actions[2 * k : 2 * k + 2, j] = axis.values(np.array([0, len(axis) - 1]))
        rows = problem.rows_of(actions)
        rows = rows[problem.allowed(actions, rows)]
        if len(rows):
            with self.watch("search"):
                self.deployed.score(rows)

    def _unsure(
        self,
        problem: Problem,
        checker: Checker,
        prediction: Prediction,
        outcome: SearchOutcome,
        action: Row,
    ) -> Answer | None:
        """``action``, the surest that was found, is allowed and flips by what is believed, and not
        surely enough: None where that is not so, or the answer itself where it is sure enough."""
        proposal = _proposal(problem, action)
        for of_session in (False, True):  # as :meth:`best` asks
            under = checker if of_session else checker.firm(self.rounding)
            with self.watch("verify"):
                report = under.check(proposal)
            if report.holds:
                self.reject(action, ("abstained was claimed, and it is sure enough",))
                found = _counterfactual(problem, proposal, report, {})
                found = replace(found, rests_on_rounding=of_session)
                return Recourse(
                    prediction, (self.assured(problem, found),), self.work(outcome, False)
                )
            if report.chance is not None and report.broken == {"certainty"}:
                work = self.work(outcome, False)
                later = _share(report)
                return Abstained(prediction, report.chance, work, _over_graphs(report), later)
        self.reject(action, report.reasons, "abstained: ")
        return None

    def _infeasible(
        self, problem: Problem, checker: Checker, prediction: Prediction, outcome: SearchOutcome
    ) -> Infeasible:
        # Settled by the constraints alone, without the model.
        if problem.conflict is not None:
            relaxation = self.cheapest_relaxation(problem, checker, problem.conflict)
            work = self.work(replace(outcome, engine="propagation"), self.deadline.expired())
            return Infeasible(prediction, problem.conflict, work, relaxation=relaxation)
        # What lifting each would bring, and how near anything comes, take time as well.
        until = self.deadline.sooner(SHARE_OF_SUBSYSTEM)
        with self.watch("search"):
            blocked_by, known = infeasible_subsystem(
                problem, partial(self._reaches, until), is_quick=tells_quickly(self.engine)
            )
        is_cut = until.expired()
        best = self._nearest(problem, outcome, proven=True)
        demand = problem.target.demand
        # It is named only where the decision alone could be reached, so that can be offered.
        if demand is not None and demand in blocked_by:
            relaxation = self.surest_relaxation(problem, checker, demand, best)
        else:
            relaxation = self.cheapest_relaxation(problem, checker, blocked_by, known)
        work = self.work(outcome, is_cut or self.deadline.expired())
        return Infeasible(prediction, blocked_by, work, best, relaxation)

    def _refuted(
        self, problem: Problem, checker: Checker, relaxation: Relaxation | None
    ) -> Counterfactual | None:
        """An answer after all: a row seen in service, or what the relaxation proposes."""
        seen = [] if problem.references is None else problem.references.tolist()
        if relaxation is not None:
            seen.append(relaxation.counterfactual.action_on(problem.factual).tolist())
        with self.watch("verify"):
            found = checker.contradicted(math.inf, seen)
        if found is None:
            return None
        proposal = Proposal(found.action, found.row, found.cost)
        return _counterfactual(problem, proposal, found, {})

    def _nearest(
        self, problem: Problem, outcome: SearchOutcome, *, proven: bool
    ) -> Prediction | None:
        scores = outcome.nearest
        # Another search, worth its time only where it is sure that nothing is in the target.
        if scores is None and proven and not self.deadline.expired():
            with self.watch("search"), suppress(DeadlineReached):
                scores = self.engine.nearest(problem, self.meter, self.deadline)
        return None if scores is None else predicted(problem.target.decision, scores)

    def _reaches(self, until: Deadline, problem: Problem) -> Row | bool | None:
        if until.expired():
            return None
        return reaches(self.engine, problem, self.meter.until(until), until)

    def cheapest_relaxation(
        self,
        problem: Problem,
        checker: Checker,
        blocked_by: Sequence[Blocker],
        known: Rows | None = None,
    ) -> Relaxation | None:
        """Only a member of every blocking set can be enough by itself, so of this one too.

        ``known``: actions that lead into the target if some constraint is lifted, to begin with
        what may be cheapest.
        """
        found, least = [], math.inf
        relaxations = [(lifted, without(problem, lifted)) for lifted in blocked_by]
        if known is not None and len(known):
            relaxations.sort(key=lambda each: _least_cost(each[1], known))
        for lifted, relaxed in relaxations:
            # What lifting another brings already is not to be had dearer.
            relaxed = replace(relaxed, below=least)
            if not self.deadline.expired():
                counterfactual, _ = self.best(relaxed, _relaxed(checker, relaxed, lifted))
                if counterfactual is not None:
                    found.append(Relaxation(lifted, counterfactual, problem.target))
                    least = min(least, counterfactual.cost)
        return min(found, key=lambda r: r.counterfactual.cost, default=None)

    def surest_relaxation(
        self, problem: Problem, checker: Checker, demand: Demand, best: Prediction | None
    ) -> Relaxation | None:
        """The cheapest of what is as probable as can be reached, in whole percent; where that is
        not sure enough, of what is decided as wanted."""
        alone = problem.target.decision_alone
        targets = [alone]
        if best is not None and math.isfinite(demand.lower):
            # Rounded down to whole percent, so that it can be reached and said in few digits.
            reached = math.floor(100.0 * alone.measure(np.array([best.scores]))[0]) / 100.0
            # Then the decision alone, in case nothing reaches that after all.
            targets = [replace(alone, lower=reached), alone]
        for target in targets:
            if self.deadline.expired():
                break
            under = checker.under(checker.terms.aiming(goal_of(target)))
            counterfactual, _ = self.best(replace(problem, target=target, alternatives=1), under)
            if counterfactual is not None:
                return Relaxation(demand, counterfactual, target)
        return None

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


def predicted(decision: Decision, scores: Scores) -> Prediction:
    """The first row of ``scores`` as a prediction."""
    return Prediction(tuple(scores[0].tolist()), int(decision.decide(scores[:1])[0]))


def _proposal(problem: Problem, action: Row) -> Proposal:
    """What the engines' own definitions claim of an action, for the checker to recompute."""
    actions = np.array([action], dtype=np.float64)
    row = problem.rows_of(actions)[0].tolist()
    return Proposal(actions[0].tolist(), row, float(problem.cost_of(actions)[0]))


def _counterfactual(
    problem: Problem,
    proposal: Proposal,
    report: Report,
    ranges: Mapping[int, tuple[float, float]],
    lower_bound: float | None = None,
) -> Counterfactual:
    """A proposal that holds, with the scores that the checker was given."""
    before = problem.factual.tolist()
    columns = differing(proposal.action, before)
    assert proposal.cost is not None
    return Counterfactual(
        row=report.row,
        actions=tuple(Action(j, before[j], proposal.action[j], ranges.get(j)) for j in columns),
        cost=proposal.cost,
        prediction=predicted(problem.target.decision, np.array([report.scores])),
        lower_bound=lower_bound,
        effects=tuple(_effects(before, proposal.action, report)),
        chance=report.chance,
        chance_later=_share(report),
        graphs=_over_graphs(report),
        survives=problem.survives is not None,
    )


def _share(report: Report) -> float | None:
    """By which it flips when it is carried out."""
    return None if report.chance_later is None else report.chance_later.share


def _over_graphs(report: Report) -> OverGraphs | None:
    if not report.graphs:
        return None
    each = tuple(GraphChance(g.name, g.weight, g.chance) for g in report.graphs)
    return OverGraphs(each, min(report.graphs, key=lambda g: g.lower).name)


def _effects(before: Sequence[float], action: Sequence[float], report: Report) -> Iterator[Effect]:
    """What reads otherwise than it is set, by the checker's own paths."""
    for j in differing(report.row, action):
        yield Effect(j, before[j], report.row[j], report.via.get(j, ()))


def _least_cost(problem: Problem, actions: Rows) -> float:
    """Of the actions that are allowed; infinity if none is."""
    allowed = actions[problem.allowed(actions)]
    return float(problem.cost_of(allowed).min()) if len(allowed) else math.inf


def _relaxed(checker: Checker, relaxed: Problem, lifted: Blocker) -> Checker:
    terms = checker.terms
    if isinstance(lifted, Demand):
        return checker.under(terms.aiming(goal_of(relaxed.target)))
    return checker.under(terms.without(lifted.origin.key))


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
