"""What of the trail somebody may see: a condition that every query of theirs carries.

A record is in a scope if it is about a model of the scope and the request in it said the scope's
attributes; or if the record that it is about is. What says neither (who signed in, what was
anchored, a request that was erased) is in no scope but the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from ifonly.service.access import Scope
from ifonly.service.store.database import Database
from ifonly.service.store.tables import episodes, payloads, records

T = TypeVar("T")
PIECE = 500


def within(database: Database, chosen: sa.Select[Any]) -> sa.Select[Any]:
    """``chosen``, which reads ``records``, without what is out of the database's scope."""
    scope = database.scope
    if scope.is_everything:
        return chosen
    of = records.alias("of")
    told_of = sa.exists().where(of.c.id == records.c.about, *_conditions(database, scope, of))
    return chosen.where(sa.or_(sa.and_(*_conditions(database, scope, records)), told_of))


def episodes_within(database: Database, chosen: sa.Select[Any]) -> sa.Select[Any]:
    """``chosen``, which reads ``episodes``, without what is out of the database's scope. Of what
    varies from one reading to the next an episode says nothing: a scope that names it has none."""
    scope = database.scope
    if scope.is_everything:
        return chosen
    named = [_like(database, episodes.c.model, pattern) for pattern in scope.models]
    said = [
        _member(database, episodes.c.attributes, name).in_(values)
        for name, values in scope.attributes
    ]
    return chosen.where(sa.or_(sa.false(), *named), *said)


def only(database: Database, entries: Iterable[T], identity: Callable[[T], str]) -> Iterator[T]:
    """Those of ``entries``, each with the id of its record, that are within the scope."""
    if database.scope.is_everything:
        yield from entries
        return
    for some in _pieces(entries):
        ids = [identity(entry) for entry in some]
        chosen = within(database, sa.select(records.c.id).where(records.c.id.in_(ids)))
        with database.reading() as connection:
            seen = set(connection.execute(chosen).scalars())
        yield from (entry for entry in some if identity(entry) in seen)


def _pieces(entries: Iterable[T]) -> Iterator[Sequence[T]]:
    piece: list[T] = []
    for entry in entries:
        piece.append(entry)
        if len(piece) == PIECE:
            yield piece
            piece = []
    yield piece


def _conditions(
    database: Database, scope: Scope, table: sa.FromClause
) -> list[sa.ColumnElement[bool]]:
    named = [_like(database, table.c.model, pattern) for pattern in scope.models]
    said = [attribute(database, table, name).in_(values) for name, values in scope.attributes]
    # A scope without models sees none; an empty OR would see all.
    return [sa.or_(sa.false(), *named), *said]


def _like(
    database: Database, column: sa.ColumnElement[Any], pattern: str
) -> sa.ColumnElement[bool]:
    """As ``Scope.has_model``. SQLite's LIKE takes capitals for small letters, its GLOB does not."""
    if database.is_sqlite:
        return column.op("GLOB", is_comparison=True)(pattern)
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


def attribute(database: Database, table: sa.FromClause, name: str) -> sa.ScalarSelect[Any]:
    """What the request of a record of ``table`` said of an attribute; NULL if nothing. ``name``: as
    scopes and specs have them, with no character that a path reads as its own."""
    payload = payloads.alias()
    same = (payload.c.writer == table.c.writer, payload.c.sequence == table.c.sequence)
    text: sa.ColumnElement[Any]
    if database.is_sqlite:
        text = sa.cast(payload.c.content, sa.Text)
    else:
        text = sa.func.convert_from(payload.c.content, "UTF8")
    value = _member(database, text, "request", "attributes", name)
    return sa.select(value).where(*same).scalar_subquery()


def _member(database: Database, text: sa.ColumnElement[Any], *path: str) -> sa.ColumnElement[Any]:
    """A member of the object that ``text`` is, in JSON; NULL if it has none."""
    # Scope has checked the names: they have no character that a path or a literal reads as its own.
    if database.is_sqlite:
        # json_extract raises on what is no JSON: one such payload would fail the whole query.
        found = sa.func.json_extract(text, ".".join(("$", *path)))
        return sa.case((sa.func.json_valid(text) == 1, found))
    place: sa.ColumnElement[Any] = sa.literal_column(f"'{{{','.join(path)}}}'")
    return sa.cast(text, JSONB).op("#>>")(place)
