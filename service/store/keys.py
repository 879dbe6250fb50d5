"""API keys: 256 random bits each, of which only a SHA-256 is kept.

A plain hash is enough where the secret is random: there is nothing to guess faster.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from service.access import EVERYTHING, Principal, Role, Scope
from service.errors import UnknownRecord
from service.store.chain import Facts, Kind, now_us
from service.store.database import Database
from service.store.journal import Draft, Work
from service.store.tables import keys

PREFIX = "ifonly_"
_TOKEN = re.compile(r"ifonly_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
FRESH_SECONDS = 5.0
"""After this time at the latest a process knows of a revocation."""
RELOAD_SECONDS = 1.0
"""A key that is not known makes a process look again, but not more often than this."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key."""

    id: str
    digest: str
    role: Role
    label: str
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    scope: str | None = None
    """As :attr:`Scope.in_words`."""

    @property
    def shown(self) -> str:
        """What of the key may be shown: enough to tell it from others."""
        return f"{PREFIX}{self.id}"

    def state(self, now: int) -> str:
        if self.revoked_us is not None:
            return "revoked"
        return "expired" if self.expires_us is not None and self.expires_us <= now else "active"


def create(
    role: Role, label: str, expires_us: int | None, actor: str, scope: Scope = EVERYTHING
) -> tuple[str, Work]:
    """A new key, to be shown once, and the work that keeps it."""
    identity = secrets.token_hex(4)
    token = f"{PREFIX}{identity}_{secrets.token_urlsafe(32)}"

    def work(connection: sa.Connection) -> Draft:
        connection.execute(
            sa.insert(keys).values(
                id=identity,
                digest=_digest(token),
                role=role.value,
                label=label,
                created_us=now_us(),
                expires_us=expires_us,
                scope=scope.in_words,
            )
        )
        detail = {"key": identity, "role": role.value}
        detail |= {} if scope.in_words is None else {"scope": scope.in_words}
        return Draft(Facts(kind=Kind.KEY, actor=actor, status="created", detail=detail))

    return token, work


def revoke(identity: str, actor: str) -> Work:
    """The work that ends a key.

    Raises, when it is done:

    UnknownRecord
        If there is no such key, or it was revoked before.
    """

    def work(connection: sa.Connection) -> Draft:
        ended = connection.execute(
            sa.update(keys)
            .where(keys.c.id == identity, keys.c.revoked_us.is_(None))
            .values(revoked_us=now_us())
        )
        if ended.rowcount != 1:
            raise UnknownRecord(identity, "active key")
        detail = {"key": identity}
        return Draft(Facts(kind=Kind.KEY, actor=actor, status="revoked", detail=detail))

    return work


def listing(database: Database) -> tuple[Key, ...]:
    """All keys, the oldest first.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        rows = connection.execute(sa.select(keys).order_by(keys.c.created_us, keys.c.id)).all()
    return tuple(Key(**{**row._mapping, "role": Role(row.role)}) for row in rows)


class Keyring:
    """The keys as a process knows them. ``find`` asks nobody; ``load`` asks the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: Mapping[str, Key] = {}
        self._loaded = float("-inf")

    def load(self) -> None:
        """Raises
        ------
        StoreUnavailable, StoreDamaged
            If the store cannot be read; the next who asks tries again.
        """
        began = time.monotonic()
        self._keys = {key.id: key for key in listing(self._database)}
        self._loaded = began

    def should_load(self, token: str) -> bool:
        """Whether what is known is too old to judge ``token``."""
        age = time.monotonic() - self._loaded
        found = _TOKEN.fullmatch(token)
        is_known = found is None or found[1] in self._keys
        return age > (FRESH_SECONDS if is_known else RELOAD_SECONDS)

    def find(self, token: str) -> Principal | None:
        """Who holds this key; None if nobody does (any more). Takes as long either way."""
        found = _TOKEN.fullmatch(token)
        key = None if found is None else self._keys.get(found[1])
        fits = hmac.compare_digest(_digest(token), _NOBODY if key is None else key.digest)
        if key is None or not fits or key.state(now_us()) != "active":
            return None
        return Principal(f"key:{key.id}", frozenset({key.role}), Scope.of(key.scope))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
