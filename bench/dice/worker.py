"""The child of :class:`bench.dice.process.DiceProcess`: answers until it is killed."""

from __future__ import annotations

import os
import sys
import warnings
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ifonly.models.frames import read_frame, write_frame

Matrix = npt.NDArray[np.float64]


def main() -> None:
    # What DiCE prints must not come between the frames.
    replies: IO[bytes] = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    questions = sys.stdin.buffer
    while True:
        try:
            header, (factual, references) = read_frame(questions)
        except EOFError:
            return
        _answer(header, factual, references, questions, replies)


def _answer(
    header: dict[str, Any],
    factual: Matrix,
    references: Matrix,
    questions: IO[bytes],
    replies: IO[bytes],
) -> None:
    try:
        from bench.dice.sampler import DiceSampler, SampledColumn, Wish
    except ImportError as error:
        reason = f"dice-ml is not installed (extra `dice`): {error}"
        write_frame(replies, {"kind": "refused", "reason": reason})
        return

    def probabilities(rows: Matrix) -> Matrix:
        write_frame(replies, {"kind": "score"}, rows)
        _, (inside,) = read_frame(questions)
        return np.column_stack([1.0 - inside, inside])

    columns = [SampledColumn(name, decimals) for name, decimals in header["columns"]]
    allowed = tuple(tuple(values) for values in header["allowed"])
    wish = Wish(factual, tuple(header["vary"]), allowed, header["seed"])
    try:
        sampler = DiceSampler(columns, references, header["method"], header["count"])
        rows = sampler.propose(wish, probabilities)
    except EOFError:
        raise
    except Exception as error:  # DiCE raises whatever it likes; nothing found is the answer
        reason = f"DiCE failed: {type(error).__name__}: {error}"[:300]
        write_frame(replies, {"kind": "refused", "reason": reason})
        return
    write_frame(replies, {"kind": "rows"}, rows)


if __name__ == "__main__":
    main()
