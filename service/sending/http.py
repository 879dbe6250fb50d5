"""Messages over HTTP: the sink of events, and webhooks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from functools import partial

import httpx

from ifonly.service.sending.sink import DELIVERED, Fate
from ifonly.service.wire.cloudevents import STRUCTURED, CloudEvent

TIMEOUT_SECONDS, CONNECT_SECONDS = 10.0, 3.0
AT_ONCE = 8
"""Requests under way."""
FINAL = (400, 410, 413, 415, 422)
"""Replies of who has read a message and would say the same of it again. All others (a key that was
not accepted, a path that is not there) may be mended where it is sent to."""
MOST_BYTES = 65_536
"""Of a reply, which nobody reads: so many, so that the connection can be used again."""
LONGEST_WAIT_SECONDS = 3_600.0


class HttpClient:
    """Posts messages, several at once. Used by one thread."""

    def __init__(self) -> None:
        # No proxy of the environment and no redirect: readings go where the settings say.
        self._client = httpx.Client(
            timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
            follow_redirects=False,
        )
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send")

    def post_all(self, posts: Sequence[Callable[[], Fate]]) -> list[Fate]:
        return list(self._threads.map(lambda post: post(), posts))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Fate:
        try:
            with self._client.stream("POST", url, content=body, headers=headers) as reply:
                last, size = time.monotonic() + TIMEOUT_SECONDS, 0
                for part in reply.iter_raw():
                    size += len(part)
                    # Limits of the client are of each part: a byte a second has no end.
                    if size > MOST_BYTES or time.monotonic() > last:
                        break
        # What it quotes of the URL may be a password.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Fate(f"no answer: {type(error).__name__}")
        if reply.is_success:
            return DELIVERED
        wait = retry_after(reply.headers.get("retry-after"), time.time())
        return Fate(f"answered {reply.status_code}", wait, reply.status_code in FINAL)

    def close(self) -> None:
        self._threads.shutdown()
        self._client.close()


class HttpSink:
    """Events in one object each (structured mode)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = HttpClient()

    def send(self, events: Sequence[CloudEvent]) -> list[Fate]:
        return self._http.post_all([partial(self._post, event) for event in events])

    def _post(self, event: CloudEvent) -> Fate:
        headers = {"Content-Type": f"{STRUCTURED}; charset=utf-8"}
        return self._http.post(self._url, event.structured(), headers)

    def close(self) -> None:
        self._http.close()


def retry_after(said: str | None, now: float) -> float | None:
    """Seconds that ``Retry-After`` (RFC 9110, 10.2.3) asks for, an hour at most; None: nothing that
    can be read. ``now``: seconds since 1970."""
    if said is None:
        return None
    try:
        seconds = float(said) if said.strip().isdecimal() else _until(said, now)
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT_SECONDS) if math.isfinite(seconds) else None


def _until(date: str, now: float) -> float:
    return parsedate_to_datetime(date).timestamp() - now
