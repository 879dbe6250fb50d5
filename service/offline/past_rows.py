"""Rows of the past, asked anew as the model's own policy asks."""

from __future__ import annotations

from ifonly.explainers.answer import Answer
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain as search
from ifonly.models.predictor import Row, Rows
from ifonly.service.ask.question import Question, problem_of
from ifonly.service.errors import CannotReplay
from ifonly.service.served.registry import ServedModel


def alarms(model: ServedModel, rows: Rows) -> list[bool]:
    """Whether each of ``rows`` ``(n, d)`` is decided otherwise than is desired.

    Raises
    ------
    CannotReplay
        If the model desires no class.
    GraphError
        If it cannot score the rows.
    """
    desired = model.decision.desired
    if desired is None:
        # Without a desired class nothing tells an alarm from its absence.
        raise CannotReplay(f"{model.name} {model.version} desires no class: nothing is an alarm")
    decided = model.decision.decide(model.deployed.predictor.score(rows))
    return [bool(k != desired) for k in decided]


def question_of(model: ServedModel, row: Row) -> Question:
    """How ``row``, ``(d,)``, gets into what the policy desires."""
    # The policy's target, not a request's: a row that meets it already is no error.
    return Question(row, model.policy.target(), target_is_named=False, semantics=model.semantics)


def answered(model: ServedModel, row: Row, seconds: float) -> Answer:
    """The answer to :func:`question_of`, after ``seconds`` of search at most."""
    question = question_of(model, row)
    return search(
        problem_of(model, question),
        model.deployed.predictor,
        engine=model.engine,
        deadline=Deadline.after(seconds),
        # Checked as an answer of the service is: a replay must not count what would not be shown.
        terms=model.rulebook.terms(question.asked),
    )
