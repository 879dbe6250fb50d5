"""Run by Alembic, within the transaction that ``ifonly.service.store.migrate`` began and locked."""

from __future__ import annotations

from alembic import context

from ifonly.service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite's too, since our BEGIN is a real one
)
context.run_migrations()
