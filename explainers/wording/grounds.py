"""What a sentence may speak of."""

from __future__ import annotations

from enum import StrEnum


class Grounds(StrEnum):
    """What the answer rests on: it decides whom a sentence may speak of."""

    MODEL = "model"
    """The deployed model alone: the sentence speaks of what the model reads and decides."""
    CAUSAL = "causal"
    """A causal model besides: the sentence may speak of the equipment, and of what follows."""
    HISTORY = "history"
    """The causal model alone, nothing set: the sentence tells of another past by the same laws."""
