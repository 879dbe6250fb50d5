"""One row with everything that its page says of it before anything is searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ifonly.explainers.menu import count_of_sets
from ifonly.explainers.menu import levers_of as levers_that_move
from ifonly.explainers.problem import Problem
from ifonly.explainers.target import Demand
from ifonly.explainers.terms import MOST_SETS
from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.models.errors import InvalidInstance
from ifonly.service.ask import read_request
from ifonly.service.ask.question import Question, Rung, problem_of
from ifonly.service.doors.http.context import AppState
from ifonly.service.doors.pages.operator import subject
from ifonly.service.doors.pages.operator.levers import LeverControl, levers_of, written
from ifonly.service.doors.pages.operator.listing import entitled
from ifonly.service.doors.pages.operator.subject import Subject
from ifonly.service.doors.pages.operator.verdict import PredictionVerdict, verdict_of
from ifonly.service.errors import InvalidRequest, UnknownRecord
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import requests
from ifonly.service.words.catalogue import say
from ifonly.service.words.claims import is_past


@dataclass(frozen=True, slots=True)
class CasePage:
    """What the page of one row begins with."""

    subject: Subject
    title: str
    verdict: PredictionVerdict
    model: ServedModel | None
    """None: it is not served any more, and nothing further can be asked."""
    request: requests.ExplanationRequest
    """Word for word as it was asked; else as a page asks."""
    question: Question | None
    """None: the model is not served, or desires nothing."""
    levers: tuple[LeverControl, ...]
    problem: Problem | None
    answer: Mapping[str, Any] | None
    """The explanation, where there is one already."""
    tag: Language

    @property
    def beside(self) -> Mapping[str, Any]:
        """What a page asks for beside an answer, as members of a request."""
        if self.request.semantics == Semantics.BACKTRACKING.value or self.problem is None:
            return {}
        # As large as may be told of so many levers; of very many none.
        levers = levers_that_move(self.problem)
        most = max((k for k in (1, 2) if count_of_sets(len(levers), k) <= MOST_SETS), default=None)
        menu = None if most is None else requests.MenuRequest(max_levers=most)
        return {"ways": True, "joint_box": True, **({} if menu is None else {"menu": menu})}

    @property
    def movable(self) -> bool:
        """Whether anything can be set."""
        return any(lever.kind != "locked" for lever in self.levers)

    @property
    def sliders(self) -> list[LeverControl]:
        return [lever for lever in self.levers if lever.kind == "slider"]

    @property
    def planar(self) -> list[LeverControl]:
        """Levers that a plane can be made of: first what the suggestion sets, then what follows
        from that."""
        first = {} if self.answer is None else _moved(self.answer)
        return sorted(self.sliders, key=lambda lever: first.get(lever.name, 2))


def read_case(state: AppState, identity: str, number: int, tag: Language) -> CasePage:
    """Raises
    ------
    UnknownRecord, ErasedRecord
        If there is no such row, or not any more.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    return case_of(state, subject.read_one(state.store.database, identity, number), tag)


