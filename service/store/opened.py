"""The store as a process uses it: its connections, its one writer, its keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from ifonly.service.settings import Settings, ifonly_version
from ifonly.service.store.database import Database, connect
from ifonly.service.store.journal import Journal, JournalOptions, Observer
from ifonly.service.store.keys import Keyring
from ifonly.service.store.migrate import require_current, upgrade


@dataclass(frozen=True)
class Store:
    """Open from :func:`opened` until its block ends."""

    database: Database
    journal: Journal
    keyring: Keyring


@contextmanager
def opened(url: str, options: JournalOptions, *, migrate: bool = True) -> Iterator[Store]:
    """The store at ``url``, its tables brought up to date (or only checked), its journal open.

    Raises
    ------
    StoreUnavailable, StoreDamaged, StoreOutdated
        If it cannot be used.
    """
    database = connect(url)
    # The database is closed last: what the journal still holds is written when it closes.
    try:
        # Commands only check: a look from a newer installation must not change a service's tables.
        if migrate:
            upgrade(database)
        else:
            require_current(database)
        journal = Journal(database, options)
        journal.start()
        try:
            yield Store(database, journal, Keyring(database))
        finally:
            journal.close()
    finally:
        database.close()


def opened_by(
    settings: Settings, *, migrate: bool = True, observer: Observer | None = None
) -> AbstractContextManager[Store]:
    """The store that the settings name, open until the block ends."""
    options = JournalOptions(
        engine_version=ifonly_version(),
        capacity=settings.audit_queue,
        anchor_seconds=settings.audit_anchor_seconds,
        anchor_file=settings.audit_anchor_file,
        observer=observer,
    )
    return opened(settings.store_url, options, migrate=migrate)
