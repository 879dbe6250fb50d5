"""Files of the repository of which code writes a part: written anew, or held against it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def main(module: str, file: Path, made: Callable[[str], str]) -> int:
    """The command ``python -m bench.<module> [--check]``: have ``file`` be what ``made`` makes of
    its text; with ``--check``, write nothing, and give 1 where it is not."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{module}")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; 1 if it is out of date"
    )
    options, old = parser.parse_args(), file.read_text(encoding="utf-8")
    new = made(old)
    if options.check:
        return int(old != new)
    file.write_text(new, encoding="utf-8")
    return 0
