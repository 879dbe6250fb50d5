"""What both clients' jobs have in common. No input, no output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ifonly.client.answers import Answered
from ifonly.client.calls import answered_row
from ifonly.client.retrying import Retries
from ifonly.client.rows import Instance
from ifonly.service.wire import jobs as wire

FIRST_LOOK, LAST_LOOK = 0.05, 2.0
"""Seconds between two looks at a job, which grow."""
AHEAD = 2
"""Rows that are asked about ahead of the one that is waited for, as a multiple of those at once;
and jobs."""
ONCE = Retries(times=1, patience_seconds=2.0)
"""For what is cancelled: whoever leaves does not wait long."""


class Handle:
    """Rows that are answered after the reply, as the service said last."""

    def __init__(self, told: wire.Job, bodies: Sequence[Instance]) -> None:
        self.told = told
        """As the service said last."""
        self.is_left_running = True
        """Whether it goes on if waiting for it is broken off."""
        self._bodies = bodies

    def __repr__(self) -> str:
        told = self.told
        return f"<Job {told.id}: {told.state}, {told.answered} of {told.rows} rows>"

    @property
    def id(self) -> str:
        return self.told.id

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done`` or ``cancelled``; as it was when last looked at."""
        return str(self.told.state)

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "cancelled")

    def note_left(self, error: BaseException) -> None:
        """Say, with what broke off the waiting, how to find it again."""
        if self.is_left_running:
            error.add_note(f"{self!r} goes on: client.job({self.id!r}).cancel()")

    def note_lost(self, error: BaseException, reason: Exception) -> None:
        error.add_note(f"{self!r} could not be cancelled, and may go on: {reason}")


def note_begun(error: BaseException, key: str) -> None:
    error.add_note(f"the job may have begun: submit(…, key={key!r}) says its id")


class ResultReader:
    """The lines of a result, which may come in several tries: no row is given twice."""

    def __init__(self, bodies: Sequence[Instance]) -> None:
        self._bodies = bodies
        self._given = 0
        self._line = b""
        self._number = 0

    def begin(self) -> None:
        """From the first line, another time."""
        self._line, self._number = b"", 0

    def read(self, piece: bytes) -> Iterator[Answered]:
        """Rows that are whole with ``piece``."""
        # Split by bytes: texts may have other ends of lines than these.
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            self._number += 1
            if self._number > self._given:
                self._given = self._number
                yield answered_row(line, self._bodies)
