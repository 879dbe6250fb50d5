"""Calls over HTTP: pooled connections, whole answers within a time and a size."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ifonly.service.served.remote.failures import CallFailed, FailureKind, head

CONNECT_SECONDS = 1.0
MOST_BYTES = 16 << 20
"""Of one answer."""
MOST_CONNECTIONS = 256
MOST_AFTER = 10.0
"""Seconds of a ``Retry-After`` that are believed."""
BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class HttpAnswer:
    """What came, whole."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class HttpPool:
    """Connections to all servers. Thread-safe."""

    def __init__(self) -> None:
        # Here: a process that asks no predictor needs no client.
        import httpx

        # No proxy of the environment: the predictor is beside us, and readings stay there. The
        # system's authorities, so that a cluster's own can be among them (`SSL_CERT_FILE`).
        self._client = httpx.Client(
            # What is packed could unpack to any size before it is counted.
            headers={"accept-encoding": "identity"},
            trust_env=False,
            verify=ssl.create_default_context(),
            limits=httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=32),
        )

    def post(
        self, url: str, content: bytes, headers: Mapping[str, str], seconds: float
    ) -> HttpAnswer:
        """What ``url`` answers within so many seconds.

        Raises
        ------
        CallFailed
            If nothing came, not in time, without end, or an error.
        """
        import httpx

        limit = max(seconds, 1e-3)
        until = time.monotonic() + limit
        body = bytearray()
        try:
            with self._client.stream(
                "POST",
                url,
                content=content,
                headers=dict(headers),
                timeout=httpx.Timeout(limit, connect=min(limit, CONNECT_SECONDS)),
            ) as reply:
                # Limits of the client are of each part: one that sends a byte a second has none.
                for part in reply.iter_bytes():
                    body += part
                    is_late = time.monotonic() > until
                    if is_late or len(body) > MOST_BYTES:
                        how = FailureKind.LATE if is_late else FailureKind.SAID
                        ends = f"{MOST_BYTES} bytes, {limit:g} s"
                        raise CallFailed(f"{url} answers without end ({ends})", how)
        except httpx.HTTPError as error:
            is_late = isinstance(error, httpx.TimeoutException)
            # A connection that nobody takes up lets us wait, too.
            how = FailureKind.LATE if is_late else FailureKind.AWAY
            raise CallFailed(f"{url}: {type(error).__name__}: {error}", how) from error
        found = HttpAnswer(url, reply.status_code, reply.headers, bytes(body))
        if not reply.is_success:
            how = FailureKind.BUSY if found.status in BUSY else FailureKind.SAID
            after = _seconds(reply.headers.get("retry-after", ""))
            raise CallFailed(f"{url} answered {found.status}", how, head(found.text), after)
        return found

    def close(self) -> None:
        self._client.close()


def _seconds(told: str) -> float:
    return min(float(told), MOST_AFTER) if told.isascii() and told.isdecimal() else 0.0
