"""What the log's heads are signed with, and who keeps it going beside the requests."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ifonly.service import logs
from ifonly.service.errors import NoLogKey
from ifonly.service.settings import Settings
from ifonly.service.store import log_appending, translog
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.logcheck import KeptHead, last_signed
from ifonly.service.store.opened import Store
from ifonly.service.store.sequencer import Sequencer, SequencerOptions
from ifonly.service.store.translog import StoredHead
from ifonly.service.store.verification import VerificationReport, verify
from ifonly.service.transparency.signing import (
    LocalSigner,
    NoKey,
    Signer,
    make_key,
    outside,
)
from ifonly.service.transparency.verifier import Checkpoint, NotProven, VerifierKey

LOG_KEY, WITNESS_KEY = "log-key", "witness-key"
"""How files of keys end that no setting names."""


def signer_of(settings: Settings, database: Database) -> tuple[Signer | None, bool]:
    """Who signs the heads of this store's log, and whether its key was made just now.

    None: the log is signed by a key that is not here.

    Raises
    ------
    NoLogKey
        If what the settings name cannot be used.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    try:
        # The settings name one key at most; a file is made only where they name none.
        if settings.audit_log_signer is not None:
            key = VerifierKey.parse(settings.audit_log_verifier_key or "")
            return outside(key, settings.audit_log_signer), False
        if settings.audit_log_key is not None:
            return LocalSigner.parse(settings.audit_log_key.get_secret_value()), False
        file = settings.audit_log_key_file or settings.key_file(LOG_KEY)
        if not file.exists() and translog.state(database) is not None:
            return None, False  # a second key for a log that has one would help nobody
        return make_key(file, _name())
    except (NoKey, NotProven) as error:
        raise NoLogKey(f"the log cannot be signed: {error}") from None


def _name() -> str:
    """A name for a log that nobody has named, which no other has."""
    # RFC 2606 keeps .invalid from ever being somebody's domain.
    return f"ifonly.invalid/{secrets.token_hex(6)}"


def witness_of(settings: Settings) -> tuple[LocalSigner | None, tuple[VerifierKey, ...]]:
    """Who cosigns heads of other logs, and of which; None: nobody.

    Raises
    ------
    NoLogKey
        If a key cannot be used.
    """
    if not settings.witness_logs:
        return None, ()
    file = settings.witness_key_file or settings.key_file(WITNESS_KEY)
    try:
        signer, _ = make_key(file, f"{_name()}/witness")
        return signer, tuple(map(VerifierKey.parse, settings.witness_logs))
    except (NoKey, NotProven) as error:
        raise NoLogKey(f"the witness cannot sign: {error}") from None


def witness_keys(settings: Settings) -> dict[str, VerifierKey]:
    """Who cosigns this log's heads, by URL.

    Raises
    ------
    NoLogKey
        If a key is none.
    """
    try:
        # Cosigners sign the time too (tlog-cosignature), under the key's other type.
        return {u: VerifierKey.parse(k).timed for u, k in settings.audit_witnesses.items()}
    except NotProven as error:
        raise NoLogKey(f"a witness cannot be known: {error}") from None


def verified(
    settings: Settings,
    database: Database,
    progress: Callable[[VerificationReport], None] = lambda _: None,
    kept: Sequence[KeptHead] = (),
) -> VerificationReport:
    """All of the store checked, with the evidence from outside of it that the settings name: the
    file of anchors, the keys of witnesses.

    Raises
    ------
    NoLogKey
        If a witness's key is none.
    StoreUnavailable
        If the store cannot be read now.
    OSError
        If the file of anchors cannot be read.
    """
    witnesses = tuple(witness_keys(settings).values())
    return verify(database, settings.audit_anchor_file, progress, kept, witnesses)


@contextlib.contextmanager
def sequencing(
    settings: Settings, store: Store, signed: Callable[[StoredHead], None] | None = None
) -> Iterator[Sequencer | None]:
    """A sequencer that runs until the block ends; None where the key is not here.

    Raises
    ------
    NoLogKey
        If what the settings name cannot be used.
    """
    signer = ready_signer(settings, store.database, store.journal)
    if signer is None:
        yield None
        return
    last = _last_signed(settings, signer.key)
    options = SequencerOptions(settings.audit_log_seconds, signed, last)
    sequencer = Sequencer(store.database, store.journal, signer, options)
    sequencer.start()
    try:
        yield sequencer
    finally:
        sequencer.close()


def _last_signed(settings: Settings, key: VerifierKey) -> Checkpoint | None:
    """What the file of anchors remembers of this log, also where the store was set back."""
    file = settings.audit_anchor_file
    # Without such a file a store that was set back cannot be found out from here.
    if file is None or not file.exists():
        return None
    try:
        return last_signed(file, key)
    except OSError as error:
        raise NoLogKey(f"the anchors {file} cannot be read: {error.strerror}") from None


def ready_signer(settings: Settings, database: Database, journal: Journal) -> Signer | None:
    """Who signs the heads; the log is begun with that key if nobody has."""
    signer, made = signer_of(settings, database)
    known = translog.state(database)
    if signer is not None and known is None:
        # The record must be durable first: verifiers accept heads only of keys that a record names.
        journal.append(log_appending.begin(signer.key, "system")).result()
        logs.logger.info("the audit log is signed by %s%s", signer.key, " (new)" if made else "")
        return signer
    # Refused, not taken: a new key that nobody announced looks to verifiers like a forgery.
    if known is not None and (signer is None or str(signer.key) != known.key):
        has = "no key is" if signer is None else f"{signer.key} is"
        logs.logger.error(
            "the audit log is signed by %s, and %s here: nothing is signed by this process; "
            "`ifonly audit key --adopt` has another key sign from now on",
            known.key,
            has,
        )
        return None
    return signer


def roots_of(settings: Settings) -> bytes | None:
    """Certificates that vouch for time stamps, as they are written.

    Raises
    ------
    NoLogKey
        If the file cannot be read.
    """
    if settings.audit_tsa_roots is None:
        return None
    return _read(settings.audit_tsa_roots)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NoLogKey(f"{file} cannot be read: {error.strerror}") from None
