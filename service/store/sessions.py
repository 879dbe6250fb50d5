"""Who is signed in to the pages.

A browser holds a random token, of which only a SHA-256 is kept. A session that was begun with an
API key ends with that key; one of the plant's accounts ends by itself, or by signing out.

What a session is (whose, with which roles, until when) is in the record of its beginning, and the
table is held against it at every request: a row that was only written into it is nobody's session.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ifonly.service.access import Principal
from ifonly.service.errors import ServiceError
from ifonly.service.store.chain import Facts, IntegrityFinding, now_us
from ifonly.service.store.chain_membership import (
    contradicted,
    contradictions,
    standing,
    standing_only,
)
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft, Journal, RecordedWrite
from ifonly.service.store.keys import CREATED, Keyring, digest_of
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import keys, page_secrets, records, sessions

logger = logging.getLogger("ifonly")

SIGNING = "pages"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be."""

    token: str
    principal: Principal
    expires_us: int
    key: str | None = None
    """Id of the API key that began it."""


def signing_secret(database: Database, journal: Journal) -> bytes:
    """What all processes sign cookies with; made by the first that asks, and recorded by its
    digest: one that nobody recorded is replaced.

    Raises
    ------
    JournalFull, StoreUnavailable, StoreDamaged
        If the store cannot be read or written.
    """
    # In the store, not a setting: all processes sign with one, and nobody has to make it.
    value = secrets.token_bytes(SECRET_BYTES)
    facts = Facts(kind=RecordKind.KEY, actor="system", status=CREATED, detail=_detail_of(value))

    def work(connection: sa.Connection) -> Draft:
        # Asked again in the transaction: of two processes that start at once one makes it.
        if _vouched(connection) is not None:
            raise _AlreadyMade
        connection.execute(sa.delete(page_secrets).where(page_secrets.c.name == SIGNING))
        connection.execute(sa.insert(page_secrets).values(name=SIGNING, value=value))
        return Draft(facts)

    with database.reading() as connection:
        found = _vouched(connection)
    if found is not None:
        return found
    with contextlib.suppress(_AlreadyMade):  # by another process, meanwhile
        journal.append(work).result()
    # Read back: all processes sign with the stored one, whoever made it.
    return signing_secret(database, journal)


class _AlreadyMade(ServiceError):
    """Another process was faster."""


def _detail_of(value: bytes) -> dict[str, str]:
    return {"secret": SIGNING, "digest": hashlib.sha256(value).hexdigest()}


def _vouched(connection: sa.Connection) -> bytes | None:
    """The secret, if a record says that it is the one."""
    chosen = sa.select(page_secrets.c.value).where(page_secrets.c.name == SIGNING)
    value = connection.execute(chosen).scalar_one_or_none()
    if not isinstance(value, bytes | memoryview):
        return None
    kind = sa.select(records, standing()).where(records.c.kind == RecordKind.KEY.value)
    said = [r.facts.detail for r in standing_only(connection.execute(kind))]
    # Whoever writes a secret of their own into the table could sign themselves in.
    return bytes(value) if _detail_of(bytes(value)) in said else None


