"""API keys: found only whole, unexpired and unrevoked, and never kept in clear."""

from __future__ import annotations

import hashlib
import re
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from ifonly.service.access import Role
from ifonly.service.errors import UnknownRecord
from ifonly.service.store import archive, keys
from ifonly.service.store.archive import Filter
from ifonly.service.store.chain import now_us
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.tables import keys as table


def made(journal: Journal, role: Role = Role.OPERATOR, expires_us: int | None = None) -> str:
    token, work = keys.create(role, "line 3", expires_us, "cli:root")
    journal.append(work).result(30)
    return token


def test_a_key_is_256_random_bits_of_which_only_a_hash_is_kept(
    database: Database, journal: Journal
) -> None:
    token = made(journal)
    found = re.fullmatch(r"ifonly_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", token)
    assert found is not None
    (key,) = keys.listing(database)
    assert key.shown == f"ifonly_{found[1]}"
    assert key.digest == hashlib.sha256(token.encode()).hexdigest()
    with database.reading() as connection:
        assert found[2] not in str(connection.execute(sa.select(table)).all())
    assert made(journal) != token


def test_a_key_is_found_for_what_it_was_made_for(database: Database, journal: Journal) -> None:
    ring = keys.Keyring(database)
    tokens = {role: made(journal, role) for role in Role}
    ring.load()
    for role, token in tokens.items():
        principal = ring.find(token)
        assert principal is not None
        assert principal.roles == {role}
        assert principal.actor == f"key:{token.split('_')[1]}"


@pytest.mark.parametrize("change", ["last", "first", "id", "short", "long", "empty", "case"])
def test_nothing_but_the_whole_key_is_found(
    database: Database, journal: Journal, change: str
) -> None:
    token = made(journal)
    ring = keys.Keyring(database)
    ring.load()
    other = {
        "last": token[:-1] + ("A" if token[-1] != "A" else "B"),
        "first": "x" + token[1:],
        "id": token[:7] + ("0" if token[7] != "0" else "1") + token[8:],
        "short": token[:-1],
        "long": token + "A",
        "empty": "",
        "case": token.swapcase(),
    }[change]
    assert ring.find(other) is None
    assert ring.find(token) is not None


def test_an_expired_key_is_not_found(database: Database, journal: Journal) -> None:
    lasting, past = made(journal, expires_us=now_us() + 10**12), made(journal, expires_us=now_us())
    ring = keys.Keyring(database)
    ring.load()
    assert ring.find(lasting) is not None
    assert ring.find(past) is None
    assert [k.state(now_us()) for k in keys.listing(database)] == ["active", "expired"]


def test_a_revoked_key_is_not_found_once_the_keys_are_loaded_again(
    database: Database, journal: Journal
) -> None:
    token = made(journal)
    ring = keys.Keyring(database)
    ring.load()
    identity = token.split("_")[1]
    journal.append(keys.revoke(identity, "cli:root")).result(30)
    ring.load()
    assert ring.find(token) is None
    with pytest.raises(UnknownRecord, match=identity):
        journal.append(keys.revoke(identity, "cli:root")).result(30)


def test_a_key_that_is_not_known_is_looked_for_but_not_at_every_request(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(keys, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    ring = keys.Keyring(database)
    token = made(journal)
    assert ring.should_load(token)
    ring.load()
    unknown = "ifonly_00000000_" + "A" * 43
    for age, (known_too_old, unknown_too_old) in {
        0.5: (False, False),
        1.5: (False, True),
        5.5: (True, True),
    }.items():
        clock[0] = 100.0 + age
        assert ring.should_load(token) is known_too_old
        assert ring.should_load(unknown) is unknown_too_old


def test_making_and_revoking_are_records_without_the_key(
    database: Database, journal: Journal
) -> None:
    token = made(journal, Role.AUDITOR)
    identity = token.split("_")[1]
    journal.append(keys.revoke(identity, "cli:root")).result(30)
    revoked, created = archive.page(database, Filter({"kind": "key"}), None, 9).records
    assert (created.facts.status, revoked.facts.status) == ("created", "revoked")
    digest = hashlib.sha256(token.encode()).hexdigest()
    made_of = {"key": identity, "role": "auditor", "digest": digest, "expires_us": None}
    assert created.facts.detail == made_of
    assert revoked.facts.detail == {"key": identity}
    assert {created.facts.actor, revoked.facts.actor} == {"cli:root"}
