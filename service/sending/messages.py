"""Messages of the outbox, made anew from the records each time: what was erased is told nobody."""

from __future__ import annotations

import json
from typing import Any

from ifonly.service.audit import records
from ifonly.service.errors import NotAsSealed
from ifonly.service.jobs import submission
from ifonly.service.store import archive, jobs
from ifonly.service.store.chain import timestamp
from ifonly.service.store.chain_membership import contradicted
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.outbox import Message
from ifonly.service.store.terms import State
from ifonly.service.wire.cloudevents import JSON, CloudEvent

EXPLAINED = "ifonly.inference.explanation"
REFUSED = "ifonly.inference.explanation.refused"
NAMED = ("inferenceservicename", "namespace", "component", "endpoint", "traceparent")
"""Attributes of the event that told of the prediction, told on."""


def event_of(database: Database, message: Message, source: str) -> CloudEvent | None:
    """What is told of an alarm; None: it was erased since.

    Raises
    ------
    UnknownRecord, NotAsSealed
        If the record is not the one that answers the row.
    """
    assert message.record is not None  # a message is due once there is one
    record, payload = archive.get(database, message.record)
    facts = record.facts
    if message.number is None or not jobs.answers_row(record, message.job, message.number):
        text = f"a message leads to a record that does not answer row {message.number} of its job"
        raise NotAsSealed(message.id, [contradicted(record, "outbox", "record", text)])
    if payload is None:
        return None
    kept, logged = json.loads(payload.content), message.context["event"]
    is_explained = facts.kind is RecordKind.EXPLANATION
    data: dict[str, Any] = {
        "request": {
            "id": logged["id"],
            "source": logged["source"],
            "row": message.context["row"],
            "instance": kept["request"].get("instance"),
            "attributes": kept["request"].get("attributes", {}),
        },
        "prediction": message.context["prediction"],
        "explanation" if is_explained else "problem": kept["answer"],
        "record": records.audit(record).model_dump(),
    }
    return CloudEvent(
        id=message.id,
        source=source,
        type=EXPLAINED if is_explained else REFUSED,
        content_type=JSON,
        data=json.dumps(data, ensure_ascii=False).encode(),
        attributes={
            "time": timestamp(facts.time_us),
            "subject": facts.id,
            "requestid": logged["id"],
            **{name: logged[name] for name in NAMED if logged.get(name)},
        },
    )


def webhook_of(database: Database, message: Message) -> bytes:
    """The body that tells of a job's end.

    Raises
    ------
    UnknownRecord, NotAsSealed
        If the job is not there any more, or not what was recorded.
    """
    job = jobs.find(database, message.job)
    what: str = job.state
    if job.state is State.DONE and job.refused == job.rows:
        what = "failed"  # not one of its rows has an answer
    told = {
        "type": f"job.{what}",
        "timestamp": timestamp(job.finished_us or job.created_us),
        "data": submission.shown(job).model_dump(mode="json", by_alias=True),
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
