"""A demonstration: simulated machines that ask this service as machines of a plant would.

What they send is of :mod:`ifonly.models.training.plant`, goes through the public API, and says of
itself that it is simulated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from ifonly.service import logs
from ifonly.service.served.registry import Registry

if TYPE_CHECKING:  # imported once there is a demonstration: both take time
    import httpx

    from ifonly.models.training.plant import PlantReading

MODEL = "milling-machine"
"""Whose readings these are: the model that is shipped."""
READINGS_PER_SECOND = 2.0
"""Of all machines together: within a minute each has sent ten."""
MOST_READINGS = 14_400
"""Two hours' worth: one that is forgotten does not fill the disk."""
TIMEOUT_SECONDS = 60.0
AGAIN_SECONDS = 1.0
BUSY = (429, 503)
SEED = 0


class NotShipped(Exception):
    """The model of the demonstration is not served here."""


class Demonstration:
    """The machines of one service: they begin when they are told to, send in a thread of their own,
    and stop with the service, which says so by ``is_over``."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._told = threading.Event()

    @property
    def has_begun(self) -> bool:
        """Whether anything that is shown may be of theirs."""
        return self._thread is not None

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self._told.is_set()

    @staticmethod
    def is_offered(registry: Registry) -> bool:
        """Whether their model is served."""
        return MODEL in registry.names()

    def start(self, url: str, registry: Registry) -> None:
        """Have them ask the service at ``url``; what runs already goes on.

        Raises
        ------
        NotShipped
            If their model is not served.
        """
        if not self.is_offered(registry):
            raise NotShipped(f"the demonstration is of the model {MODEL}, which is not served here")
        with self._lock:
            if self.is_running:
                return
            self._told = told = threading.Event()
            # A daemon: while it waits for a reply it must not keep the process from ending.
            self._thread = threading.Thread(
                target=self._send, args=(url, told), name="demonstration", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """No reading is sent after that, but for one that is under way."""
        self._told.set()

    def _send(self, url: str, told: threading.Event) -> None:
        import httpx

        from ifonly.models.training.plant import plant

        try:
            # trust_env: no proxy of the environment stands before loopback.
            with httpx.Client(
                base_url=f"{url}/api/v1/models/{MODEL}", timeout=TIMEOUT_SECONDS, trust_env=False
            ) as client:
                machines = _Machines(client)
                for reading in islice(plant(SEED), MOST_READINGS):
                    if told.wait(1.0 / READINGS_PER_SECOND) or self._is_over():
                        return
                    while not machines.send(reading):
                        if told.wait(AGAIN_SECONDS) or self._is_over():
                            return
        except httpx.HTTPError as error:
            if not (told.is_set() or self._is_over()):
                logs.logger.warning("the demonstration has ended: %s", error)
        finally:
            told.set()


class _Machines:
    """What the machines know of themselves."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._in_alarm: dict[str, bool] = {}

    def send(self, reading: PlantReading) -> bool:
        """Whether the service had time. A prediction; where that begins an alarm, an explanation
        too, as somebody who is to act on it asks."""
        body = {"instance": reading.instance, "attributes": reading.attributes}
        reply = self._asked("/predictions", body)
        if reply is None:
            return False
        name = reading.attributes["equipment"]
        is_alarm = reply["predictions"][0]["class"] != "normal"
        # An explanation that nobody has time for is not missed: the page asks for its own.
        if is_alarm and not self._in_alarm.get(name):
            self._asked("/explanations", body)
        self._in_alarm[name] = is_alarm
        return True

    def _asked(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        reply = self._client.post(path, json=body)
        if reply.status_code in BUSY:
            return None
        found: dict[str, Any] = reply.raise_for_status().json()
        return found
