"""What tests look for in each language: a module each, with the names of :class:`Spoken`."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast


class Spoken(Protocol):
    """Words of one language, and how its sentences end."""

    END: str
    LOCALE: str
    """Of a browser."""
    HIGHER: tuple[str, ...]
    """How a change upwards can end."""
    LOWER: tuple[str, ...]
    ADVICE: tuple[str, ...]
    """What no sentence may say."""
    CLAIM: str
    """The heading of claims, on a page."""
    BROKEN: str
    """How the default model's rule about torque and speed is said on a page."""
    NOTHING_CLEARS: str
    """Of the default model's response where no change clears the alarm."""
    CHANGES: str
    """Of its response where one does."""


def spoken(language: str) -> Spoken:
    return cast(Spoken, import_module(f"tests.support.spoken.{language}"))
