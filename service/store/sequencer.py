"""Who appends leaves to the log and has its heads signed: a thread of each process.

One of them holds a lease, kept in the store, and does the work; the others look on, and take over
once it ends. The lease saves work and nothing hangs on it: see
:mod:`ifonly.service.store.translog`. A request waits for none of this, unless it asks for a proof
at once (:meth:`Sequencer.demand`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from ifonly.service.errors import JournalFull, ServiceError, StoreUnavailable
from ifonly.service.promises import promised
from ifonly.service.store import log_appending, translog
from ifonly.service.store.chain import now_us
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.translog import LogBroken, StoredHead
from ifonly.service.transparency.signing import NoKey, Signer
from ifonly.service.transparency.verifier import Checkpoint

logger = logging.getLogger("ifonly")

LOOK_SECONDS = 10.0
"""How often a process looks for records of others that have ended."""
LEASE_FACTOR = 5
"""A lease lasts so many intervals, and five seconds at least."""
WRITE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SequencerOptions:
    """How a sequencer behaves."""

    seconds: float = 1.0
    """How often leaves are appended, if there are any."""
    signed: Callable[[StoredHead], None] | None = None
    """Is told of each head that this process has signed, once it is durable."""
    last: Checkpoint | None = None
    """A head that was signed before: what is signed next begins with it, or nothing is signed."""


class Sequencer:
    """``start`` it, ``close`` it before the journal; ``demand`` from any thread."""

    def __init__(
        self, database: Database, journal: Journal, signer: Signer, options: SequencerOptions
    ) -> None:
        self._database = database
        self._journal = journal
        self._signer = signer
        self._options = options
        # A daemon, as the journal's: an exit without `close` must not hang.
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._wake = threading.Event()
        self._closing = False
        self._has_ended = False
        self._lock = threading.Lock()
        self._wanted: list[Future[None]] = []
        # Other than any count: the first turn looks for what earlier processes left.
        self._seen = -1
        self._look_at = 0.0
        self._last = options.last
        self._complaint = ""

    @property
    def signer(self) -> Signer:
        return self._signer

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Append what there is once more, and stop."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def demand(self) -> Future[None]:
        """Done once every record that is durable now is in a signed head; fails with whatever
        keeps it from that."""
        done: Future[None] = promised()
        with self._lock:
            if self._has_ended:  # no turn will take it any more
                done.set_exception(StoreUnavailable("the log's sequencer is closed"))
            else:
                self._wanted.append(done)
        self._wake.set()
        return done

    # --- the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._options.seconds)
            # Cleared before the list is taken: a demand that comes in between wakes the next turn.
            self._wake.clear()
            self._turn(self._taken())
        # Once more: what was recorded since the last turn gets a head before the process ends.
        self._turn(self._taken(is_last=True))

    def _taken(self, *, is_last: bool = False) -> list[Future[None]]:
        with self._lock:
            wanted, self._wanted = self._wanted, []
            self._has_ended = is_last
        return wanted

    def _turn(self, wanted: list[Future[None]]) -> None:
        error: Exception | None = None
        try:
            if wanted or self._closing or self._has_news():
                self.round(force=bool(wanted) or self._closing)
            self._complaint = ""
        except Exception as caught:  # whatever it was, the next turn may go well
            error = caught
            self._complain(caught)
        for done in wanted:
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

    def _has_news(self) -> bool:
        """Whether this process has written, or it is time to look for what others have."""
        return self._journal.commits[1] != self._seen or time.monotonic() >= self._look_at

    def round(self, *, force: bool = False) -> None:
        """Append all that is no leaf yet, if it is this process's turn or ``force``.

        Raises
        ------
        LogBroken
            If what is stored is not what was signed.
        NoKey
            If it cannot be signed now.
        JournalFull, StoreUnavailable, StoreDamaged
            If the store cannot be used.
        """
        # Counted before records are read: what comes meanwhile is news for the next turn.
        seen = self._journal.commits[1]
        while True:
            # A demand does not wait for the lease: the comparison in `append` keeps two from harm.
            if not (force or self._is_our_turn()):
                return
            origin = self._signer.key.name
            batch = log_appending.gather(self._database, origin, self._last)
            if batch is None:
                break
            head = log_appending.sign(batch, self._signer)
            if not self._append(batch, head):
                continue  # somebody else was faster: look what is left
            # Kept only once it is stored: no other head was given to anybody.
            self._last = batch.checkpoint
            if self._options.signed is not None:
                self._options.signed(head)
            if not batch.is_full:
                break  # what has come meanwhile is for the next turn: it never ends under load
        self._seen, self._look_at = seen, time.monotonic() + LOOK_SECONDS

    def _append(self, batch: log_appending.Batch, head: StoredHead) -> bool:
        lease = int(max(5.0, LEASE_FACTOR * self._options.seconds) * 1e6)
        lease = min(lease, translog.MOST_LEASE_US)
        change = log_appending.append(batch, head, self._journal.writer, lease)
        return self._journal.change(change).result(WRITE_SECONDS)

    def _is_our_turn(self) -> bool:
        found = translog.state(self._database)
        # Another key signs this log now, and two keys must not sign one log.
        if found is None or found.key != str(self._signer.key):
            return False
        left = found.held_until_us - now_us()
        is_free = not 0 <= left <= translog.MOST_LEASE_US
        return is_free or found.holder == self._journal.writer

    def _complain(self, error: Exception) -> None:
        """Once, until something goes well or goes wrong in another way."""
        if isinstance(error, LogBroken):
            said = f"{error}: nothing more is signed. `ifonly audit verify` says what is wrong"
        elif isinstance(error, NoKey | ServiceError | DBAPIError):
            said = str(error)
        else:
            said = f"{type(error).__name__}: {error}"
        if said != self._complaint and not (self._closing and isinstance(error, JournalFull)):
            self._complaint = said
            logger.error("the log's head could not be signed: %s", said)
