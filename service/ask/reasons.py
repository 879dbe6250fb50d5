"""Which readings alone force a decision, and which count most? Runs in a worker thread."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from ifonly.explainers.errors import InvalidTarget
from ifonly.explainers.reason import PrincipalReason, ReadableRange, Reasons, SufficientReason
from ifonly.explainers.reasons.ask import ReasonQuestion
from ifonly.explainers.reasons.ask import reasons as searched
from ifonly.explainers.watch import Watch, unwatched
from ifonly.models.errors import InvalidInstance
from ifonly.models.predictor import Row
from ifonly.service.ask import read_request
from ifonly.service.ask.budget import Budget, Stopwatch
from ifonly.service.ask.explain import asked_within
from ifonly.service.ask.write_parts import PartWriter
from ifonly.service.errors import Fault, InvalidRequest, RequestPart, in_doubt
from ifonly.service.logs import logger
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import reasons as wire
from ifonly.service.wire import reasons_replies as written


def reasons(
    model: ServedModel,
    request: wire.ReasonsRequest,
    budget: Budget,
    watch: Watch = unwatched,
) -> written.ReasonsReply:
    """The sufficient and the principal reasons of the request's ``instance``; its time begins now.

    Raises
    ------
    InvalidRequest
        Naming what does not fit the model: a value, a feature without bounds, or that it decides
        nothing.
    GraphError
        If the model cannot score rows.
    """
    spent = Stopwatch(budget.asked, watch, budget.waited)
    read_request.check_attributes(request.attributes, model)
    with budget.begun():
        assert request.instance is not None  # a record is looked up before
        factual = read_request.instance(request.instance, model)
        deadline = budget.deadline()
        predictor, effort = asked_within(model, deadline, budget.away)
        try:
            question = ReasonQuestion(
                model.policy, factual, request.sets, request.principal, request.seed
            )
            answer = searched(
                question,
                predictor,
                engine=model.readable_engine,
                deadline=deadline,
                watch=spent,
                effort=effort,
            )
        except InvalidInstance as error:
            faults = [
                Fault(("instance", p.field), p.problem, limit=p.limit) for p in error.problems
            ]
            raise InvalidRequest(RequestPart.INSTANCE, faults) from None
        except InvalidTarget:
            fault = Fault((), "the model decides nothing: no readings can force a decision")
            raise InvalidRequest(RequestPart.REQUEST, [fault]) from None
        with watch("words"), in_doubt(answer.work.rejected):
            reply = _ReasonsWriter(model, request, factual, answer).reply(budget, spent)
    if answer.work.rejected:
        told = "reasons %s: the checker does not find true %d claims about %s"
        logger.error(told, reply.id, len(answer.work.rejected), model.deployed.name)
    return reply


@dataclass(frozen=True, eq=False)
class _ReasonsWriter:
    model: ServedModel
    request: wire.ReasonsRequest
    factual: Row
    answer: Reasons

    def reply(self, budget: Budget, spent: Stopwatch) -> written.ReasonsReply:
        answer, writer = self.answer, self._writer
        wording, factual = self.model.wording, self.factual
        return written.ReasonsReply(
            id=str(uuid.uuid4()),
            status=answer.status.value,
            explanation=self.request.explanation,
            deadline_hit=answer.work.deadline_hit,
            prediction=writer.prediction(answer.prediction),
            reasons=[self._reason(reason) for reason in answer.reasons],
            complete=answer.is_complete,
            at_least=answer.at_least,
            principal=[self._principal(k, p) for k, p in enumerate(answer.principal, 1)],
            readings=[self._readable(each) for each in answer.readings],
            rules=list(answer.rules),
            set_aside=list(answer.set_aside),
            text={tag: wording.reasons(answer, factual, tag) for tag in self._tags},
            provenance=writer.provenance(answer.work, self.request.seed),
            work=writer.work(answer.work, budget.ms, spent.times()),
        )

    @property
    def _writer(self) -> PartWriter:
        return PartWriter(self.model, self.request.languages)

    @property
    def _tags(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.request.languages))

    def _label(self, column: int) -> dict[str, str]:
        return {tag: self.model.wording.label(column, tag) for tag in self._tags}

    def _reason(self, reason: SufficientReason) -> written.SufficientReason:
        schema, wording = self.model.schema, self.model.wording
        return written.SufficientReason(
            status=reason.status.value,  # type: ignore[arg-type]
            features=[self._feature(j) for j in reason.columns],
            witnesses=[
                written.ReasonWitness(
                    feature=schema.names[w.column],
                    instance={
                        f.name: f.write(v) for f, v in zip(schema.features, w.row, strict=True)
                    },
                    prediction=self._writer.prediction(w.prediction),
                )
                for w in reason.witnesses
            ],
            text={
                tag: wording.reason(reason, self.answer, self.factual, tag) for tag in self._tags
            },
        )

    def _feature(self, column: int) -> written.ReasonFeature:
        return written.ReasonFeature(**self._as_read(column))  # type: ignore[arg-type]

    def _as_read(self, column: int) -> Mapping[str, object]:
        feature = self.model.schema.features[column]
        return {
            "feature": feature.name,
            "label": self._label(column),
            "value": feature.write(float(self.factual[column])),
            "unit": feature.unit,
        }

    def _principal(self, rank: int, principal: PrincipalReason) -> written.PrincipalReason:
        wording = self.model.wording
        code = self.model.deployed.spec.reason_codes.get(self.model.schema.names[principal.column])
        return written.PrincipalReason(
            rank=rank,
            **self._as_read(principal.column),  # type: ignore[arg-type]
            share=principal.share,
            alone=principal.alone,
            distance=principal.distance,
            code=None if code is None else written.ReasonCode(code=code.code, text=dict(code.text)),
            text={
                tag: wording.principal_reason(principal, self.answer, self.factual, tag)
                for tag in self._tags
            },
        )

    def _readable(self, read: ReadableRange) -> written.ReadableRange:
        feature = self.model.schema.features[read.column]
        if read.step is None:
            return written.ReadableRange(
                feature=feature.name, derived=False, categories=list(feature.category_names)
            )
        return written.ReadableRange(
            feature=feature.name,
            min=read.lower,
            max=read.upper,
            resolution=float(read.step),
            derived=read.is_derived,
        )
