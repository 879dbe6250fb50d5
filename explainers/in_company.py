"""Work that stops wherever it needs the model's word, so that many questions share one call."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import numpy as np

from ifonly.explainers.deadline import OwnTime
from ifonly.models.errors import NotFinite
from ifonly.models.predictor import Rows, Scores, finite

T = TypeVar("T")
Steps = Generator[Rows, Scores, T]
"""Yields rows, ``(n, n_features)``, is sent their scores, and returns what was found."""

Score = Callable[[Rows], Scores]


def alone(steps: Steps[T], score: Score) -> T:
    """What is found, the model being asked at each step."""
    try:
        rows = next(steps)
        while True:
            try:
                scores = score(rows)
            # Where it was asked for: whoever waits there has something to say about it.
            except Exception as error:
                rows = steps.throw(error)
            else:
                rows = steps.send(scores)
    except StopIteration as end:
        found: T = end.value
        return found


def counted(steps: Steps[T], asked: Callable[[int], object]) -> Steps[T]:
    """The same steps; ``asked`` is told how many rows the model was asked about at each.

    Raises
    ------
    NotFinite
        If a score is no number.
    """
    try:
        rows = next(steps)
        while True:
            scores = yield rows
            asked(len(rows))
            rows = steps.send(finite(scores, rows))
    except StopIteration as end:
        found: T = end.value
        return found


def timed(steps: Steps[T], own: OwnTime) -> Steps[T]:
    """The same steps; ``own`` runs while they do, and not while they wait."""
    said: Scores | Exception | None = None
    while True:
        with own.run():
            try:
                if isinstance(said, Exception):
                    rows = steps.throw(said)
                else:
                    rows = next(steps) if said is None else steps.send(said)
            except StopIteration as end:
                found: T = end.value
                return found
        try:
            said = yield rows
        except NotFinite as error:
            said = error


def together(each: Sequence[Steps[T]], score: Score) -> list[T | Exception]:
    """What each finds, or how it failed; the model is asked at once about the rows of all that
    wait for its word."""
    found: dict[int, T | Exception] = {}
    waiting = {
        k: rows
        for k, steps in enumerate(each)
        if (rows := _next(steps, None, k, found)) is not None
    }
    while waiting:
        words = _words(list(waiting.values()), score)
        answered = dict(zip(waiting, words, strict=True))
        waiting = {
            k: rows
            for k, said in answered.items()
            if (rows := _next(each[k], said, k, found)) is not None
        }
    return [found[k] for k in range(len(each))]


def _next(
    steps: Steps[T], said: Scores | Exception | None, k: int, found: dict[int, T | Exception]
) -> Rows | None:
    """The rows that are asked about next; None once it is over."""
    try:
        if isinstance(said, Exception):
            return steps.throw(said)
        return next(steps) if said is None else steps.send(said)
    except StopIteration as end:
        found[k] = end.value
    # Of one question: the others go on.
    except Exception as error:
        found[k] = error
    return None


def _words(each: Sequence[Rows], score: Score) -> list[Scores | Exception]:
    """The model's word on some lots of rows; where it has none on one, on the others."""
    try:
        scores = score(np.concatenate(each))
    except NotFinite:
        if len(each) > 1:
            return [word for rows in each for word in _words([rows], score)]
        return [_word(each[0], score)]
    return list(np.split(scores, np.cumsum([len(rows) for rows in each])[:-1]))


def _word(rows: Rows, score: Score) -> Scores | Exception:
    try:
        return score(rows)
    except NotFinite as error:
        return error
