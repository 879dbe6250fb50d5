"""ONNX Runtime tells its maker nothing of the plant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
from pathlib import Path
from ifonly.models.repository import load_folder
from ifonly.service.settings import shipped_models

load_folder(shipped_models() / "milling-machine" / "1")
"""


SWITCH = "ORT_DISABLE_TELEMETRY"
SEEN = f"""
import os, sys

class Switch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print("imported with", os.environ.get("{SWITCH}"))

sys.meta_path.insert(0, Switch())
"""
"""Prints where the switch stands when ONNX Runtime is first imported."""


def _run(code: str, home: Path) -> tuple[str, list[str]]:
    """What ``code`` prints in a process of its own, and what of ONNX Runtime is in its home."""
    environment = {k: v for k, v in os.environ.items() if k != SWITCH}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout, [path.name for path in home.rglob("*onnxruntime*")]


def test_the_switch_is_set_before_onnx_runtime_is_imported(tmp_path: Path) -> None:
    printed, kept = _run(SEEN + LOAD, tmp_path)
    assert printed == "imported with 1\n"
    assert kept == []


def test_without_the_switch_events_are_kept_to_be_sent(tmp_path: Path) -> None:
    """What the switch is for; a build of ONNX Runtime or a machine may keep nothing anyway."""
    printed, kept = _run(SEEN + "import onnxruntime\n" + LOAD, tmp_path)
    assert printed == "imported with None\n"
    if not kept:
        pytest.skip("this machine's ONNX Runtime keeps no events, with or without the switch")
