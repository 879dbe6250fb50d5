"""The wheel, in an environment of its own, from a folder that has packages of the same names."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy
import pytest

import hatch_build
from ifonly.models.repository import load_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("ifonly", "service", "explainers", "models")
SOURCES = (*FOLDERS, "hatch_build.py", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd")

TYPED = """
from pathlib import Path

import ifonly


def change(folder: Path, row: dict[str, float | str]) -> ifonly.Change:
    found: ifonly.Explanations = ifonly.explain(folder, row)
    first: ifonly.Explanation = found[0]
    status: str = first.status
    print(status, first.to_dict(), found[:1].assumptions)
    return first.changes[0]


def asked(client: ifonly.Client, row: dict[str, float]) -> list[float | None]:
    more = client.explain_many("m", [row], target=(None, 1.0), alternatives=2)
    return [client.explain("m", row).cost, *(each.unwrap().cost for each in more)]
"""
UNTYPED = """
import ifonly

ifonly.explain("model.onnx")
seconds: str = ifonly.explain("model.onnx", {})[0].cost
ifonly.Client().explain("m", {}, alternativs=2)
"""
ASKED = """
import sys
import ifonly
found = ifonly.explain(lambda rows: (rows[:, 0] > 3.0) * 1.0, {"t": 4.5}, {"t": [1.0, 5.5]})
print(found[0].changes[0].after, ifonly.__file__)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, whose extension may be compiled while other tests run."""
    pytest.importorskip("hatchling")
    pytest.importorskip("nanobind")
    copy = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=NOT_COPIED)
        else:
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled in a quarter of the time: how fast it searches is no question here."""
    command = hatch_build.compiler()
    assert command is not None
    hurried = tmp_path_factory.mktemp("compiler") / "c++"
    hurried.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@" -O0\n', encoding="utf-8")
    hurried.chmod(0o755)
    build: list[object] = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    _run(build, checkout, CXX=str(hurried))
    (found,) = (checkout / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of an environment are that has the wheel, and our dependencies."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True, symlinks=True)
    programs = home / "bin"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    purelib = _run([programs / "python", "-c", where])
    # Of ours only what lies there: paths that it names itself, such as a checkout's, are not read.
    Path(purelib.strip(), "dependencies.pth").write_text(f"{Path(numpy.__file__).parents[1]}\n")
    _run([programs / "pip", "install", "--quiet", "--no-index", "--no-deps", wheel])
    return programs


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A person's own project, with packages called like ours."""
    for name in ("models", "service", "explainers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('the wrong {name}')\n")
    return tmp_path


def _run(
    command: list[object], folder: Path | None = None, code: int = 0, **environment: str
) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=_environment(folder) | environment,
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def _environment(folder: Path | None) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("IFONLY_", "PYTHON"))}
    return own if folder is None else own | {"IFONLY_DATA": str(folder / "data"), "PYTHONPATH": "."}


def test_a_wheel_has_one_package_with_all_that_the_checkout_has(
    wheel: Path, checkout: Path
) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name for name in names if not name.startswith("ifonly-")}
    assert {name.split("/")[0] for name in packed} == {"ifonly"}
    there = {
        ("" if top == "ifonly" else "ifonly/") + path.relative_to(checkout).as_posix()
        for top in FOLDERS
        for path in (checkout / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == there
    assert "ifonly/py.typed" in packed
    assert any(name.startswith("ifonly/explainers/native/kernel.") for name in packed)


def test_an_sdist_has_each_file_once(checkout: Path) -> None:
    _run([sys.executable, "-m", "hatchling", "build", "-t", "sdist"], checkout)
    (found,) = (checkout / "dist").glob("*.tar.gz")
    with tarfile.open(found) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {"service/settings.py", "models/schema.py", "explainers/explain.py"} <= names
    assert not any(name.startswith(tuple(f"ifonly/{f}/" for f in FOLDERS)) for name in names)


def test_links_that_an_archive_lost_are_made_again(checkout: Path) -> None:
    links = [checkout / "ifonly" / name for name in ("service", "explainers", "models")]
    assert all(link.is_symlink() for link in links)
    links[0].unlink()
    links[1].unlink()
    links[1].write_text("../explainers")  # as git writes a link where there are none
    _run([sys.executable, "-c", "import hatch_build; hatch_build.link()"], checkout)
    assert all(link.is_symlink() and link.is_dir() for link in links)


def test_commands_run_beside_packages_of_the_same_names(programs: Path, elsewhere: Path) -> None:
    assert "milling-machine" in _run([programs / "ifonly", "models"], elsewhere)
    assert "milling-machine" in _run([programs / "python", "-m", "ifonly", "models"], elsewhere)
    once = _run([programs / "ifonly", "run", "--once", "--port", "0"], elsewhere)
    assert "the torque been" in once


def test_a_server_answers_beside_them(programs: Path, elsewhere: Path) -> None:
    folder = ROOT / "models/artifacts/milling-machine/1"
    with _serving(programs, elsewhere) as client:
        body = {"instance": load_folder(folder).examples[0].instance}
        reply = client.post("/api/v1/models/milling-machine/explanations", json=body)
    assert reply.json()["status"] == "optimal"


@contextmanager
def _serving(programs: Path, folder: Path) -> Iterator[httpx.Client]:
    command = [str(programs / "ifonly"), "serve", "--no-auth", "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=_environment(folder), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            base = next((line.split()[-1] for line in process.stderr if "http://" in line), "")
            assert base, "it did not start"
            with httpx.Client(base_url=base, timeout=60.0, trust_env=False) as client:
                yield client
        finally:
            process.terminate()


def test_python_answers_beside_them(programs: Path, elsewhere: Path) -> None:
    (elsewhere / "notebook.py").write_text(ASKED)
    after, file = _run([programs / "python", "notebook.py"], elsewhere).split()
    assert float(after) == 3.0
    assert Path(file).is_relative_to(programs.parent)


def test_it_is_typed_for_whoever_uses_it(programs: Path, elsewhere: Path) -> None:
    pytest.importorskip("mypy")
    (elsewhere / "typed.py").write_text(TYPED)
    (elsewhere / "untyped.py").write_text(UNTYPED)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file="]
    # Not with PYTHONPATH=.: their packages are no part of the question.
    mypy += ["--python-executable", str(programs / "python")]
    told = _run([*mypy, "typed.py", "untyped.py"], elsewhere, code=1)
    assert 'Missing positional argument "rows"' in told
    assert "Incompatible types in assignment" in told
    assert 'Unexpected keyword argument "alternativs"' in told
    assert "Found 3 errors in 1 file (checked 2 source files)" in told
