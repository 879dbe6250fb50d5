"""What a worker answers; standard library only, for it is imported in the peers' environments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bench.study import StudySetup

Matrix = npt.NDArray[np.float64]


class Unsupported(Exception):
    """The library cannot take this model or target; the message says which and why."""


@dataclass(frozen=True)
class PeerAnswer:
    """What a library gave for one question."""

    rows: Matrix
    """Proposals in codes, ``(n, n_levers)``; the cheapest one that holds is counted for it."""
    is_proven: bool = False
    """Whether the library says that nothing is cheaper (or that nothing exists)."""
    lower_bound: float | None = None
    model_rows: int | None = None
    """Rows sent to the model; None where the library reads the trees instead."""
    engine_cpu: float | None = None
    """Seconds of CPU in the search alone, where that is told apart from the rest."""
    note: str = ""


class Asker(Protocol):
    """A library made ready for one study."""

    @property
    def cannot(self) -> tuple[str, ...]:
        """Rules of the study that the library has no way to be told."""
        ...

    def ask(self, row: Matrix, seconds: float, seed: int) -> PeerAnswer: ...


class Method(Protocol):
    """A way to use a library."""

    def __call__(self, study: StudySetup) -> Asker: ...


@dataclass(frozen=True)
class Reply:
    """One line from a worker: a prepared study, an answer, or why there is none."""

    status: str
    """``ready``, ``answer``, ``unsupported`` or ``error``."""
    cpu: float = 0.0
    wall: float = 0.0
    rows: list[list[float]] = field(default_factory=list)
    is_proven: bool = False
    lower_bound: float | None = None
    model_rows: int | None = None
    engine_cpu: float | None = None
    note: str = ""
    cannot: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
