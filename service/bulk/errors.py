"""What is wrong with a whole table, or a model that cannot be asked in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ifonly.service.errors import ServiceError


@dataclass(frozen=True, slots=True)
class TableFault:
    """One thing wrong with one column of a table."""

    column: str
    problem: str
    """A sentence that names the column, what it has, and what is wanted."""


class InvalidTable(ServiceError):
    """A table whose rows cannot be read at all: a column is missing, of a type that is none of the
    feature's, or in another unit. Every fault is listed, at least one."""

    def __init__(self, faults: Sequence[TableFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.problem for fault in self.faults))

    def __reduce__(self) -> tuple[type[InvalidTable], tuple[object, ...]]:
        # An exception pickles as its message alone; ours must cross a process pool whole.
        return type(self), (self.faults,)


class NotInBulk(ServiceError):
    """A model that cannot be asked in bulk, or that is not the one it was a moment ago: why."""
