"""A page of the documentation is run as it stands: its Python and commands, top to bottom."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def nobody(*arguments: str) -> None:
    """For pages without commands."""
    raise AssertionError(f"the page has a command: {arguments}")


class Page:
    """One page, and the names that its Python has defined so far."""

    def __init__(self, name: str) -> None:
        """``name``: its path below ``docs/``."""
        self.name = name
        self.text = (DOCS / name).read_text(encoding="utf-8")
        self.blocks: list[tuple[str, str]] = BLOCK.findall(self.text)
        self.names: dict[str, Any] = {}

    def of(self, kind: str) -> list[str]:
        """Its blocks of one kind: ``python``, ``sh``, ``text`` (what is printed), ``json``, …"""
        return [block for own, block in self.blocks if own == kind]

    @property
    def quotes(self) -> list[str]:
        return re.findall(r"^> (.*)$", self.text, re.MULTILINE)

    def run(
        self, command: Callable[..., object] = nobody, *, is_python_first: bool = False
    ) -> None:
        """Every block of Python is run in one namespace; ``command`` is given the arguments of
        each command, without ``ifonly``."""
        runs = [(kind, block) for kind, block in self.blocks if kind in ("python", "sh")]
        if is_python_first:
            runs.sort(key=lambda each: each[0])
        for kind, block in runs:
            if kind == "python":
                exec(compile(block, self.name, "exec"), self.names)  # our own page, not input
                continue
            for line in block.splitlines():
                program, *arguments = shlex.split(line)
                assert program == "ifonly", line
                command(*arguments)
