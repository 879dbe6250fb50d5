"""A bar that shows how far many rows are, where tqdm is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MANY = 20
"""Rows from which progress is shown, where somebody looks."""


@contextmanager
def bar(total: int | None, wanted: bool | None) -> Iterator[Callable[[int], object]]:
    """What is told how many rows more are done; ``total`` None: nobody knows of how many.
    ``wanted`` None: if there are many, and somebody looks."""
    if wanted is None:
        is_watched = sys.stderr.isatty() or "ipykernel" in sys.modules
        wanted = is_watched and (total is None or total >= MANY)
    if wanted:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            wanted = False
    if not wanted:
        yield lambda done: None
        return
    with tqdm(total=total, unit="row") as shown:
        yield shown.update
