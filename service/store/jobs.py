"""Jobs: questions that are answered after the reply, row by row, by whichever process has time.
Actors take turns, however many jobs and rows one of them has.

A worker leases rows, answers them, and writes the answers' records and that the rows are
answered in one transaction: a row has no record or one. A lease that ran out (its worker was
killed, or stopped for too long) is given to another worker; what the first one still brings is
then not written. What a row asked is kept until it is answered; then its record has it.

Nothing here is evidence by itself: the record of a job's beginning has a digest of all that it
asks, the record of an answer says of which row it is, the record of the end has the counts.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ifonly.service.access import Scope
from ifonly.service.errors import LostLease, NotAsSealed, QueueFull, UnknownRecord
from ifonly.service.store import outbox
from ifonly.service.store.archive import whole
from ifonly.service.store.chain import SALT_BYTES, Facts, IntegrityFinding, Payload, Record, now_us
from ifonly.service.store.chain_membership import (
    contradicted,
    contradictions,
    doubts,
    standing,
    standing_only,
    stands,
)
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft, RecordedWrite, UnrecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import octets, payload_of, record_of, upsert
from ifonly.service.store.tables import (
    IS_OPEN,
    IS_UNANSWERED,
    job_rows,
    jobs,
    rate_buckets,
    records,
)
from ifonly.service.store.terms import State

PIECE = 500
EVENTS = "events"
"""What the record of a job says it is of, where a deployed model's log has brought its rows."""
MAX_ATTEMPTS = 3
"""A row at which so many workers ended is not tried again: it may be what ended them."""
MOST_QUEUES = 4
"""Together the rows of all actors may be so many times what one actor's may be."""
TURN = "job "
"""Before an actor's name: the bucket that says when they had their last turn, counted and not by
the clock. No actor's name begins so."""
MOST_JOBS = 100
"""Of an actor's open jobs, the oldest so many are looked at for rows."""
_NOBODY = ""
_SUBMITTING = 0x69666A6F6273  # "ifjobs"
"""The lock of whoever submits: the next one counts what the one before has committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job as it is stored: rows about one version of one model."""

    model: str
    version: str
    actor: str
    role: str | None
    request_id: str | None
    rows: int
    id: str
    state: State = State.QUEUED
    answered: int = 0
    """Rows that have a record, refused ones among them."""
    refused: int = 0
    created_us: int
    started_us: int | None = None
    finished_us: int | None = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """One question of a job."""

    number: int
    """From 0, in the order in which they came."""
    request: bytes
    attempts: int
    """How many workers have begun with it, this one included."""
    salt: bytes | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows of one job that a worker has until its lease ends."""

    job: StoredJob
    rows: tuple[JobRow, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A row with the record that answers it."""

    number: int
    draft: Draft

    @property
    def numbered(self) -> Draft:
        """The record, which says of which row it is."""
        facts = self.draft.facts
        detail = {**(facts.detail or {}), "row": self.number}
        return replace(self.draft, facts=replace(facts, detail=detail))

    @property
    def is_refusal(self) -> bool:
        return self.draft.facts.kind is not RecordKind.EXPLANATION


def submit(
    facts: Facts, requests: Sequence[bytes], most_waiting: int
) -> tuple[StoredJob, RecordedWrite]:
    """A new job about the model that ``facts`` (of kind ``job``) name, and the work that keeps it.

    Raises, when it is done:

    QueueFull
        If that many rows of the actor wait already that with these there would be more than
        ``most_waiting``; or of all actors ``MOST_QUEUES`` times as many.
    """
    # Hashed before the transaction, for whose end other processes wait.
    salts = [secrets.token_bytes(SALT_BYTES) for _ in requests]
    digests = [Payload(*pair).digest for pair in zip(salts, requests, strict=True)]
    said = {"rows": len(requests), "questions": _root(digests)}
    facts = replace(facts, detail={**(facts.detail or {}), **said})
    assert facts.model is not None
    assert facts.version is not None
    job = StoredJob(
        id=facts.id,
        model=facts.model,
        version=facts.version,
        actor=facts.actor,
        role=facts.role,
        request_id=facts.request_id,
        rows=len(requests),
        created_us=facts.time_us,
    )

    def work(connection: sa.Connection) -> Draft:
        # What is refused costs no rows.
        _check_room(connection, job, most_waiting)
        connection.execute(sa.insert(jobs).values(_row_of(job)))
        connection.execute(
            sa.insert(job_rows),
            [
                {
                    "job": job.id,
                    "number": number,
                    "request": request,
                    "salt": salt,
                    "digest": digest,
                    "worker": _NOBODY,
                    "leased_until_us": 0,
                    "attempts": 0,
                }
                for number, (request, salt, digest) in enumerate(
                    zip(requests, salts, digests, strict=True)
                )
            ],
        )
        # SQLite has one writer. Elsewhere another process may have submitted meanwhile; locked
        # only now, nobody waits while so many rows are written.
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SUBMITTING)))
            _check_room(connection, job, most_waiting)
        return Draft(facts)

    return job, work


