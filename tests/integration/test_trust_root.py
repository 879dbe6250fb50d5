"""The trail's trust root over HTTP: proofs in replies, heads, witnesses, time stamps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from ifonly.service.settings import Settings, shipped_models
from ifonly.service.store import translog
from ifonly.service.store.database import connect
from ifonly.service.transparency.signing import LocalSigner, read_key, sign_head
from ifonly.service.transparency.stamping import stamp
from ifonly.service.transparency.verifier import (
    Checkpoint,
    Note,
    NotProven,
    VerifierKey,
    check_consistency,
    check_proof,
    check_stamp,
    read_head,
    unb64,
)
from ifonly.service.transparency.witnessing import AddCheckpointRequest
from tests.integration.conftest import serving
from tests.support.authority import Authority, NoAuthority, authority

ROWS = "/api/v1/models/milling-machine/predictions"
EXPLAIN = "/api/v1/models/milling-machine/explanations"
pytestmark = pytest.mark.timeout(300)
LONG = 3_600.0
"""Seconds between heads, where only those who ask have one signed."""


def settings(folder: Path, **given: Any) -> Settings:
    said: dict[str, Any] = {"data": folder, "models": shipped_models(), "workers": 1}
    return Settings(**(said | {"audit_log_seconds": LONG} | given))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def log(folder: Path) -> Iterator[httpx.Client]:
    with (
        serving(settings(folder)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def key(log: httpx.Client, folder: Path) -> VerifierKey:
    return read_key(folder / "ifonly.sqlite3.log-key").key


@pytest.fixture(scope="module")
def instance(log: httpx.Client) -> dict[str, Any]:
    described = log.get("/api/v1/models/milling-machine").json()
    found: dict[str, Any] = described["examples"][0]["instance"]
    return found


def held(audit: dict[str, Any], proof: dict[str, Any], key: VerifierKey) -> Checkpoint:
    """The head of a proof, once the proof holds."""
    head = read_head(Note.parse(proof["checkpoint"]), key)
    assert head.time is not None
    check_proof(bytes.fromhex(audit["hash"]), proof, head.checkpoint)
    return head.checkpoint


def test_the_key_is_beside_the_store_and_nobody_elses(folder: Path, key: VerifierKey) -> None:
    file = folder / "ifonly.sqlite3.log-key"
    assert file.stat().st_mode & 0o077 == 0
    seed = unb64(file.read_text().strip().split("+", 4)[4])[1:]
    stored = b"".join(f.read_bytes() for f in folder.glob("ifonly.sqlite3*") if f != file)
    assert seed not in stored
    assert key.public not in (b"", seed)


@pytest.mark.parametrize("path", [ROWS, EXPLAIN, "/api/v1/models/milling-machine/what-if"])
def test_a_reply_that_is_asked_for_its_proof_has_it(
    log: httpx.Client, key: VerifierKey, instance: dict[str, Any], path: str
) -> None:
    body: dict[str, Any] = {"instance": instance}
    if path == ROWS:
        body = {"instances": [instance]}
    if path.endswith("what-if"):
        body["set"] = {"torque": 40.0}
    reply = log.post(path, params={"proof": "true"}, json=body).raise_for_status().json()
    held(reply["audit"], reply["proof"], key)
    plain = log.post(path, json=body).raise_for_status().json()
    assert "proof" not in plain


def test_a_record_and_an_explanation_are_read_with_their_proof(
    log: httpx.Client, key: VerifierKey, instance: dict[str, Any]
) -> None:
    given = log.post(EXPLAIN, json={"instance": instance}).json()
    where = f"/api/v1/explanations/{given['id']}", f"/api/v1/audit/events/{given['id']}"
    for path in where:
        assert log.get(path).json()["proof"] is None  # nobody has asked for a head yet
    told = [log.get(path, params={"proof": "true"}).json() for path in where]
    for reply in told:
        held(given["audit"], reply["proof"], key)
    assert [log.get(path).json() for path in where] == told


def test_two_heads_are_consistent_by_the_proof_between_them(
    log: httpx.Client, key: VerifierKey, instance: dict[str, Any]
) -> None:
    def next_head() -> Checkpoint:
        log.post(ROWS, params={"proof": "true"}, json={"instances": [instance]}).raise_for_status()
        reply = log.get("/api/v1/audit/log/checkpoint")
        assert reply.headers["content-type"].startswith("text/plain")
        return read_head(Note.parse(reply.content), key).checkpoint

    old, new = next_head(), next_head()
    asked = {"from": old.size, "to": new.size}
    reply = log.get("/api/v1/audit/log/consistency", params=asked).json()
    assert (reply["from"], reply["to"]) == (old.size, new.size)
    hashes = [unb64(text) for text in reply["hashes"]]
    check_consistency(old.size, new.size, old.root, new.root, hashes)
    newest = log.get("/api/v1/audit/log/consistency", params={"from": old.size}).json()
    assert newest == reply


@pytest.mark.parametrize("asked", [{"from": 3, "to": 2}, {"from": 0, "to": 10**9}, {"from": -1}])
def test_a_proof_between_heads_that_never_were_is_refused(
    log: httpx.Client, asked: dict[str, int]
) -> None:
    assert log.get("/api/v1/audit/log/consistency", params=asked).status_code == 422


def test_every_line_of_an_export_has_its_proof(
    log: httpx.Client, key: VerifierKey, instance: dict[str, Any]
) -> None:
    log.post(ROWS, params={"proof": "true"}, json={"instances": [instance]}).raise_for_status()
    lines = log.get("/api/v1/audit/export").text.splitlines()
    assert lines
    for text in lines:
        line = json.loads(text)
        head = read_head(Note.parse(line["proof"]["checkpoint"]), key).checkpoint
        check_proof(bytes.fromhex(line["hash"]), line["proof"], head)


def test_verifying_says_how_many_records_are_in_the_log(log: httpx.Client) -> None:
    reply = log.get("/api/v1/audit/verify").json()
    assert reply["holds"]
    assert 0 < reply["logged"] <= reply["records"]


# --- witnesses --------------------------------------------------------------------------------

ADD = "/api/v1/witness/add-checkpoint"
KNOWN = LocalSigner.of("known.example/log", b"\x07" * 32)
REWRITTEN = LocalSigner.of("rewritten.example/log", b"\x09" * 32)


@pytest.fixture(scope="module")
def witness(
    tmp_path_factory: pytest.TempPathFactory, key: VerifierKey, press: Path
) -> Iterator[tuple[httpx.Client, VerifierKey]]:
    """Another service, with accounts: a log needs none."""
    folder = tmp_path_factory.mktemp("witness")
    logs = (str(key), str(KNOWN.key), str(REWRITTEN.key))
    with (
        serving(settings(folder, models=press, witness_logs=logs), no_auth=False) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client, read_key(folder / "ifonly.sqlite3.witness-key").key.timed


def shown(old: int, size: int, hashes: tuple[bytes, ...] = (), root: bytes = bytes(32)) -> str:
    head = Checkpoint(KNOWN.key.name, size, root)
    return AddCheckpointRequest(old, hashes, sign_head(KNOWN, head, 5)).body


def test_a_witness_refuses_as_the_protocol_says(witness: tuple[httpx.Client, VerifierKey]) -> None:
    client, _ = witness

    def post(body: str) -> httpx.Response:
        return client.post(ADD, content=body.encode())

    assert post("").status_code == 400
    assert post(shown(0, 3).replace("old 0", "old 00")).status_code == 400
    assert post(shown(4, 3)).status_code == 400
    stranger = LocalSigner.new("stranger.example")
    other = sign_head(stranger, Checkpoint("stranger.example", 1, bytes(32)), 5)
    assert post(AddCheckpointRequest(0, (), other).body).status_code == 404
    thief = LocalSigner.new(KNOWN.key.name)
    forged = sign_head(thief, Checkpoint(KNOWN.key.name, 3, bytes(32)), 5)
    assert post(AddCheckpointRequest(0, (), forged).body).status_code == 403
    assert post(shown(0, 3)).status_code == 200
    again = post(shown(0, 3))
    assert (again.status_code, again.text) == (409, "3\n")
    assert again.headers["content-type"].startswith("text/x.tlog.size")
    assert post(shown(3, 3)).status_code == 200
    assert post(shown(3, 3, root=b"\x01" * 32)).status_code == 409
    assert post(shown(3, 4, (bytes(32), bytes(32)))).status_code == 422
    assert post(shown(3, 3) + "x" * 70_000).status_code == 413


def test_who_is_no_witness_cosigns_nothing(log: httpx.Client) -> None:
    assert log.post(ADD, content=shown(0, 3).encode()).status_code == 404


def until(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, as soon as it finds something; the suite's timeout ends the wait."""
    while not (found := look()):
        time.sleep(0.02)
    return found


