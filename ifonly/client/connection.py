"""How a client reaches a service: address, key, time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from ifonly.client.calls import Call
from ifonly.client.errors import ClientError
from ifonly.client.retrying import Retries

URL = "http://127.0.0.1:8080"
CONNECT_SECONDS = 5.0
Key = str | Callable[[], str] | None


@dataclass(frozen=True)
class Connection:
    """What is the same of all requests."""

    url: str
    key: Key
    timeout: float
    retries: Retries

    @classmethod
    def of(cls, url: str | None, key: Key, timeout: float, retries: Retries | None) -> Connection:
        """``url`` and ``key`` by default as ``IFONLY_URL`` and ``IFONLY_KEY`` say."""
        return cls(
            (url or os.environ.get("IFONLY_URL") or URL).rstrip("/"),
            key if key is not None else os.environ.get("IFONLY_KEY"),
            timeout,
            retries or Retries(),
        )

    def __repr__(self) -> str:
        return self.url  # never the key

    @property
    def options(self) -> dict[str, Any]:
        """Of httpx. As many connections as somebody asks at once: bounded there, not here."""
        return {
            "base_url": self.url,
            "timeout": self.patience(0.0),
            "limits": httpx.Limits(max_keepalive_connections=64),
            "headers": {"User-Agent": "ifonly-client", "Accept": "application/json"},
        }

    def patience(self, more: float) -> httpx.Timeout:
        connect = min(self.timeout, CONNECT_SECONDS)
        return httpx.Timeout(self.timeout + more, connect=connect, pool=None)

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """Arguments of httpx's ``request``."""
        return {
            "method": call.method,
            "url": call.path,
            "params": dict(call.query),
            "content": call.body,
            "headers": {**call.headers, **self.credentials()},
            "timeout": self.patience(call.seconds),
        }

    def credentials(self) -> dict[str, str]:
        """Asked for with each request: a token may have been renewed since the last.

        Raises
        ------
        ClientError
            If the key is none.
        """
        key = self.key() if callable(self.key) else self.key
        if not key:
            return {}
        key = key.strip()  # as files and environments have it, with the end of its line
        if not key.isascii() or not key.isprintable():
            raise ClientError("the key has characters that no key has")
        return {"Authorization": f"Bearer {key}"}