def _root(digests: Iterable[str | None]) -> str:
    """What the job's record says of all its questions."""
    return hashlib.sha256("".join(str(digest) for digest in digests).encode()).hexdigest()


def _check_room(connection: sa.Connection, job: StoredJob, most: int) -> None:
    others = jobs.c.id != job.id
    for waiting, bound in (
        (_waiting(connection, others, jobs.c.actor == job.actor), most),
        (_waiting(connection, others), MOST_QUEUES * most),
    ):
        if waiting + job.rows > bound:
            raise QueueFull(waiting, bound)


def _row_of(job: StoredJob) -> dict[str, Any]:
    return {c.name: getattr(job, c.name) for c in jobs.c} | {"state": job.state.value}


def _job_of(row: sa.Row[Any]) -> StoredJob:
    return StoredJob(**{**row._mapping, "state": State(row.state)})


def find(database: Database, identity: str) -> StoredJob:
    """Raises
    ------
    UnknownRecord
        If there is no such job within the scope.
    NotAsSealed
        If it is not the job that its records tell of.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    # One moment: a job that ends between two queries would contradict its records.
    with database.snapshot() as connection:
        job = _find(connection, identity)
        # Out of scope reads as unknown: 404, as for what never was (decision 0083).
        if not database.scope.has_model(job.model) or not database.scope.covers(
            _scope(connection, identity)
        ):
            raise UnknownRecord(identity, "job")
        found = list(_findings(connection, job))
    if found:
        raise NotAsSealed(identity, found)
    return job


def scope_of(database: Database, identity: str) -> Scope:
    """That of whoever asked for the job, as its record has it.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return _scope(connection, identity)


def traceparent_of(database: Database, identity: str) -> str | None:
    """The span of the request that submitted it, as its record has it; None if it had none.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        said = _detail(connection, identity).get("traceparent")
    return said if isinstance(said, str) else None


def is_of_events(database: Database, identity: str) -> bool:
    """Whether its rows tell of machines as they are: a deployed model was asked about them just
    before (:data:`EVENTS`).

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return _detail(connection, identity).get("of") == EVENTS


def _scope(connection: sa.Connection, identity: str) -> Scope:
    return Scope.of(_detail(connection, identity).get("scope"))


def _detail(connection: sa.Connection, identity: str) -> Mapping[str, Any]:
    """Of the record of the job's beginning."""
    row = connection.execute(sa.select(records).where(records.c.id == identity)).one_or_none()
    return {} if row is None else record_of(row).facts.detail or {}


def _find(connection: sa.Connection, identity: str) -> StoredJob:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == identity)).one_or_none()
    if row is None:
        raise UnknownRecord(identity, "job")
    return _job_of(row)


def waiting(database: Database) -> int:
    """Rows that are not answered yet, of all jobs.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return _waiting(connection)


def _waiting(connection: sa.Connection, *whose: sa.ColumnElement[bool]) -> int:
    count = sa.func.coalesce(sa.func.sum(jobs.c.rows - jobs.c.answered), 0)
    return int(connection.execute(sa.select(count).where(IS_OPEN, *whose)).scalar_one())


def is_any_free(database: Database, *, newcomers: bool = False) -> bool:
    """Whether a claim would find something: asked of the readers, so that waiting writes nothing.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return _next(connection, now_us(), newcomers=newcomers) is not None


def _free(now: int) -> sa.ColumnElement[bool]:
    """Of a row that nobody has answered or works at."""
    return sa.and_(IS_UNANSWERED, job_rows.c.leased_until_us <= now)


@dataclass(frozen=True, slots=True)
class _Next:
    """Where a claim begins."""

    job: str
    number: int
    actor: str
    turn: int
    """The actor's, once this one is had."""


