"""The predictor that is explained, where that is another process: what does it say of rows?

``verify`` scores with the model of our own folder. Where another process is the deployed model,
an answer holds only if that process says so, asked by the protocol that its clients use.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from typing import Any

from ifonly.service.errors import PredictorUnavailable, PredictorUnclear

TIMEOUT_SECONDS, CONNECT_SECONDS = 10.0, 1.0
PAUSE_SECONDS = 5.0
"""For so long one that has let us wait in vain is not asked again: else each row of a request or
of a job would wait as long."""
MOST_ROWS = 1_024
"""Of one request to it."""
MOST_BYTES = 16 << 20
"""Of one answer."""
HEAD = 200
"""Characters of its answer that are quoted."""


class PredictorHost:
    """Asks ``http://HOST/v1/models/NAME:predict``. Thread-safe."""

    def __init__(self, host: str, *, as_lists: bool = False) -> None:
        """``as_lists``: it reads rows as lists in the model's order, not by name."""
        # Here, and below: a process that asks no predictor needs no client.
        import httpx

        self.as_lists = as_lists
        self._silent_until = -math.inf
        self._base = httpx.URL(host if "://" in host else f"http://{host}")
        # No proxy of the environment: the predictor is beside us, and readings stay there.
        self._client = httpx.Client(
            base_url=self._base,
            timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
        )

    def url(self, model: str) -> str:
        """Where it is asked, as replies tell it: without a password."""
        return f"{str(self._base.copy_with(userinfo=b'')).rstrip('/')}/v1/models/{model}:predict"

    def predict(self, model: str, instances: Sequence[Any]) -> list[Any]:
        """One prediction for each instance, as the predictor puts it.

        Raises
        ------
        PredictorUnavailable
            If it does not answer, or with an error; or did not in time just now.
        PredictorUnclear
            If it says something else than so many predictions.
        """
        found: list[Any] = []
        for start in range(0, len(instances), MOST_ROWS):
            found += self._asked(model, instances[start : start + MOST_ROWS])
        return found

    def _asked(self, model: str, instances: Sequence[Any]) -> list[Any]:
        import httpx

        url = self.url(model)
        if (now := time.monotonic()) < self._silent_until:
            paused = f"{PAUSE_SECONDS:g} s ago at most"
            raise PredictorUnavailable(f"{url} did not answer in time, {paused}")
        until = now + TIMEOUT_SECONDS
        body = bytearray()
        asked = {"instances": list(instances)}
        try:
            with self._client.stream("POST", f"/v1/models/{model}:predict", json=asked) as reply:
                # Limits of the client are of each part: one that sends a byte a second has none.
                for part in reply.iter_bytes():
                    body += part
                    if (is_late := time.monotonic() > until) or len(body) > MOST_BYTES:
                        if is_late:
                            self._pause()
                        limit = f"{MOST_BYTES} bytes, {TIMEOUT_SECONDS:g} s"
                        raise PredictorUnavailable(f"{url} answers without end ({limit})")
        except httpx.HTTPError as error:
            if isinstance(error, httpx.TimeoutException):
                self._pause()
            raise PredictorUnavailable(f"{url}: {type(error).__name__}: {error}") from error
        answered = f"{url} answered {reply.status_code}"
        text = head(body.decode(errors="replace"))
        if not reply.is_success:
            raise PredictorUnavailable(answered, text)
        came = f"{answered}, {text}"
        wanted = f'{{"predictions": […]}} with {len(instances)} of them'
        try:
            found = json.loads(body)["predictions"]
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise PredictorUnclear(came, wanted) from error
        if not isinstance(found, list) or len(found) != len(instances):
            raise PredictorUnclear(came, wanted)
        return found

    def _pause(self) -> None:
        self._silent_until = time.monotonic() + PAUSE_SECONDS

    def close(self) -> None:
        self._client.close()


def head(text: str) -> str:
    """The beginning of what came, to be quoted."""
    if not text:
        return "without a body"
    return f"{text[:HEAD]}…" if len(text) > HEAD else text
