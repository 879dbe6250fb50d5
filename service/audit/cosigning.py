"""What others say of the log's heads: witnesses cosign them, an authority stamps the time.

A thread of the process that signs, so that nothing waits for other machines. It speaks of the
newest head only; what it is told is kept with that head.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import httpx

from ifonly.service import logs
from ifonly.service.audit.trust_root import roots_of, witness_keys
from ifonly.service.errors import ServiceError
from ifonly.service.settings import Settings
from ifonly.service.store import log_appending, translog
from ifonly.service.store.opened import Store
from ifonly.service.store.translog import LogBroken, StoredHead
from ifonly.service.transparency.stamping import stamp
from ifonly.service.transparency.verifier import Note, NotProven, VerifierKey
from ifonly.service.transparency.witnessing import AddCheckpointRequest, cosignature_in

TIMEOUT_SECONDS = 10.0
WRITE_SECONDS = 60.0
TRIES = 3
"""Of one head at one witness: it may have seen another one meanwhile."""


@dataclass(frozen=True)
class Vouchers:
    """Who is asked, and how often."""

    witnesses: Mapping[str, VerifierKey]
    """By URL."""
    witness_seconds: float
    tsa_url: str | None
    tsa_seconds: float
    tsa_roots: bytes | None

    @classmethod
    def of(cls, settings: Settings) -> Vouchers:
        """Raises
        ------
        NoLogKey
            If a key of a witness or the file of roots cannot be read.
        """
        return cls(
            witness_keys(settings),
            settings.audit_witness_seconds,
            settings.audit_tsa_url,
            settings.audit_tsa_seconds,
            roots_of(settings),
        )

    @property
    def are_any(self) -> bool:
        return bool(self.witnesses) or self.tsa_url is not None


class Vouching:
    """``start`` it, tell it of each head (``signed``), ``close`` it before the journal."""

    def __init__(self, store: Store, vouchers: Vouchers) -> None:
        self._store = store
        self._vouchers = vouchers
        self._thread = threading.Thread(target=self._run, name="vouching", daemon=True)
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._newest: StoredHead | None = None
        # We need not remember a witness's size: asked
        # from 0, it answers 409 with it (tlog-witness).
        self._sizes = dict.fromkeys(vouchers.witnesses, 0)
        self._stamp_at = 0.0
        self._complaints: dict[str, str] = {}

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def signed(self, head: StoredHead) -> None:
        """There is a newer head. Called by the thread that signs; returns at once."""
        # One place, not a queue: who is slow must not be asked about heads that are past.
        self._newest = head
        self._wake.set()

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
            while not self._closing.is_set():
                self._wake.wait()
                self._wake.clear()
                head = self._newest
                if head is not None and not self._closing.is_set():
                    self.vouch(client, head)
                    # Heads signed meanwhile are skipped: only the newest is worth a question.
                    self._closing.wait(self._pause())

    def _pause(self) -> float:
        return self._vouchers.witness_seconds if self._vouchers.witnesses else 1.0

    def vouch(self, client: httpx.Client, head: StoredHead) -> None:
        """Ask everybody whose turn it is about ``head``, and keep what they say."""
        told = head
        for url, key in self._vouchers.witnesses.items():
            with self._complaining(url):
                line = self._ask(client, url, key, head)
                told = replace(told, cosignatures=told.cosignatures + line)
        if self._vouchers.tsa_url is not None and time.monotonic() >= self._stamp_at:
            url, roots = self._vouchers.tsa_url, self._vouchers.tsa_roots
            with self._complaining(url):
                told = replace(told, stamp=stamp(client, url, head.note.encode(), roots))
                # Only after a stamp was kept: one that failed is tried again with the next head.
                self._stamp_at = time.monotonic() + self._vouchers.tsa_seconds
        # Nothing new is no write.
        if told != head:
            with self._complaining("the store"):
                self._store.journal.change(log_appending.keep_head(told)).result(WRITE_SECONDS)

    def _ask(self, client: httpx.Client, url: str, key: VerifierKey, head: StoredHead) -> str:
        """The line of one witness."""
        note = Note.parse(head.note)
        for _ in range(TRIES):
            old = self._sizes[url]
            # The store was set back, or the witness keeps another log of this name.
            if old > head.size:
                raise NotProven(f"it has cosigned {old} leaves, and the log has {head.size}")
            hashes = translog.consistency(self._store.database, old, head.size)
            body = AddCheckpointRequest(old, tuple(hashes), note).body
            reply = client.post(f"{url.rstrip('/')}/add-checkpoint", content=body.encode())
            if reply.status_code == httpx.codes.CONFLICT:
                self._sizes[url] = _size(reply.text, old)
                continue
            if reply.status_code != httpx.codes.OK:
                raise NotProven(f"it does not cosign: {reply.status_code} {reply.text[:200]}")
            line = str(cosignature_in(reply.text, note.text, key))
            # Moved only after the signature held: else the next proof begins at a wrong size.
            self._sizes[url] = head.size
            return line
        raise NotProven("it has cosigned another head each time")

    @contextlib.contextmanager
    def _complaining(self, whom: str) -> Iterator[None]:
        """Log what goes wrong, once until it goes well; the next head may do better."""
        try:
            yield
            self._complaints.pop(whom, None)
        except (NotProven, httpx.HTTPError, ServiceError, LogBroken, ValueError, KeyError) as error:
            said = f"{type(error).__name__}: {error}"
            if self._complaints.get(whom) != said:
                self._complaints[whom] = said
                logs.logger.error("%s does not vouch for the log's head: %s", whom, error)


def _size(text: str, old: int) -> int:
    """What a witness has seen.

    Raises
    ------
    NotProven
        If it does not say, or says what it was told.
    """
    said = text.strip()
    # The size that we named, answered by 409, means another root of that size: a fork.
    if not (said.isascii() and said.isdigit() and len(said) < 20) or int(said) == old:
        raise NotProven(f"it has seen another log of {old} leaves: {said[:100]}")
    return int(said)


@contextlib.contextmanager
def vouching(settings: Settings, store: Store) -> Iterator[Callable[[StoredHead], None] | None]:
    """Whom to tell of signed heads until the block ends; None: nobody is asked.

    Raises
    ------
    NoLogKey
        If the settings cannot be used.
    """
    vouchers = Vouchers.of(settings)
    if not vouchers.are_any:
        yield None
        return
    asks = Vouching(store, vouchers)
    asks.start()
    try:
        yield asks.signed
    finally:
        asks.close()