def _next(connection: sa.Connection, now: int, *, newcomers: bool) -> _Next | None:
    """The next row of the actor whose turn it is: who had theirs the longest ago, or never;
    ``newcomers``: of those at whose rows nobody works.

    Of one actor, rows are taken in the order of their number, whatever their job: a short one
    does not wait for the end of a long one.
    """
    waiting = connection.execute(_in_turn()).all()
    turn = 1 + max((row.turn for row in waiting), default=0)  # after all who have jobs now
    served = set(connection.execute(_served(now)).scalars()) if newcomers and waiting else ()
    for actor in (row.actor for row in waiting if row.actor not in served):
        found = connection.execute(_first_of(actor, now)).first()
        if found is not None:
            return _Next(found.id, found.number, actor, turn)
    return None


def _in_turn() -> sa.Select[Any]:
    """Actors who have open jobs, and their last turns; leased rows may be all that they have.

    The index is asked for one actor after the other: however many jobs one has, they are one.
    """
    # This is known as a loose index scan.
    first = sa.select(sa.func.min(jobs.c.actor).label("actor")).where(IS_OPEN)
    actors = first.cte("actors", recursive=True)
    later = sa.select(sa.func.min(jobs.c.actor)).where(IS_OPEN, jobs.c.actor > actors.c.actor)
    step = sa.select(later.scalar_subquery()).where(actors.c.actor.is_not(None))
    actors = actors.union_all(step)
    own = rate_buckets.c.actor == sa.literal(TURN) + actors.c.actor
    turn = sa.func.coalesce(rate_buckets.c.filled_us, 0)
    oldest = sa.select(sa.func.min(jobs.c.created_us)).where(
        IS_OPEN, jobs.c.actor == actors.c.actor
    )
    return (
        sa.select(actors.c.actor, turn.label("turn"))
        .select_from(actors.outerjoin(rate_buckets, own))
        .where(actors.c.actor.is_not(None))
        .order_by(turn, oldest.scalar_subquery())
    )


def _served(now: int) -> sa.Select[Any]:
    """Actors at whose rows somebody works."""
    # `>` and not `<>`: the index on workers then leads to leased rows alone.
    leased = sa.and_(IS_UNANSWERED, job_rows.c.worker > _NOBODY, job_rows.c.leased_until_us > now)
    joined = job_rows.join(jobs, jobs.c.id == job_rows.c.job)
    return sa.select(jobs.c.actor).select_from(joined).where(leased).distinct()


def _first_of(actor: str, now: int) -> sa.Select[Any]:
    """The free row of the lowest number of the actor's oldest open jobs."""
    lowest = sa.select(job_rows.c.number).where(job_rows.c.job == jobs.c.id, _free(now))
    number = lowest.order_by(job_rows.c.number).limit(1).scalar_subquery().label("number")
    theirs = sa.select(jobs.c.id, number).where(IS_OPEN, jobs.c.actor == actor)
    some = theirs.order_by(jobs.c.created_us).limit(MOST_JOBS).subquery()
    return sa.select(some).where(some.c.number.is_not(None)).order_by(some.c.number).limit(1)


def _had_turn(connection: sa.Connection, found: _Next) -> None:
    turn = {"actor": TURN + found.actor, "tokens": 0.0, "filled_us": found.turn}
    upsert(connection, rate_buckets, [turn], ("actor",), ("filled_us",))


def claim(
    worker: str, most: int, lease_us: int, *, newcomers: bool = False
) -> UnrecordedWrite[Claim | None]:
    """Lease up to ``most`` rows of one job; None if there are none. ``newcomers``: only rows of
    an actor who has none leased.

    A row that was begun before is leased alone: if it ends its worker, it ends nothing else.
    """

    def change(connection: sa.Connection) -> Claim | None:
        # Read when it runs, which may be seconds after it was asked for.
        now = now_us()
        found = _next(connection, now, newcomers=newcomers)
        if found is None:
            return None
        rows = _rows_from(connection, found, most, now)
        if not rows:
            return None
        connection.execute(
            sa.update(job_rows)
            .where(job_rows.c.job == found.job, job_rows.c.number.in_([r.number for r in rows]))
            .values(worker=worker, leased_until_us=now + lease_us, attempts=job_rows.c.attempts + 1)
        )
        # Only the first claim of a job sets when it was started.
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == found.job, jobs.c.state == State.QUEUED.value)
            .values(state=State.RUNNING.value, started_us=now)
        )
        leased = tuple(
            JobRow(r.number, octets(r.request), r.attempts + 1, octets(r.salt)) for r in rows
        )
        _had_turn(connection, found)
        return Claim(_find(connection, found.job), leased)

    return change


