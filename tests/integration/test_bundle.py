"""A bundle of evidence proves itself, and whatever of it is changed is found."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings, shipped_models
from ifonly.service.transparency.signing import LocalSigner, sign_note
from ifonly.service.transparency.verifier import (
    MANIFEST,
    BundleCheck,
    NotProven,
    VerifierKey,
    check_bundle,
    manifest_text,
    read_bundle,
)
from tests.integration.conftest import serving
from tests.support.authority import NoAuthority, authority

pytestmark = pytest.mark.timeout(300)
EXPLAIN = "/api/v1/models/milling-machine/explanations"
KEY = LocalSigner.of("evidence.example/log", b"\x05" * 32)
WITNESS = LocalSigner.of("witness.example", b"\x06" * 32)


@dataclass(frozen=True)
class Made:
    """A bundle with all that one can have."""

    file: Path
    members: dict[str, bytes]
    roots: bytes
    explanation: dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, press: Path) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("bundle")
    key_file = folder / "witness.key"
    key_file.write_text(WITNESS.text)
    key_file.chmod(0o600)
    own = folder / "log.key"
    own.write_text(KEY.text)
    own.chmod(0o600)
    witness = Settings(
        data=folder / "witness",
        models=press,
        witness_logs=(str(KEY.key),),
        witness_key_file=key_file,
    )
    try:
        with authority(folder / "tsa") as tsa, serving(witness) as second:
            chosen = Settings(
                data=folder / "log",
                models=shipped_models(),
                audit_log_key_file=own,
                audit_log_seconds=0.05,
                audit_tsa_url=tsa.url,
                audit_tsa_roots=tsa.roots,
                audit_tsa_seconds=0.01,
                audit_witnesses={f"{second}/api/v1/witness": str(WITNESS.key.timed)},
                audit_witness_seconds=0.01,
            )
            with serving(chosen) as url:
                yield fetched(url, folder, tsa.roots.read_bytes())
    except NoAuthority as reason:
        pytest.skip(str(reason))


def fetched(url: str, folder: Path, roots: bytes) -> Made:
    with httpx.Client(base_url=url, timeout=300, trust_env=False) as client:
        described = client.get("/api/v1/models/milling-machine").json()
        instance = described["examples"][0]["instance"]
        explanation = client.post(EXPLAIN, json={"instance": instance}).raise_for_status().json()
        said = {"verdict": "approve", "rank": 1}
        path = f"/api/v1/explanations/{explanation['id']}/reviews"
        client.post(path, json=said).raise_for_status()
        while True:  # until others have vouched for a head that has both
            reply = client.get(f"/api/v1/audit/events/{explanation['id']}/bundle")
            members = read_bundle(io.BytesIO(reply.raise_for_status().content))
            if "stamp.tsr" in members and members["checkpoint.txt"].count(b"witness.example"):
                break
            client.post(EXPLAIN, json={"instance": instance}).raise_for_status()
    file = folder / "bundle.zip"
    file.write_bytes(reply.content)
    return Made(file, members, roots, explanation)


def failed(checks: list[BundleCheck]) -> set[str]:
    return {check.name for check in checks if not check.holds}


def test_a_bundle_holds_and_says_what_it_proves(made: Made) -> None:
    checks = check_bundle(made.members, KEY.key, made.roots)
    assert failed(checks) == set()
    said = {check.name: check.says for check in checks}
    assert made.explanation["audit"]["hash"] in " ".join(c.says for c in checks)
    assert "witness.example found it consistent" in said["cosignatures"]
    assert "stamped at" in said["time stamp"]
    assert "review approve" in said["reviews"]
    assert {check.name for check in checks} == {
        "key",
        "manifest",
        "record",
        "inclusion",
        "signed head",
        "cosignatures",
        "time stamp",
        "reviews",
        "documents",
    }


def test_it_holds_question_answer_claim_checks_and_the_models_documents(made: Made) -> None:
    record = json.loads(made.members["record.json"])
    payload = json.loads(record["payload"])
    assert payload["answer"]["id"] == made.explanation["id"] == record["id"]
    assert payload["request"]["instance"]
    assert json.loads(made.members["claim.json"])[0]["ko"]
    checks = json.loads(made.members["checks.json"])
    assert checks["holds"]
    assert len(checks["checks"]) > 10
    card = json.loads(made.members["model.json"])
    assert card["provenance"]["model_sha256"] == record["model_sha256"]
    spec = (shipped_models() / "milling-machine/1/spec.toml").read_bytes()
    assert made.members["model/spec.toml"] == spec
    assert "model/causal.toml" in made.members


FLIPS = 40
"""Bytes of each member that are changed, one at a time."""


def test_a_changed_byte_of_any_member_is_found(made: Made) -> None:
    for name, data in made.members.items():
        for k in range(min(FLIPS, len(data))):
            at = k * len(data) // min(FLIPS, len(data))
            flipped = bytearray(data)
            flipped[at] ^= 1 << k % 8
            checks = check_bundle({**made.members, name: bytes(flipped)}, KEY.key, made.roots)
            assert failed(checks), (name, at)


def test_a_member_that_is_missing_or_added_is_found(made: Made) -> None:
    for name in made.members:
        fewer = {n: d for n, d in made.members.items() if n != name}
        assert failed(check_bundle(fewer, KEY.key, made.roots)), name
    assert failed(check_bundle({**made.members, "more.txt": b""}, KEY.key)) == {"manifest"}


def forged(made: Made, **changed: bytes) -> dict[str, bytes]:
    """What somebody without the key makes of it: the list is made anew and signed by another."""
    names = {name.replace("_", ".").replace("-", "/"): data for name, data in changed.items()}
    members = {**made.members, **names}
    others = {name: data for name, data in members.items() if name != MANIFEST}
    thief = LocalSigner.new(KEY.key.name)
    return {**others, MANIFEST: str(sign_note(thief, manifest_text(others))).encode()}


def test_a_list_that_somebody_else_has_signed_is_found(made: Made) -> None:
    assert failed(check_bundle(forged(made), KEY.key)) == {"manifest"}
    claim = forged(made, claim_json=b"[]")
    assert failed(check_bundle(claim, KEY.key)) == {"manifest"}


def resigned(made: Made, name: str, data: bytes) -> dict[str, bytes]:
    """Even who has the key cannot change what the log has: the list is right again."""
    others = {n: d for n, d in made.members.items() if n != MANIFEST} | {name: data}
    return {**others, MANIFEST: str(sign_note(KEY, manifest_text(others))).encode()}


def rehashed(line: bytes, **said: object) -> bytes:
    record = json.loads(line) | said
    plain = {k: v for k, v in record.items() if k not in ("hash", "salt", "payload", "proof")}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return json.dumps(record | {"hash": hashlib.sha256(text.encode()).hexdigest()}).encode()


def test_evidence_is_held_by_itself_and_not_by_the_list_alone(made: Made) -> None:
    def finds(name: str, data: bytes) -> set[str]:
        return failed(check_bundle(resigned(made, name, data), KEY.key, made.roots))

    record, review = made.members["record.json"], made.members["reviews.jsonl"]
    assert finds("record.json", record.replace(b'"optimal"', b'"feasible"', 1)) >= {"record"}
    assert finds("record.json", rehashed(record, status="infeasible")) == {"inclusion"}
    other_payload = json.loads(record)
    other_payload["payload"] = other_payload["payload"].replace("torque", "torqve", 1)
    assert "record" in finds("record.json", json.dumps(other_payload).encode())
    assert finds("reviews.jsonl", rehashed(review, status="reject")) == {"reviews"}
    assert finds("reviews.jsonl", rehashed(review, about="another")) == {"reviews"}
    assert finds("stamp.tsr", made.members["stamp.tsr"][:-1] + b"\x00") == {"time stamp"}
    spec = made.members["model/spec.toml"]
    assert finds("model/spec.toml", spec + b"\n") == {"documents"}
    proof = json.loads(made.members["proof.json"])
    moved = json.dumps(proof | {"index": proof["index"] + 1}).encode()
    assert finds("proof.json", moved) == {"inclusion"}


def test_the_key_of_another_log_is_not_taken(made: Made) -> None:
    other = LocalSigner.new(KEY.key.name)
    assert "key" in failed(check_bundle(made.members, other.key))


def test_damage_to_the_zip_is_told(made: Made, tmp_path: Path) -> None:
    with pytest.raises(NotProven, match="zip"):
        read_bundle(io.BytesIO(made.file.read_bytes()[:-40]))
    twice = tmp_path / "twice.zip"
    twice.write_bytes(made.file.read_bytes())
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twice, "a") as packed:
        packed.writestr("record.json", b"{}")
    with pytest.raises(NotProven, match="twice"):
        read_bundle(twice)


def test_equal_evidence_is_an_equal_list(made: Made) -> None:
    lines = made.members[MANIFEST].decode().split("\n\n")[0].splitlines()
    assert len(lines) == len(made.members)
    assert lines[1:] == sorted(lines[1:], key=lambda line: line.split("  ")[1])


# --- alone ------------------------------------------------------------------------------------

ALONE = """
import sys
sys.argv = ["ifonly", "audit", "check", *sys.argv[1:]]
from ifonly.service.doors.cli import main
try:
    main()