def vouched(client: httpx.Client, count: int) -> Note | None:
    """The newest head, once it has so many signatures."""
    note = Note.parse(client.get("/api/v1/audit/log/checkpoint").content)
    return note if len(note.signatures) >= count else None


def test_a_witness_cosigns_the_heads_of_a_log_and_not_those_of_its_rewriting(
    tmp_path: Path,
    witness: tuple[httpx.Client, VerifierKey],
    instance: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client, cosigner = witness
    url = f"{str(client.base_url).rstrip('/')}/api/v1/witness"
    told = settings(
        tmp_path / "one",
        audit_log_key=SecretStr(REWRITTEN.text),
        audit_witnesses={url: str(cosigner)},
        audit_witness_seconds=0.01,
    )
    ask = {"instances": [instance]}
    with serving(told) as served, httpx.Client(base_url=served, trust_env=False) as here:
        for _ in range(3):
            here.post(ROWS, params={"proof": "true"}, json=ask, timeout=60).raise_for_status()
            note = until(lambda: vouched(here, 3))
            assert note.by(cosigner) is not None
    # The same key, another history: a log that forgot what it had signed.
    forked = told.model_copy(update={"data": tmp_path / "two"})
    with serving(forked) as served, httpx.Client(base_url=served, trust_env=False) as here:
        for _ in range(2):
            here.post(ROWS, params={"proof": "true"}, json=ask, timeout=60).raise_for_status()
        until(lambda: "does not vouch" in caplog.text)
        assert vouched(here, 3) is None


# --- time stamps ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    try:
        with authority(tmp_path_factory.mktemp("tsa")) as running:
            yield running
    except NoAuthority as reason:
        pytest.skip(str(reason))


def test_an_authority_stamps_what_it_is_shown_and_nothing_else(tsa: Authority) -> None:
    roots = tsa.roots.read_bytes()
    with httpx.Client(trust_env=False) as client:
        found = stamp(client, tsa.url, b"a head", roots)
    assert "stamped at" in check_stamp(found, b"a head", roots)
    with pytest.raises(NotProven, match="not of this head"):
        check_stamp(found, b"another head", roots)
    broken = bytearray(found)
    broken[-5] ^= 1
    with pytest.raises(NotProven):
        check_stamp(bytes(broken), b"a head", roots)


def test_a_stamp_that_other_roots_vouch_for_is_not_kept(tsa: Authority, tmp_path: Path) -> None:
    with authority(tmp_path / "other") as other, httpx.Client(trust_env=False) as client:
        roots = other.roots.read_bytes()
        with pytest.raises(NotProven, match="does not hold"):
            stamp(client, tsa.url, b"a head", roots)


def test_heads_are_stamped(tsa: Authority, tmp_path: Path, instance: dict[str, Any]) -> None:
    told = settings(tmp_path, audit_tsa_url=tsa.url, audit_tsa_roots=tsa.roots)
    with serving(told) as url, httpx.Client(base_url=url, trust_env=False) as client:
        ask = {"instances": [instance]}
        reply = client.post(ROWS, params={"proof": "true"}, json=ask, timeout=60).json()
        database = connect(told.store_url)

        def stamped() -> translog.StoredHead | None:
            head = translog.vouched(database, reply["proof"]["index"])
            return head if head is not None and head.stamp else None

        head = until(stamped)
        database.close()
    assert "stamped at" in check_stamp(head.stamp, head.note.encode(), tsa.roots.read_bytes())
