"""``ifonly causal replay``: past alarms under another policy, model or graph."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ifonly.models.repository import load_folder
from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.integration.small_models import write_all

SHIPPED = shipped_models() / "milling-machine" / "1"
CHOSEN = ("overpower", "heat", "false-alarm", "normal")
HAPPENED = {"false-alarm": 0, "normal": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shipped examples: three alarms of which one was false, and a part without."""
    path = tmp_path_factory.mktemp("past") / "past.csv"
    examples = [e for e in load_folder(SHIPPED).examples if e.id in CHOSEN]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*examples[0].instance, "failed"], lineterminator="\n")
        writer.writeheader()
        for example in examples:
            writer.writerow({**example.instance, "failed": HAPPENED.get(example.id, 1)})
    return path


def other(to: Path, *changes: tuple[str, str]) -> Path:
    folder = to / "milling-machine" / "1"
    shutil.copytree(SHIPPED, folder)
    text = (folder / "spec.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "spec.toml").write_text(text, encoding="utf-8")
    return folder


def replayed(under: Path, data: Path, *arguments: str) -> dict[str, Any]:
    done = run(under, data, "--json", *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run(under: Path, data: Path, *arguments: str):
    command = ["causal", "replay", str(SHIPPED), "--under", str(under), "--data", str(data)]
    return CliRunner().invoke(app, [*command, *arguments])


def test_under_the_same_folder_nothing_is_otherwise(data):
    found = replayed(SHIPPED, data, "--outcome", "failed", "--limit", "2")
    summary = found["summary"]
    assert (summary["rows"], summary["alarms_before"], summary["alarms_gone"]) == (2, 2, 0)
    assert summary["same_action"] == 2
    assert summary["old_answers_that_still_hold"] == 2
    assert summary["status_before"] == summary["status_after"]
    for case in found["cases"]:
        assert case["was"] == case["now"]


def test_a_laxer_threshold_misses_true_alarms_and_says_how_many(data, tmp_path):
    strict = other(tmp_path, ("threshold = 0.45", "threshold = 0.9995"))
    found = replayed(strict, data, "--outcome", "failed")
    gone = [c for c in found["cases"] if c["was"]["alarm"] and not c["now"]["alarm"]]
    assert gone
    summary = found["summary"]
    assert summary["alarms_before"] - summary["alarms_after"] == len(gone)
    assert summary["true_alarms_missed_now"] == sum(c["truth"] for c in gone)
    assert summary["false_alarms_avoided_now"] == sum(not c["truth"] for c in gone)
    assert summary["true_alarms_missed_now"] > 0
    assert all(c["still"] is None for c in gone)


def test_a_policy_that_frees_less_loses_answers_that_used_to_hold(data, tmp_path):
    torque = "tolerance = 0.5\nrange = [3.8, 76.6]  # seen in the published file\nscale = 6.7\n"
    frozen = other(tmp_path, (torque, "actionable = false\n"))
    found = replayed(frozen, data, "--limit", "3")
    for case in found["cases"]:
        moved = [name for name, _ in case["was"]["action"]]
        assert case["still"] is ("torque" not in moved)
        assert "torque" not in [name for name, _ in case["now"]["action"]]
    assert found["summary"]["old_answers_that_no_longer_hold"] > 0
    assert "true_alarms_missed_now" not in found["summary"]


def test_records_of_the_audit_trail_are_asked_again_each_machine_once(data, tmp_path):
    instance = load_folder(SHIPPED).examples[2].instance
    payload = json.dumps({"answer": {}, "request": {"instance": dict(instance)}})
    lines: list[dict[str, Any]] = [
        {"kind": "explanation", "model": "milling-machine", "payload": payload},
        {"kind": "explanation", "model": "milling-machine", "payload": payload},
        {"kind": "explanation", "model": "milling-machine"},  # erased
        {"kind": "explanation", "model": "press", "payload": payload},
        {"kind": "anchor"},
    ]
    file = tmp_path / "trail.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = replayed(SHIPPED, file)
    assert found["summary"]["rows"] == 1
    assert found["cases"][0]["truth"] is None


def test_without_a_file_the_explanations_of_the_audit_store_are_asked_again(tmp_path):
    instance = dict(load_folder(SHIPPED).examples[2].instance)
    with (
        serving(Settings(models=shipped_models(), data=tmp_path)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        for _ in range(2):
            asked = client.post(
                "/api/v1/models/milling-machine/explanations", json={"instance": instance}
            )
            assert asked.status_code == 200
    command = ["causal", "replay", str(SHIPPED), "--under", str(SHIPPED), "--json"]
    done = CliRunner().invoke(app, command, env={"IFONLY_DATA": str(tmp_path)})
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(done.stdout)["summary"]["rows"] == 1


def test_folders_that_read_other_features_are_not_compared(data, tmp_path):
    press = write_all(tmp_path) / "press" / "1"
    done = run(press, data)
    assert done.exit_code == 1
    assert "reads" in str(done.exception)


def test_the_table_says_what_the_numbers_are_of(data):
    done = run(SHIPPED, data, "--limit", "1")
    assert done.exit_code == 0, done.exception
    for shown in ("alarms before", "alarms gone", "same action", "old answers that still hold"):
        assert shown in done.output
