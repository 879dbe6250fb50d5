"""Which smallest allowed change would have flipped the decision?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from ifonly.explainers.answer import AlreadyTarget, Answer, Counterfactual, Infeasible, Recourse
from ifonly.explainers.beside import Beside
from ifonly.explainers.causal.doubts import Doubt
from ifonly.explainers.causal.errors import CausalError
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explaining as searching
from ifonly.explainers.in_company import Steps, alone
from ifonly.explainers.joint_box import with_joint_boxes
from ifonly.explainers.menu import Menu, count_of_sets, levers_of, menu, with_work
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import AT_HAND, Effort
from ifonly.explainers.terms import MOST_SETS
from ifonly.explainers.verify import Terms
from ifonly.explainers.watch import Watch, unwatched
from ifonly.explainers.ways import NamedWay, Ways, ways
from ifonly.models.predictor import Predictor
from ifonly.service.ask.over_time import OverTime, until_whole
from ifonly.service.ask.question import Question, problem_of
from ifonly.service.errors import (
    ContradictoryConstraints,
    Fault,
    InvalidRequest,
    RequestPart,
    TargetAlreadyMet,
    in_doubt,
)
from ifonly.service.logs import logger
from ifonly.service.served.causal_model import Semantics, ServedCausal
from ifonly.service.served.registry import ServedModel

Away = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, eq=False)
class Explanation:
    """An answer with the question that it answers."""

    id: uuid.UUID
    model: ServedModel
    problem: Problem
    answer: Answer
    causal: ServedCausal | None = None
    """By what features follow that are not set; None: nothing does."""
    semantics: Semantics = Semantics.INDEPENDENT
    over: tuple[OverTime | None, ...] = ()
    """Of each counterfactual: its course over time; None where the causal file has no times."""
    ways: tuple[NamedWay, ...] | None = None
    """None: they were not asked for, or there is none."""
    ways_over: tuple[OverTime | None, ...] = ()
    """As ``over``, of each way."""
    menu: Menu | None = None
    """None: it was not asked for, or there is nothing to change."""

    def doubts_of(self, found: Counterfactual) -> tuple[Doubt, ...]:
        """Failed parts of the causal model that one answer rests on."""
        return self._doubts_under([action.column for action in found.actions])

    @property
    def doubts_of_none(self) -> tuple[Doubt, ...]:
        """Where there is no answer: failed parts on which any lever's effects rest."""
        if isinstance(self.answer, AlreadyTarget):
            return ()
        each = (self._doubts_under([int(j)]) for j in self.problem.movable)
        return tuple(dict.fromkeys(chain.from_iterable(each)))

    def _doubts_under(self, moved: Sequence[int]) -> tuple[Doubt, ...]:
        if self.causal is None:
            return ()
        # In another past nothing is set, so nothing is severed from its causes.
        is_past = self.semantics is Semantics.BACKTRACKING
        return self.causal.doubts_under(moved, () if is_past else None)


def explain(
    model: ServedModel,
    question: Question,
    deadline: Deadline,
    watch: Watch = unwatched,
    away: Away = nullcontext,
) -> Explanation:
    """The smallest allowed change that flips the decision, or why there is none; ``away`` is open
    while another process is asked.

    Raises
    ------
    TargetAlreadyMet
        If the request names a target that the factual is in.
    ContradictoryConstraints
        If the request's constraints leave nothing, whatever the model says.
    GraphError
        If the model cannot score rows.
    PredictorUnavailable, PredictorUnclear
        If the model is in another process alone, which does not say what is needed.
    FailedInDoubt
        If it, or anything else, fails after the checker has rejected something.
    """
    checked_by, effort = asked_within(model, deadline, away)
    steps = explaining(model, question, deadline, checked_by, effort, watch)
    return alone(steps, checked_by.score)


