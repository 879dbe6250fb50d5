"""The migrations make the tables, once, under a lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ifonly.explainers.languages import LANGUAGES
from ifonly.service.errors import StoreOutdated, StoreUnavailable
from ifonly.service.store.database import Database, connect
from ifonly.service.store.migrate import (
    FOLDER,
    newest,
    require_current,
    revision,
    revisions,
    upgrade,
)
from ifonly.service.store.tables import metadata


def test_the_migrations_make_exactly_the_tables_that_the_code_reads(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert revision(connection) == newest()


def test_an_upgrade_of_what_is_current_changes_nothing(database: Database) -> None:
    assert upgrade(database) == newest()
    require_current(database)


def test_processes_that_upgrade_at_once_wait_for_each_other(url: str) -> None:
    databases = [connect(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(upgrade, databases)) == [newest()] * 4
    for database in databases:
        require_current(database)
        database.close()


def test_whoever_opens_a_new_file_at_once_with_others_waits_for_them(tmp_path: Path) -> None:
    """SQLite does not wait on the way to WAL: of many, it told one in some thirty rounds that the
    file is locked."""

    def write(database: Database) -> None:
        with database.writer.begin():
            return

    for number in range(60):
        databases = [connect(f"sqlite:///{tmp_path / f'{number}.sqlite3'}") for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, databases))
        for database in databases:
            database.close()


def test_tables_that_are_not_there_are_named_with_the_command_that_makes_them(
    empty: Database,
) -> None:
    with pytest.raises(StoreOutdated, match="ifonly db upgrade"):
        require_current(empty)


def test_tables_of_a_newer_version_are_left_alone(database: Database) -> None:
    with database.writer.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'future'"))
    for attempt in (upgrade, require_current):
        with pytest.raises(StoreOutdated, match="newer ifonly"):
            attempt(database)


def test_the_files_of_migrations_are_named_for_the_revisions_that_alembic_reads() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    scripts = ScriptDirectory.from_config(config)
    assert revisions() == tuple(script.revision for script in scripts.walk_revisions())
    assert newest() == scripts.get_current_head()


def test_the_revision_is_read_as_alembic_reads_it(database: Database) -> None:
    with database.reading() as connection:
        assert revision(connection) == newest()
        assert MigrationContext.configure(connection).get_current_revision() == newest()


def test_a_failed_migration_leaves_nothing_behind(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", fail)
        with pytest.raises(ZeroDivisionError):
            upgrade(empty)
    with empty.reading() as connection:
        assert sa.inspect(connection).get_table_names() == []
    upgrade(empty)


@pytest.mark.parametrize("address", ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///"])
def test_an_address_that_is_no_store_is_refused(address: str) -> None:
    with pytest.raises(StoreUnavailable):
        connect(address)


def test_the_first_indexes_by_language_listed_two_languages_and_are_made_anew(
    empty: Database,
) -> None:
    with empty.writer.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, "0010")
        assert "'ko,en'" in _conditions(connection)["ix_audit_records_en"]
    upgrade(empty)
    with empty.reading() as connection:
        found = _conditions(connection)
        for tag in LANGUAGES:
            assert f"',{tag},'" in found[f"ix_audit_records_{tag}"]


def test_a_language_that_an_earlier_version_did_not_speak_gets_its_index(
    database: Database,
) -> None:
    with database.writer.begin() as connection:
        connection.execute(sa.text(f"DROP INDEX ix_audit_records_{LANGUAGES[-1]}"))
    upgrade(database)
    with database.reading() as connection:
        assert f"ix_audit_records_{LANGUAGES[-1]}" in _conditions(connection)


def _conditions(connection: sa.Connection) -> dict[str, str]:
    """How the indexes of records were made, by name."""
    if connection.dialect.name == "sqlite":
        kept = "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'audit_records'"
    else:
        kept = (
            "SELECT indexname, indexdef FROM pg_indexes "
            "WHERE tablename = 'audit_records' AND schemaname = current_schema()"
        )
    return {str(name): str(sql) for name, sql in connection.execute(sa.text(kept))}
