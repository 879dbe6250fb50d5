"""The threads of a process that answer rows of jobs, beside those that answer requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ifonly.explainers.watch import Watch, unwatched
from ifonly.models.errors import UnknownModel
from ifonly.service import logs
from ifonly.service.access import EVERYTHING, Principal, Scope
from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.problem_types import ROW_ABANDONED
from ifonly.service.ask.problems import Refusal, failed, problem_of
from ifonly.service.audit.drafts import Drafting, with_row_id
from ifonly.service.audit.together import gathered
from ifonly.service.errors import LostLease, NotAsSealed, ServiceError
from ifonly.service.jobs.row_ids import row_id_in, unnamed
from ifonly.service.scheduling.time_slices import Turn, Turns
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import Settings
from ifonly.service.store import jobs
from ifonly.service.store.jobs import (
    MAX_ATTEMPTS,
    Answered,
    Claim,
    JobRow,
    JobTerms,
    RowsAnswered,
    StoredJob,
)
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import Store
from ifonly.service.tracing import Tracing
from ifonly.service.wire import validation
from ifonly.service.wire.requests import ExplanationRequest
from ifonly.service.wire.strict_json import read_json

ASKED = "explanations"
FIRST_ROWS, MOST_ROWS = 4, 256
"""Of one lease: so many at first, twice as many if they took less than ``WRITE_SECONDS``, up to
so many; what is not answered by then is handed back, for it is another actor's turn."""
POLL_SECONDS = 0.5
"""How soon a process sees what another was asked; what it was asked itself it sees at once."""
WRITE_SECONDS = 0.5
"""Answers are written together, those of so much time; then others have their turn."""
KEPT = 1
"""Threads beside the others, for actors at whose rows nobody works: a row may take a minute."""
MOST_DIGESTS = 200_000
"""Of questions, that a worker keeps beside those of the job that it is at: 100 bytes each."""
BEAT_SECONDS = 1.0
"""How soon a cancelled job is seen."""
AFTER_FAILURE_SECONDS = 1.0


