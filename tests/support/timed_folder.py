"""The default model, its causal model with delays that have numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

from ifonly.service.settings import shipped_models

NAME = "milling-machine"
STEP = "time = {step = {minutes = 1}}\n"
DELAYS = {
    "nodes.process_temperature": 'minutes = 10, shape = "first-order"',
    "nodes.rotational_speed": "minutes = 0",
    "nodes.torque": "seconds = 120",
    "nodes.tool_wear": "minutes = 5",
    "edges.rotational_speed": "minutes = 3",
}
"""Of what is set, and of the edge from the torque to the speed."""


def timed_folder(root: Path, step: str = STEP, **delays: str) -> Path:
    """``root/milling-machine/1``; ``delays`` by the last name of a key instead of those above, an
    empty one for none."""
    folder = root / NAME / "1"
    shutil.copytree(shipped_models() / NAME / "1", folder)
    file = folder / "causal.toml"
    text = file.read_text(encoding="utf-8").replace("[nodes.air", f"{step}\n[nodes.air", 1)
    # The shipped file has words alone.
    text = "".join(line for line in text.splitlines(True) if not line.startswith("delay ="))
    for key, delay in DELAYS.items():
        part, name = key.split(".")
        told = delays.get(f"{part}_{name}", delay)
        head = f"[{key}]\n" if part == "nodes" else f'to = "{name}"\n'
        assert text.count(head) == 1
        if told:
            text = text.replace(head, f"{head}delay = {{{told}}}\n")
    file.write_text(text, encoding="utf-8")
    return folder
