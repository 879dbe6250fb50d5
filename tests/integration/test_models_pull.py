"""``ifonly models pull``: whole, checked, tried and placed at once, or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from ifonly.service.doors.cli import main
from ifonly.service.errors import CannotPull
from ifonly.service.served import pulling
from ifonly.service.served.objects import opened
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_faults import until

VERSIONS = ["brittle/10", "brittle/2", "press/1", "sorter/1"]


def write_sums(root: Path) -> str:
    """As `sha256sum */*/*` does; the digest of the file itself."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.name != pulling.SUMS)
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(root).as_posix()}\n"
        for p in files
    ]
    (root / pulling.SUMS).write_text("".join(lines))
    return hashlib.sha256((root / pulling.SUMS).read_bytes()).hexdigest()


@pytest.fixture
def kept(repository: Path, tmp_path: Path) -> Path:
    """Small models with their digests, where they are kept."""
    root = tmp_path / "kept"
    for identity in VERSIONS:
        shutil.copytree(repository / identity, root / identity)
    write_sums(root)
    return root


@pytest.fixture
def address(kept: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(kept))
    _Quiet.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    asked: ClassVar[Counter[str]] = Counter()
    """How often for which path, since the fixture was made."""

    def log_message(self, *_: object) -> None:
        self.asked[self.path] += 1


@dataclass(frozen=True)
class Ended:
    """How a command ended, and all that it said."""

    exit_code: int
    output: str


Pull = Callable[..., Ended]


