"""What is being done just now, told to whoever measures it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

_NOTHING = nullcontext()


class Watch(Protocol):
    """Called with the name of a stage; what it returns is open while the stage lasts.

    Stages of an explanation: ``search`` (what blocks and what is nearest included), ``verify``,
    ``complete`` (what would do as well, and how sure the answer is). None is within another.
    """

    def __call__(self, stage: str, /) -> AbstractContextManager[object]: ...


def unwatched(stage: str, /) -> AbstractContextManager[object]:
    """For whoever does not want to know."""
    return _NOTHING
