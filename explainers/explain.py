"""One question, one answer: ``explain(problem, predictor)``."""

from __future__ import annotations

from collections.abc import Callable

from ifonly.explainers.answer import AlreadyTarget, Answer, Prediction, Recourse, Work
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DocumentsDiffer
from ifonly.explainers.in_company import Steps, alone, counted
from ifonly.explainers.inquiry import NEVER, Inquiry, scored_by, unheard
from ifonly.explainers.no_answer import Unanswered
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import AT_HAND, Effort, Engine, Meter
from ifonly.explainers.transcript import goal_of, terms_of
from ifonly.explainers.verify import Checker, Terms
from ifonly.explainers.verify.limits import leaves_one
from ifonly.explainers.watch import Watch, unwatched
from ifonly.models.predictor import Predictor
from ifonly.models.rounding import rounding_of


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
    >>> import numpy as np
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
    checker = Checker(terms, tuple(problem.factual.tolist()), scored_by(predictor, meter))
    return counted(_explaining(problem, asking, checker), meter.asked)


def _explaining(problem: Problem, asking: Inquiry, checker: Checker) -> Steps[Answer]:
    # Through the checker's door and not the meter's, so that the factual is
    # scored even past the deadline.
    scores = yield problem.factual[None, :]
    prediction = Prediction.of(problem.target.decision, scores)
    if asking.needs_nothing(problem, checker.terms, scores):
        rejected = tuple(asking.rejected)
        work = Work("none", asking.meter.rows, asking.meter.runs, rejected=rejected)
        return AlreadyTarget(prediction, work)

    deadline = asking.deadline
    first, outcome = yield from asking.finding(problem, checker, problem)
    if first is None:
        return Unanswered(problem, checker, asking, prediction, outcome).answer()
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