@pytest.fixture
def pull(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Pull]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setenv("NO_PROXY", "*")

    def run(source: object, models: Path | None, *options: str) -> Ended:
        where = [] if models is None else ["--models", str(models)]
        monkeypatch.setattr(
            sys, "argv", ["ifonly", "models", "pull", str(source), *where, *options]
        )
        with pytest.raises(SystemExit) as end:
            main()
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return Ended(int(end.value.code or 0), said.out + said.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


def versions(models: Path) -> list[str]:
    assert not [p for p in models.iterdir() if p.name.startswith(".")]  # nothing hidden is left
    return sorted(p.relative_to(models).as_posix() for p in models.glob("*/*"))


@pytest.mark.parametrize("how", ["http", "folder"])
def test_what_is_named_is_placed_once_and_served(
    how: str, kept: Path, address: str, tmp_path: Path, pull: Pull
) -> None:
    source, models = address if how == "http" else kept, tmp_path / "models"
    (kept / "press/1/unnamed.txt").write_text("not named, so not fetched")
    said = pull(source, models)
    assert said.exit_code == 0, said.output
    assert versions(models) == VERSIONS
    for path in (p for v in VERSIONS for p in (models / v).rglob("*") if p.is_file()):
        assert path.read_bytes() == (kept / path.relative_to(models)).read_bytes()
    assert not (models / "press/1/unnamed.txt").exists()
    again = pull(source, models)
    assert again.exit_code == 0
    assert [f"{v} is there" in again.output for v in VERSIONS] == [True] * 4
    with serving(Settings(models=models)) as base:
        listed = httpx.get(f"{base}/api/v1/models", timeout=300, trust_env=False).json()
    assert sorted(m["name"] for m in listed["models"]) == ["brittle", "press", "sorter"]


def test_one_digest_names_all_of_it(kept: Path, tmp_path: Path, pull: Pull) -> None:
    models = tmp_path / "models"
    sha256 = write_sums(kept)
    (kept / pulling.SUMS).write_text((kept / pulling.SUMS).read_text().replace("a", "b"))
    said = pull(kept, models, "--sha256", sha256)
    assert said.exit_code == 1
    assert f"and not {sha256}" in said.output
    assert versions(models) == []
    write_sums(kept)
    assert pull(kept, models, "--sha256", sha256.upper()).exit_code == 0


def test_what_is_not_as_named_is_refused_and_the_others_are_placed(
    kept: Path, tmp_path: Path, pull: Pull
) -> None:
    """Changed since; missing; no model that could be served; there with other files."""
    models = tmp_path / "models"
    shutil.copytree(kept / "brittle/2", models / "brittle/2")
    (models / "brittle/2/spec.toml").write_bytes((kept / "brittle/10/spec.toml").read_bytes())
    (kept / "sorter/1/spec.toml").write_text("no = 'spec'")
    write_sums(kept)
    (kept / "press/1/model.onnx").write_bytes(b"another")
    (kept / "brittle/10/model.onnx").unlink()
    said = pull(kept, models)
    assert said.exit_code == 1
    assert versions(models) == ["brittle/2"]
    told = dict(re.findall(r"refused (\S+): (.+)", said.output))
    assert told.keys() == {*VERSIONS}
    assert "SHA256SUMS says" in told["press/1"]
    assert "No such file" in told["brittle/10"]
    assert "never replaced" in told["brittle/2"]
    assert "spec.toml" in told["sorter/1"]
    write_sums(kept)
    assert pull(kept, models).exit_code == 1
    assert versions(models) == ["brittle/2"]  # what can be served but is not there with other files


@pytest.mark.parametrize(
    "line",
    [
        "../../../etc/passwd",
        "press/../../outside/file",
        "/etc/cron.d/x",
        "press/1",
        "press//spec.toml",
        "press/1/.hidden",
        "press/1/a\\b",
        "press/1/a:b",
        "press/1/a\x1b[2J",
        "press/1/sp ace",
        f"press/1/{'a' * 200}",
    ],
)
def test_no_path_leads_out_or_is_read_two_ways(line: str, tmp_path: Path) -> None:
    (tmp_path / pulling.SUMS).write_text(f"{'0' * 64}  {line}\n")
    with opened(str(tmp_path)) as read, pytest.raises(CannotPull, match="line 1"):
        pulling.listing(read)


def test_forms_of_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "ab" * 32
    file = tmp_path / pulling.SUMS
    with opened(str(tmp_path)) as read:
        with pytest.raises(CannotPull, match="No such file"):
            pulling.listing(read)
        file.write_text(f"{digest}  ./a/1/model.onnx\n{digest} *a/1/mechanisms/b.json\n")
        found = pulling.listing(read).versions
        assert found == {("a", "1"): {"model.onnx": digest, "mechanisms/b.json": digest}}
        for wrong in (f"{digest}  a/1/B\n{digest}  a/1/b\n", "abc  a/1/b\n", f"{digest}\ta/1/b\n"):
            file.write_text(wrong)
            with pytest.raises(CannotPull, match=r"line \d"):
                pulling.listing(read)
        file.write_text(f"{digest}  a/1/b\n" * 3)
        monkeypatch.setattr(pulling, "MAX_FILES", 2)
        with pytest.raises(CannotPull, match="the most is 2"):
            pulling.listing(read)
        monkeypatch.setattr(pulling, "MAX_SUMS", 100)
        with pytest.raises(CannotPull, match="longer than 100"):
            pulling.listing(read)


def test_a_model_of_too_many_bytes_is_not_fetched_to_its_end(
    kept: Path, tmp_path: Path, pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "MAX_UNPACKED", 50)
    assert pull(kept, tmp_path / "models").exit_code == 1
    assert versions(tmp_path / "models") == []


@pytest.mark.parametrize("source", ["ftp://models.example/", "http://127.0.0.1:1/"])
def test_what_cannot_be_read_is_said(source: str, tmp_path: Path, pull: Pull) -> None:
    said = pull(source, tmp_path / "models")
    assert said.exit_code == 1
    assert said.output.startswith("ifonly: ")


@pytest.mark.slow
def test_one_that_looks_again_finds_what_comes_and_stops_when_told(
    kept: Path, address: str, tmp_path: Path, pull: Pull
) -> None:
    """What comes is then served by a service that runs."""
    models = tmp_path / "models"
    late = kept / "sorter"
    shutil.move(late, tmp_path / "late")
    write_sums(kept)
    assert pull(address, models).exit_code == 0
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IFONLY_")}
    command = [sys.executable, "-m", "ifonly", "models", "pull", address, "--every", "1"]
    with (
        serving(Settings(models=models, refresh_seconds=0.2)) as base,
        subprocess.Popen(command, env=environment | {"IFONLY_MODELS": str(models)}) as again,
    ):
        try:
            known = partial(httpx.get, f"{base}/api/v1/models/sorter", timeout=300, trust_env=False)
            assert known().status_code == 404
            shutil.move(tmp_path / "late", late)
            write_sums(kept)
            until(lambda: known().status_code == 200)
            again.send_signal(signal.SIGTERM)
            assert again.wait(60) == 0
        finally:
            again.kill()


@pytest.mark.slow
def test_what_cannot_be_served_is_not_fetched_again_and_what_may_come_is(
    kept: Path, address: str, tmp_path: Path
) -> None:
    (kept / "sorter/1/spec.toml").write_text("no = 'spec'")
    write_sums(kept)
    (kept / "press/1/model.onnx").rename(tmp_path / "late")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IFONLY_")}
    environment |= {"IFONLY_MODELS": str(tmp_path / "models"), "NO_PROXY": "*"}
    command = [sys.executable, "-m", "ifonly", "models", "pull", address, "--every", "1"]
    with subprocess.Popen(command, env=environment) as again:
        try:
            until(lambda: _Quiet.asked["/press/1/model.onnx"] >= 3)
            (tmp_path / "late").rename(kept / "press/1/model.onnx")
            until((tmp_path / "models/press/1").exists)
            # Once more at the most, in the round that found the other missing.
            looks = _Quiet.asked["/SHA256SUMS"]
            fetched = _Quiet.asked["/sorter/1/spec.toml"]
            until(lambda: _Quiet.asked["/SHA256SUMS"] >= looks + 3)
            assert _Quiet.asked["/sorter/1/spec.toml"] <= fetched + 1
        finally:
            again.kill()


def test_it_does_not_fill_the_installed_package(kept: Path, pull: Pull) -> None:
    said = pull(kept, None)
    assert said.exit_code == 1
    assert "IFONLY_MODELS" in said.output
