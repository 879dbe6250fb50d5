"""The one writer of a process: a thread with a queue, many records to a commit.

Whoever appends gets a future, which is done once the record is durable. While one transaction
is being committed the next ones wait in the queue and go into the next transaction together,
so the cost of a commit is shared by however many wait for it. A queue that is full refuses.

A transaction whose connection broke may or may not have been committed. Each is therefore
sealed once and tried again as it is: if the head in the database is already the batch's own,
it had been committed.
"""

from __future__ import annotations

import logging
import math
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ifonly.service.errors import JournalFull, ServiceError, StoreUnavailable
from ifonly.service.promises import promised
from ifonly.service.store import anchors
from ifonly.service.store.alarm_rates import Decided, RateCounts
from ifonly.service.store.chain import Facts, Head, Payload, Record, seal
from ifonly.service.store.database import Database, failure, is_passing
from ifonly.service.store.episodes import Backlog, Observation, Seen
from ifonly.service.store.rows import insert, row_of
from ifonly.service.store.tables import payloads, records, writers

logger = logging.getLogger("ifonly")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# Bounds how long one transaction holds the lock that other processes wait for.
MAX_BATCH = 256
COMPANY_SECONDS = 0.002
"""How long a record waits for others that are expected: a transaction costs its processor as much
as eight records do (decision 0095). A lone one waits for nobody."""
LONGEST_EXPECTED_SECONDS = 0.05
"""What was expected so long ago is not expected in a moment: it has turned out to be hard."""
PAUSE_SECONDS = 0.1
"""Between two tries of a transaction that met a passing obstacle."""
PROBE_SECONDS = 1.0
"""Between two looks whether a store that failed writes again."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be."""

    facts: Facts
    payload: bytes | None = None
    observations: tuple[Observation, ...] = ()
    """Of each piece of equipment that it tells of; kept up to date with it, and no part of what is
    sealed."""
    decided: Decided | None = None
    """Rows that a version decided, to be counted; no part of it either."""


class RecordedWrite(Protocol):
    """Writes rows of other tables and returns the records that tell of it, in one transaction.

    May be called again if the transaction was rolled back.
    """

    def __call__(self, connection: sa.Connection, /) -> Draft | Sequence[Draft]: ...


class UnrecordedWrite(Protocol[T_co]):
    """Writes rows that no record tells of: who works at what, and until when.

    May be called again, also when it was committed before after all.
    """

    def __call__(self, connection: sa.Connection, /) -> T_co: ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a record stands."""

    id: str
    writer: str
    sequence: int
    hash: str

    @classmethod
    def of(cls, record: Record) -> Receipt:
        return cls(record.facts.id, record.writer, record.sequence, record.hash)


class Observer(Protocol):
    """Is told what became durable, how long that took, and how much waits."""

    def __call__(self, records: Sequence[Record], seconds: float, waiting: int, /) -> None: ...


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """How a journal behaves."""

    engine_version: str
    capacity: int = 1_024
    """Records that may wait; more are refused."""
    anchor_seconds: float = 60.0
    """How often the heads of all chains are written down, if any moved."""
    anchor_file: Path | None = None
    """Where anchors are written down a second time, out of the database's reach."""
    observer: Observer | None = None
    standing_seconds: float = 5.0
    """How long readings that change no alarm wait for others of theirs, until they are counted."""
    retry_seconds: float = 5.0
    """How long a transaction is tried again while the database is away."""


@dataclass(slots=True)
class _PendingAppend:
    work: Draft | RecordedWrite
    done: Future[Receipt] = field(default_factory=promised)


@dataclass(slots=True)
class _PendingWrite(Generic[T]):
    change: UnrecordedWrite[T]
    done: Future[T] = field(default_factory=promised)


