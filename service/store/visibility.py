"""What of the trail somebody may see: a condition that every query of theirs carries.

A record is in a scope if it is about a model of the scope and the request in it said the scope's
attributes (of each of its rows, where it said them one by one); or if the record that it is about
is. What says neither (who signed in, what was anchored, a request that was erased) is in no scope
but the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    said = [
        sa.or_(
            attribute(database, table, name).in_(values),
            _says_of_each(database, table, name, values),
        )
        for name, values in scope.attributes
    ]
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
    """What the request of a record of ``table`` said of an attribute of all its rows; NULL if
    nothing. ``name``: as scopes and specs have them, with no character that a path reads as its
    own."""
    payload = payloads.alias()
    value = _member(database, _text(database, payload), "request", "attributes", name)
    return sa.select(value).where(*_same(payload, table)).scalar_subquery()


def says(
    database: Database, table: sa.FromClause, said: Mapping[str, str]
) -> sa.ColumnElement[bool]:
    """Whether the request of a record of ``table`` said all of ``said``: of all its rows, or of one
    of them."""
    of_all = [attribute(database, table, name) == value for name, value in said.items()]
    rows, entry, same = _each_row(database, table)
    of_one = [_member(database, entry, name) == value for name, value in said.items()]
    one = sa.exists(sa.select(sa.literal(1)).select_from(rows).where(*same, *of_one))
    return sa.or_(sa.and_(sa.true(), *of_all), one)


def _says_of_each(
    database: Database, table: sa.FromClause, name: str, values: Sequence[str]
) -> sa.ColumnElement[bool]:
    """Whether the request of a record of ``table`` said one of ``values`` of each of its rows, one
    by one: who is here for one line does not see another's readings because they came with some
    of theirs."""
    rows, entry, same = _each_row(database, table)
    any_row = sa.select(sa.literal(1)).select_from(rows).where(*same)
    value = sa.func.coalesce(_member(database, entry, name), "")
    return sa.and_(sa.exists(any_row), ~sa.exists(any_row.where(value.not_in(values))))


def _each_row(
    database: Database, table: sa.FromClause
) -> tuple[sa.FromClause, sa.ColumnElement[Any], tuple[sa.ColumnElement[bool], ...]]:
    """The payload of a record of ``table``, a line for each row of which its request said
    attributes one by one; what was said of that; and what makes it that record's."""
    payload = payloads.alias()
    text = _text(database, payload)
    if database.is_sqlite:
        where = "$.request.attributes"
        is_list = sa.func.json_type(text, where) == "array"
        found = sa.case((is_list, sa.func.json_extract(text, where)), else_="[]")
        # Nested, since functions of JSON raise on what is none.
        said = sa.case((sa.func.json_valid(text) == 1, found), else_="[]")
        entries = sa.func.json_each(said).table_valued("value")
    else:
        whole = sa.cast(text, JSONB).op("#>")(sa.literal_column("'{request,attributes}'"))
        is_list = sa.func.jsonb_typeof(whole) == "array"
        said = sa.case((is_list, whole), else_=sa.literal_column("'[]'::jsonb"))
        entries = sa.func.jsonb_array_elements(said).table_valued(sa.column("value", JSONB))
    return payload.join(entries, sa.true()), entries.c.value, _same(payload, table)


def _same(payload: sa.FromClause, table: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    return (payload.c.writer == table.c.writer, payload.c.sequence == table.c.sequence)


def _text(database: Database, payload: sa.FromClause) -> sa.ColumnElement[Any]:
    if database.is_sqlite:
        return sa.cast(payload.c.content, sa.Text)
    return sa.func.convert_from(payload.c.content, "UTF8")


def _member(database: Database, text: sa.ColumnElement[Any], *path: str) -> sa.ColumnElement[Any]:
    """A member of the object that ``text`` is, in JSON; NULL if it has none."""
    # Scope has checked the names: they have no character that a path or a literal reads as its own.
    if database.is_sqlite:
        # json_extract raises on what is no JSON: one such payload would fail the whole query.
        found = sa.func.json_extract(text, ".".join(("$", *path)))
        return sa.case((sa.func.json_valid(text) == 1, found))
    place: sa.ColumnElement[Any] = sa.literal_column(f"'{{{','.join(path)}}}'")
    return sa.cast(text, JSONB).op("#>>")(place)
