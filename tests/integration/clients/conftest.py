"""Interpreters of client libraries, each in an environment of its own (``make test-clients``)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("IFONLY_CLIENTS", HERE.parents[2] / ".venv-clients"))

Calls = Callable[..., dict[str, Any]]


def interpreter(name: str) -> Path:
    """Skips the test unless the library's environment is there."""
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{name} has no environment here: make test-clients")
    return python


def calls(name: str, *arguments: str, how: str = "") -> dict[str, Any]:
    """What the calls of a library came back with, made by its own interpreter; ``how``: of another
    script of the same library."""
    command = [str(interpreter(name)), "-W", "error::DeprecationWarning:__main__"]
    done = subprocess.run(
        [*command, str(HERE / f"{name}{how}_calls.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        # Of this machine nothing but what a process needs: no proxy, no path of ours.
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "NO_PROXY": "*"},
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="session")
def rows(client: Any, alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """One that raises the alarm and one that does not."""
    return [alarm, {**alarm, "torque": 20.5, "tool_wear": 0}]


@pytest.fixture(scope="session")
def expected(client: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the native API says of them."""
    path = "/api/v1/models/milling-machine/predictions"
    found: list[dict[str, Any]] = client.post(path, json={"instances": rows}).json()["predictions"]
    assert [p["class"] for p in found] == ["failure", "normal"]
    return found
