"""Jobs on both stores: each row is answered once, whoever is killed, stopped or late."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.errors import LostLease, QueueFull, UnknownRecord
from ifonly.service.store import archive, erasure, jobs
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database, connect
from ifonly.service.store.jobs import Answered, Claim, JobRow, StoredJob
from ifonly.service.store.journal import Draft, Journal, RecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import job_rows
from ifonly.service.store.terms import State
from ifonly.service.store.verification import verify
from tests.contract.store.conftest import journal_of

LONG = 60_000_000
OVER = -1
"""A lease that has run out when it is given."""


def submission(actor: str, rows: int, most: int = 10) -> tuple[StoredJob, RecordedWrite]:
    facts = Facts(kind=RecordKind.JOB, actor=actor, role="pipeline", model="press", version="1")
    return jobs.submit(facts, [b'{"instance":{"pressure":%d}}' % k for k in range(rows)], most)


def submitted(
    journal: Journal, rows: int = 3, most: int = 1_000, actor: str = "key:1"
) -> StoredJob:
    job, work = submission(actor, rows, most)
    journal.append(work).result(30)
    return job


def claimed(journal: Journal, worker: str, most: int = 100, lease_us: int = LONG) -> Claim | None:
    return journal.change(jobs.claim(worker, most, lease_us)).result(30)


def some(claim: Claim | None) -> Claim:
    assert claim is not None
    return claim


def answer(row: JobRow, kind: RecordKind = RecordKind.EXPLANATION, **said: Any) -> Answered:
    content = b'{"answer":{"of":%b},"request":%b}' % (row.request, row.request)
    return Answered(row.number, Draft(Facts(kind=kind, actor="key:1", **said), content))


def finish(journal: Journal, claim: Claim, worker: str) -> None:
    found = [answer(row, about=claim.job.id) for row in claim.rows]
    journal.append(jobs.finish(claim.job, worker, found)).result(30)


def numbers(claim: Claim | None) -> list[int]:
    return [row.number for row in some(claim).rows]


def results(database: Database, job: StoredJob) -> list[tuple[int, Any]]:
    return [
        (each.number, each.payload and json.loads(each.payload.content)["answer"])
        for each in jobs.results(database, job.id)
        if not each.findings
    ]


def test_a_job_is_answered_row_by_row_and_its_result_is_in_the_trail(
    database: Database, journal: Journal
) -> None:
    job = submitted(journal)
    assert jobs.find(database, job.id) == job
    assert jobs.waiting(database) == 3
    claim = some(claimed(journal, "a"))
    assert claim.job.state is State.RUNNING
    assert [row.request for row in claim.rows] == [
        b'{"instance":{"pressure":%d}}' % k for k in range(3)
    ]
    finish(journal, claim, "a")
    ended = jobs.find(database, job.id)
    assert (ended.state, ended.answered, ended.refused) == (State.DONE, 3, 0)
    assert results(database, job) == [(k, {"of": {"instance": {"pressure": k}}}) for k in range(3)]
    kinds = [r.facts.status for r, _ in archive.about(database, job.id, RecordKind.JOB)]
    assert kinds == ["done"]
    assert jobs.waiting(database) == 0
    assert not jobs.is_any_free(database)
    assert verify(database).holds


def test_what_a_row_asked_is_kept_once_and_erased_with_its_record(
    database: Database, journal: Journal
) -> None:
    job = submitted(journal, rows=1)
    finish(journal, some(claimed(journal, "a")), "a")
    (answered,) = jobs.results(database, job.id)
    journal.append(erasure.erase(answered.record.facts.id, "test", "asked for")).result(30)
    assert results(database, job) == [(0, None)]
    with database.reading() as connection:
        assert connection.execute(job_rows.select()).one().request is None


def test_no_two_workers_have_the_same_row(database: Database, url: str) -> None:
    with ExitStack() as stack:
        journals = []
        for _ in range(4):
            other = stack.enter_context(closing(connect(url)))
            journals.append(stack.enter_context(journal_of(other)))
        job = submitted(journals[0], rows=60)

        def work(k: int) -> list[int]:
            mine: list[int] = []
            while jobs.waiting(database):
                claim = claimed(journals[k], f"worker-{k}", most=3)
                if claim is not None:
                    mine += numbers(claim)
                    finish(journals[k], claim, f"worker-{k}")
            return mine

        with ThreadPoolExecutor(4) as pool:
            taken = [n for mine in pool.map(work, range(4)) for n in mine]
    assert sorted(taken) == list(range(60))
    assert [n for n, _ in results(database, job)] == list(range(60))
    assert jobs.find(database, job.id).state is State.DONE
    assert verify(database).holds


def test_rows_of_a_worker_that_gives_no_sign_of_life_are_given_to_another(
    database: Database, journal: Journal
) -> None:
    job = submitted(journal, rows=2)
    lost = some(claimed(journal, "killed", lease_us=OVER))
    found = []
    for _ in range(2):  # one at a time: the first may be what killed it
        claim = some(claimed(journal, "next"))
        found.append([(row.number, row.attempts) for row in claim.rows])
        finish(journal, claim, "next")
    assert found == [[(0, 2)], [(1, 2)]]
    with pytest.raises(LostLease):  # it was only slow, and comes too late
        finish(journal, lost, "killed")
    assert len(results(database, job)) == 2
    assert jobs.find(database, job.id).answered == 2
    explained = archive.page(database, archive.Filter({"kind": "explanation"}), None, 10)
    assert len(explained.records) == 2


def test_a_worker_that_has_lost_some_of_its_rows_keeps_the_others(
    database: Database, journal: Journal
) -> None:
    job = submitted(journal, rows=2)
    late = some(claimed(journal, "late", lease_us=OVER))
    finish(journal, some(claimed(journal, "next")), "next")
    finish(journal, late, "late")
    assert jobs.find(database, job.id).state is State.DONE
    assert [n for n, _ in results(database, job)] == [0, 1]


def test_a_sign_of_life_keeps_the_rows(journal: Journal) -> None:
    submitted(journal, rows=2)
    claimed(journal, "a", lease_us=OVER)
    assert journal.change(jobs.renew("a", LONG)).result(30) == 2
    assert claimed(journal, "b") is None


def test_what_is_handed_back_may_be_taken_at_once_as_if_never_begun(journal: Journal) -> None:
    submitted(journal, rows=2)
    claimed(journal, "a")
    assert claimed(journal, "b") is None
    assert journal.change(jobs.hand_back("a")).result(30) == 2
    assert [row.attempts for row in some(claimed(journal, "b")).rows] == [1, 1]


def test_a_cancelled_job_keeps_what_was_answered_and_forgets_what_was_asked(
    database: Database, journal: Journal
) -> None:
    job = submitted(journal, rows=3)
    first = some(claimed(journal, "a", most=1))
    finish(journal, first, "a")
    under_way = some(claimed(journal, "a", most=1))
    journal.append(jobs.cancel(job.id, "key:1")).result(30)
    with pytest.raises(LostLease):
        finish(journal, under_way, "a")
    assert jobs.find(database, job.id).state is State.CANCELLED
    assert jobs.cancelled(database, [job.id, "another"]) == {job.id}
    assert [n for n, _ in results(database, job)] == [0]
    assert jobs.waiting(database) == 0
    with pytest.raises(UnknownRecord, match="under way"):
        journal.append(jobs.cancel(job.id, "key:1")).result(30)
    assert verify(database).holds


def test_refusals_are_answers_and_are_counted(database: Database, journal: Journal) -> None:
    job = submitted(journal, rows=2)
    one, two = some(claimed(journal, "a")).rows
    answers = [answer(one, RecordKind.REFUSAL, status="invalid-instance"), answer(two)]
    journal.append(jobs.finish(job, "a", answers)).result(30)
    ended = jobs.find(database, job.id)
    assert (ended.state, ended.answered, ended.refused) == (State.DONE, 2, 1)


def test_a_short_job_does_not_wait_for_the_end_of_a_long_one(journal: Journal) -> None:
    long = submitted(journal, rows=50)
    begun = some(claimed(journal, "a", most=10))
    short = submitted(journal, rows=2)
    assert begun.job.id == long.id
    assert some(claimed(journal, "b", most=10)).job.id == short.id
    assert some(claimed(journal, "b", most=10)).job.id == long.id


def test_actors_take_turns_however_many_jobs_and_rows_one_has(journal: Journal) -> None:
    many = [submitted(journal, rows=9, actor="key:many") for _ in range(3)]
    assert some(claimed(journal, "a", most=1)).job.actor == "key:many"
    one = submitted(journal, rows=2, actor="key:one")
    other = submitted(journal, rows=1, actor="key:other")
    taken = [some(claimed(journal, "a", most=1)).job for _ in range(6)]
    assert {taken[0].id, taken[1].id} == {one.id, other.id}
    assert [job.actor for job in taken[2:]] == ["key:many", "key:one", "key:many", "key:many"]
    assert {job.id for job in taken[2:] if job.actor == "key:many"} <= {job.id for job in many}


def test_newcomers_are_those_at_whose_rows_nobody_works(
    database: Database, journal: Journal
) -> None:
    def newcomer(worker: str) -> Claim | None:
        return journal.change(jobs.claim(worker, 1, LONG, newcomers=True)).result(30)

    submitted(journal, rows=9, actor="key:many")
    assert jobs.is_any_free(database, newcomers=True)
    begun = some(claimed(journal, "a", most=1))
    assert not jobs.is_any_free(database, newcomers=True)
    assert newcomer("kept") is None
    submitted(journal, rows=2, actor="key:one")
    assert jobs.is_any_free(database, newcomers=True)
    assert some(newcomer("kept")).job.actor == "key:one"
    assert newcomer("kept") is None  # both have a row under way
    finish(journal, begun, "a")
    assert some(newcomer("kept")).job.actor == "key:many"


def test_one_actor_s_rows_leave_room_for_another_s(journal: Journal) -> None:
    submitted(journal, rows=10, most=10, actor="key:many")
    with pytest.raises(QueueFull, match="10 rows"):
        submitted(journal, rows=1, most=10, actor="key:many")
    for k in range(3):
        submitted(journal, rows=10, most=10, actor=f"key:{k}")
    with pytest.raises(QueueFull, match="40 rows"):  # of all together
        submitted(journal, rows=1, most=10, actor="key:last")


def test_more_rows_than_may_wait_are_refused_and_leave_nothing(
    database: Database, journal: Journal
) -> None:
    submitted(journal, rows=8, most=10)
    with pytest.raises(QueueFull, match="8 rows"):
        submitted(journal, rows=3, most=10)
    assert jobs.waiting(database) == 8
    submitted(journal, rows=2, most=10)


@pytest.mark.parametrize(("other", "match"), [("key:1", "6 rows"), ("key:2", "36 rows")])
def test_of_two_that_submit_at_once_the_second_counts_the_first(
    database: Database, journal: Journal, url: str, other: str, match: str
) -> None:
    for k in range(3):  # all together then have room for 10
        submitted(journal, rows=10, most=10, actor=f"key:other-{k}")
    with closing(connect(url)) as two, ThreadPoolExecutor(1) as pool:
        with database.writer.begin() as connection:
            submission("key:1", 6)[1](connection)
            late = pool.submit(_committed, two, submission(other, 5)[1])
            while not late.done() and not _is_somebody_waiting(connection):
                time.sleep(0.01)
        with pytest.raises(QueueFull, match=match):
            late.result(30)
    assert jobs.waiting(database) == 36


def _committed(database: Database, work: RecordedWrite) -> None:
    with database.writer.begin() as connection:
        work(connection)


def _is_somebody_waiting(connection: sa.Connection) -> bool:
    if connection.dialect.name == "sqlite":  # whose one writer is here
        return True
    return bool(connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_a_job_that_is_not_there_is_said(database: Database, journal: Journal) -> None:
    with pytest.raises(UnknownRecord, match="no job"):
        jobs.find(database, "nothing")
    with pytest.raises(UnknownRecord):
        journal.append(jobs.cancel("nothing", "key:1")).result(30)


@pytest.fixture(autouse=True)
def _no_thread_is_left(journal: Journal) -> Iterator[None]:
    yield
    assert journal.is_well
