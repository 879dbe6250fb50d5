"""Who is signed in to the pages, in either store."""

from __future__ import annotations

from ifonly.service.access import Principal, Role
from ifonly.service.store import archive, keys, sessions, tables
from ifonly.service.store.chain import Facts, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.kinds import RecordKind

HOUR = 3_600_000_000
KIM = Principal("oidc:kim", frozenset({Role.OPERATOR, Role.AUDITOR}))


def begun(journal: Journal, token: str, *, ends: int = HOUR, key: str | None = None) -> None:
    new = sessions.NewSession(token, KIM, now_us() + ends, key)
    facts = Facts(kind=RecordKind.SIGN_IN, actor=KIM.actor, status="signed_in")
    journal.append(sessions.begin(new, facts)).result(30)


def found(database: Database, token: str) -> Principal | None:
    return sessions.find(database, keys.Keyring(database), token)


def test_the_signing_secret_is_made_once_for_all(database: Database, journal: Journal) -> None:
    first = sessions.signing_secret(database, journal)
    assert len(first) == sessions.SECRET_BYTES
    assert sessions.signing_secret(database, journal) == first


def test_a_session_is_found_by_its_token_until_it_ends(
    database: Database, journal: Journal
) -> None:
    begun(journal, "one")
    begun(journal, "over", ends=-1)
    assert found(database, "one") == KIM
    assert found(database, "over") is None
    assert found(database, "another") is None
    facts = Facts(kind=RecordKind.SIGN_IN, actor=KIM.actor, status="signed_out")
    ended = journal.append(sessions.end("one", facts)).result(30)
    assert found(database, "one") is None
    assert archive.get(database, ended.id)[0].facts.status == "signed_out"


def test_sessions_that_have_ended_are_dropped_when_another_begins(
    database: Database, journal: Journal
) -> None:
    begun(journal, "over", ends=-1)
    begun(journal, "a-token")
    with database.reading() as connection:
        kept = connection.execute(tables.sessions.select()).all()
    assert len(kept) == 1
    assert "a-token" not in str(kept), "the token itself is nowhere"


def test_a_session_ends_with_its_key(database: Database, journal: Journal) -> None:
    ended: dict[str, int | None] = {"valid": None, "expired": now_us() - 1}
    for name, expires in ended.items():
        token, work = keys.create(Role.OPERATOR, "", expires, "test")
        journal.append(work).result(30)
        begun(journal, name, key=token.split("_")[1])
    assert found(database, "valid") == KIM
    assert found(database, "expired") is None
    (valid,) = [key for key in keys.listing(database) if key.expires_us is None]
    journal.append(keys.revoke(valid.id, "test")).result(30)
    assert found(database, "valid") is None