def _rows_from(
    connection: sa.Connection, found: _Next, most: int, now: int
) -> Sequence[sa.Row[Any]]:
    """Free rows of one job, of the next ``most`` numbers, locked; one begun before comes alone."""
    # A range and not LIMIT: rows that others have leased are not stepped over one by one.
    numbers = job_rows.c.number.between(found.number, found.number + most - 1)
    rows = connection.execute(
        sa.select(job_rows)
        .where(job_rows.c.job == found.job, numbers, _free(now))
        .order_by(job_rows.c.number)
        .with_for_update(skip_locked=True)  # SQLite has the whole file: BEGIN IMMEDIATE
    ).all()
    if rows and rows[0].attempts:
        return rows[:1]
    return [row for row in rows if not row.attempts]


def renew(worker: str, lease_us: int) -> UnrecordedWrite[int]:
    """Extend the worker's leases from now on; returns how many rows it has."""

    def change(connection: sa.Connection) -> int:
        kept = connection.execute(
            sa.update(job_rows)
            .where(job_rows.c.worker == worker, IS_UNANSWERED)
            .values(leased_until_us=now_us() + lease_us)
        )
        return kept.rowcount

    return change


def hand_back(worker: str) -> UnrecordedWrite[int]:
    """Free the rows of a worker that stops in good order, as if never begun; returns how many."""

    def change(connection: sa.Connection) -> int:
        freed = connection.execute(
            sa.update(job_rows)
            .where(job_rows.c.worker == worker, IS_UNANSWERED)
            # Back to the attempts before: a stop in good order does not make a row suspect.
            .values(worker=_NOBODY, leased_until_us=0, attempts=job_rows.c.attempts - 1)
        )
        return freed.rowcount

    return change


def finish(job: StoredJob, worker: str, answered: Sequence[Answered]) -> RecordedWrite:
    """Rows are answered: their records, and if they were the last, the record of the job's end.

    Raises, when it is done:

    LostLease
        If the worker has none of them any more; those that it has are written.
    """

    def work(connection: sa.Connection) -> Sequence[Draft]:
        kept = [row for row in answered if _keep(connection, job.id, worker, row)]
        if not kept:
            raise LostLease(f"rows of job {job.id} were answered or cancelled by somebody else")
        # PostgreSQL locks the job's row here: of two workers with the last rows the second sees
        # both counts, so one of them ends the job.
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == job.id)
            .values(
                answered=jobs.c.answered + len(kept),
                refused=jobs.c.refused + sum(row.is_refusal for row in kept),
            )
        )
        outbox.release(connection, job.id, {row.number: row.draft.facts.id for row in kept})
        drafts = [row.numbered for row in kept]
        now = _find(connection, job.id)
        if now.answered == now.rows:
            drafts.append(_end(connection, now, State.DONE, "system"))
        return drafts

    return work


def _keep(connection: sa.Connection, job: str, worker: str, row: Answered) -> bool:
    """Write down what answers the row, unless the worker has lost it."""
    written = connection.execute(
        sa.update(job_rows)
        .where(
            job_rows.c.job == job,
            job_rows.c.number == row.number,
            job_rows.c.worker == worker,
            IS_UNANSWERED,
        )
        # The record has the question from now on: one place to erase it from (decision 0053).
        .values(record=row.draft.facts.id, request=None, salt=None)
    )
    return written.rowcount == 1


def _end(connection: sa.Connection, job: StoredJob, state: State, actor: str) -> Draft:
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
        return _end(connection, _job_of(found), State.CANCELLED, actor)

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


@dataclass(frozen=True, slots=True)
class JobResult:
    """An answered row."""

    number: int
    record: Record
    """That answers it."""
    payload: Payload | None
    """None: it was erased."""
    findings: tuple[IntegrityFinding, ...] = ()
    """What is wrong with it: then nothing that it says is to be told."""


