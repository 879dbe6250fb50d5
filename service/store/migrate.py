"""Bring the tables to what this version needs, under a lock, one process at a time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa

from ifonly.service.errors import StoreOutdated
from ifonly.service.store.database import Database, lock, translated
from ifonly.service.store.tables import BY_LANGUAGE

FOLDER = Path(__file__).parent / "migrations"
_VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text))
"""One row: the revision of the tables."""
_LOCK = 0x69666F6E6C79  # "ifonly"


def upgrade(database: Database) -> str:
    """Run the migrations that are missing; the revision that the tables then have.

    Raises
    ------
    StoreOutdated
        If a newer ifonly has been here.
    StoreUnavailable, StoreDamaged
        If the store cannot be written.
    """
    with translated(), database.writer.begin() as connection:
        lock(connection, _LOCK)
        found = revision(connection)
        _refuse_newer(found)
        if found != newest():
            _migrate(connection)
        for index in BY_LANGUAGE:  # of a language that an earlier version did not speak, too
            index.create(connection, checkfirst=True)
        return newest()


def require_current(database: Database) -> None:
    """Raises
    ------
    StoreOutdated
        Unless the tables are those of this version.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        found = revision(connection)
    if found != newest():
        _refuse_newer(found)
        raise StoreOutdated(
            f"the store's tables are at revision {found or 'none'}, this version needs "
            f"{newest()}: run `ifonly db upgrade`"
        )


def revision(connection: sa.Connection) -> str | None:
    """Of the tables; None in an empty database."""
    # As Alembic keeps it, which is imported only to migrate.
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(sa.select(_VERSION.c.version_num)).scalar_one_or_none()


def newest() -> str:
    """The revision that this version needs."""
    return revisions()[0]


@cache
def revisions() -> tuple[str, ...]:
    """That this version knows, newest first: those that the files of migrations are named for."""
    files = (FOLDER / "versions").glob("v[0-9]*.py")
    return tuple(sorted((file.name[1:].partition("_")[0] for file in files), reverse=True))


def _migrate(connection: sa.Connection) -> None:
    # Most starts find the tables as they must be, and need no Alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic's ConfigParser reads % as the beginning of a variable.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    # Alembic uses this connection: migrations run in the transaction that has the lock.
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in revisions():
        raise StoreOutdated(
            f"the store's tables are at revision {found}, which this version does not know: "
            "a newer ifonly has upgraded them"
        )
