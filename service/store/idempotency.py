"""Requests that a client may send again without being answered twice.

A client names its request by a key. The key, a digest of the request and the id of the record
that answers it are written in the transaction of that record; the reply is read from the record,
so what is erased there is kept nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from service.errors import AlreadyAnswered, KeyReused
from service.store.chain import now_us
from service.store.database import Database
from service.store.journal import Draft, Work
from service.store.tables import idempotency_keys


@dataclass(frozen=True, slots=True)
class Named:
    """A request as its client named it. A key is its owner's: others may use the same."""

    actor: str
    key: str
    digest: str

    @classmethod
    def of(cls, actor: str, key: str, parts: Iterable[bytes]) -> Named:
        """``parts``: whatever makes the request what it is."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(hashlib.sha256(part).digest())
        return cls(actor, key, digest.hexdigest())


def check(database: Database, named: Named) -> None:
    """Raises
    ------
    AlreadyAnswered
        If this request was.
    KeyReused
        If the key was another request's.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        _check(connection, named)


def _check(connection: sa.Connection, named: Named) -> None:
    found = connection.execute(
        sa.select(idempotency_keys.c.digest, idempotency_keys.c.record).where(
            idempotency_keys.c.actor == named.actor, idempotency_keys.c.key == named.key
        )
    ).one_or_none()
    if found is None:
        return
    if found.digest != named.digest:
        raise KeyReused(named.key)
    raise AlreadyAnswered(found.record)


def once(named: Named, work: Draft | Work) -> Work:
    """``work``, unless the same was done before.

    Raises, when it is done:

    AlreadyAnswered, KeyReused
        As :func:`check`: two at once are written one after the other.
    """

    def only_once(connection: sa.Connection) -> Draft:
        made = work if isinstance(work, Draft) else work(connection)
        assert isinstance(made, Draft)
        written = connection.execute(
            sa.text(
                "INSERT INTO idempotency_keys (actor, key, digest, record, created_us) "
                "VALUES (:actor, :key, :digest, :record, :now) ON CONFLICT DO NOTHING"
            ),
            {
                "actor": named.actor,
                "key": named.key,
                "digest": named.digest,
                "record": made.facts.id,
                "now": now_us(),
            },
        )
        if written.rowcount != 1:
            _check(connection, named)
        return made

    return only_once
