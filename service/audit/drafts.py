"""What was asked and answered, as a record to be; for requests and for rows of jobs alike."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ifonly.service import logs
from ifonly.service.access import Principal
from ifonly.service.ask.problems import RequestProblem, failed
from ifonly.service.audit.observations import observed
from ifonly.service.audit.suggestions import MEMBER, READ, marks
from ifonly.service.errors import ServiceError
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import ifonly_version
from ifonly.service.store.alarm_rates import Decided
from ifonly.service.store.chain import Facts, Record
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.base import Wire
from ifonly.service.wire.common_replies import CommonReply
from ifonly.service.wire.replies import ExplanationReply, PredictionsReply
from ifonly.service.wire.strict_json import read_json

# Refusals cost the sender nothing: unbounded, they would fill the store.
MAX_REFUSED = 65_536
"""Bytes of a refused request that are kept word for word."""
ALARM, NO_ALARM = "alarm", "no_alarm"
"""Status of a record of predictions."""


@dataclass(frozen=True, slots=True)
class Drafting:
    """Drafts for who asked, in the context of their request."""

    principal: Principal
    started: float
    """By ``time.perf_counter``."""
    about: str | None = None
    """Id of the record that it is asked about; of the job's, for one of its rows."""
    about_us: int | None = None
    """When that record was made, if it tells of a reading."""
    marks: Mapping[str, Any] | None = None
    """What its record's detail has beside what the reply says: of an experiment, the arm."""

    def answered(
        self, kind: RecordKind, model: ServedModel, request: Wire, reply: Wire
    ) -> tuple[bytes, Draft]:
        """The reply's body, and the record of it."""
        # Written once: what is sent and what is recorded are the same bytes.
        body = reply.model_dump_json(by_alias=True).encode()
        provenance, decided = getattr(reply, "provenance", None), _decided(model, reply)
        said: dict[str, Any] = {
            "status": getattr(reply, "status", None) or _status(decided),
            "languages": ",".join(getattr(request, "languages", [])) or None,
            "engine": getattr(provenance, "engine", None),
            "seed": getattr(provenance, "seed", None),
            "detail": {**_detail(reply), **(self.marks or {})} or None,
        }
        if hasattr(reply, "id"):
            said["id"] = reply.id
        facts = self.facts(kind, model, **said)
        # A row of a job may be of last year: whoever sends files raises no alarms.
        is_reading = self.about is None
        seen = observed(model, request, reply, is_reading=is_reading, about_us=self.about_us)
        counted = decided if is_reading else None
        return body, Draft(facts, content(body, asked_by(request)), seen, counted)

    def refused(
        self,
        model: ServedModel | None,
        problem: RequestProblem | None,
        path: str,
        asked: str,
        body: bytes,
    ) -> Draft:
        """``model``: None if it is not served any more; ``problem``: of ``path``, None for a
        failure that nobody foresaw; ``asked``: which question; ``body``: as it was sent."""
        slug = (problem or failed()).kind.slug
        answer = b"null" if problem is None else problem.written(path)
        rejected = 0 if problem is None else problem.rejected
        kind = RecordKind.FAILURE if problem is None or problem.is_ours else RecordKind.REFUSAL
        told = {"status": slug, "detail": {"asked": asked} | _rejected(rejected)}
        facts = self.plain(kind=kind, **told) if model is None else self.facts(kind, model, **told)
        return Draft(facts, content(answer, asked_as_json(body)))

    def facts(self, kind: RecordKind, model: ServedModel, **said: Any) -> Facts:
        deployed = model.deployed
        return self.plain(
            kind=kind,
            model=deployed.name,
            version=deployed.version,
            model_sha256=deployed.model_sha256,
            spec_sha256=deployed.spec_sha256,
            # A graph that is not accepted took no part in the answer.
            causal_sha256=deployed.causal_sha256 if model.causal else None,
            **said,
        )

    def said_of(self, kind: RecordKind, of: Record, word: str, detail: Mapping[str, Any]) -> Facts:
        """What is said of an explanation; it names the model, so that both are found by it."""
        model, version = of.facts.model, of.facts.version
        return self.plain(
            kind=kind,
            status=word,
            model=model,
            version=version,
            detail=detail,
            about=of.facts.id,
        )

    def plain(self, **said: Any) -> Facts:
        return Facts(
            actor=self.principal.actor,
            role=self.principal.in_words,
            request_id=logs.request_id(),
            engine_version=ifonly_version(),
            # Whole microseconds: records hold no floats, whose spelling would have to be canonical.
            latency_us=round((time.perf_counter() - self.started) * 1e6),
            **({"about": self.about} | said),
        )