def explaining(
    model: ServedModel,
    question: Question,
    deadline: Deadline,
    checked_by: Predictor,
    effort: Effort = AT_HAND,
    watch: Watch = unwatched,
    terms: Terms | None = None,
) -> Steps[Explanation]:
    """As :func:`explain`, in steps: stops where the checker needs the model's word on rows.

    Parameters
    ----------
    checked_by : Predictor
        Whom the checker asks.
    effort : Effort
        How the search may.
    terms : Terms, optional
        What the rulebook says of the question, where it was read for another row already.
    """
    problem = problem_of(model, question)
    # The checker reads the request's own text (`asked`), not what we made of it.
    terms = model.rulebook.terms(question.asked) if terms is None else terms
    _check_menu(problem, question)
    identity = uuid.uuid4()
    # Filled while it searches: a failure half way still says what was rejected.
    rejected: list[str] = []
    try:
        with in_doubt(rejected):
            answer = yield from searching(
                problem,
                checked_by,
                engine=model.engine,
                deadline=deadline,
                watch=watch,
                terms=terms,
                effort=effort,
                doubted=rejected.append,
            )
            beside = partial(
                Beside.of,
                problem,
                checked_by,
                engine=model.engine,
                deadline=deadline,
                watch=watch,
                terms=terms,
                effort=effort,
                doubted=rejected.append,
            )
            answer, others, levers = _with_more(question, model, answer, deadline, beside)
    finally:
        if rejected:  # what, and why, is in the reply and its record: values are not logged
            told = "explanation %s: the checker does not find true %d proposals or claims about %s"
            logger.error(told, identity, len(rejected), model.deployed.name)
    if isinstance(answer, AlreadyTarget) and question.target_is_named:
        raise TargetAlreadyMet(answer.prediction, answer.work.rejected)
    if isinstance(answer, Infeasible) and problem.conflict_is_the_requests:
        raise ContradictoryConstraints(problem.conflict or (), answer.work.rejected)
    independent = question.semantics is Semantics.INDEPENDENT
    causal = None if independent or problem.consequences is None else model.causal
    over = tuple(_over(model, causal, problem, question.semantics, c) for c in _found(answer))
    explained = Explanation(
        identity, model, problem, answer, causal, question.semantics, over, menu=levers
    )
    if others is None:
        return explained
    when = tuple(
        None if found is None else _over(model, causal, problem, question.semantics, found)
        for found in (way.found for way in others.ways)
    )
    return replace(explained, ways=others.ways, ways_over=when)


def _with_more(
    question: Question,
    model: ServedModel,
    answer: Answer,
    deadline: Deadline,
    beside: Callable[..., Beside],
) -> tuple[Answer, Ways | None, Menu | None]:
    """The answer with what was asked for besides: named ways, a menu of levers, joint boxes."""
    others, levers = None, None
    if question.ways and isinstance(answer, Recourse):
        others = ways(beside(answer.work), answer, model.policy.tolerances)
        answer = others.beside(answer)
    if question.menu is not None and not isinstance(answer, AlreadyTarget):
        most, only = question.menu.max_levers, question.menu.only
        # Some of the time is left to the boxes, which come after it.
        until = deadline.sooner(0.75 if question.joint_box else 1.0)
        levers = menu(beside(answer.work, deadline=until), answer, most, only=only)
        answer = with_work(answer, levers)
    if question.joint_box and isinstance(answer, Recourse):
        answer = with_joint_boxes(beside(answer.work), answer)
    return answer, others, levers


def _check_menu(problem: Problem, question: Question) -> None:
    """Raises
    ------
    InvalidRequest
        If the menu would have too many sets.
    """
    if question.menu is None:
        return
    levers, most = levers_of(problem), question.menu.max_levers
    if question.menu.only is not None:
        levers = tuple(j for j in levers if j in question.menu.only)
    count = count_of_sets(len(levers), most)
    if count > MOST_SETS:
        told = f"makes {count} sets of {len(levers)} levers; the limit is {MOST_SETS}: name levers"
        fault = Fault(("menu", "max_levers"), told, most, limit=MOST_SETS)
        raise InvalidRequest(RequestPart.REQUEST, [fault])


def asked_within(model: ServedModel, deadline: Deadline, away: Away) -> tuple[Predictor, Effort]:
    """Whom the checker asks, and how the search may: without limits where there is a copy."""
    if model.deployed.has_copy:
        return model.deployed.predictor, AT_HAND
    from ifonly.service.served.remote.scoring import InTime, RemoteScorer

    assert model.predictor is not None
    scorer = RemoteScorer(model.predictor, model.decision, away)
    remote = model.predictor.remote
    return InTime(scorer, deadline, is_search=False), Effort(
        remote.batch, remote.calls, InTime(scorer, deadline, is_search=True)
    )


def _found(answer: Answer) -> tuple[Counterfactual, ...]:
    return answer.counterfactuals if isinstance(answer, Recourse) else ()


def _over(
    model: ServedModel,
    causal: ServedCausal | None,
    problem: Problem,
    semantics: Semantics,
    found: Counterfactual,
) -> OverTime | None:
    # In another past nothing is set, so nothing has to arrive.
    if causal is None or causal.spec.step is None or semantics is Semantics.BACKTRACKING:
        return None
    action, columns = problem.factual.copy(), [a.column for a in found.actions]
    action[columns] = [a.counterfactual for a in found.actions]
    try:
        return until_whole(model, causal, problem.factual, columns, action, problem.target)
    # The answer stands; only when it comes is not known.
    except CausalError:
        return None
