"""Who is told of events: one interface, whatever carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from ifonly.service.errors import SinkUnavailable
from ifonly.service.wire.cloudevents import CloudEvent


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one message."""

    reason: str | None = None
    """Why its receiver has not got it; None: it has."""
    wait_seconds: float | None = None
    """How long the receiver asks to wait, if it says."""
    is_final: bool = False
    """Whether the receiver would say the same again."""


DELIVERED = Fate()


class Sink(Protocol):
    """Takes events. Used by one thread."""

    def send(self, events: Sequence[CloudEvent]) -> list[Fate]:
        """What became of each; never raises for what a receiver or the network does."""
        ...

    def close(self) -> None: ...


class ContentMode(StrEnum):
    """How an event is put into a message (CloudEvents' "content mode")."""

    BINARY = "binary"
    STRUCTURED = "structured"


@dataclass(frozen=True, slots=True)
class Address:
    """A sink's URL, read."""

    scheme: str
    host: str
    port: int | None
    user: str | None
    password: str | None
    topic: str
    options: Mapping[str, str]

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises
        ------
        SinkUnavailable
            If it is none.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError as error:
            raise SinkUnavailable(f"IFONLY_EVENT_SINK is no URL: {error}") from None
        if not parts.hostname:
            raise SinkUnavailable("IFONLY_EVENT_SINK names no host")
        user, password = (p and unquote(p) for p in (parts.username, parts.password))
        topic = unquote(parts.path.removeprefix("/"))
        return cls(parts.scheme, parts.hostname, port, user, password, topic, options)

    def mode(self, default: ContentMode) -> ContentMode:
        """Raises
        ------
        SinkUnavailable
            If the URL asks for one that there is not, or for something else.
        """
        if unknown := set(self.options) - {"mode"}:
            raise SinkUnavailable(f"IFONLY_EVENT_SINK: {min(unknown)} is no option; known is mode")
        try:
            return ContentMode(self.options.get("mode", default))
        except ValueError:
            known = " and ".join(ContentMode)
            raise SinkUnavailable(f"IFONLY_EVENT_SINK: mode is one of {known}") from None
