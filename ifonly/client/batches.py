"""Many rows, a job at a time. No input, no output."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ifonly.client.answers import Answered
from ifonly.client.calls import Question, asked_of
from ifonly.client.errors import ClientError, NotAnAnswer, NotSent, of_one_row
from ifonly.client.rows import Instance, encoded


def failed(number: int, row: Any, error: ClientError) -> Answered:
    """Row ``number`` with what came of it instead of an answer.

    Raises
    ------
    ClientError
        If that speaks of more than this row.
    """
    if not of_one_row(error):
        raise error
    return Answered(number, row if isinstance(row, Mapping) else {}, error=error)


@dataclass
class Batch:
    """Rows of one job, and those among them that cannot even be sent."""

    first: int
    """Place of its first row among all."""
    bodies: list[Instance] = field(default_factory=list)
    _places: list[int] = field(default_factory=list)
    """Of each body among all rows."""
    _unsent: dict[int, Answered] = field(default_factory=dict)
    """By place."""
    _told: int = 0
    """Rows of it that have been given back."""

    def __len__(self) -> int:
        return len(self.bodies) + len(self._unsent)

    def add(self, row: Any, question: Question) -> None:
        number = self.first + len(self)
        try:
            body = asked_of(row, question, number)
            encoded(body)
        except NotSent as error:
            self._unsent[number] = failed(number, row, error)
        else:
            self.bodies.append(body)
            self._places.append(number)

    def placed(self, answered: Answered) -> Iterator[Answered]:
        """A row of the job at its place, after those before it that were not sent."""
        number = self._places[answered.row]
        yield from self._until(number)
        self._told += 1
        yield replace(answered, row=number)

    def rest(self) -> Iterator[Answered]:
        """Those at the end that were not sent.

        Raises
        ------
        NotAnAnswer
            If the job has not answered all rows.
        """
        yield from self._until(self.first + len(self))
        if self._told < len(self):
            told = f"the job has answered {self._told} of {len(self)} rows: it was cancelled"
            raise NotAnAnswer(told)

    def _until(self, number: int) -> Iterator[Answered]:
        while (found := self._unsent.get(self.first + self._told)) and found.row < number:
            self._told += 1
            yield found


def batches(rows: Iterable[Any], size: int, question: Question) -> Iterator[Batch]:
    """``rows``, ``size`` at a time."""
    batch = Batch(0)
    for row in rows:
        batch.add(row, question)
        if len(batch) == size:
            yield batch
            batch = Batch(batch.first + size)
    if len(batch):
        yield batch


async def batches_async(
    rows: AsyncIterator[Any], size: int, question: Question
) -> AsyncGenerator[Batch]:
    """The same of rows that come by and by."""
    batch = Batch(0)
    async for row in rows:
        batch.add(row, question)
        if len(batch) == size:
            yield batch
            batch = Batch(batch.first + size)
    if len(batch):
        yield batch
