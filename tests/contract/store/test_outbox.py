"""Messages on both stores: due with their record, had by one at a time, never lost."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ifonly.service.errors import NotAsSealed, UnknownRecord
from ifonly.service.sending.messages import event_of, webhook_of
from ifonly.service.store import dead_letters, erasure, jobs, outbox
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database
from ifonly.service.store.dead_letters import LetterKind
from ifonly.service.store.jobs import StoredJob
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.outbox import Failed, Message, MessageState
from ifonly.service.store.retention import Kept, forget
from tests.contract.store.test_jobs import claimed, finish, some

LONG, OVER = 60_000_000, -1
URL = "https://hooks.example/"


def submitted(journal: Journal, rows: int = 2) -> StoredJob:
    """A job, of whose rows and end messages are expected."""
    facts = Facts(kind=RecordKind.JOB, actor="key:1", role="pipeline", model="press", version="1")
    job, work = jobs.submit(facts, [b"{}"] * rows, 100)

    def write(connection: Any) -> Draft:
        outbox.expect(connection, job.id, {k: {"row": k} for k in range(rows)})
        outbox.expect(connection, job.id, {None: {}}, URL)
        made = work(connection)
        assert isinstance(made, Draft)
        return made

    journal.append(write).result(30)
    return job


def had(journal: Journal, worker: str = "w", lease_us: int = LONG) -> list[Message]:
    return journal.change(outbox.claim(worker, 10, lease_us)).result(30)


def settle(journal: Journal, sent: list[str], failed: list[Failed], worker: str = "w") -> None:
    journal.change(outbox.settle(worker, sent, failed)).result(30)


def test_messages_are_due_once_their_record_is_there(database: Database, journal: Journal) -> None:
    job = submitted(journal)
    assert not outbox.is_any_due(database)
    first = some(claimed(journal, "a", 1))
    finish(journal, first, "a")
    assert outbox.is_any_due(database)
    (row,) = had(journal)
    assert (row.number, row.target, row.context, row.attempts) == (0, None, {"row": 0}, 1)
    (result,) = jobs.results(database, job.id)
    assert row.record == result.record.facts.id
    finish(journal, some(claimed(journal, "a", 1)), "a")
    second, end = sorted(had(journal), key=lambda message: message.number is None)
    assert (second.number, end.number, end.target) == (1, None, URL)
    settle(journal, [row.id, second.id, end.id], [])
    assert outbox.count(database, MessageState.QUEUED) == 0


def test_a_cancelled_job_tells_of_its_end_alone(database: Database, journal: Journal) -> None:
    job = submitted(journal)
    journal.append(jobs.cancel(job.id, "key:1")).result(30)
    (end,) = had(journal)
    assert (end.number, end.target) == (None, URL)
    assert outbox.count(database, MessageState.AWAITED) == 0
    assert json.loads(webhook_of(database, end))["type"] == "job.cancelled"


def due(journal: Journal) -> Message:
    submitted(journal, 1)
    finish(journal, some(claimed(journal, "a")), "a")
    return next(m for m in had(journal, lease_us=OVER) if m.number == 0)


def test_what_a_process_had_that_was_killed_is_due_again(journal: Journal) -> None:
    message = due(journal)
    again = had(journal, "next")
    assert message.id in {each.id for each in again}  # by the same id
    assert {each.attempts for each in again} == {2}
    assert had(journal, "third") == []
    # Late, the first one's word on what it had does not count.
    settle(journal, [], [Failed(message.id, "late", None)], "w")
    settle(journal, [], [Failed(message.id, "answered 503", 0)], "next")
    (third,) = had(journal, "third")
    assert (third.id, third.reason) == (message.id, "answered 503")


def test_what_waits_is_not_due_before(database: Database, journal: Journal) -> None:
    message = due(journal)
    had(journal)
    settle(journal, [], [Failed(message.id, "answered 503", LONG)])
    assert not outbox.is_any_due(database)


def test_a_dead_message_is_kept_with_its_reason_until_somebody_sees_to_it(
    database: Database, journal: Journal
) -> None:
    message = due(journal)
    end = next(m for m in had(journal) if m.number is None)
    settle(journal, [], [Failed(message.id, "answered 422", None), Failed(end.id, "gone", None)])
    assert had(journal) == []
    told = {letter.kind: letter for letter in dead_letters.listing(database)}
    assert told[LetterKind.EXPLANATION].reason == "answered 422"
    assert told[LetterKind.EXPLANATION].about == message.record
    assert told[LetterKind.WEBHOOK].about == message.job
    journal.change(dead_letters.retry(message.id)).result(30)
    (again,) = had(journal)
    assert (again.id, again.attempts) == (message.id, 1)
    with pytest.raises(UnknownRecord):
        journal.change(dead_letters.discard(message.id)).result(30)  # it is not dead any more
    journal.change(forget(Kept(jobs=-1.0, keys=1.0))).result(30)
    assert dead_letters.listing(database) == []  # of that age
    assert outbox.count(database, MessageState.QUEUED) == 1  # whatever its age


def test_what_was_erased_is_told_nobody_and_what_was_changed_is_not_told(
    database: Database, journal: Journal
) -> None:
    job = submitted(journal)
    finish(journal, some(claimed(journal, "a")), "a")
    messages = {m.number: m for m in had(journal)}
    told = {"event": {"id": "1", "source": "s"}, "row": 0, "prediction": 2}
    first, second = (replace(messages[k], context=told) for k in (0, 1))
    event = event_of(database, first, "urn:ifonly")
    assert event is not None
    assert (event.id, event.attributes["subject"]) == (first.id, first.record)
    with pytest.raises(NotAsSealed, match="row 0"):
        event_of(database, replace(first, record=second.record), "urn:ifonly")
    assert first.record is not None
    journal.append(erasure.erase(first.record, "cli:kim", "asked for")).result(30)
    assert event_of(database, first, "urn:ifonly") is None
    assert json.loads(webhook_of(database, messages[None]))["data"]["id"] == job.id
