"""ONNX Runtime tells its maker nothing of the plant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
from pathlib import Path
from models.repository import load_folder
from service.settings import shipped_models

load_folder(shipped_models() / "milling-machine" / "1")
"""


@pytest.mark.parametrize("off", [True, False])
def test_nothing_is_kept_to_be_sent(tmp_path: Path, off: bool) -> None:
    """Of what is imported before the switch (``off`` is False) the opposite is true."""
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    code = LOAD if off else f"import onnxruntime\n{LOAD}"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    kept = [path.name for path in tmp_path.rglob("*onnxruntime*")]
    assert (kept == []) is off, kept