class JobWorkers:
    """A pool of threads: ``start`` it, ``stop`` it; ``wake`` it when there is something to do."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        settings: Settings,
        turns: Turns,
        tracing: Tracing,
    ) -> None:
        self._store = store
        self._lease_us = round(settings.job_lease_seconds * 1e6)
        # Three beats a lease: one that is missed gives nothing away.
        self._beat_seconds = min(BEAT_SECONDS, settings.job_lease_seconds / 3)
        self._patience = settings.shutdown_seconds
        self._turns = turns
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._cancelled: frozenset[str] = frozenset()
        self._workers = [
            _Worker(
                # The journal's name is new at each start: no process renews another's lease.
                f"{store.journal.writer}-{k}",
                self,
                store,
                registry,
                settings,
                turns,
                tracing,
                is_kept=k >= settings.job_threads,
            )
            # Without threads for jobs, none is kept either: another process does the work.
            for k in range(settings.job_threads + KEPT if settings.job_threads else 0)
        ]
        self._threads = [
            threading.Thread(target=w.run, name=f"job-{k}", daemon=True)
            for k, w in enumerate(self._workers)
        ]
        if self._workers:
            self._threads.append(threading.Thread(target=self._beat, name="jobs", daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """Stop the searches; what is not answered goes back. One that does not stop in time
        loses its lease, later."""
        self._stopping.set()
        self._woken.set()
        last = time.monotonic() + self._patience
        for thread in self._threads:
            # One end for all threads: stopping takes `patience` once, not once a thread.
            thread.join(max(0.0, last - time.monotonic()))

    @property
    def is_stopping(self) -> bool:
        # Searches end before the application does: what they still find is no answer.
        return self._stopping.is_set() or self._turns.stopped

    def is_over(self, job: str) -> bool:
        """Whether nobody wants to know any more."""
        return self.is_stopping or job in self._cancelled

    def pause(self, seconds: float) -> None:
        """Until there may be something to do."""
        self._woken.wait(seconds)
        # Not cleared once it stops: a stop must wake each of those who wait.
        if not self._stopping.is_set():
            self._woken.clear()

    def _beat(self) -> None:
        """Say that the workers are still there, and learn what was cancelled."""
        due = 0.0
        while not self._stopping.wait(self._beat_seconds):
            # Only those who hold rows: idle workers cost no write.
            held = [(w.name, job) for w in self._workers if (job := w.job) is not None]
            try:
                self._cancelled = jobs.cancelled(self._store.database, [job for _, job in held])
                if held and time.monotonic() >= due:
                    # A third of the lease, so that a renewal may
                    # wait in the journal and still be in time.
                    due = time.monotonic() + self._lease_us / 3e6
                    for name, _ in held:
                        self._store.journal.change(jobs.renew(name, self._lease_us)).result()
            # Goes on: without renewals rows would be given away while they are answered.
            except ServiceError as error:
                logs.logger.warning("leases could not be renewed: %s", error)


class _Worker:
    """One thread: leases rows, answers them, writes what it found."""

    def __init__(
        self,
        name: str,
        pool: JobWorkers,
        store: Store,
        registry: Registry,
        settings: Settings,
        turns: Turns,
        tracing: Tracing,
        *,
        is_kept: bool,
    ) -> None:
        """``is_kept``: it is for actors who have no rows with another worker."""
        self.name = name
        self._is_kept = is_kept
        self.job: str | None = None
        """Whose rows it has."""
        self._most = FIRST_ROWS
        self._pool = pool
        self._store = store
        self._registry = registry
        self._settings = settings
        self._turns = turns
        self._tracing = tracing
        self._lease_us = round(settings.job_lease_seconds * 1e6)
        self._asked: dict[str, Mapping[int, str | None]] = {}
        """Of the jobs that it was at last, the digests of what they ask."""

    def run(self) -> None:
        while not self._pool.is_stopping:
            try:
                if not self._turn():
                    self._pool.pause(POLL_SECONDS)
            except LostLease as error:
                logs.logger.warning("%s", error)
            except ServiceError as error:
                logs.logger.error("a job waits: %s", error)
                self._pool.pause(AFTER_FAILURE_SECONDS)
            except Exception as error:  # whatever it was, the rows go to whoever comes next
                logs.logger.error("a job waits: %s", logs.where(error))
                self._pool.pause(AFTER_FAILURE_SECONDS)

    def _turn(self) -> bool:
        """Lease rows and answer them; whether there were any."""
        # A reader is asked first: a claim is a write, and idle workers look twice a second.
        if not jobs.is_any_free(self._store.database, newcomers=self._is_kept):
            return False
        began = time.time_ns()
        change = jobs.claim(self.name, self._most, self._lease_us, newcomers=self._is_kept)
        claim = self._store.journal.change(change).result()
        if claim is None:
            return False
        self.job = claim.job.id
        try:
            terms = jobs.terms_of(self._store.database, claim.job.id)
            traceparent = terms.traceparent if self._tracing.is_on else None
            with self._tracing.lease(claim.job.id, traceparent, began):
                self._answer_all(claim, terms)
        finally:
            self.job = None
            # Also after a failure: rows not answered are free at once, not when the lease ends.
            self._store.journal.change(jobs.hand_back(self.name)).result()
        return True

    def _answer_all(self, claim: Claim, terms: JobTerms) -> None:
        found: list[Answered] = []
        scope = terms.scope
        read_us = claim.job.created_us if terms.is_of_events else None
        due = time.monotonic() + WRITE_SECONDS
        checked = self._checked(claim.job)
        for row in claim.rows:
            is_over = partial(self._pool.is_over, claim.job.id)
            turn = self._turns.search(claim.job.actor, background=True, is_over=is_over)
            with self._tracing.row(row.number, claim.job.model):
                watch = self._tracing.span
                asked = (claim.job, row, self._registry, self._settings, checked, scope, turn)
                draft = answer(*asked, watch, read_us)
            # Asked after the search, whose deadline that has passed.
            if is_over():
                break  # what was cut short is no answer
            found.append(Answered(row.number, draft))
            # Whoever comes next has a turn; the rest goes back below.
            if time.monotonic() >= due:
                break
        is_quick = time.monotonic() < due
        # Finds how many rows fit into one turn: a row takes milliseconds or a minute.
        self._most = min(MOST_ROWS, 2 * self._most) if is_quick else max(1, len(found))
        self._write(claim.job, gathered(found) if terms.is_shared else found)

    def _checked(self, job: StoredJob) -> Callable[[JobRow], None]:
        """What sees that a row asks what was asked. The digests of some jobs are kept: the record
        of each has one of all of them, and rows of two jobs may come in turns."""
        digests = self._asked.pop(job.id, None)
        if digests is None:
            try:
                digests = jobs.questions(self._store.database, job)
            # Each row is then refused, so that the job ends and each line says why.
            except NotAsSealed as error:
                return partial(_refuse, error)
        while self._asked and sum(map(len, self._asked.values())) > MOST_DIGESTS:
            del self._asked[next(iter(self._asked))]
        self._asked[job.id] = digests
        return partial(jobs.check, job, digests=digests)

    def _write(self, job: StoredJob, found: Sequence[RowsAnswered]) -> None:
        if not found:
            return
        with self._tracing.span("write"):
            self._store.journal.append(jobs.finish(job, self.name, found)).result()


def _refuse(error: Exception, _: JobRow) -> None:
    raise error


def answer(
    job: StoredJob,
    row: JobRow,
    registry: Registry,
    settings: Settings,
    check: Callable[[JobRow], None],
    scope: Scope = EVERYTHING,
    turn: Turn | None = None,
    watch: Watch = unwatched,
    read_us: int | None = None,
) -> Draft:
    """What the row's record says: an explanation, or why there is none; ``check`` raises if the
    row is not what was asked; ``read_us``: when it was read, if that is known."""
    principal = Principal.of(job.actor, job.role)
    drafting = Drafting(principal, time.perf_counter(), about=job.id, about_us=read_us)
    # The id of the request that brought the job: the log of its rows is found by it.
    with logs.of_request(job.request_id or "-"):
        try:
            check(row)
            seen = registry.within(scope)
            draft = _explained(drafting, job, row, seen, settings, scope, turn, watch)
        # Any failure is the row's answer: a row that raised here would be tried for ever.
        except Exception as error:
            draft = _failed(drafting, job, row, _served(job, registry), error)
    return with_row_id(draft, row_id_in(row.request))


def _explained(
    drafting: Drafting,
    job: StoredJob,
    row: JobRow,
    registry: Registry,
    settings: Settings,
    scope: Scope,
    turn: Turn | None,
    watch: Watch,
) -> Draft:
    # Checked here and not in the claim: the row is answered, by a record that says why.
    if row.attempts > MAX_ATTEMPTS:
        ended = f"{MAX_ATTEMPTS} workers have ended while they answered this row"
        raise Refusal(ROW_ABANDONED, ended)
    model = registry.get(job.model, job.version)
    request = validation.read(ExplanationRequest, unnamed(read_json(row.request)))
    scope.check(request.attributes)
    # What a job's row waited, its job says.
    budget = replace(Budget.of(request.deadline_ms, settings, turn), asked=None)
    reply = answering.explanation(model, request, budget, watch)
    return drafting.answered(RecordKind.EXPLANATION, model, request, reply)[1]


def _failed(
    drafting: Drafting, job: StoredJob, row: JobRow, model: ServedModel | None, error: Exception
) -> Draft:
    problem = problem_of(error)
    if problem is None:
        logs.logger.error("failed: %s", logs.where(error))
        problem = failed()
    return drafting.refused(model, problem, f"/api/v1/jobs/{job.id}", ASKED, row.request)


def _served(job: StoredJob, registry: Registry) -> ServedModel | None:
    try:
        return registry.find(job.model, job.version)
    except UnknownModel:
        return None
