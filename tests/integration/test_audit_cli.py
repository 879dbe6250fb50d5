"""``ifonly audit``, ``keys`` and ``db`` as a person uses them, beside a service that has run."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from ifonly.service.doors.cli import main
from ifonly.service.settings import Settings
from ifonly.service.store import archive
from ifonly.service.store.database import connect
from ifonly.service.store.migrate import newest
from ifonly.service.store.tables import payloads, records
from ifonly.service.transparency.signing import LocalSigner, read_key
from ifonly.service.transparency.verifier import Note, VerifierKey, read_head
from tests.integration.conftest import serving

MODEL = "/api/v1/models/milling-machine"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def origin(
    repository: Path, alarm: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """A store that a service has filled, and the ids of one record of each kind of question."""
    folder = tmp_path_factory.mktemp("origin")
    settings = Settings(models=repository, data=folder, audit_anchor_file=folder / "anchors.jsonl")
    bodies: dict[str, dict[str, Any]] = {
        "predictions": {"instance": alarm, "attributes": {"equipment": "Mill 7"}},
        "what-if": {"instance": alarm, "set": {"torque": 40.0}},
        "explanations": {"instance": alarm, "alternatives": 2, "deadline_ms": 30_000},
    }
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        ids = {
            path: client.post(f"{MODEL}/{path}", json=body, timeout=300).json()["audit"]["id"]
            for path, body in bodies.items()
        }
        refused = client.post(f"{MODEL}/predictions", json={"instance": {}})
        ids["refusal"] = refused.json()["audit"]["id"]
    return folder, ids


@pytest.fixture
def data(origin: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    shutil.copytree(origin[0], tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def ids(origin: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return origin[1]


@pytest.fixture
def ifonly(
    data: Path,
    repository: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Any]]:
    """The command, in this process, over a copy of that store."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for name in [name for name in os.environ if name.startswith("IFONLY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IFONLY_DATA", str(data))
    monkeypatch.setenv("IFONLY_MODELS", str(repository))

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["ifonly", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capfd.readouterr()
        return SimpleNamespace(code=end.value.code, out=printed.out, err=printed.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


def change(data: Path, statement: Any) -> None:
    url = f"sqlite:///{data / 'ifonly.sqlite3'}"
    with closing(connect(url)) as database, database.writer.begin() as connection:
        connection.execute(statement)


# --- alarms -------------------------------------------------------------------------------


def test_equipment_in_alarm_is_listed(ifonly: Any) -> None:
    (row,) = json.loads(ifonly("alarms", "--json").out)
    assert (row["equipment"], row["state"]) == ("Mill 7", "active_unacknowledged")
    assert "Mill 7" in ifonly("alarms").out
    assert json.loads(ifonly("alarms", "--search", "mill 8", "--json").out) == []
    assert json.loads(ifonly("alarms", "--state", "shelved", "--json").out) == []
    assert ifonly("alarms", "--state", "nonsense").code == 2
    assert len(json.loads(ifonly("alarms", "--equipment", "Mill 7", "--json").out)) == 1
    assert json.loads(ifonly("alarms", "--lever", "wear", "--json").out) == []


# --- the log ------------------------------------------------------------------------------


def kept_head(ifonly: Any, folder: Path) -> Path:
    done = ifonly("audit", "heads")
    assert done.code == 0, done.err
    file = folder / "head.txt"
    file.write_text(done.out)
    return file


def test_a_head_is_printed_as_it_was_signed_by_the_key_that_is_printed(
    ifonly: Any, data: Path
) -> None:
    key = VerifierKey.parse(ifonly("audit", "key").out)
    assert key == read_key(data / "ifonly.sqlite3.log-key").key
    head = read_head(Note.parse(ifonly("audit", "heads").out), key)
    assert head.checkpoint.size > 4
    listed = ifonly("audit", "heads", "--all").out
    assert f"{head.checkpoint.size} leaves" in listed


def test_a_kept_head_is_held_against_the_store_and_an_export(
    ifonly: Any, data: Path, tmp_path: Path
) -> None:
    head, export = kept_head(ifonly, tmp_path), tmp_path / "audit.jsonl"
    key = ("--key", ifonly("audit", "key").out.strip())
    assert ifonly("audit", "export", "--out", str(export)).code == 0
    for given in ((), ("--export", str(export))):
        assert ifonly("audit", "verify", "--head", str(head), *given).code == 0
        assert ifonly("audit", "verify", "--head", str(head), *key, *given).code == 0
    stranger = str(LocalSigner.new("ifonly.invalid/x").key)
    wrong = ifonly("audit", "verify", "--head", str(head), "--key", stranger)
    assert (wrong.code, "the log: the file head.txt" in wrong.out) == (1, True)
    text = export.read_text().replace('"kind":"prediction"', '"kind":"what_if"', 1)
    export.write_text(text)
    found = ifonly("audit", "verify", "--export", str(export), "--head", str(head))
    assert (found.code, "not what was sealed" in found.out) == (1, True)


def test_what_is_no_head_key_or_export_is_told(ifonly: Any, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("nothing\n")
    head = str(kept_head(ifonly, tmp_path))
    for given in (
        ("--head", str(other)),
        ("--head", str(tmp_path / "none")),
        ("--head", head, "--key", "none"),
        ("--export", str(other)),
        ("--export", str(tmp_path / "none")),
    ):
        done = ifonly("audit", "verify", *given)
        assert (done.code, done.out) == (1, "")
        assert "Traceback" not in done.err


def test_another_key_signs_once_it_is_adopted_and_the_old_heads_still_hold(
    ifonly: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = kept_head(ifonly, tmp_path)
    made = ifonly("audit", "key", "--new", "plant.example/log")
    file = tmp_path / "other.key"
    file.write_text(made.out)
    file.chmod(0o600)
    monkeypatch.setenv("IFONLY_AUDIT_LOG_KEY_FILE", str(file))
    record = ifonly("audit", "export").out.splitlines()[0]
    bundled = ("audit", "bundle", json.loads(record)["id"], "-o", str(tmp_path / "b.zip"))
    refused = ifonly(*bundled)
    assert (refused.code, "is not here" in refused.err) == (1, True)
    assert ifonly("audit", "key", "--adopt").out.strip() in made.err
    assert ifonly(*bundled).code == 0
    assert ifonly("audit", "verify", "--head", str(head)).code == 0
    assert str(read_key(file).key) == ifonly("audit", "key").out.strip()


def test_a_bundle_is_made_and_checked(
    ifonly: Any, data: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "evidence.zip"
    done = ifonly("audit", "bundle", ids["explanations"], "-o", str(file))
    assert done.code == 0, done.err
    key = ifonly("audit", "key").out.strip()
    checked = ifonly("audit", "check", str(file), "--key", key)
    assert (checked.code, "FAILS" in checked.out) == (0, False)
    as_json = json.loads(ifonly("audit", "check", str(file), "--json").out)
    assert as_json["holds"]
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(file.read_bytes()[:-30])
    assert ifonly("audit", "check", str(damaged)).code == 2
    for kind in ("predictions", "refusal"):
        assert ifonly("audit", "bundle", ids[kind], "-o", str(file)).code == 0
        assert ifonly("audit", "check", str(file), "--key", key).code == 0
    erased = ("audit", "erase", ids["explanations"], "--reason", "asked")
    assert ifonly(*erased).code == 0
    assert ifonly("audit", "bundle", ids["explanations"], "-o", str(file)).code == 0
    told = ifonly("audit", "check", str(file), "--key", key)
    assert (told.code, "were erased" in told.out, "erasure" in told.out) == (0, True, True)
    assert ifonly("audit", "bundle", "nothing", "-o", str(file)).code == 1


# --- verify -------------------------------------------------------------------------------


def test_verify_says_that_it_holds_or_where_it_does_not(ifonly: Any, data: Path) -> None:
    done = ifonly("audit", "verify", "--anchors", str(data / "anchors.jsonl"))
    assert done.code == 0, done.err
    assert "every chain holds" in done.out
    change(data, sa.update(records).where(records.c.sequence == 2).values(actor="nobody"))
    done = ifonly("audit", "verify")
    assert done.code == 1
    assert "record 2 is not what was sealed" in done.out
    assert "every chain holds" not in done.out
    reply = json.loads(ifonly("audit", "verify", "--json").out)
    assert (reply["holds"], reply["findings"][0]["sequence"]) == (False, 2)


def test_verify_names_a_file_of_anchors_that_it_cannot_read(ifonly: Any, data: Path) -> None:
    absent = ifonly("audit", "verify", "--anchors", str(data / "absent.jsonl"))
    assert (absent.code, absent.out) == (1, "")
    assert "file of anchors" in absent.err
    (data / "notes.txt").write_text("no anchor\n")
    other = ifonly("audit", "verify", "--anchors", str(data / "notes.txt"))
    assert other.code == 1
    assert "line 1 of notes.txt is no anchor" in other.out


# --- replay -------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["predictions", "what-if", "explanations"])
def test_a_question_asked_again_gets_the_same_answer(
    ifonly: Any, ids: dict[str, str], asked: str
) -> None:
    done = ifonly("audit", "replay", ids[asked])
    assert done.code == 0, done.out + done.err
    assert "the same answer" in done.out


def test_an_answer_that_was_changed_is_shown_where_it_differs(
    ifonly: Any, ids: dict[str, str], data: Path
) -> None:
    with closing(connect(f"sqlite:///{data / 'ifonly.sqlite3'}")) as database:
        record, payload = archive.get(database, ids["explanations"])
    assert payload is not None
    forged = payload.content.replace(b'"status":"optimal"', b'"status":"feasible"')
    here = payloads.c.sequence == record.sequence
    change(data, sa.update(payloads).where(here).values(content=forged))
    done = ifonly("audit", "replay", ids["explanations"])
    assert done.code == 1
    assert '/status: "feasible" → "optimal"' in done.out
    reply = json.loads(ifonly("audit", "replay", ids["explanations"], "--json").out)
    assert reply["same"] is False
    assert reply["changes"] == [{"pointer": "/status", "was": "feasible", "now": "optimal"}]


def test_what_cannot_be_asked_again_says_why(
    ifonly: Any, ids: dict[str, str], data: Path, repository: Path, tmp_path: Path
) -> None:
    assert "nothing was answered" in ifonly("audit", "replay", ids["refusal"]).err
    assert "no record 'absent'" in ifonly("audit", "replay", "absent").err
    shutil.copytree(repository / "press", tmp_path / "other" / "press")
    gone = ifonly("audit", "replay", ids["explanations"], "--models", str(tmp_path / "other"))
    assert gone.code == 1
    assert "are not served" in gone.err
    ifonly("audit", "erase", ids["explanations"], "--reason", "asked for")
    erased = ifonly("audit", "replay", ids["explanations"])
    assert (erased.code, "erased" in erased.err) == (1, True)


# --- erase, prune, export -----------------------------------------------------------------


def test_erasing_and_pruning_leave_a_chain_that_holds(
    ifonly: Any, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ifonly("audit", "erase", ids["what-if"], "--reason", "asked for").code == 0
    assert "1 erased" in ifonly("audit", "verify").out
    kept = ifonly("audit", "prune", "--older-than", "183d")
    assert kept.code == 1
    assert "are kept for 184 days" in kept.err
    monkeypatch.setenv("IFONLY_AUDIT_KEEP_DAYS", "0")
    pruned = ifonly("audit", "prune", "--older-than", "0d")
    assert pruned.code == 0, pruned.err
    assert "erased 3 payloads" in pruned.out
    assert "every chain holds" in ifonly("audit", "verify").out
    assert ifonly("audit", "prune", "--older-than", "soon").code == 1
    assert ifonly("audit", "erase", "absent", "--reason", "x").code == 1


def test_the_trail_is_exported_to_a_file_or_to_standard_output(
    ifonly: Any, ids: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    assert ifonly("audit", "export", "--out", str(file)).code == 0
    printed = ifonly("audit", "export").out
    assert printed.startswith(file.read_text(encoding="utf-8")), "then who exported it before"
    assert {json.loads(line)["id"] for line in printed.splitlines()} >= set(ids.values())
    assert ifonly("audit", "export", "--until", "2020-01-01T00:00:00Z").out == ""
    pytest.importorskip("pyarrow")
    table = tmp_path / "audit.parquet"
    assert ifonly("audit", "export", "--format", "parquet", "--out", str(table)).code == 0
    assert table.read_bytes()[:4] == b"PAR1"


def test_the_verifier_that_the_documentation_shows_works(
    ifonly: Any, ids: dict[str, str], tmp_path: Path
) -> None:
    """By another interpreter's hands: it imports nothing of ifonly."""
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- verifier -->\n```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(shown.splitlines()) <= 30
    (tmp_path / "check.py").write_text(shown, encoding="utf-8")
    ifonly("audit", "erase", ids["what-if"], "--reason", "asked for")
    exported = ifonly("audit", "export").out

    def check(trail: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "audit.jsonl").write_text(trail, encoding="utf-8")
        command = [sys.executable, "-I", "check.py", "audit.jsonl"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    held = check(exported)
    assert held.returncode == 0, held.stderr
    assert "holds" in held.stdout
    lines = exported.splitlines(keepends=True)
    wrong = {
        "altered": exported.replace("anonymous", "somebody", 1),
        "payload": exported.replace('\\"torque\\":62.7', '\\"torque\\":62.8', 1),
        "missing": "".join(lines[:1] + lines[2:]),
        "swapped": "".join([lines[1], lines[0], *lines[2:]]),
    }
    for what, trail in wrong.items():
        assert trail != exported, what
        assert check(trail).returncode != 0, what


# --- keys and tables ----------------------------------------------------------------------


def test_keys_are_made_listed_by_their_prefix_and_revoked(ifonly: Any, data: Path) -> None:
    made = ifonly("keys", "create", "--role", "auditor", "--label", "김 / audits")
    assert made.code == 0, made.err
    token = made.out.strip()
    prefix = token[: len("ifonly_") + 8]
    (listed,) = json.loads(ifonly("keys", "list", "--json").out)
    assert (listed["key"], listed["role"], listed["state"]) == (prefix, "auditor", "active")
    assert token not in ifonly("keys", "list").out
    assert ifonly("keys", "revoke", prefix).code == 0
    assert json.loads(ifonly("keys", "list", "--json").out)[0]["state"] == "revoked"
    again = ifonly("keys", "revoke", prefix)
    assert (again.code, "no active key" in again.err) == (1, True)
    digest = hashlib.sha256(token.encode()).hexdigest().encode()
    stored = b"".join(f.read_bytes() for f in data.glob("ifonly.sqlite3*"))
    assert token.encode() not in stored
    assert digest in stored


def test_a_key_is_made_for_a_part_of_the_plant(ifonly: Any) -> None:
    part = ("--model", "line-a-*", "--model", "press", "--attribute", "line=a")
    made = ifonly("keys", "create", "--role", "operator", *part, "--attribute", "line=b")
    assert made.code == 0, made.err
    listed = json.loads(ifonly("keys", "list", "--json").out)
    (scope,) = [key["scope"] for key in listed if made.out.startswith(key["key"])]
    assert json.loads(scope) == {
        "models": ["line-a-*", "press"],
        "attributes": {"line": ["a", "b"]},
    }
    assert "line-a-*" in ifonly("keys", "list").out
    for wrong in (("--model", "line a"), ("--attribute", "line"), ("--attribute", "Line=a")):
        refused = ifonly("keys", "create", "--role", "operator", *wrong)
        assert refused.code != 0
        assert wrong[1].partition("=")[0] in refused.err


def test_the_first_start_makes_an_admin_key_and_prints_it_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ifonly.service.doors.cli.store import prepare

    settings = Settings(data=tmp_path / "new")
    prepare(settings)
    first = capsys.readouterr().err
    assert re.search(r"ifonly_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", first)
    prepare(settings)
    assert capsys.readouterr().err == ""
    prepare(Settings(data=tmp_path / "other", no_auth=True))
    assert "ifonly_" not in capsys.readouterr().err


def test_the_first_start_makes_the_key_of_the_log_beside_the_store_and_prints_whose_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ifonly.service.doors.cli.store import prepare

    settings = Settings(data=tmp_path / "new", no_auth=True)
    prepare(settings)
    said = capsys.readouterr().err
    signer = read_key(tmp_path / "new" / "ifonly.sqlite3.log-key")
    assert str(signer.key) in said
    assert signer.text not in said
    prepare(settings)
    assert capsys.readouterr().err == ""


def test_the_store_is_for_its_owner_alone(data: Path, tmp_path: Path) -> None:
    with closing(connect(f"sqlite:///{tmp_path / 'new' / 'store.sqlite3'}")):
        pass
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "store.sqlite3").stat().st_mode & 0o077 == 0


def test_db_upgrade_makes_the_tables_and_others_ask_for_it(
    ifonly: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFONLY_DATABASE_URL", f"sqlite:///{tmp_path / 'new.sqlite3'}")
    before = ifonly("audit", "verify")
    assert (before.code, "ifonly db upgrade" in before.err) == (1, True)
    done = ifonly("db", "upgrade")
    assert (done.code, f"revision {newest()}" in done.out) == (0, True)
    assert ifonly("audit", "verify").code == 0


def test_settings_that_contradict_each_other_are_said_without_their_values(
    ifonly: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFONLY_DATABASE_URL", "postgresql://ifonly:secret@127.0.0.1/x")
    done = ifonly("serve", "--no-auth", "--host", "0.0.0.0")
    assert (done.code, done.out) == (1, "")
    assert "loopback only" in done.err
    assert "secret" not in done.err
