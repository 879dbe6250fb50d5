"""What a graph and a sample leave open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """Something that nobody but a person knows."""

    key: str
    """How an answer is given: ``--answer key=value``."""
    text: str
    guess: str
    """The answer where nobody gives one."""
    choices: tuple[str, ...] = ()
    """The only answers there are; empty: any text."""

    def __str__(self) -> str:
        choices = f" ({' | '.join(self.choices)})" if self.choices else ""
        return f"{self.key}: {self.text}{choices} Guess: {self.guess}"


Asker = Callable[[Question], str]
"""The answer to a question: one of its choices, if it has some."""