def _status(decided: Decided | None) -> str | None:
    """Of predictions: whether one of them is an alarm."""
    return None if decided is None else ALARM if decided.alarms else NO_ALARM


def _decided(model: ServedModel, reply: Wire) -> Decided | None:
    """Of predictions; None where the model desires nothing."""
    desired = model.decision.desired
    if desired is None or not isinstance(reply, PredictionsReply):
        return None
    wanted = model.decision.class_names[desired]
    alarms = sum(p.class_ != wanted for p in reply.predictions)
    return Decided(len(reply.predictions), alarms)


def _detail(reply: Wire) -> dict[str, Any]:
    work = getattr(reply, "work", None)
    found = ({} if work is None else _counts(work) | _gap(reply)) | _doubts(reply)
    return found | _suggestion(reply) | _coverage(reply)


def _counts(work: Wire) -> dict[str, int]:
    """What the search did; of what was rejected the number, what it was is in the reply."""
    # Without times, which no replay repeats: the payload has them (decision 0077).
    counts: dict[str, Any] = work.model_dump(exclude={"times"})
    return counts | _rejected(len(counts.pop("rejected", ())))


def _rejected(count: int) -> dict[str, int]:
    return {"rejected": count} if count else {}


def _gap(reply: Wire) -> dict[str, int]:
    """Of the first answer, in millionths: records hold whole numbers only."""
    found = getattr(reply, "counterfactuals", [])
    gap = found[0].gap if found else None
    return {} if gap is None else {"gap_ppm": round(gap * 1e6)}


def _coverage(reply: Wire) -> dict[str, int]:
    """Of one change for many: of how many alarms it clears how many, and no change clears more than
    how many."""
    if not isinstance(reply, CommonReply):
        return {}
    coverage = 0 if reply.best is None else reply.best.coverage
    return {"alarms": reply.alarms, "coverage": coverage, "bound": reply.bound}


def _doubts(reply: Wire) -> dict[str, int]:
    """How many failed parts of the causal model it rests on; nothing where on none, as in older
    records."""
    count = len(getattr(reply, "doubts", ()))
    return {"doubts": count} if count else {}


def _suggestion(reply: Wire) -> dict[str, Any]:
    """What kind of answer it is: by that auditors group them, also once this one is erased."""
    if not isinstance(reply, ExplanationReply):
        return {}
    told = reply.model_dump(mode="json", by_alias=True, include={**READ})
    said = marks(told)
    return {MEMBER: said} if said else {}


def asked_by(request: Wire) -> bytes:
    """What the request itself says, as JSON."""
    # Without defaults: a later version may have others, and the record is of what was asked.
    return request.model_dump_json(by_alias=True, exclude_unset=True).encode()


def content(answer: bytes, request: bytes) -> bytes:
    """The payload of a record; both are JSON."""
    # Spliced, not parsed: the answer stays byte for byte what was sent.
    return b'{"answer":%b,"request":%b}' % (answer, request)


def with_row_id(draft: Draft, name: str | int | None) -> Draft:
    """``draft`` of a row that its client calls ``name``, which is kept, and erased, with it."""
    if name is None or draft.payload is None:
        return draft
    said = json.dumps(name, ensure_ascii=False).encode()
    return replace(draft, payload=b'%b,"row_id":%b}' % (draft.payload[:-1], said))


def asked_as_json(body: bytes) -> bytes:
    """The body if it is JSON, and not too long; else only its length."""
    # Only JSON is kept as it came: a payload is spliced together and must stay an object.
    if len(body) <= MAX_REFUSED:
        try:
            read_json(body)
            # A byte order mark within an object would not be JSON.
            return body.removeprefix(b"\xef\xbb\xbf")
        except ServiceError:
            pass
    return b'{"unreadable_bytes":%d}' % len(body)