def results(database: Database, identity: str) -> Iterator[JobResult]:
    """Each answered row in order. Read in pieces, each a query of its own.

    Raises
    ------
    NotAsSealed
        If there are fewer than the job's records say.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    # Before the first line leaves: a reply that has begun cannot become a 409.
    _check_complete(database, find(database, identity))
    return _results(database, identity)


def _check_complete(database: Database, job: StoredJob) -> None:
    joined = job_rows.join(records, records.c.id == job_rows.c.record)
    count = sa.select(sa.func.count()).select_from(joined).where(job_rows.c.job == job.id)
    with database.reading() as connection:
        there = connection.execute(count).scalar_one()
    if there != job.answered:
        text = f"{job.answered} rows of the job were answered, and {there} are there"
        raise NotAsSealed(job.id, [contradicted(None, "job_rows", "record", text)])


def _results(database: Database, identity: str) -> Iterator[JobResult]:
    chosen = whole().add_columns(job_rows.c.number.label("number"))
    chosen = chosen.join(job_rows, records.c.id == job_rows.c.record)
    at = -1
    while True:
        piece = chosen.where(job_rows.c.job == identity, job_rows.c.number > at)
        with database.reading() as connection:
            rows = connection.execute(piece.order_by(job_rows.c.number).limit(PIECE)).all()
        for row in rows:
            record = record_of(row)
            # A record that does not stand says nothing of its row.
            found = tuple(doubts(row)) or tuple(_mislaid(record, identity, row.number))
            yield JobResult(row.number, record, payload_of(row), found)
        if len(rows) < PIECE:
            return
        at = rows[-1].number


def _mislaid(record: Record, job: str, number: int) -> Iterator[IntegrityFinding]:
    """A row must lead to the record that says that it answers it."""
    detail = record.facts.detail or {}
    if record.facts.about != job or detail.get("row") != number:
        text = f"row {number} of job {job} leads to a record that does not answer it"
        yield contradicted(record, "job_rows", "record", text)


# --- held against the records -------------------------------------------------------------


def questions(database: Database, job: StoredJob) -> tuple[str | None, ...]:
    """The digest of each row of a job that is under way, as its record has all of them; None
    where it has none.

    Raises
    ------
    UnknownRecord
        If there is no such job any more.
    NotAsSealed
        If the job, or what it asks, is not what was recorded.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = sa.select(job_rows.c.digest).where(job_rows.c.job == job.id)
    with database.snapshot() as connection:
        now = _find(connection, job.id)
        found = [*_findings(connection, now), *_questions(connection, job.id)]
        digests = connection.execute(chosen.order_by(job_rows.c.number)).scalars().all()
    if found:
        raise NotAsSealed(job.id, found)
    return tuple(digests)


def check(job: StoredJob, row: JobRow, digests: Sequence[str | None]) -> None:
    """Raises
    ------
    NotAsSealed
        If a row does not ask what was asked; ``digests``: of :func:`questions`.
    """
    digest = digests[row.number] if row.number < len(digests) else ""
    # None: the row is of a version that kept no digests.
    if digest is not None and Payload(row.salt or b"", row.request).digest != digest:
        raise NotAsSealed(job.id, [_question(job.id, row.number)])


def _question(job: str, number: int) -> IntegrityFinding:
    text = f"what row {number} of job {job} asks is not what was asked"
    return contradicted(None, "job_rows", "request", text)


