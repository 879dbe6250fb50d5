"""What came of comparing a deployed model with the copy of it here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ifonly.models.predictor import Row


@dataclass(frozen=True, eq=False)
class DriftReport:
    """What one look found."""

    rows: int
    """That were compared; 0: none could be, as ``why`` says."""
    differing: int = 0
    row: Row | None = None
    """The first of which they say something else."""
    said: Any = None
    ours: tuple[float, ...] = ()
    why: str = ""
    at: float = 0.0
    """By ``time.time``."""

    @property
    def differs(self) -> bool:
        return self.differing > 0
