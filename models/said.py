"""What another process says of a row, in the forms that predictors use (KServe, protocol V1).

Read by whoever asks a predictor and, from a record, by whoever checks what it said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ifonly.models.schema import Decision, Task

RELATIVE, ABSOLUTE = 1e-4, 1e-6
"""How close two scores of one model are: float32 against float64, other orders of sums."""


@dataclass(frozen=True)
class PredictorWord:
    """One word of a predictor, read."""

    decided: int
    """Position of the class that it decides; -1 where nothing decides."""
    scores: tuple[float, ...] | None
    """In the order of our scores, ``(n_outputs,)``; None: it says the class alone."""
    other: float | None = None
    """Of a binary model that tells both shares: that of the class that is not the positive one."""

    def is_near(self, ours: tuple[float, ...]) -> bool:
        """Whether one model can have said both: the numbers are near, or the class is ours."""
        if self.scores is None:
            return True
        if self.other is not None and not np.isclose(
            self.other, 1.0 - ours[0], rtol=RELATIVE, atol=RELATIVE
        ):
            return False
        return near(self.scores, ours)


def near(one: ArrayLike, other: ArrayLike) -> bool:
    """Whether one model can have said both numbers, or all of both."""
    return bool(np.allclose(one, other, rtol=RELATIVE, atol=ABSOLUTE))


def read_said(said: Any, decision: Decision) -> PredictorWord | None:
    """A predictor's word on one row; None where it is in none of the forms of :func:`expected`.

    Numbers may be NaN or infinite: JSON as Python's servers write it has them.
    """
    match said:
        case str() if said in decision.class_names:
            return PredictorWord(decision.class_names.index(said), None)
        case [value] if decision.task is not Task.MULTICLASS and not isinstance(value, list):
            return read_said(value, decision)
        case [*shares] if decision.classes and len(shares) == len(decision.classes):
            return _of_shares(shares, decision)
        case int() if decision.task is not Task.REGRESSION:  # a bool is one too
            return _of_label(int(said), decision)
        case float() if decision.task is not Task.MULTICLASS:
            return _of_scores([said], decision)
        case int() if not isinstance(said, bool):
            return _of_scores([said], decision)
    return None


def _of_label(label: int, decision: Decision) -> PredictorWord | None:
    """A class by a whole number: its name, where all names are whole numbers; else its place."""
    names = list(decision.class_names)
    # 1 of the classes 1 to 3 is the first of them, and the second is meant by nobody.
    if _are_numbers(decision):
        return PredictorWord(names.index(str(label)), None) if str(label) in names else None
    return PredictorWord(label, None) if 0 <= label < len(names) else None


def _of_shares(shares: list[Any], decision: Decision) -> PredictorWord | None:
    """Probabilities of all classes, in class order."""
    if decision.task is Task.REGRESSION or not all(map(_is_number, shares)):
        return None
    scores = [as_float(share) for share in shares]
    if decision.task is Task.BINARY:
        # Beside a share that is no number the other one is no word either.
        share, other = scores[decision.positive], scores[1 - decision.positive]
        whole = other if math.isfinite(share) and not math.isfinite(other) else share
        return _of_scores([whole], decision, other)
    return _of_scores(scores, decision)


def _of_scores(numbers: list[Any], decision: Decision, other: float | None = None) -> PredictorWord:
    scores = tuple(map(as_float, numbers))
    return PredictorWord(int(decision.decide(np.array([scores]))[0]), scores, other)


def evened(words: Sequence[Any]) -> list[Any]:
    """Words of one answer; where some are floats, whole numbers are floats too: many servers write
    1.0 as 1, and whoever reads the record reads a number as well."""
    if not any(isinstance(alone(said), float) for said in words):
        return list(words)
    return [_number(said) for said in words]


def alone(said: Any) -> Any:
    """A word that some servers put into a list of its own."""
    return said[0] if isinstance(said, list) and len(said) == 1 else said


def _number(said: Any) -> Any:
    if type(alone(said)) is not int:
        return said
    return [as_float(said[0])] if isinstance(said, list) else as_float(said)


def as_float(number: Any) -> float:
    """A number of JSON; infinite where no float holds it.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    try:
        return float(number)
    except OverflowError:  # a whole number of a thousand digits
        return math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_numbers(decision: Decision) -> bool:
    """Whether all classes are called by whole numbers."""
    names = decision.class_names
    return all(name.isascii() and name.removeprefix("-").isdecimal() for name in names)


def expected(decision: Decision) -> str:
    """The forms that can be read, for whoever is told that another one came."""
    names = ", ".join(map(repr, decision.class_names))
    if decision.task is Task.REGRESSION:
        return f"a number{f', or one of {names}' if names else ''}"
    last = len(decision.classes) - 1
    place = f"its place as a whole number from 0 to {last}"
    if _are_numbers(decision):
        place = "its name as a whole number"
    positive = ""
    if decision.task is Task.BINARY:
        positive = f", or the probability of {decision.class_names[decision.positive]!r} as a float"
    return f"one of {names}, {place}, {last + 1} probabilities in that order{positive}"
