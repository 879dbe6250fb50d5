"""Staging, checking, comparing, activating and going back, without a server; and what a server that
runs meanwhile answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.doors.cli import main
from ifonly.service.served import staging
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.small_models import PRESS, linear, write_all
from tests.integration.test_comparison import GRAPH, MILL, zipped

TABLE = "torque,speed\n" + "".join(f"{t},{30 * t}\n" for t in range(10, 90))
Run = Callable[..., Any]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    root = write_all(tmp_path / "models")
    folder = root / "mill" / "1"
    folder.mkdir(parents=True)
    (folder / "spec.toml").write_text(MILL, encoding="utf-8")
    (folder / "model.onnx").write_bytes(GRAPH)
    return root


@pytest.fixture
def run(
    tmp_path: Path,
    models: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    monkeypatch.setenv("IFONLY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("IFONLY_MODELS", str(models))
    (tmp_path / "data").mkdir()

    def command(*words: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["ifonly", "models", *words])
        with pytest.raises(SystemExit) as end:
            main()
        told = capfd.readouterr()
        assert end.value.code == code, told.out + told.err
        # What is logged goes beside the answer.
        return told.out if "--json" in words else told.out + told.err

    return command


def test_a_file_is_staged_checked_and_activated(run: Run, tmp_path: Path, models: Path) -> None:
    (tmp_path / "lathe.onnx").write_bytes(linear([[0.01], [0.0]], [0.0]).SerializeToString())
    (tmp_path / "rows.csv").write_text(TABLE)
    said = run("stage", str(tmp_path / "lathe.onnx"), "--data", str(tmp_path / "rows.csv"))
    assert "asked: limit" in said
    assert "guessed: features[0].bounds" in said
    listed = json.loads(run("staged", "--json"))["staged"]
    assert [(s["name"], s["version"], s["active"]) for s in listed] == [("lathe", "1", None)]
    assert listed[0]["by"].startswith("cli")
    wrong = run(
        "set", "lathe", "1", "--set", "features[0].unit=5", "--set", 'features[1].resolution="x"',
        code=1,
    )  # fmt: skip
    assert "features[0].unit: is 5" in wrong
    assert "features[1].resolution: is 'x'" in wrong
    assert "is no JSON" in run("set", "lathe", "1", "--set", "title.en=Lathe", code=2)
    why = ("--why", "the first one")
    assert "guesses are not checked" in run("activate", "lathe", "1", *why, code=1)
    run(
        "set",
        "lathe",
        "1",
        "--set",
        'title.en="Lathe"',
        "--check",
        "all",
        "--answer",
        "limit=<=0.5",
    )
    # What the other answer has brought is guessed anew.
    run("set", "lathe", "1", "--check", "all")
    assert json.loads(run("staged", "--json"))["staged"][0]["guesses"] == 0
    assert "is active" in run("activate", "lathe", "1", *why)
    assert 'title = {en = "Lathe"}' in (models / "lathe" / "1" / "spec.toml").read_text("utf-8")
    assert "not as '<=30'" in run(
        "stage", str(tmp_path / "lathe.onnx"), "--data", str(tmp_path / "rows.csv"),
        "--answer", "limit=low", code=1,
    )  # fmt: skip


def test_a_server_that_runs_follows_and_the_way_back_is_one_command(
    run: Run, tmp_path: Path, models: Path
) -> None:
    settings = Settings.model_validate(
        {"models": models, "data": tmp_path / "data", "refresh_seconds": 0.05}
    )
    archive = tmp_path / "next.zip"
    archive.write_bytes(zipped(MILL.replace('"1"', '"2"').replace("0.5\n", "0.7\n")))
    with (
        serving(settings) as one,
        serving(settings) as two,
        httpx.Client(trust_env=False, timeout=300) as client,
    ):

        def asked(url: str) -> str:
            reply = client.post(
                f"{url}/api/v1/models/mill/predictions", json={"instance": {"torque": 60}}
            )
            version: str = reply.json()["provenance"]["version"]
            return version

        def follow(version: str) -> None:
            for url in (one, two):
                for _ in range(2_000):
                    if asked(url) == version:
                        break
                else:
                    pytest.fail(f"{url} still answers by another version")

        assert (asked(one), asked(two)) == ("1", "1")
        run("stage", str(archive))
        told = json.loads(run("compare", "mill", "2", "--json"))
        assert (told["compared"], told["cleared"]) == (2, 2)
        assert "would change 2 of the last 2 alarms" in run("compare", "mill", "2")
        run("activate", "mill", "2", "--why", "fewer", "--previous", "1")
        follow("2")
        assert "somebody has decided" in run(
            "activate", "mill", "1", "--why", "x", "--previous", "1", code=1
        )
        assert "version 1 of mill is active (before: 2)" in run("rollback", "mill", "--why", "few")
        follow("1")
        assert "first one" in run("rollback", "mill", "--why", "x", code=1)
        events = client.get(f"{one}/api/v1/audit/events", params={"kind": "model"}).json()["events"]
        assert [(e["status"], e["version"]) for e in events] == [
            ("rolled_back", "1"), ("activated", "2"), ("staged", "2")
        ]  # fmt: skip
        assert {e["actor"][:3] for e in events} == {"cli"}
        assert client.get(f"{one}/api/v1/audit/verify").json()["holds"]


def test_what_is_not_there_is_told(run: Run, tmp_path: Path, models: Path) -> None:
    assert "no version" in run("activate", "mill", "9", "--why", "x", code=2)
    assert "cannot be read" in run("stage", str(tmp_path / "none.zip"), code=1)
    (tmp_path / "m.pkl").write_bytes(b"x")
    (tmp_path / "m.csv").write_text("a\n1\n")
    said = run("stage", str(tmp_path / "m.pkl"), "--data", str(tmp_path / "m.csv"), code=1)
    assert "file: is '.pkl'" in said
    assert "staged" in run("set", "mill", "9", "--check", "all", code=2)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(zipped(PRESS.replace('unit = "bar"', "unit = 5"), b"no graph"))
    assert "features[0].unit" in run("stage", str(broken), code=1)
    assert not (models / staging.FOLDER).exists()