class Journal:
    """Appends to a chain of its own. ``start`` it, ``close`` it; ``append`` from any thread."""

    def __init__(self, database: Database, options: JournalOptions) -> None:
        # A chain for each start: nobody continues one whose end it did not write (decision 0050).
        self.writer = secrets.token_hex(8)
        self._database = database
        self._options = options
        self._queue: queue.Queue[_PendingAppend | _PendingWrite[Any] | None] = queue.Queue(
            options.capacity
        )
        # A daemon: an interpreter that exits without `close` must not hang on a thread that waits.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._closing = threading.Event()
        self._gate = threading.Lock()
        # When each record that is expected was said to come; changed from any thread.
        self._expected: dict[object, float] = {}
        # None: not known; it is read in the next transaction.
        self._head: Head | None = Head()
        self._backlog = Backlog(options.standing_seconds)
        self._rates = RateCounts(self.writer, options.standing_seconds)
        self._anchor_due = 0.0
        self._last_anchor = 0
        self._is_well = True
        # Only the thread writes these, so others may read them without a lock.
        self._batches = 0
        self._records = 0

    @property
    def waiting(self) -> int:
        """Records that are not being written yet."""
        return self._queue.qsize()

    @property
    def is_well(self) -> bool:
        """Whether the store took the last thing that it was given."""
        return self._is_well

    @property
    def commits(self) -> tuple[int, int]:
        """Transactions and records so far."""
        return self._batches, self._records

    def start(self) -> None:
        """Register the chain, anchor all others, and begin to write.

        Raises
        ------
        StoreUnavailable, StoreDamaged
            If that cannot be done.
        """
        # In the caller's thread: who starts the service is told if the store cannot be written.
        try:
            with self._database.writer.begin() as connection:
                connection.execute(
                    sa.insert(writers).values(
                        id=self.writer,
                        head_sequence=0,
                        head_hash=Head().hash,
                        anchored=0,
                    )
                )
        except DBAPIError as error:
            raise failure(error) from error
        # A process that was killed anchored nothing at its end: whoever starts next does it.
        self._anchor()
        self._thread.start()

    def append(self, work: Draft | RecordedWrite) -> Future[Receipt]:
        """Have ``work`` recorded; the future is done when that is durable (with the last of its
        records), or fails with ``StoreUnavailable`` or whatever the work itself raises. A caller
        that stops waiting takes nothing back: the work is recorded all the same.

        Raises
        ------
        JournalFull
            If too many wait already, or the journal is closed.
        """
        waiting = _PendingAppend(work)
        self._put(waiting)
        return waiting.done

    def expect(self) -> Callable[[], None]:
        """Say that a record comes in a moment: those before it may wait for it. Call what is
        returned just before it is appended, or once it is known that it never is."""
        token = object()
        self._expected[token] = time.monotonic()

        def arrived() -> None:
            self._expected.pop(token, None)

        return arrived

    def change(self, change: UnrecordedWrite[T]) -> Future[T]:
        """Have ``change`` written in its turn, without a record; the future has what it returns.

        Raises
        ------
        JournalFull
            If too many wait already, or the journal is closed.
        """
        changing = _PendingWrite(change)
        self._put(changing)
        return changing.done

    def _put(self, waiting: _PendingAppend | _PendingWrite[Any]) -> None:
        with self._gate:
            if self._closing.is_set():
                raise JournalFull(self.waiting)
            # Refused, never waited for: callers hold the event loop or a worker.
            try:
                self._queue.put_nowait(waiting)
            except queue.Full:
                raise JournalFull(self.waiting) from None

    def close(self) -> None:
        """Write what waits, anchor once more, and stop. What comes later is refused."""
        with self._gate:  # nothing comes after the end that is put below
            self._closing.set()
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    # --- the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch = self._next_batch()
            is_open = None not in batch
            self._write_all([w for w in batch if w is not None])
            if not batch and not self._is_well:
                self._probe()
            due = self._counts_due
            if time.monotonic() >= due or (not is_open and due < math.inf):
                self._count()
            # At the end too: no later anchor comes from this process.
            if not is_open or time.monotonic() >= self._anchor_due:
                self._anchor()

    def _next_batch(self) -> list[_PendingAppend | _PendingWrite[Any] | None]:
        """What waits, in order; none if something else is due before any comes."""
        batch: list[_PendingAppend | _PendingWrite[Any] | None] = []
        seconds = max(0.0, min(self._anchor_due, self._counts_due) - time.monotonic())
        if not self._is_well:
            seconds = min(seconds, PROBE_SECONDS)
        try:
            batch.append(self._queue.get(timeout=seconds))
            if batch[0] is not None and self._has_company():
                # One sleep and not a wait for each: waking costs as much as writing a record.
                time.sleep(COMPANY_SECONDS)
            while len(batch) < MAX_BATCH:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return batch

    @property
    def _counts_due(self) -> float:
        return min(self._backlog.due, self._rates.due)

    def _has_company(self) -> bool:
        """Whether other records come in a moment."""
        since = time.monotonic() - LONGEST_EXPECTED_SECONDS
        return any(said > since for said in tuple(self._expected.values()))

    def _write_all(self, batch: Sequence[_PendingAppend | _PendingWrite[Any]]) -> None:
        """Plain records together; each piece of other work in a transaction of its own."""
        together: list[_PendingAppend] = []
        for waiting in batch:
            if isinstance(waiting, _PendingAppend) and isinstance(waiting.work, Draft):
                together.append(waiting)
                continue
            # What was put first is written first: other work may be about the records before it.
            self._write(together)
            together = []
            if isinstance(waiting, _PendingAppend):
                self._write([waiting])
            else:
                self._make(waiting)
        self._write(together)

    def _make(self, changing: _PendingWrite[Any]) -> None:
        try:
            changing.done.set_result(self._transaction(changing.change))
        # Whatever it is: an exception that left here would end the thread and hang all later work.
        except Exception as error:
            if not isinstance(error, ServiceError):
                # The type alone: a driver's message may quote a row.
                logger.error("a change could not be written: %s", type(error).__name__)
            changing.done.set_exception(error)

    def _write(self, batch: Sequence[_PendingAppend]) -> None:
        if not batch:
            return
        try:
            # Other work comes alone and may make several records: its receipt is the last one's.
            written = self._commit([w.work for w in batch])[-len(batch) :]
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, ServiceError):
                for waiting in batch:  # find out whose fault it is: the others go on
                    self._write([waiting])
                return
            if not isinstance(error, ServiceError):
                logger.error("a record could not be written: %s", type(error).__name__)
            for waiting in batch:
                waiting.done.set_exception(error)
            return
        for waiting, record in zip(batch, written, strict=True):
            waiting.done.set_result(Receipt.of(record))

    def _commit(self, works: Sequence[Draft | RecordedWrite]) -> list[Record]:
        """``works`` as one durable transaction."""
        attempt = _Attempt(self.writer, works, self._backlog, self._rates)
        if self._head is not None:
            attempt.prepare(self._head)

        def write(connection: sa.Connection) -> None:
            attempt.write(connection, self._head or _head(connection, self.writer))

        began = time.perf_counter()
        self._transaction(write)
        self._backlog.keep()
        self._rates.keep()
        # After the commit: metrics count what is durable, once, however often it was tried.
        if self._options.observer is not None:
            self._options.observer(attempt.sealed, time.perf_counter() - began, self.waiting)
        self._head = attempt.sealed[-1].head
        self._batches += 1
        self._records += len(attempt.sealed)
        return attempt.sealed

    def _transaction(self, write: UnrecordedWrite[T]) -> T:
        """Run ``write`` in a durable transaction; passing obstacles are waited out."""
        give_up = time.monotonic() + self._options.retry_seconds
        while True:
            try:
                with self._database.writer.begin() as connection:
                    result = write(connection)
                self._is_well = True
                return result
            except DBAPIError as error:
                self._head = None  # whether it was committed is not known: look, next time
                is_over = self._closing.is_set() or time.monotonic() > give_up
                if is_over or not is_passing(error):
                    ours = _ours(error)
                    # A row that the database will not take says nothing about the store.
                    self._is_well = not isinstance(ours, ServiceError)
                    raise ours from error
            except BaseException:
                # Read anew: with a wrong head every later batch would fail.
                self._head = None
                raise
            time.sleep(PAUSE_SECONDS)

    def _count(self) -> None:
        """Write the readings and counts that wait: nothing else came for so long."""
        waiting = [w for w in (self._backlog, self._rates) if w.due < math.inf]

        def flush(connection: sa.Connection) -> None:
            for each in waiting:
                each.flush(connection)

        try:
            self._transaction(flush)
            for each in waiting:
                each.keep()
        # They wait on: their records are written.
        except Exception as error:
            for each in waiting:
                each.postpone()
            logger.error("readings could not be counted: %s", type(error).__name__)

    def _probe(self) -> None:
        """See whether the store can be written again: a service that is not ready gets no requests
        that would show it."""
        own = writers.c.id == self.writer
        try:
            with self._database.writer.begin() as connection:
                # A write that changes nothing: on a full disk a read would succeed.
                connection.execute(
                    sa.update(writers).where(own).values(anchored=writers.c.anchored)
                )
            self._is_well = True
        except DBAPIError:
            return

    # --- anchors --------------------------------------------------------------------------

    def _anchor(self) -> None:
        """Write the heads that moved into this chain, and perhaps into a file."""
        # First: an anchor that fails is tried at the next interval, not in a busy loop.
        self._anchor_due = time.monotonic() + self._options.anchor_seconds
        try:
            with self._database.reading() as connection:
                heads = anchors.moved(connection)
                signed = anchors.signed_head(connection)
            own = heads.get(self.writer)
            if own is not None and own.sequence == self._last_anchor:
                del heads[self.writer]  # nothing in it but the last anchor
            if not heads:
                return
            facts = anchors.facts(heads, self._options.engine_version, signed)
            (record,) = self._commit([Draft(facts)])
            self._last_anchor = record.sequence
            if self._options.anchor_file is not None:
                # Before they are marked: what is not in the file is anchored again.
                anchors.write_down(self._options.anchor_file, record)
            # In a second transaction: after a crash between them heads are anchored twice, no harm.
            with self._database.writer.begin() as connection:
                anchors.mark(connection, heads)
        # Not fatal: requests go on being recorded, and the next interval tries again.
        except (ServiceError, DBAPIError, OSError) as error:
            logger.error("the chains could not be anchored: %s", error)


