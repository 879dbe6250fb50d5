"""Who is signed in to the pages.

A browser holds a random token, of which only a SHA-256 is kept. A session that was begun with an
API key ends with that key; one of the plant's accounts ends by itself, or by signing out.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from service.access import Principal
from service.store.chain import Facts, now_us
from service.store.database import Database
from service.store.journal import Change, Draft, Work
from service.store.tables import keys, page_secrets, sessions

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


def signing_secret() -> Change[bytes]:
    """What all processes sign cookies with; made by the first that asks."""

    def change(connection: sa.Connection) -> bytes:
        connection.execute(
            sa.text(
                "INSERT INTO page_secrets (name, value) VALUES (:name, :value) "
                "ON CONFLICT DO NOTHING"
            ),
            {"name": SIGNING, "value": secrets.token_bytes(SECRET_BYTES)},
        )
        found = sa.select(page_secrets.c.value).where(page_secrets.c.name == SIGNING)
        return bytes(connection.execute(found).scalar_one())

    return change


def begin(session: NewSession, facts: Facts) -> Work:
    """Keep a session, drop those that have ended, and record ``facts``: all of it or nothing."""

    def work(connection: sa.Connection) -> Draft:
        now = now_us()
        connection.execute(sa.delete(sessions).where(sessions.c.expires_us <= now))
        connection.execute(
            sa.insert(sessions).values(
                digest=_digest(session.token),
                actor=session.principal.actor,
                roles=session.principal.in_words,
                scope=session.principal.scope.in_words,
                key=session.key,
                created_us=now,
                expires_us=session.expires_us,
            )
        )
        return Draft(facts)

    return work


def end(token: str, facts: Facts) -> Work:
    """Forget a session, and record ``facts``."""

    def work(connection: sa.Connection) -> Draft:
        connection.execute(sa.delete(sessions).where(sessions.c.digest == _digest(token)))
        return Draft(facts)

    return work


def spend(state: str, until_us: int) -> Change[bool]:
    """Use up a sign-in's ``state``; False if it was used. It is kept as a session that nobody has,
    until no browser has its cookie any more: every process sees it, and it goes as they go."""

    def change(connection: sa.Connection) -> bool:
        taken = sa.text(
            "INSERT INTO sessions (digest, actor, roles, created_us, expires_us) "
            "VALUES (:digest, 'nobody', '', :now, :until) ON CONFLICT DO NOTHING"
        )
        digest = _digest(f"spent state {state}")
        told = {"digest": digest, "now": now_us(), "until": until_us}
        return connection.execute(taken, told).rowcount == 1

    return change


def find(database: Database, token: str) -> Principal | None:
    """Whose session it is; None if it has ended, or its key has.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = (
        sa.select(sessions, keys.c.revoked_us, keys.c.expires_us.label("key_expires_us"))
        .select_from(sessions.outerjoin(keys, keys.c.id == sessions.c.key))
        .where(sessions.c.digest == _digest(token))
    )
    with database.reading() as connection:
        row = connection.execute(chosen).one_or_none()
    now = now_us()
    if row is None or row.expires_us <= now or row.revoked_us is not None:
        return None
    if row.key_expires_us is not None and row.key_expires_us <= now:
        return None
    return Principal.of(row.actor, row.roles, row.scope)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
