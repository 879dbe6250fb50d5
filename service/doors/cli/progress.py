"""What somebody is told who waits while the search is compiled."""

from __future__ import annotations

import sys

import explainers.search.trees.engine  # noqa: F401  all that is compiled
from explainers.search.trees.compiled import compile_all

WHY = (
    "ifonly compiles its search for this processor, once: half a minute to two; "
    "later starts take seconds"
)


# Said while it goes on: half a minute of silence looks like a hang.
def announced() -> None:
    """Compile what is not compiled yet, and say so, with how far it is; else say nothing."""
    shown = _Shown()
    try:
        compile_all(shown)
    finally:
        shown.end()


class _Shown:
    """Progress on standard error: a line that counts at a terminal, a few lines elsewhere."""

    def __init__(self) -> None:
        # A log file would hold every step of a line that counts.
        self._is_terminal = sys.stderr.isatty()
        self._told = 0

    def __call__(self, done: int, of: int) -> None:
        if not self._told:
            self._write(f"{WHY}\n")
        if self._is_terminal:
            self._write(f"\r  {done} of {of} parts")
        elif done == of or done * 4 // of > self._told * 4 // of:
            self._write(f"  {done} of {of} parts\n")
        self._told = done

    def end(self) -> None:
        if self._told and self._is_terminal:
            self._write("\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
