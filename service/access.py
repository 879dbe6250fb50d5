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

    @classmethod
    def of(cls, actor: str, roles: str | None) -> Principal:
        """Whoever a record names; ``roles``: as in :attr:`in_words`."""
        if roles is None:
            return ANYONE
        return cls(actor, frozenset(Role(role) for role in roles.split(",") if role))

    @property
    def in_words(self) -> str | None:
        """The roles as records have them; None without accounts."""
        if self == ANYONE:
            return None
        return ",".join(sorted(self.roles))


ANYONE = Principal("anonymous", frozenset(Role))
"""Whoever asks a service without accounts."""
