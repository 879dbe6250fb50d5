"""A copy of a SQLite store, whole and at one moment, while others write."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ifonly.service.errors import StoreUnavailable
from ifonly.service.store.database import Database

PAGES = 4_096
"""Copied at once; writers get their turn between."""


def backup(database: Database, target: Path) -> int:
    """Copy the store to a new file; its size in bytes.

    Raises
    ------
    StoreUnavailable
        If the store is no SQLite file, the target is there already, or it cannot be written.
    """
    file = database.writer.url.database
    if not database.is_sqlite or file is None:
        raise StoreUnavailable("this store is PostgreSQL: back it up with pg_dump")
    try:
        # x: a file that is there may be an older backup.
        target.open("xb").close()
        # Closed to others before there is anything in it to read.
        target.chmod(0o600)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy, pages=PAGES)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{target} cannot be written: {error}") from error
    return target.stat().st_size
