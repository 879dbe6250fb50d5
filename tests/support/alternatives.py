"""The shipped model with other graphs that may be the true one."""

from __future__ import annotations

import shutil
from pathlib import Path

from ifonly.service.settings import shipped_models

NAME = "milling-machine"
REVERSED = """
[[alternatives]]
name = "speed-torque"
weight = {weight}
source = "validation"
reason = "Both directions leave independent noise."
remove = [["torque", "rotational_speed"]]
add = [["rotational_speed", "torque"]]

[alternatives.mechanisms.torque]
kind = "expression"
expression = "20000 / max(rotational_speed - 1000, 100)"
sd = 3.0
"""
HIDDEN = """
[[alternatives]]
name = "hidden"
weight = {weight}
source = "expert"
remove = [["torque", "rotational_speed"]]
confounders = [{{between = ["torque", "rotational_speed"]}}]

[alternatives.mechanisms.rotational_speed]
kind = "root"
sd = 180.0
"""


def folder_with(root: Path, *others: str) -> Path:
    """Its folder below ``root``, with what ``causal.toml`` says of other graphs."""
    folder = root / NAME / "1"
    shutil.copytree(shipped_models() / NAME / "1", folder)
    add_graphs(folder, *others)
    return folder


def add_graphs(folder: Path, *others: str) -> None:
    """Puts other graphs into the ``causal.toml`` of a folder."""
    file = folder / "causal.toml"
    head, rest = file.read_text(encoding="utf-8").split("[provenance]\n", 1)
    file.write_text(f"{head}{''.join(others)}\n[provenance]\n{rest}", encoding="utf-8")
