"""How a call to a predictor can fail, and where it came from."""

from __future__ import annotations

import struct
from enum import Enum

from ifonly.service.errors import PredictorUnavailable, PredictorUnclear

HEAD = 200
"""Characters of its answer that are quoted."""


MISSHAPEN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What reading an answer of another shape than was expected comes to, wherever it is noticed."""


class FailureKind(Enum):
    """What that says of the next call."""

    AWAY = "nobody answers there"
    LATE = "it lets us wait"
    BUSY = "it says that it cannot now"
    SAID = "it answered with an error, or without end"
    OPEN = "it is not asked for a while"


class CallFailed(PredictorUnavailable):
    """A call that gave no words."""

    def __init__(self, reason: str, how: FailureKind, quoted: str = "", after: float = 0.0) -> None:
        super().__init__(reason, quoted)
        self.how = how
        self.after = after
        """Seconds for which it asks to be left alone."""


def unclear(url: str, status: object, text: str, wanted: str) -> PredictorUnclear:
    """What came cannot be read."""
    return PredictorUnclear(f"{url} answered {status}, {head(text)}", wanted)


def head(text: str) -> str:
    """The beginning of what came, to be quoted."""
    if not text:
        return "without a body"
    return f"{text[:HEAD]}…" if len(text) > HEAD else text
