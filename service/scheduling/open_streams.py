"""Streams of rows: how many at once, and whose."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from ifonly.service.errors import Overloaded, ShareSpent

STREAMS = "streams at once"
"""What that share is called."""


class OpenStreams:
    """How many are answered at once in this process, and whose."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = Counter[str]()

    @contextlib.contextmanager
    def one(self, actor: str) -> Iterator[None]:
        """Raises
        ------
        Overloaded, ShareSpent
            If there are too many, or too many of this actor.
        """
        if self._open.total() >= self._most:
            raise Overloaded(self._open.total())
        # Whoever opens many leaves room for others.
        if self._most > 1 and self._open[actor] >= (share := max(1, self._most // 2)):
            raise ShareSpent(STREAMS, self._open[actor], share, 1.0)
        self._open[actor] += 1
        try:
            yield
        finally:
            self._open[actor] -= 1
            if not self._open[actor]:
                del self._open[actor]
