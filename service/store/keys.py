"""API keys: 256 random bits each, of which only a SHA-256 is kept.

A plain hash is enough where the secret is random: there is nothing to guess faster.

That a key was made, for which role, and that it was revoked are records. The table is held
against them whenever keys are read: a role that was only written into the table gives no rights.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.access import EVERYTHING, Principal, Role, Scope
from ifonly.service.errors import UnknownRecord
from ifonly.service.store.archive import whole
from ifonly.service.store.chain import Facts, IntegrityFinding, Payload, Record, now_us
from ifonly.service.store.chain_membership import contradicted, contradictions, stands
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft, RecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import payload_of, record_of
from ifonly.service.store.tables import keys, records

logger = logging.getLogger("ifonly")

_SAID = ("role", "digest", "expires_us", "scope")
"""Columns that the detail of a key's record has, too."""
PREFIX = "ifonly_"
_TOKEN = re.compile(r"ifonly_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
# Compared with where there is no such key, so that the answer takes as long.
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
CREATED, REVOKED = "created", "revoked"
FRESH_SECONDS = 5.0
"""After this time at the latest a process knows of a revocation."""
RELOAD_SECONDS = 1.0
"""A key that is not known makes a process look again, but not more often than this."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key."""

    id: str
    digest: str
    role: str
    """Of :class:`Role`, unless somebody wrote something else into the table."""
    label: str
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    scope: str | None = None
    """As :attr:`Scope.in_words`."""
    findings: tuple[IntegrityFinding, ...] = ()
    """Where the table says what no record says. Such a key is nobody's."""

    @property
    def shown(self) -> str:
        """What of the key may be shown: enough to tell it from others."""
        return f"{PREFIX}{self.id}"

    def state(self, now: int) -> str:
        if self.revoked_us is not None:
            return "revoked"
        if self.findings:
            return "refused"
        return "expired" if self.expires_us is not None and self.expires_us <= now else "active"


def create(
    role: Role, label: str, expires_us: int | None, actor: str, scope: Scope = EVERYTHING
) -> tuple[str, RecordedWrite]:
    """A new key, to be shown once, and the work that keeps it."""
    identity = secrets.token_hex(4)
    token = f"{PREFIX}{identity}_{secrets.token_urlsafe(32)}"
    digest = digest_of(token)
    detail = {"key": identity, "role": role.value, "digest": digest, "expires_us": expires_us}
    # Absent where it is everything, as in records from before there were scopes.
    detail |= {} if scope.in_words is None else {"scope": scope.in_words}
    facts = Facts(kind=RecordKind.KEY, actor=actor, status=CREATED, detail=detail)
    # A label may name somebody: it can be erased.
    payload = json.dumps({"request": {"label": label}}, ensure_ascii=False).encode()

    def work(connection: sa.Connection) -> Draft:
        connection.execute(
            sa.insert(keys).values(
                id=identity,
                digest=digest,
                role=role.value,
                label=label,
                created_us=facts.time_us,
                expires_us=expires_us,
                scope=scope.in_words,
            )
        )
        return Draft(facts, payload)

    return token, work


def revoke(identity: str, actor: str) -> RecordedWrite:
    """The work that ends a key.

    Raises, when it is done:

    UnknownRecord
        If there is no such key, or it was revoked before.
    """
    facts = Facts(kind=RecordKind.KEY, actor=actor, status=REVOKED, detail={"key": identity})

    def work(connection: sa.Connection) -> Draft:
        ended = connection.execute(
            sa.update(keys)
            .where(keys.c.id == identity, keys.c.revoked_us.is_(None))
            .values(revoked_us=facts.time_us)
        )
        if ended.rowcount != 1:
            raise UnknownRecord(identity, "active key")
        return Draft(facts)

    return work


def listing(database: Database) -> tuple[ApiKey, ...]:
    """All keys, the oldest first, each held against the records of its making and its end.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = sa.select(keys).order_by(keys.c.created_us, keys.c.id)
    # One moment: a key that is made between two reads would have a row and no record.
    with database.snapshot() as connection:
        rows = connection.execute(chosen).all()
        grants = _Grants(connection.execute(whole().where(records.c.kind == RecordKind.KEY.value)))
    return tuple(ApiKey(**row._mapping, findings=tuple(grants.findings(row))) for row in rows)


def lost(database: Database) -> Iterator[IntegrityFinding]:
    """Keys that were made, and are not in the table any more: none is ever removed.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.snapshot() as connection:
        there = set(connection.execute(sa.select(keys.c.id)).scalars())
        grants = _Grants(connection.execute(whole().where(records.c.kind == RecordKind.KEY.value)))
    for key, record in grants.created.items():
        if key not in there:
            yield contradicted(record, "api_keys", "", f"key {key} was made, and is not there")


class _Grants:
    """What records say of keys."""

    def __init__(self, rows: Iterable[sa.Row[Any]]) -> None:
        self._created: dict[str, tuple[Record, Payload | None]] = {}
        self._revoked: dict[str, Record] = {}
        self._doubtful: dict[str, Record] = {}
        for row in rows:
            record = record_of(row)
            detail = record.facts.detail
            key = str(detail.get("key", "")) if isinstance(detail, dict) else ""
            # A record that does not stand ends the key's
            # rights: tampering can end a key, not make one.
            if not stands(row):
                self._doubtful[key] = record
            elif record.facts.status == REVOKED:
                self._revoked[key] = record
            elif record.facts.status == CREATED and key:
                self._created[key] = (record, payload_of(row))

    @property
    def created(self) -> Mapping[str, Record]:
        """The record of each key's making."""
        return {key: record for key, (record, _) in self._created.items()}

    def findings(self, row: sa.Row[Any]) -> Iterator[IntegrityFinding]:
        """What the row of a key says that no record vouches for."""
        name = f"key {row.id}"
        beside = self._doubtful.get(row.id)
        if beside is not None or row.id not in self._created:
            text = f"what made or ended {name} is no record, or one that does not hold"
            yield contradicted(beside, "api_keys", "", text)
            return
        record, payload = self._created[row.id]
        revoked = self._revoked.get(row.id)
        ended = None if revoked is None else revoked.facts.time_us
        detail = record.facts.detail or {}
        if "digest" in detail:
            said = {column: detail.get(column) for column in _SAID}
            said |= {"created_us": record.facts.time_us, "revoked_us": ended}
            said |= {} if payload is None else {"label": _label(payload)}
            yield from contradictions("api_keys", name, row._asdict(), said, revoked or record)
        elif row.revoked_us is None or revoked is None:
            text = f"{name} was made before digests were recorded: make another, and revoke it"
            yield contradicted(record, "api_keys", "digest", text)


def _label(payload: Payload) -> str:
    try:
        return str(json.loads(payload.content)["request"]["label"])
    except (ValueError, KeyError, TypeError):
        return ""


class Keyring:
    """The keys as a process knows them. ``find`` asks nobody; ``load`` asks the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: Mapping[str, ApiKey] = {}
        self._loaded = float("-inf")

    def load(self) -> None:
        """Raises
        ------
        StoreUnavailable, StoreDamaged
            If the store cannot be read; the next who asks tries again.
        """
        # Taken before the reading: what changes during it counts as unseen.
        began = time.monotonic()
        found = listing(self._database)
        for key in found:
            for finding in key.findings:
                logger.error("key %s is refused: %s (%s)", key.id, finding.text, finding.where)
        # Replaced whole, so that readers in other threads need no lock.
        self._keys = {key.id: key for key in found}
        self._loaded = began

    def should_load(self, token: str) -> bool:
        """Whether what is known is too old to judge ``token``."""
        age = time.monotonic() - self._loaded
        found = _TOKEN.fullmatch(token)
        # What has not even a key's form makes nobody look into the database.
        is_known = found is None or found[1] in self._keys
        return age > (FRESH_SECONDS if is_known else RELOAD_SECONDS)

    def find(self, token: str) -> Principal | None:
        """Who holds this key; None if nobody does (any more). Takes as long either way."""
        found = _TOKEN.fullmatch(token)
        key = None if found is None else self._keys.get(found[1])
        fits = hmac.compare_digest(digest_of(token), _NOBODY if key is None else key.digest)
        if key is None or not fits or key.state(now_us()) != "active":
            return None
        return Principal(f"key:{key.id}", frozenset({Role(key.role)}), Scope.of(key.scope))

    def is_active(self, identity: str) -> bool:
        """Whether a key may still be used; asks the database if what is known is too old.

        Raises
        ------
        StoreUnavailable, StoreDamaged
            If the store cannot be read.
        """
        age = time.monotonic() - self._loaded
        if identity not in self._keys or age > FRESH_SECONDS:
            self.load()
        key = self._keys.get(identity)
        return key is not None and key.state(now_us()) == "active"


def digest_of(token: str) -> str:
    """What is kept of a key, and of a session's token."""
    return hashlib.sha256(token.encode()).hexdigest()
