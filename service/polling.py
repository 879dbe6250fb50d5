"""A thread that looks into the store for work, again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ifonly.service import logs
from ifonly.service.errors import LostLease, ServiceError

POLL_SECONDS = 0.5
"""How soon a process sees what came."""
AFTER_FAILURE_SECONDS = 1.0


class PollingThread:
    """``start`` it, ``stop`` it; between the two it works, and looks again at once if it did."""

    def __init__(
        self,
        name: str,
        work: Callable[[], bool],
        *,
        of: str,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Parameters
        ----------
        work
            Does what there is; whether that was anything. What it raises is logged, and it is
            asked again later.
        of
            What waits while it fails, in the plural.
        close
            Called by the thread as it ends.
        """
        self._work = work
        self._of = of
        self._close = close
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Work no more, and wait that long for what is at work."""
        self._stopping.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            seconds = POLL_SECONDS
            try:
                if self._work():
                    continue
            except LostLease as error:
                logs.logger.warning("%s", error)
            except ServiceError as error:
                logs.logger.error("%s wait: %s", self._of, error)
                seconds = AFTER_FAILURE_SECONDS
            except Exception as error:  # whatever it was, the work is whoever's comes next
                logs.logger.error("%s wait: %s", self._of, logs.where(error))
                seconds = AFTER_FAILURE_SECONDS
            self._stopping.wait(seconds)
        self._close()