finally:
    import json
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
NOT_NEEDED = (
    "ifonly.service.store",
    "ifonly.service.ask",
    "ifonly.service.audit",
    "ifonly.service.doors.http",
    "ifonly.service.doors.app",
    "ifonly.service.served.registry",
    "ifonly.explainers",
)
NOT_NEEDED += ("ifonly.models", "fastapi", "sqlalchemy", "numpy", "onnxruntime", "httpx")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd)


def test_a_bundle_is_checked_without_a_service_an_engine_or_a_store(
    made: Made, tmp_path: Path
) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(made.roots)
    given = (str(made.file), "--key", str(KEY.key), "--tsa-roots", str(roots))
    done = run("-c", ALONE, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILS" not in done.stdout
    loaded = json.loads(done.stderr.splitlines()[-1])
    for name in NOT_NEEDED:
        assert not [m for m in loaded if m == name or m.startswith(f"{name}.")]
    wrong = run("-c", ALONE, str(made.file), "--key", str(WITNESS.key))
    assert wrong.returncode == 1
    assert run("-c", ALONE, __file__).returncode == 2


WITHOUT = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
sys.argv = sys.argv[1:]
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_verifier_of_a_bundle_runs_with_cryptography_alone(made: Made, tmp_path: Path) -> None:
    script = tmp_path / "verify.py"
    script.write_bytes(made.members["verify.py"])
    blocked = {"ifonly", "rfc3161_client", "numpy", "typer", "rich"}
    code = WITHOUT.format(blocked=blocked)
    given = (str(script), str(made.file), str(KEY.key))
    done = run("-c", code, *given, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT checked: that needs rfc3161-client" in done.stdout
    flipped = tmp_path / "flipped.zip"
    with zipfile.ZipFile(flipped, "w") as packed:
        for name, data in made.members.items():
            packed.writestr(name, data[:-1] if name == "claim.json" else data)
    assert run("-c", code, str(script), str(flipped), cwd=tmp_path).returncode == 1
    assert run(str(script), cwd=tmp_path).returncode == 2


def test_a_key_that_is_none_is_told(made: Made) -> None:
    with pytest.raises(NotProven):
        VerifierKey.parse("no key")
    assert run("-c", ALONE, str(made.file), "--key", "no key").returncode == 2
