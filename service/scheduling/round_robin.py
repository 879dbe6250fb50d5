"""Things that wait, each for an actor: actors take turns, and each has its own in order."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def _anybody(actor: str) -> bool:
    return True


class Rotation(Generic[T]):
    """A queue that is shared by actors, however many things one of them puts into it. Not
    thread-safe."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def actors(self) -> int:
        """Who has something in it."""
        return len(self._queues)

    def count(self, actor: str) -> int:
        """How much is the actor's."""
        return len(self._queues.get(actor, ()))

    def put(self, actor: str, item: T) -> None:
        self._queues.setdefault(actor, deque()).append(item)
        self._length += 1

    def pop(self, may: Callable[[str], bool] = _anybody) -> tuple[str, T] | None:
        """The first thing of the actor whose turn it is, of those who ``may``; that actor is then
        the last. None if there is none."""
        # Skips who may not: an actor whose places are taken holds up nobody.
        actor = next((a for a in self._queues if may(a)), None)
        if actor is None:
            return None
        queue = self._queues[actor]
        item = queue.popleft()
        self._length -= 1
        if queue:
            self._queues.move_to_end(actor)
        else:
            # Drops empty queues: memory holds who waits, not all who ever asked.
            del self._queues[actor]
        return actor, item

    def remove(self, actor: str, item: T) -> None:
        """Take out what does not wait any more; nothing if it is not there."""
        queue = self._queues.get(actor)
        if queue is None or item not in queue:
            return
        queue.remove(item)
        self._length -= 1
        if not queue:
            del self._queues[actor]
