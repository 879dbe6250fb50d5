"""The command line: what it prints, and its exit codes. What serves is a process of its own."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from ifonly.service.doors.cli import main
from ifonly.service.settings import shipped_models
from tests.support.replies import same_for_all

FOLDER = shipped_models() / "milling-machine" / "1"
ALARM = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))[0]["instance"]
ROW = json.dumps(ALARM)
DATA = tempfile.TemporaryDirectory(prefix="ifonly-cli-")


@pytest.fixture
def here(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """A command in this process: what ends by itself need not start Python each time."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for name in [name for name in os.environ if name.startswith("IFONLY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IFONLY_DATA", DATA.name)

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["ifonly", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capfd.readouterr()
        return SimpleNamespace(returncode=end.value.code, stdout=printed.out, stderr=printed.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


def refused(process: Any, code: int) -> str:
    """stderr of a command that ended with ``code`` and printed no answer and no traceback."""
    assert process.returncode == code, process.stderr
    assert process.stdout == ""
    assert "Traceback" not in process.stderr
    text: str = process.stderr
    return text


def test_explain_prints_the_sentence_in_both_languages_and_a_table(here: Any) -> None:
    process = here("explain", "--row", ROW)
    assert process.returncode == 0, process.stderr
    assert "Had the torque been" in process.stdout
    assert "그에 따라 회전 속도는" in process.stdout
    assert "→ rotational speed" in process.stdout
    assert "Nm" in process.stdout
    assert "would be" in process.stdout
    assert "normal" in process.stdout
    assert process.stderr == ""


def test_explain_prints_only_the_language_asked_for(here: Any) -> None:
    process = here("explain", "--row", ROW, "--lang", "ko")
    assert process.returncode == 0
    assert "Had the model" not in process.stdout
    assert "토크" in process.stdout


def test_explain_json_is_the_apis_reply(here: Any, client: httpx.Client) -> None:
    options = ["--alternatives", "2", "--seed", "3", "--freeze", "torque", "--deadline-ms", "30000"]
    process = here("explain", "--row", ROW, "--json", "--model", "milling-machine", *options)
    assert process.returncode == 0, process.stderr
    body = {
        "instance": ALARM,
        "alternatives": 2,
        "seed": 3,
        "constraints": {"freeze": ["torque"]},
        "deadline_ms": 30_000,
    }
    reply = client.post("/api/v1/models/milling-machine/explanations", json=body).json()
    printed = json.loads(process.stdout)
    assert same_for_all(printed) == same_for_all(reply)


@pytest.mark.parametrize("how", ["file", "stdin"])
def test_a_row_comes_from_a_file_or_standard_input(
    here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    file = tmp_path / "row.json"
    file.write_text(ROW, encoding="utf-8")
    with file.open(encoding="utf-8") as piped:
        monkeypatch.setattr(sys, "stdin", piped)
        process = here("predict", "--row", str(file) if how == "file" else "-", "--json")
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["predictions"][0]["class"] == "failure"


def test_a_target_can_be_written_short(here: Any) -> None:
    process = here("explain", "--row", ROW, "--json", "--target", "normal>=0.9")
    best = json.loads(process.stdout)["counterfactuals"][0]
    assert best["prediction"]["probability"] >= 0.9


def test_no_answer_is_an_answer(here: Any) -> None:
    levers = ["process_temperature", "rotational_speed", "torque", "tool_wear"]
    process = here("explain", "--row", ROW, *(f"--freeze={lever}" for lever in levers))
    assert process.returncode == 0
    assert "infeasible" in process.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--row", "{}"], ["instance has length 0"]),
        (["--row", "{"], ["the row is not JSON", "line 1"]),
        (["--row", json.dumps(ALARM | {"torque": 150})], ["150 Nm", "[0, 100] Nm"]),
        (["--row", '{"torque": NaN}'], ["torque is NaN", "not a finite number"]),
        (["--row", ROW, "--target", "gone"], ["'gone'", "'normal', 'failure'"]),
        (["--row", ROW, "--target", "failure"], ["already is as this target wants it"]),
        (["--row", ROW, "--freeze", "tork"], ["tork is not a feature"]),
        (["--row", ROW, "--alternatives", "11"], ["11, above 10"]),
        (["--row", ROW, "--deadline-ms", "0"], ["0, below 1"]),
        (["--row", ROW, "--model", "other"], ["'other'", "milling-machine"]),
        (["--row", ROW, "--version", "9"], ["'9'"]),
        (
            ["--row", ROW, "--freeze", "torque", "--constraints", '{"ranges": {"torque": [1, 2]}}'],
            ["constraints.freeze.0", "constraints.ranges.torque"],
        ),
        ([], ["--row"]),
        (["--row", ROW, "--lang", "de"], ["de"]),
    ],
)
def test_a_wrong_request_ends_with_2_and_says_why(
    here: Any, arguments: list[str], words: list[str]
) -> None:
    message = refused(here("explain", *arguments), 2)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explain", "--row", "no-such-file.json"], ["no-such-file.json", "No such file"]),
        (["predict", "--row", ROW, "--models", "no-such-folder"], ["no-such-folder"]),
        (["serve", "--models", "no-such-folder"], ["no-such-folder"]),
        (["serve", "--host", "no.such.host.invalid", "--port", "0"], ["no.such.host.invalid"]),
        (["models", "check", "no-such-folder"], ["no-such-folder"]),
        (["serve", "--port", "70000"], ["port", "70000"]),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_says_why(
    here: Any, arguments: list[str], words: list[str]
) -> None:
    message = refused(here(*arguments), 1)
    for word in words:
        assert word in message


def test_several_models_need_a_name(here: Any, repository: Path) -> None:
    message = refused(here("predict", "--row", ROW, "--models", str(repository)), 1)
    assert "--model brittle | milling-machine | press | sorter" in message


def test_models_lists_what_is_served_and_what_is_not(
    here: Any, repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(repository / "press", tmp_path / "press")
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "spec.toml").write_text("format = 7")
    process = here("models", "--models", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert "Press force / 프레스 힘" in process.stdout
    assert "refused: broken/1" in process.stdout
    listing = json.loads(here("models", "--models", str(tmp_path), "--json").stdout)
    assert [m["name"] for m in listing["models"]] == ["press"]


def test_models_check_says_whether_a_folder_would_be_served(
    here: Any, repository: Path, tmp_path: Path
) -> None:
    good = here("models", "check", str(repository / "sorter" / "1"))
    assert good.returncode == 0, good.stderr
    assert "sorter 1 can be served" in good.stdout

    bad = shutil.copytree(repository / "sorter", tmp_path / "sorter") / "1"
    spec = (bad / "spec.toml").read_text()
    (bad / "spec.toml").write_text(spec.replace("scale = 1.0", "scale = -1.0\ndirection = 3"))
    message = refused(here("models", "check", str(bad)), 1)
    assert "policy.features.size.scale" in message
    assert "policy.features.size.direction" in message

    (bad / "spec.toml").write_text(spec)
    (bad / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "LFS" in refused(here("models", "check", str(bad)), 1)


def test_run_once_explains_a_real_alarm_in_both_languages_and_stops() -> None:
    with _started("run", "--once", "--port", "0") as (process, lines):
        printed = "".join(lines)
        assert process.wait() == 0
    for reading in (str(ALARM["torque"]), str(ALARM["air_temperature"]), "rpm"):
        assert reading in printed
    assert "밀링 머신 고장 경보" in printed
    assert "Had the torque been" in printed
    assert "curl -s http://127.0.0.1:" in printed
    assert "/api/v1/models/milling-machine/explanations" in printed


def test_run_serves_on_until_it_is_stopped_and_ends_well() -> None:
    with _started("run", "--port", "0") as (process, lines):
        url = next(line for line in lines if line.startswith("Serving at ")).split()[2].rstrip(";")
        reply = httpx.get(f"{url}/healthz/ready", timeout=300, trust_env=False)
        assert reply.json() == {"status": "ready", "models": 1}
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_run_with_demo_says_where_simulated_machines_are_seen_and_ends_well() -> None:
    with _started("run", "--demo", "--port", "0") as (process, lines):
        line = next(line for line in lines if "simulated machines" in line)
        url = line.split()[-1].removesuffix("/alarms")
        last = time.monotonic() + 300
        found: dict[str, Any] = {"total": 0}
        while not found["total"] and time.monotonic() < last:
            found = httpx.get(f"{url}/api/v1/alarms", timeout=300, trust_env=False).json()
            time.sleep(0.1)
        assert found["alarms"][0]["equipment"].startswith("Simulated ")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


@pytest.mark.slow
def test_serve_logs_json_lines_if_asked_to_and_ends_well_at_sigterm() -> None:
    environment = {"IFONLY_LOG_FORMAT": "json"}
    with _started("serve", "--no-auth", "--port", "0", stream="stderr", **environment) as (
        process,
        lines,
    ):
        url = next(lines).split()[-1]
        logged = []
        for line in lines:
            logged.append(json.loads(line))
            if "startup complete" in logged[-1]["message"]:
                break
        body = {"instance": ALARM}
        reply = httpx.post(
            f"{url}/api/v1/models/milling-machine/predictions",
            json=body,
            headers={"X-Request-ID": "shift-3"},
            timeout=300,
            trust_env=False,
        )
        assert reply.status_code == 200
        process.terminate()
        logged += [json.loads(line) for line in lines]
        assert process.wait() == 0
    (asked,) = [line for line in logged if line["request_id"] == "shift-3"]
    assert (asked["method"], asked["status"], asked["level"]) == ("POST", 200, "INFO")
    assert str(ALARM["torque"]) not in json.dumps(asked["message"])


def test_a_port_that_is_taken_is_said_and_ends_with_1(here: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for command in ("run", "serve"):
            message = refused(here(command, "--port", port), 1)
            assert f"port {port}" in message
            assert "in use" in message
            assert "--port" in message


def test_train_without_its_extra_names_the_line_that_installs_it(
    here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("ifonly.models.training")]:
        monkeypatch.delitem(sys.modules, name)  # what is imported already asks for nothing
    monkeypatch.setitem(sys.modules, "xgboost", None)
    message = refused(here("train", "--out", str(tmp_path / "out")), 1)
    assert "training needs xgboost" in message
    assert "pip install 'ifonly[train]'" in message
    assert not list((tmp_path / "out").rglob("*.onnx"))


def test_train_does_not_overwrite_a_version(here: Any, tmp_path: Path) -> None:
    pytest.importorskip("xgboost")
    (tmp_path / "milling-machine" / "1").mkdir(parents=True)
    message = refused(here("train", "--out", str(tmp_path)), 1)
    assert "milling-machine" in message
    assert "already" in message


class _started:
    """A command that keeps running, and the lines it prints; stopped in the end."""

    def __init__(self, *arguments: str, stream: str = "stdout", **environment: str) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("IFONLY_")}
        pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ifonly", *arguments],
            **(pipes | {stream: subprocess.PIPE}),
            text=True,
            encoding="utf-8",
            env=clean
            | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "IFONLY_DATA": DATA.name}
            | environment,
        )
        self._lines = getattr(self._process, stream)

    def __enter__(self) -> tuple[subprocess.Popen[str], Any]:
        return self._process, self._lines

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