class _Attempt:
    """One batch, sealed at the first try and written as it is at every later one."""

    def __init__(
        self,
        writer: str,
        works: Sequence[Draft | RecordedWrite],
        backlog: Backlog,
        rates: RateCounts,
    ) -> None:
        self._writer = writer
        self._works = works
        self._prepared: Head | None = None
        self._payloads: list[Payload | None] = []
        self._backlog = backlog
        self._rates = rates
        self._seen: list[Seen] = []
        self._decided: list[tuple[Facts, Decided]] = []
        self.sealed: list[Record] = []

    def prepare(self, head: Head) -> None:
        """Seal what needs no transaction before there is one: other processes wait for its end."""
        drafts = [work for work in self._works if isinstance(work, Draft)]
        if len(drafts) == len(self._works):
            self._seal(drafts, head)
            self._prepared = head

    def write(self, connection: sa.Connection, head: Head) -> None:
        if self.sealed and head == self.sealed[-1].head:
            return  # the try before was committed after all
        # Work that writes rows runs anew in each try: the one before was rolled back with its rows.
        if head != self._prepared:
            self._seal([d for work in self._works for d in _drafts(work, connection)], head)
        insert(connection, records, [row_of(r) for r in self.sealed])
        pairs = zip(self.sealed, self._payloads, strict=True)
        insert(connection, payloads, [_payload(r, p) for r, p in pairs if p is not None])
        self._backlog.write(connection, self._seen)
        self._rates.write(connection, self._decided)
        at = self.sealed[-1].head
        place = {"own": self._writer, "before": head.sequence}
        place |= {"sequence": at.sequence, "hash": at.hash}
        # Compared as it is changed: a second writer of this chain fails here instead of forking it.
        if connection.execute(_MOVED, place).rowcount != 1:
            raise StoreUnavailable(f"somebody else has written to the chain of {self._writer}")

    def _seal(self, drafts: Sequence[Draft], head: Head) -> None:
        self._payloads = [None if d.payload is None else Payload.of(d.payload) for d in drafts]
        self._seen = [(d.facts, each) for d in drafts for each in d.observations]
        self._decided = [(d.facts, d.decided) for d in drafts if d.decided is not None]
        self.sealed, at = [], head
        for draft, payload in zip(drafts, self._payloads, strict=True):
            digest = None if payload is None else payload.digest
            self.sealed.append(seal(draft.facts, self._writer, at, digest))
            at = self.sealed[-1].head


