"""Requests that a client may send again without being answered twice.

A client names its request by a key. The key, a digest of the request and the id of the record
that answers it are written in the transaction of that record; the reply is read from the record,
so what is erased there is kept nowhere else. The record's payload has key and digest, too: a row
that leads to somebody else's answer is found out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import AlreadyAnswered, ErasedRecord, KeyReused, NotAsSealed
from ifonly.service.store.archive import whole
from ifonly.service.store.chain import IntegrityFinding, Payload, Record
from ifonly.service.store.chain_membership import contradicted, holds
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft, RecordedWrite
from ifonly.service.store.rows import payload_of, record_of
from ifonly.service.store.tables import idempotency_keys, records


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
            # Each part is hashed alone: joined, the end of
            # one could pass for the beginning of the next.
            digest.update(hashlib.sha256(part).digest())
        return cls(actor, key, digest.hexdigest())

    def part(self, place: int) -> Named:
        """One of several questions of this request, each of which has a record."""
        # A space: no client's own key has one. Hashed: the column holds no longer key than theirs.
        key = f"{hashlib.sha256(self.key.encode()).hexdigest()} {place}"
        return replace(self, key=key)


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


def once(named: Named, work: Draft | RecordedWrite) -> RecordedWrite:
    """``work``, unless the same was done before.

    Raises, when it is done:

    AlreadyAnswered, KeyReused
        As :func:`check`: two at once are written one after the other.
    """

    def only_once(connection: sa.Connection) -> Draft:
        # First: what was done may refuse to be done again, which is no answer to its request.
        _check(connection, named)
        made = work if isinstance(work, Draft) else work(connection)
        assert isinstance(made, Draft)
        payload = with_name(named, made.payload)
        # The insert decides: on PostgreSQL two that look first would both see nothing.
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
                "now": made.facts.time_us,
            },
        )
        if written.rowcount != 1:
            _check(connection, named)
        return replace(made, payload=payload)

    return only_once


def with_name(named: Named, payload: bytes | None) -> bytes:
    """The payload of the record that answers, an object, with how the request was named."""
    said = json.dumps({"key": named.key, "digest": named.digest}).encode()
    if payload is None:
        return b'{"once":%b}' % said
    # Spliced, not parsed: the answer stays byte for byte as it was sent.
    return b'%b,"once":%b}' % (payload[:-1], said)


def require(named: Named, record: Record, payload: Payload | None) -> None:
    """See that a record is the one that answered the request of that name.

    Raises
    ------
    ErasedRecord
        If it does not say so any more.
    NotAsSealed
        If it says something else: somebody has made the name lead to it.
    """
    if payload is None:
        raise ErasedRecord(record.facts.id)
    row = {"actor": named.actor, "key": named.key, "digest": named.digest}
    found = list(_contradictions(row, record, payload))
    if found:
        raise NotAsSealed(record.facts.id, found)


def _contradictions(
    row: Mapping[str, Any], record: Record, payload: Payload
) -> Iterator[IntegrityFinding]:
    kept = json.loads(payload.content)
    said = kept.get("once") if isinstance(kept, dict) else None
    said = {"actor": record.facts.actor, **(said if isinstance(said, dict) else {})}
    for column in ("actor", "key", "digest"):
        if row[column] != said.get(column):
            text = f"{column} of a named request is not what its record says"
            yield contradicted(record, "idempotency_keys", column, text)


def findings(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """Rows of named requests that no record vouches for."""
    joined = whole().join(idempotency_keys, idempotency_keys.c.record == records.c.id)
    found = connection.execute(joined.add_columns(*(c.label(f"of_{c.name}") for c in _COLUMNS)))
    for row in found.all():
        record, payload = record_of(row), payload_of(row)
        name = {c.name: row._mapping[f"of_{c.name}"] for c in _COLUMNS}
        if not holds(row):
            text = "the record that a named request leads to does not hold"
            yield contradicted(record, "idempotency_keys", "record", text)
        elif payload is not None:
            yield from _contradictions(name, record, payload)
            if name["created_us"] != record.facts.time_us:
                text = "a named request gives another time than its record"
                yield contradicted(record, "idempotency_keys", "created_us", text)
    lost = sa.select(sa.func.count()).where(
        idempotency_keys.c.record.not_in(sa.select(records.c.id))
    )
    if connection.execute(lost).scalar_one():
        text = "a named request leads to a record that is not there"
        yield contradicted(None, "idempotency_keys", "record", text)


_COLUMNS = tuple(idempotency_keys.c)
