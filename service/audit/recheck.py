"""A recorded answer checked again, by the checker alone: no engine is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ifonly.explainers.verify.course import check_what_if
from ifonly.explainers.verify.exported import check_answer
from ifonly.explainers.verify.many import check_common
from ifonly.explainers.verify.reasons import check_reasons
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.sections import NotAnAnswer
from ifonly.models.errors import GraphError
from ifonly.models.rounding import rounding_of
from ifonly.service.audit.together import Kept, each_row
from ifonly.service.errors import CannotReplay, PredictorUnavailable, PredictorUnclear
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store.chain import Payload, Record
from ifonly.service.store.kinds import RecordKind

CHECKED = (
    RecordKind.EXPLANATION,
    RecordKind.COMMON,
    RecordKind.ROWS,
    RecordKind.WHAT_IF,
    RecordKind.REASONS,
)


@dataclass(frozen=True)
class Recheck:
    """What came out."""

    checks: tuple[tuple[str, Check], ...] = ()
    """Each with the part of the answer that it is of."""
    problem: str = ""
    """Why nothing could be checked."""

    @property
    def holds(self) -> bool:
        return not self.problem and all(check.holds for _, check in self.checks)


def recheck(record: Record, payload: Payload | None, registry: Registry) -> Recheck | None:
    """Every check of an explanation, of one change for many, of reasons, or of a what-if over time,
    that was recorded; None of any other record, and where nothing of it is kept."""
    if record.facts.kind not in CHECKED or payload is None:
        return None
    is_what_if = record.facts.kind is RecordKind.WHAT_IF
    if is_what_if and "trajectory" not in json.loads(payload.content)["answer"]:
        return None
    try:
        model, found = asked_model(record, registry), Recheck()
        for number, kept in each_row(record, json.loads(payload.content)):
            of = f"row {number}: " if record.facts.kind is RecordKind.ROWS else ""
            checks = recheck_kept(kept, model).checks
            found = Recheck((*found.checks, *((of + title, check) for title, check in checks)))
        return found
    except (CannotReplay, NotAnAnswer, GraphError, PredictorUnavailable, PredictorUnclear) as error:
        return Recheck(problem=str(error))


def recheck_kept(kept: Kept, model: ServedModel) -> Recheck:
    """The same of what one payload says, of the model that answered.

    Raises
    ------
    NotAnAnswer, GraphError
        If it cannot be checked.
    """
    predictor = model.deployed.predictor
    answer, request, book = kept["answer"], kept["request"], model.rulebook
    if "curves" in answer:
        rounding = rounding_of(predictor)
        sections = check_common(answer, request, book, predictor.score, rounding)
    elif "principal" in answer:
        sections = check_reasons(answer, request, book, predictor.score)
    elif "trajectory" in answer:
        sections = check_what_if(answer, request, book, predictor.score)
    else:
        sections = check_answer(answer, request, book, predictor.score, rounding_of(predictor))
    return Recheck(tuple((s.title, check) for s in sections for check in s.checks))


def asked_model(record: Record, registry: Registry) -> ServedModel:
    """The served model that has the same digests, whatever its version is called now.

    Raises
    ------
    CannotReplay
        If there is none.
    """
    facts = record.facts
    name = str(facts.model)
    versions = registry.versions(name) if name in registry.names() else ()
    for version in versions:
        served = registry.find(name, version)
        deployed, causal = served.deployed, None
        # As in the record: a causal model that nobody accepted answered nothing.
        if served.causal is not None:
            causal = deployed.causal_sha256
        asked = (facts.model_sha256, facts.spec_sha256, facts.causal_sha256)
        if (deployed.model_sha256, deployed.spec_sha256, causal) == asked:
            return served
    here = ", ".join(versions) or "none"
    raise CannotReplay(
        f"the model {name} {facts.version} with sha256 {facts.model_sha256}, the spec with sha256 "
        f"{facts.spec_sha256} and the causal model with sha256 {facts.causal_sha256 or 'none'} "
        f"are not served (versions here: {here})"
    )