_MOVED = (
    sa.update(writers)
    .where(writers.c.id == sa.bindparam("own"))
    .where(writers.c.head_sequence == sa.bindparam("before"))
    .values(head_sequence=sa.bindparam("sequence"), head_hash=sa.bindparam("hash"))
)


def _drafts(work: Draft | RecordedWrite, connection: sa.Connection) -> Sequence[Draft]:
    made = work if isinstance(work, Draft) else work(connection)
    return [made] if isinstance(made, Draft) else made


def _payload(record: Record, payload: Payload) -> Mapping[str, Any]:
    return {
        "writer": record.writer,
        "sequence": record.sequence,
        "time_us": record.facts.time_us,
        "salt": payload.salt,
        "content": payload.content,
    }


def _head(connection: sa.Connection, writer: str) -> Head:
    found = connection.execute(
        sa.select(writers.c.head_sequence, writers.c.head_hash).where(writers.c.id == writer)
    ).one_or_none()
    if found is None:
        raise StoreUnavailable(f"the store has lost the chain of {writer}")
    return Head(*found)


def _ours(error: DBAPIError) -> Exception:
    """The store's failure as one of our errors; a row that is refused stays its caller's error."""
    if isinstance(error, sa.exc.DataError | sa.exc.IntegrityError):
        return error
    return failure(error)
