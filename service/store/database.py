"""Connections: one engine that writes, one that reads.

SQLite: WAL, so that readers never wait for the writer, and ``synchronous=FULL``, so that a
commit is on the disk. PostgreSQL: a commit that was switched to return early is switched back.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ifonly.service.access import EVERYTHING, Scope
from ifonly.service.errors import StoreDamaged, StoreUnavailable

BUSY_SECONDS = 5.0
"""How long a writer waits for another process's transaction."""
LOOK_SECONDS = 0.0005
"""How often it looks meanwhile. SQLite itself looks after 1, 2, 5 and so on up to 100 ms: of two
processes that write all the time one then waits long after the other is done."""
CONNECT_SECONDS = 3
NOT_UTF8 = "Could not decode to UTF-8"
PAGES_DAMAGED = ("XX001", "XX002")
"""PostgreSQL's data_corrupted and index_corrupted."""
READERS = 8


@dataclass(frozen=True)
class Database:
    """A store that is reached; ``close`` it."""

    reader: sa.Engine
    writer: sa.Engine
    scope: Scope = EVERYTHING
    """What of the records whoever holds this may see; see ``ifonly.service.store.visibility``."""

    @property
    def is_sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that only reads.

        Raises
        ------
        StoreUnavailable, StoreDamaged
            If it cannot, or what it reads is no database.
        """
        with translated(), self.reader.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """The same, and all that it reads is of one moment."""
        # SQLite's reading transactions are that anyway.
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with translated(), self.reader.execution_options(**level).connect() as connection:
            yield connection


def connect(url: str) -> Database:
    """Engines for ``sqlite:///file`` or ``postgresql://user@host/name``. Connects to nothing yet.

    Raises
    ------
    StoreUnavailable
        If the address is none that this service knows, or the file's folder cannot be made.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        raise StoreUnavailable("the database's address is not a URL") from None
    match parsed.get_backend_name():
        # No ":memory:": the two engines would each have a database of their own.
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return _sqlite(parsed, Path(parsed.database))
        case "postgresql" | "postgres":
            return _postgresql(parsed.set(drivername="postgresql+psycopg"))
    raise StoreUnavailable(
        f"{parsed.drivername} is not a store: use sqlite:///FILE or postgresql://HOST/NAME"
    )


def _sqlite(url: sa.URL, file: Path) -> Database:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Readings of people's work: nobody else's business. SQLite copies the mode to its WAL.
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"{file} cannot be opened: {error.strerror}; IFONLY_DATA or IFONLY_DATABASE_URL names "
            "another place"
        ) from None
    shared: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
    reader = sa.create_engine(url, pool_size=READERS, max_overflow=0, **shared)
    # One connection: the journal's thread is a process's only writer (decision 0050).
    writer = sa.create_engine(url, pool_size=1, max_overflow=0, **shared)
    # SQLite checks foreign keys only if told. trusted_schema: triggers and views that somebody
    # planted call no function that has side effects.
    both = ("foreign_keys = ON", "trusted_schema = OFF")
    _configure(reader, _begin_reading, ("query_only = ON", *both))
    # secure_delete: what is erased is overwritten, not only forgotten.
    # busy_timeout: only the start of a transaction waits, and that itself.
    durable = ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON")
    _configure(writer, _begin_writing, (*durable, *both, "busy_timeout = 0"))
    return Database(reader, writer)


def _begin_reading(connection: sa.Connection) -> None:
    # Without it each statement sees another moment: the driver begins nothing for a SELECT.
    connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: sa.Connection) -> None:
    """IMMEDIATE: wait for the lock at the start, never find out in the middle."""
    driver: Any = connection.connection.driver_connection
    try:
        _once_free(driver, "BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails with an error that SQLAlchemy knows


def _configure(
    engine: sa.Engine, begin: Callable[[sa.Connection], None], pragmas: tuple[str, ...]
) -> None:
    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in pragmas:
            # SQLite itself waits for no lock on the way to WAL: of those who open a new file at
            # once, it tells all but one that it is busy.
            _once_free(connection, f"PRAGMA {pragma}")

    sa.event.listen(engine, "begin", begin)


def _once_free(connection: sqlite3.Connection, statement: str) -> None:
    """Run ``statement``, again and again for ``BUSY_SECONDS`` while another has the file: also one
    who recovers the WAL (``SQLITE_BUSY_RECOVERY``)."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorname.startswith("SQLITE_BUSY")
            if not is_busy or time.monotonic() > give_up:
                raise
        time.sleep(LOOK_SECONDS)


def lock(connection: sa.Connection, key: int) -> None:
    """Until this writing transaction ends no other that asks for ``key`` is at work, in any
    process, and what the ones before it wrote is seen. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _postgresql(url: sa.URL) -> Database:
    arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "ifonly"}
    # pre_ping: readers notice a restarted server before they ask; the writer tries again anyway.
    reader = sa.create_engine(
        url, connect_args=arguments, pool_size=READERS, max_overflow=0, pool_pre_ping=True
    ).execution_options(postgresql_readonly=True)
    # Whatever the default of the server: what is read under a lock must be as of the lock.
    writer = sa.create_engine(
        url,
        connect_args=arguments,
        pool_size=1,
        max_overflow=0,
        isolation_level="READ COMMITTED",
    )

    @sa.event.listens_for(writer, "connect")
    def on_connect(connection: Any, _: object) -> None:
        # Only `off` is raised: the other levels flush at least here, and are the plant's choice.
        if connection.execute("SHOW synchronous_commit").fetchone()[0] == "off":
            connection.execute("SET synchronous_commit = on")
        # SET belongs to the transaction that SHOW began: without a commit it is rolled back.
        connection.commit()

    return Database(reader, writer)


@contextmanager
def translated() -> Iterator[None]:
    """Turns errors of the driver into ours, whose messages name no value of any row.

    Raises
    ------
    StoreUnavailable, StoreDamaged
    """
    try:
        yield
    except DBAPIError as error:
        raise failure(error) from error
    except PoolTimeout as error:
        raise StoreUnavailable("all connections to the store are in use") from error


def failure(error: DBAPIError) -> StoreUnavailable | StoreDamaged:
    said = str(error.orig).strip().splitlines()
    reason = said[0] if said else type(error).__name__
    code = getattr(error.orig, "sqlite_errorname", "")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreDamaged(f"the database file is damaged ({reason}): restore it from a backup")
    if isinstance(error.orig, sqlite3.Error) and reason.startswith(NOT_UTF8):
        # Python's module says so, with the value: not to be told.
        return StoreDamaged("the database is damaged (text that is not UTF-8)")
    if str(getattr(error.orig, "sqlstate", "")).startswith(PAGES_DAMAGED):
        return StoreDamaged(f"the database is damaged ({reason}): restore it from a backup")
    return StoreUnavailable(f"the store does not answer: {reason}")


def is_passing(error: DBAPIError) -> bool:
    """Whether the same may succeed a moment later: a lock, a server that restarts."""
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        return str(name).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated:
        return True
    if isinstance(error, sa.exc.OperationalError) and state is None:
        return True  # no connection, so no state
    # 57P: the server stops or starts; 080: the connection;
    # 40001, 40P01: try again (PostgreSQL, appendix A).
    return state is not None and (state[:3] in ("57P", "080") or state in ("40001", "40P01"))