def findings(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """Jobs and rows of jobs that no record vouches for."""
    for row in connection.execute(sa.select(jobs)).all():
        try:
            job = _job_of(row)
        except ValueError:
            text = f"job {row.id} is in no state"
            yield contradicted(None, "jobs", "state", text)
            continue
        yield from _findings(connection, job)
        yield from _rows_of(connection, job)
    unknown = sa.select(job_rows.c.job).where(job_rows.c.job.not_in(sa.select(jobs.c.id)))
    for identity in connection.execute(unknown.distinct()).scalars():
        yield contradicted(None, "job_rows", "job", f"there are rows of a job {identity}: no job")
    yield from _forgotten(connection)


def _told(connection: sa.Connection, identity: str) -> tuple[Record | None, Record | None]:
    """The records of a job's beginning and end, if they stand."""
    near = sa.or_(records.c.id == identity, records.c.about == identity)
    here = sa.select(records, standing()).where(near, records.c.kind == RecordKind.JOB.value)
    told = list(standing_only(connection.execute(here)))
    begun = next((r for r in told if r.facts.id == identity), None)
    return begun, next((r for r in told if r.facts.about == identity), None)


def _findings(connection: sa.Connection, job: StoredJob) -> Iterator[IntegrityFinding]:
    """What the row of a job says that its records do not."""
    name, row = f"job {job.id}", _row_of(job)
    begun, ended = _told(connection, job.id)
    if begun is None:
        yield contradicted(None, "jobs", "", f"there is no record that began {name}")
        return
    facts = begun.facts
    said: dict[str, Any] = {n: getattr(facts, n) for n in ("model", "version", "actor", "role")}
    said |= {"request_id": facts.request_id, "created_us": facts.time_us}
    # Older records lack the count: then there is nothing to hold it against.
    said |= {"rows": (facts.detail or {}).get("rows", job.rows)}
    yield from contradictions("jobs", name, row, said, begun)
    if ended is None:
        if job.state.is_final or job.finished_us is not None:
            text = f"{name} has ended by the table, and no record says so"
            yield contradicted(begun, "jobs", "state", text)
        return
    detail = ended.facts.detail or {}
    said = {"state": ended.facts.status, "finished_us": ended.facts.time_us}
    said |= {n: detail[n] for n in ("answered", "refused", "started_us") if n in detail}
    yield from contradictions("jobs", name, row, said, ended)


def _rows_of(connection: sa.Connection, job: StoredJob) -> Iterator[IntegrityFinding]:
    """What the rows of a job say that its records do not."""
    joined = job_rows.outerjoin(records, records.c.id == job_rows.c.record)
    chosen = sa.select(job_rows, records, standing()).select_from(joined)
    here = chosen.where(job_rows.c.job == job.id).order_by(job_rows.c.number)
    answered = refused = 0
    for place, row in enumerate(connection.execute(here).all()):
        said = row._mapping
        number, answer = said[job_rows.c.number], said[job_rows.c.record]
        if number != place and job.state is not State.CANCELLED:  # its open rows are gone
            text = f"row {place} of job {job.id} is said to be row {number}"
            yield contradicted(None, "job_rows", "number", text)
        if answer is None:
            question = Payload(octets(said[job_rows.c.salt]), octets(said[job_rows.c.request]))
            if question.digest != said[job_rows.c.digest] and said[job_rows.c.digest] is not None:
                yield _question(job.id, number)
        elif said[records.c.id] is None or not stands(row):
            text = f"row {number} of job {job.id} leads to a record that is not there"
            yield contradicted(None, "job_rows", "record", text)
        else:
            record = record_of(row)
            answered += 1
            refused += record.facts.kind is not RecordKind.EXPLANATION
            yield from _mislaid(record, job.id, number)
    yield from _counted(job, answered, refused)
    if answered or job.state is not State.CANCELLED:
        yield from _questions(connection, job.id)


def _counted(job: StoredJob, answered: int, refused: int) -> Iterator[IntegrityFinding]:
    for column, value in (("answered", answered), ("refused", refused)):
        if getattr(job, column) != value:
            text = f"{column} of job {job.id} is not how many rows are"
            yield contradicted(None, "jobs", column, text)


def _questions(connection: sa.Connection, identity: str) -> Iterator[IntegrityFinding]:
    """Whether the digests of a job's questions are those that its record has all of."""
    begun, ended = _told(connection, identity)
    root = None if begun is None else (begun.facts.detail or {}).get("questions")
    if root is None or (ended is not None and ended.facts.status == State.CANCELLED.value):
        return  # of a version that recorded none; or open rows are gone
    chosen = sa.select(job_rows.c.digest).where(job_rows.c.job == identity)
    digests = connection.execute(chosen.order_by(job_rows.c.number)).scalars()
    if _root(digests) != root:
        text = f"the questions of job {identity} are not those that were asked"
        yield contradicted(begun, "job_rows", "digest", text)


def _forgotten(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """Jobs that were begun, have not ended, and are not there: only ended ones are forgotten."""
    end = records.alias()
    is_over = sa.exists().where(end.c.about == records.c.id, end.c.kind == RecordKind.JOB.value)
    lost = sa.select(records, standing()).where(
        records.c.kind == RecordKind.JOB.value,
        records.c.about.is_(None),
        records.c.id.not_in(sa.select(jobs.c.id)),
        ~is_over,
    )
    for record in standing_only(connection.execute(lost).all()):
        text = f"job {record.facts.id} has not ended, and is not there any more"
        yield contradicted(record, "jobs", "", text)
