"""Which one change would have cleared the most of these alarms? Runs in a worker thread."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ifonly.explainers.common.ask import CommonQuestion, common
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.remedy import CommonAnswer, CommonSetting, CoverageCurve, Remedy, SettingKind
from ifonly.explainers.watch import Watch, unwatched
from ifonly.explainers.wording import Wording
from ifonly.service.ask import read_request
from ifonly.service.ask.budget import Budget, Stopwatch
from ifonly.service.ask.explain import asked_within
from ifonly.service.ask.question import Question, problem_of
from ifonly.service.ask.write_parts import PartWriter, number
from ifonly.service.errors import Fault, InvalidRequest, Path, RequestPart, in_doubt
from ifonly.service.logs import logger
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import common as wire
from ifonly.service.wire import common_replies as written
from ifonly.service.wire.base import Wire


def common_remedies(
    model: ServedModel,
    request: wire.CommonRequest,
    budget: Budget,
    watch: Watch = unwatched,
) -> written.CommonReply:
    """The common changes that clear the most of the request's ``instances``; its time begins now.

    Raises
    ------
    InvalidRequest
        Naming each row, lever or limit that does not fit the model; or where its policy demands
        what cannot be proven of such a model.
    GraphError
        If the model cannot score rows.
    """
    spent = Stopwatch(budget.asked, watch, budget.waited)
    read_request.check_attributes(request.attributes, model)
    with budget.begun():
        questions = _questions(request, model)
        problems = [problem_of(model, question) for question in questions]
        deadline = budget.deadline()
        asked, effort = asked_within(model, deadline, budget.away)
        question = CommonQuestion(
            problems,
            request.change,
            request.max_levers,
            None if request.levers is None else _levers(request.levers, model),
            [model.rulebook.terms(each.asked) for each in questions],
        )
        try:
            answer = common(
                question, asked, engine=model.engine, deadline=deadline, watch=spent, effort=effort
            )
        except NotEligible as error:
            raise _not_provable(error, problems[0], request) from None
        with watch("words"), in_doubt(answer.work.rejected):
            reply = _CommonWriter(model, request, questions[0], problems[0], answer).reply(
                budget, spent
            )
    if answer.work.rejected:
        told = "common remedy %s: the checker does not find true %d claims about %s"
        logger.error(told, reply.id, len(answer.work.rejected), model.deployed.name)
    return reply


# --- read -----------------------------------------------------------------------------------------


def _questions(request: wire.CommonRequest, model: ServedModel) -> list[Question]:
    """One of each row; all that is not the row is read once."""
    assert request.instances is not None  # records are looked up before
    place: Path = ("records",) if request.records is not None else ("instances",)
    faults: list[Fault] = []
    rows = []
    for i, values in enumerate(request.instances):
        try:
            rows.append(read_request.instance(values, model, (*place, i)))
        except InvalidRequest as error:
            faults.extend(error.faults)
    if faults:
        raise InvalidRequest(RequestPart.INSTANCE, faults)
    first = Question(
        factual=rows[0],
        target=read_request.target(request.target, model),
        target_is_named=request.target is not None,
        constraints=read_request.constraints(request.constraints, model),
        seed=request.seed,
        semantics=_semantics(request, model),
        target_as_asked=None if request.target is None else _given(request.target),
        constraints_as_asked=_given(request.constraints),
    )
    return [replace(first, factual=row) for row in rows]


def _semantics(request: wire.CommonRequest, model: ServedModel) -> Semantics:
    return read_request.semantics(request.semantics, model)


def _given(part: Wire) -> Mapping[str, Any]:
    """What the request itself says of a part."""
    given: dict[str, Any] = part.model_dump(by_alias=True, exclude_unset=True)
    return given


def _levers(names: Sequence[str], model: ServedModel) -> list[int]:
    faults = []
    for i, name in enumerate(names):
        if name not in model.schema:
            known = ", ".join(model.schema.names)
            problem = f"levers[{i}] is {name!r}, not a feature of this model ({known})"
            faults.append(Fault(("levers", i), problem, name, limit=model.schema.names))
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults)
    return sorted({model.schema.index(name) for name in names})


def _not_provable(
    error: NotEligible, problem: Problem, request: wire.CommonRequest
) -> InvalidRequest:
    asked = request.constraints.model_fields_set
    path: Path = ("constraints", "robust") if "robust" in asked else ("constraints",)
    told = (
        f"answers must survive the sensors' tolerances ({error}): constraints.robust = false asks "
        "for the decision alone"
    )
    return InvalidRequest(
        RequestPart.CONSTRAINTS, [Fault(path, told, problem.survives is not None)]
    )


# --- write ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _CommonWriter:
    model: ServedModel
    request: wire.CommonRequest
    question: Question
    problem: Problem
    answer: CommonAnswer

    def reply(self, budget: Budget, spent: Stopwatch) -> written.CommonReply:
        answer, writer = self.answer, self._writer
        assert self.request.instances is not None
        best = answer.best
        return written.CommonReply(
            id=str(uuid.uuid4()),
            status=answer.status.value,  # type: ignore[arg-type]
            semantics=self.question.semantics.value,  # type: ignore[arg-type]
            change=self.request.change,
            target=writer.asked_target(self.problem, self.question.semantics),
            deadline_hit=answer.work.deadline_hit,
            rows=len(self.request.instances),
            alarms=len(answer.alarms),
            left_out=[written.LeftOutRow(row=row, why=why) for row, why in answer.left_out],
            records=self.request.records,
            predictions=[writer.prediction(p) for p in answer.predictions],
            bound=answer.bound,
            best=None if best is None else self._point(best),
            curves=[self._curve(curve) for curve in answer.curves],
            text={
                tag: self._wording.common_answer(answer, tag, are_alarms=self._are_alarms)
                for tag in self._tags
            },
            provenance=writer.provenance(answer.work, self.request.seed),
            work=writer.work(answer.work, budget.ms, spent.times()),
        )

    @property
    def _writer(self) -> PartWriter:
        return PartWriter(self.model, self.request.languages)

    @property
    def _tags(self) -> Iterator[str]:
        yield from dict.fromkeys(self.request.languages)

    @property
    def _wording(self) -> Wording:
        if self.model.causal is None or self.problem.consequences is None:
            return self.model.wording
        return self.model.causal.wording

    @property
    def _are_alarms(self) -> bool:
        """Whether what misses the target is what the model raises an alarm of."""
        decision = self.model.decision
        is_desired = decision.desired is not None and self.problem.target.wanted == decision.desired
        return is_desired and "alarm" in decision.phrases

    def _curve(self, curve: CoverageCurve) -> written.CommonCurve:
        return written.CommonCurve(
            max_levers=curve.max_levers,
            most=curve.most,
            most_is_reached=curve.is_most,
            points=[self._point(point) for point in curve.points],
        )

    def _point(self, remedy: Remedy) -> written.CommonPoint:
        of = len(self.answer.alarms)
        return written.CommonPoint(
            settings=[self._setting(s) for s in remedy.settings],
            coverage=remedy.coverage,
            cost=remedy.cost,
            status=remedy.status.value,  # type: ignore[arg-type]
            lower_bound=remedy.lower_bound,
            cleared=list(remedy.cleared),
            uncleared=[
                written.UnclearedRow(row=o.alarm, why=o.why, broken=list(o.broken))
                for o in remedy.outcomes
                if o.why is not None
            ],
            text={
                tag: self._wording.common(remedy, of, tag, are_alarms=self._are_alarms)
                for tag in self._tags
            },
        )

    def _setting(self, setting: CommonSetting) -> written.CommonSetting:
        feature = self.model.schema.features[setting.column]
        is_amount = setting.kind is SettingKind.RELATIVE
        return written.CommonSetting(
            feature=feature.name,
            label={tag: self._wording.label(setting.column, tag) for tag in self._tags},
            kind=setting.kind,
            to=None if is_amount else feature.write(setting.value),
            delta=number(Decimal(repr(setting.value))) if is_amount else None,
            unit=feature.unit,
        )
