"""Environments made on the spot from a list of pins, and kept in the cache."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.peers.catalogue import Environment


class CannotInstall(Exception):
    """The environment cannot be made here; the message says why."""


def interpreter(environment: Environment, cache: Path, pythons: Sequence[str]) -> Path:
    """The Python in which ``environment`` runs; installs it first if it is not in ``cache``.

    Raises
    ------
    CannotInstall
        If no Python is new enough, or the packages cannot be had.
    """
    if not environment.packages:
        return Path(sys.executable)
    pins = "\n".join(environment.packages) + "\n"
    digest = hashlib.sha256(pins.encode()).hexdigest()[:8]
    folder = cache / "environments" / f"{environment.name}-{digest}"
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    if not stamp.is_file():
        base = _base(environment, pythons)
        _run([base, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
              "--no-input", *environment.packages])  # fmt: skip
        stamp.write_text(pins)
    return python


def _base(environment: Environment, pythons: Sequence[str]) -> str:
    """The first Python that is new enough and runs."""
    least = environment.least_python
    for candidate in (sys.executable, *pythons, "python3.13", "python3.12"):
        test = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < {least})"
        try:
            found = subprocess.run([candidate, "-c", test], capture_output=True, check=False)
        except OSError:
            continue
        if found.returncode == 0:
            return candidate
    version = ".".join(map(str, least))
    raise CannotInstall(f"needs Python {version} or newer: name one with --python")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if line.lower().lstrip().startswith("error")] or lines
        raise CannotInstall(errors[-1][:200] if errors else f"{command[0]} failed")
