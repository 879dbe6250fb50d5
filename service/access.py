"""Who asks, and as what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is here for."""

    OPERATOR = "operator"
    """Asks about alarms, and says what came of it."""
    PIPELINE = "pipeline"
    """A program that asks."""
    AUDITOR = "auditor"
    """Reads the trail and judges what was suggested; asks nothing."""
    ADMIN = "admin"
    """All of it."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose word was checked."""

    actor: str
    """As records name them: ``key:<id>``, ``oidc:<subject>``, ``cli:<user>``, ``anonymous``."""
    roles: frozenset[Role]

    @property
    def in_words(self) -> str | None:
        """The roles as records have them; None without accounts."""
        if self == ANYONE:
            return None
        return ",".join(sorted(self.roles))


ANYONE = Principal("anonymous", frozenset(Role))
"""Whoever asks a service without accounts."""
