"""Rows are answered, jobs end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import sqlalchemy as sa

from ifonly.service.errors import LostLease, UnknownRecord
from ifonly.service.store import outbox
from ifonly.service.store.chain import Facts, canonical
from ifonly.service.store.database import Database
from ifonly.service.store.jobs.sealed import ANSWERS
from ifonly.service.store.jobs.stored import NOBODY, StoredJob, by_id, job_of
from ifonly.service.store.journal import Draft, RecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import IS_UNANSWERED, job_rows, jobs
from ifonly.service.store.terms import State


class RowsAnswered(Protocol):
    """Rows of a job with the record that answers them."""

    @property
    def numbers(self) -> Sequence[int]: ...

    @property
    def record(self) -> str:
        """Its id."""

    def draft_of(self, numbers: Sequence[int]) -> Draft:
        """The record of these of them, which says which they are."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A row with the record that answers it."""

    number: int
    draft: Draft

    @property
    def numbers(self) -> Sequence[int]:
        return (self.number,)

    @property
    def record(self) -> str:
        return self.draft.facts.id

    def draft_of(self, numbers: Sequence[int]) -> Draft:
        facts = self.draft.facts
        detail = {**(facts.detail or {}), "row": self.number}
        return replace(self.draft, facts=replace(facts, detail=detail))


@dataclass(frozen=True, slots=True)
class AnsweredTogether:
    """Rows with the one record that answers them (of kind ``rows``)."""

    numbers: Sequence[int]
    facts: Facts
    payload_of: Callable[[Sequence[int]], bytes]
    """What the record of these of them tells."""

    @property
    def record(self) -> str:
        return self.facts.id

    def draft_of(self, numbers: Sequence[int]) -> Draft:
        detail = {**(self.facts.detail or {}), "numbers": list(numbers)}
        return Draft(replace(self.facts, detail=detail), self.payload_of(numbers))


def finish(job: StoredJob, worker: str, answered: Sequence[RowsAnswered]) -> RecordedWrite:
    """Rows are answered: their records, and if they were the last, the record of the job's end.

    Raises, when it is done:

    LostLease
        If the worker has none of them any more; those that it has are written.
    """

    def work(connection: sa.Connection) -> Sequence[Draft]:
        drafts: list[Draft] = []
        leads: dict[int | None, str] = {}
        refused, claims = 0, Counter[str]()
        for each in answered:
            kept = _keep(connection, job.id, worker, each)
            if not kept:
                continue
            draft = each.draft_of(kept)
            drafts.append(draft)
            leads |= dict.fromkeys(kept, each.record)
            if draft.facts.kind in ANSWERS:
                claims[str(draft.facts.status)] += len(kept)
            else:
                refused += len(kept)
        if not leads:
            raise LostLease(f"rows of job {job.id} were answered or cancelled by somebody else")
        # PostgreSQL locks the job's row here: of two workers with the last rows the second sees
        # both counts, so one of them ends the job.
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == job.id)
            .values(answered=jobs.c.answered + len(leads), refused=jobs.c.refused + refused)
        )
        outbox.release(connection, job.id, leads)
        now = _counted(connection, by_id(connection, job.id), claims)
        if now.answered == now.rows:
            drafts.append(_end(connection, now, State.DONE, "system"))
        return drafts

    return work


def _keep(
    connection: sa.Connection, job: str, worker: str, answered: RowsAnswered
) -> Sequence[int]:
    """Write down what answers these rows; the numbers of those that the worker has not lost."""
    written = connection.execute(
        sa.update(job_rows)
        .where(
            job_rows.c.job == job,
            job_rows.c.number.in_(answered.numbers),
            job_rows.c.worker == worker,
            IS_UNANSWERED,
        )
        # The record has the question from now on: one place to erase it from (decision 0053).
        .values(record=answered.record, request=None, salt=None, worker=NOBODY)
        .returning(job_rows.c.number)
    )
    return sorted(written.scalars())


def _counted(connection: sa.Connection, job: StoredJob, claims: Counter[str]) -> StoredJob:
    """With these claims, too: its row is locked."""
    # Of a version that counted none there is nothing to add to.
    if job.statuses is None or not claims:
        return job
    statuses = dict(Counter(job.statuses) + claims)
    told = canonical(statuses).decode()
    connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(statuses=told))
    return replace(job, statuses=statuses)


def _end(connection: sa.Connection, job: StoredJob, state: State, actor: str) -> Draft:
    counted = {} if job.statuses is None else {"statuses": dict(job.statuses)}
    facts = Facts(
        kind=RecordKind.JOB,
        actor=actor,
        about=job.id,
        status=state.value,
        model=job.model,
        version=job.version,
        detail={
            "answered": job.answered,
            "refused": job.refused,
            "rows": job.rows,
            "started_us": job.started_us,
            **counted,
        },
    )
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.id == job.id)
        .values(state=state.value, finished_us=facts.time_us)
    )
    outbox.release(connection, job.id, {None: facts.id})
    return Draft(facts)


def cancel(identity: str, actor: str) -> RecordedWrite:
    """No row of the job is begun any more, and what is under way is not written.

    What its open rows asked is deleted.

    Raises, when it is done:

    UnknownRecord
        If there is no such job, or it has ended.
    """

    def work(connection: sa.Connection) -> Draft:
        # Rows before the job, as everywhere here: nobody waits in a circle.
        connection.execute(sa.delete(job_rows).where(job_rows.c.job == identity, IS_UNANSWERED))
        outbox.forget_rows(connection, identity)
        found = connection.execute(
            sa.select(jobs).where(jobs.c.id == identity).with_for_update()
        ).one_or_none()
        if found is None or State(found.state).is_final:
            raise UnknownRecord(identity, "job under way")
        return _end(connection, job_of(found), State.CANCELLED, actor)

    return work


def cancelled(database: Database, identities: Sequence[str]) -> frozenset[str]:
    """Which of these jobs are cancelled.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = sa.select(jobs.c.id).where(
        jobs.c.id.in_(identities), jobs.c.state == State.CANCELLED.value
    )
    with database.reading() as connection:
        return frozenset(connection.execute(chosen).scalars())
