"""A slice on its way to whoever answers it, and its part on the way back: by pipe, or over a
cluster's wires."""

from __future__ import annotations

from typing import Any, Protocol

from ifonly.models.errors import ModelError
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.parts import AnsweredPart, packed, unpacked
from ifonly.service.bulk_runs.reading.pieces import BrokenRow
from ifonly.service.bulk_runs.reading.source import RowSlice
from ifonly.service.errors import CannotBulk, ServiceError

Header = dict[str, Any]


class WorkerEnded(Exception):
    """A worker is there no longer, and what it was asked is not answered."""

    def __init__(self, how: str, *, is_lost: bool = False) -> None:
        super().__init__(how)
        self.is_lost = is_lost
        """Whether its machine went, so that what it was asked has no part in it."""


class SliceWorker(Protocol):
    """Answers slices, one after another, elsewhere than in this process."""

    def is_ready(self, seconds: float) -> bool:
        """Whether it has the model, which may take so long to be found out.

        Raises
        ------
        WorkerEnded
            If it ended before it had.
        CannotBulk
            If it will never have.
        """
        ...

    @property
    def is_alive(self) -> bool:
        """False: it has ended, as far as is known here."""
        ...

    def ask(self, slice_: RowSlice) -> AnsweredPart:
        """Raises
        ------
        WorkerEnded
            If it ends meanwhile.
        CannotBulk
            If the slice cannot be answered.
        """
        ...

    def end(self) -> None:
        """End it, if it lives."""
        ...


def sent(slice_: RowSlice) -> tuple[Header, bytes]:
    """What goes there."""
    broken = [[at, why.problem, why.value, why.field] for at, why in slice_.broken.items()]
    header = {"number": slice_.number, "first": slice_.first, "broken": broken}
    return header, packed(slice_.batch)


def answered(answering: Answering, header: Header, data: bytes) -> tuple[Header, bytes]:
    """What comes back; the run must end with a sentence, whatever happens there."""
    try:
        return {}, answering(_slice(header, data)).written()
    except (ModelError, ServiceError) as error:
        return {"problem": str(error)}, b""
    except Exception as error:
        told = f"the rows from {header['first']} on failed: {type(error).__name__}: {error}"
        return {"problem": told}, b""


def part_of(said: Header, data: bytes) -> AnsweredPart:
    """Raises
    ------
    CannotBulk
        If the slice could not be answered.
    """
    if "problem" in said:
        raise CannotBulk(said["problem"])
    return AnsweredPart.read(data)


def _slice(header: Header, data: bytes) -> RowSlice:
    broken = {
        at: BrokenRow(problem, value, field) for at, problem, value, field in header["broken"]
    }
    return RowSlice(header["number"], header["first"], unpacked(data), broken)