def case_of(state: AppState, about: Subject, tag: Language) -> CasePage:
    """Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    model = subject.model_of(about.record, state.registry)
    request = request_of(about)
    question = problem = None
    # Without a desired class or a target there is nothing to search for.
    if model is not None and (request.target or model.decision.desired is not None):
        question = _that_can_be_done(read_request.question(request, model))
        problem = problem_of(model, question)
    return CasePage(
        about,
        str(about.record.facts.model) if model is None else entitled(about, model, tag),
        verdict_of(about.prediction, subject.is_alarm(about, model), model, tag),
        model,
        request,
        question,
        () if model is None or problem is None else levers_of(model, problem, tag),
        problem,
        # A recorded explanation is shown as it was given; opening a page searches for nothing.
        about.answer or subject.explanation_of(state.store.database, about),
        tag,
    )


def _that_can_be_done(question: Question) -> Question:
    """Of a question about another past the one about what can be set: the levers, the sliders and
    the plane of its page are those of any other alarm."""
    if question.semantics is Semantics.BACKTRACKING:
        return replace(question, semantics=Semantics.INTERVENTIONAL)
    return question


def request_of(about: Subject) -> requests.ExplanationRequest:
    if about.request is not None:
        return requests.ExplanationRequest.model_validate(about.request)
    return requests.ExplanationRequest(
        instance=dict(about.instance),
        ways=True,
        attributes=dict(about.attributes),
        languages=list(LANGUAGES),
        semantics=None,
    )


@dataclass(frozen=True, slots=True)
class SettableAlarm:
    """What a what-if needs, and nothing else: it is asked while a slider moves."""

    subject: Subject
    model: ServedModel
    rung: Rung
    demand: Demand | None
    """What an answer has to meet besides the decision."""


def settable(state: AppState, identity: str, number: int) -> SettableAlarm:
    """One row of a model that is served.

    Raises
    ------
    UnknownRecord, ErasedRecord
        If there is no such row, or its model is not served any more.
    """
    about = subject.read_one(state.store.database, identity, number)
    model = subject.model_of(about.record, state.registry)
    if model is None:
        raise gone(about)
    request = request_of(about)
    moves = read_request.semantics(request.semantics, model) is not Semantics.INDEPENDENT
    aims = request.target or model.decision.desired is not None
    return SettableAlarm(
        about,
        model,
        # The sliders move what the suggestion would move, or the two would disagree.
        Rung.COUNTERFACTUAL if moves else Rung.ASSOCIATION,
        read_request.target(request.target, model).demand if aims else None,
    )


def served(case: CasePage) -> tuple[ServedModel, Question]:
    """The model, and the question about it.

    Raises
    ------
    UnknownRecord
        If it cannot be asked any more.
    """
    if case.model is None or case.question is None:
        raise gone(case.subject)
    return case.model, case.question


def gone(about: Subject) -> UnknownRecord:
    """Its model is not served any more."""
    return UnknownRecord(about.record.facts.id, "model that can be asked about record")


@dataclass(frozen=True, slots=True)
class HeldLever:
    """What a plane of two other levers holds."""

    lever: LeverControl
    value: float
    written: str
    """As a form sends it."""
    text: str
    """In words."""


def held(case: CasePage, levers: tuple[LeverControl, LeverControl]) -> list[HeldLever]:
    """What the suggestion sets besides two levers: a plane of the two holds it there, or the
    suggestion would not lie in it."""
    model, _ = served(case)
    if case.answer is None or is_past(case.answer):
        return []
    found = []
    for action in (a for best in case.answer["counterfactuals"][:1] for a in best["actions"]):
        lever = next((each for each in case.levers if each.name == action["feature"]), None)
        if lever is None or lever in levers:
            continue
        feature = model.schema[lever.name]
        try:
            value = feature.read(action["to"])
        except InvalidInstance:  # of a record that this model would not write any more
            return []
        text = model.wording.value(lever.column, value, case.tag)
        found.append(HeldLever(lever, value, written(feature, value), text))
    return found


def points(
    case: CasePage, levers: tuple[LeverControl, LeverControl]
) -> list[tuple[float, float, str]]:
    """What lies in the plane of two levers that holds what is :func:`held`: the present reading of
    the two, and the suggestion."""
    model, question = served(case)
    found = [(*_place(question.factual, levers), say("plane.now", case.tag))]
    if case.answer is not None and not is_past(case.answer):
        for best in case.answer["counterfactuals"][:1]:
            try:
                row = read_request.instance(best["instance"], model)
            except InvalidRequest:
                continue
            found.append((*_place(row, levers), say("plane.suggestion", case.tag)))
    return found


def _place(row: Any, levers: tuple[LeverControl, LeverControl]) -> tuple[float, float]:
    return float(row[levers[0].column]), float(row[levers[1].column])


def _moved(answer: Mapping[str, Any]) -> dict[str, int]:
    """What the best counterfactual sets (0), and what follows (1)."""
    best = answer["counterfactuals"][:1]
    follows = {e["feature"]: 1 for found in best for e in found["effects"]}
    return follows | dict.fromkeys(_actions(answer), 0)


def _actions(answer: Mapping[str, Any]) -> set[str]:
    """What the best counterfactual sets."""
    return {a["feature"] for found in answer["counterfactuals"][:1] for a in found["actions"]}