def secret_findings(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """Whether the secret is one that a record vouches for."""
    names = set(connection.execute(sa.select(page_secrets.c.name)).scalars())
    if names - {SIGNING} or (names and _vouched(connection) is None):
        text = "what cookies are signed with is not what was recorded"
        yield contradicted(None, "page_secrets", "value", text)


def begin(session: NewSession, facts: Facts) -> RecordedWrite:
    """Keep a session, drop those that have ended, and record ``facts`` and what makes the session
    what it is: all of it or nothing."""
    digest, roles = digest_of(session.token), session.principal.in_words
    said = {"session": digest, "expires_us": session.expires_us}
    said |= {} if session.key is None else {"key": session.key}
    facts = replace(facts, role=roles, detail={**(facts.detail or {}), **said})

    def work(connection: sa.Connection) -> Draft:
        # Needs no timer: ended sessions go when the next one begins.
        connection.execute(sa.delete(sessions).where(sessions.c.expires_us <= now_us()))
        connection.execute(
            sa.insert(sessions).values(
                digest=digest,
                actor=session.principal.actor,
                roles=roles,
                scope=session.principal.scope.in_words,
                key=session.key,
                created_us=facts.time_us,
                expires_us=session.expires_us,
                record=facts.id,
            )
        )
        return Draft(facts)

    return work


def end(token: str, facts: Facts) -> RecordedWrite:
    """Forget a session, and record ``facts``, about the record of its beginning."""

    def work(connection: sa.Connection) -> Draft:
        own = sessions.c.digest == digest_of(token)
        # Read before the row goes: the record of the end names that of the beginning.
        begun = connection.execute(sa.select(sessions.c.record).where(own)).scalar_one_or_none()
        connection.execute(sa.delete(sessions).where(own))
        return Draft(replace(facts, about=begun))

    return work


def began(database: Database, token: str) -> int | None:
    """When the session of a browser's token began, in microseconds since 1970; None: there is none.
    No proof of anything: :func:`find` says whose it is.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = sa.select(sessions.c.created_us).where(sessions.c.digest == digest_of(token))
    with database.reading() as connection:
        found = connection.execute(chosen).scalar_one_or_none()
    return found if type(found) is int else None


def find(database: Database, keyring: Keyring, token: str) -> Principal | None:
    """Whose session it is; None if it has ended, or its key has, or if nobody recorded that it
    was begun so.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    # Of one moment: a sign-out between two looks would seem a forgery.
    with database.snapshot() as connection:
        chosen = sa.select(sessions).where(sessions.c.digest == digest_of(token))
        row = connection.execute(chosen).one_or_none()
        if row is None or row.expires_us <= now_us():
            return None
        found = list(_findings(connection, row))
    for finding in found:
        # Logged, not told: whoever presents it may be who put it there.
        logger.error("a session is refused: %s (%s)", finding.text, finding.where)
    if found or (row.key is not None and not _is_active(database, keyring, row.key)):
        return None
    return Principal.of(row.actor, row.roles, row.scope)


def _is_active(database: Database, keyring: Keyring, key: str) -> bool:
    """Whether a key has not ended: by the table at once, by its records within seconds."""
    chosen = sa.select(keys.c.revoked_us).where(keys.c.id == key)
    with database.reading() as connection:
        row = connection.execute(chosen).one_or_none()
    return row is not None and row.revoked_us is None and keyring.is_active(key)


def findings(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """Sessions in the table that no record vouches for."""
    for row in connection.execute(sa.select(sessions)).all():
        yield from _findings(connection, row)


def _findings(connection: sa.Connection, row: sa.Row[Any]) -> Iterator[IntegrityFinding]:
    """What a session's row says that the record of its beginning does not."""
    near = sa.or_(records.c.id == row.record, records.c.about == row.record)
    told = list(standing_only(connection.execute(sa.select(records, standing()).where(near))))
    begun = [r for r in told if r.facts.id == row.record and r.facts.kind is RecordKind.SIGN_IN]
    if not begun:
        text = "there is no record that began the session, or it does not hold"
        yield contradicted(None, "sessions", "record", text)
        return
    (record,) = begun
    detail = record.facts.detail or {}
    said = {name: detail.get(of) for name, of in _SAID.items()}
    said |= {"actor": record.facts.actor, "roles": record.facts.role}
    said |= {"created_us": record.facts.time_us}
    name = f"the session of {row.actor}"
    yield from contradictions("sessions", name, row._asdict(), said, record)
    # Signing out deletes the row: one that is there all the same was put back past the service.
    for other in told:
        if other.facts.kind is RecordKind.SIGN_IN and other.facts.about == row.record:
            text = f"{name} was ended by record {other.sequence}"
            yield contradicted(other, "sessions", "", text)


_SAID = {"digest": "session", "expires_us": "expires_us", "key": "key", "scope": "scope"}
"""Columns, and what the record's detail calls them."""
