"""dice-ml in a process that can be killed.

Its kd-tree mode hangs on some inputs and its other modes look at no clock, so it runs in a child.
The child owns no model: it asks back for scores, so every row is counted by the caller's meter
and any predictor will do. The child is started at the first question, kept for the next, and
killed when the deadline passes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from bench.dice.engine import Chances, DiceWish
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.models.frames import read_frame, write_frame
from ifonly.models.predictor import Rows
from ifonly.models.schema import Feature

METHODS = ("random", "genetic", "kdtree")
LONGEST = 30.0
"""Seconds after which a question without a deadline is given up, unless said otherwise."""


class DiceProcess:
    """A :class:`bench.dice.engine.Sampler`. Thread-safe: one question at a time."""

    def __init__(
        self,
        method: str = "genetic",
        count: int = 4,
        command: Sequence[str] = (sys.executable, "-m", "bench.dice.worker"),
        longest: float = LONGEST,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"method is {method!r}, not one of {', '.join(METHODS)}")
        self._method = method
        self._count = count
        self._longest = longest
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, wish: DiceWish, chances: Chances, deadline: Deadline) -> Rows:
        """As :class:`bench.dice.engine.Sampler`."""
        left = min(self._longest, deadline.at - deadline.clock())
        if left <= 0 or not self._lock.acquire(timeout=left):
            raise DeadlineReached("another question has the process")
        try:
            return self._ask(wish, chances, min(self._longest, deadline.at - deadline.clock()))
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the child; the next question starts another."""
        with self._lock:
            self._kill()

    def _ask(self, wish: DiceWish, chances: Chances, seconds: float) -> Rows:
        child = self._started()
        was_killed = threading.Event()

        def stop() -> None:
            was_killed.set()
            child.kill()

        timer = threading.Timer(max(0.0, seconds), stop)
        timer.start()
        is_done = False
        try:
            rows = self._converse(child, wish, chances)
            is_done = True
            return rows
        except (EOFError, BrokenPipeError) as error:
            if was_killed.is_set():
                raise DeadlineReached("DiCE was stopped") from error
            raise NotEligible("dice", "its process died; is the extra `dice` installed?") from error
        finally:
            timer.cancel()
            if not is_done or was_killed.is_set():  # it may be anywhere in a conversation
                self._kill()

    def _converse(self, child: subprocess.Popen[bytes], wish: DiceWish, chances: Chances) -> Rows:
        to_child, from_child = _pipes(child)
        header = {
            "method": self._method,
            "count": self._count,
            "columns": [[f.name, _decimals(f)] for f in wish.schema.features],
            "vary": wish.vary,
            "allowed": wish.allowed,
            "seed": wish.seed % 2**32,
        }
        write_frame(to_child, header, wish.factual, wish.references)
        while True:
            reply, arrays = read_frame(from_child)
            match reply["kind"]:
                case "score":
                    write_frame(to_child, {}, chances(arrays[0]))
                case "rows":
                    return arrays[0]
                case _:
                    raise NotEligible("dice", str(reply["reason"]))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._kill()
            root = str(Path(__file__).resolve().parents[2])
            paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # progress bars
                env={**os.environ, "TQDM_DISABLE": "1", "PYTHONPATH": os.pathsep.join(paths)},
            )
        return self._child

    def _kill(self) -> None:
        if self._child is None:
            return
        self._child.kill()
        self._child.wait()
        for pipe in _pipes(self._child):
            with contextlib.suppress(BrokenPipeError):  # what was not sent will not be read
                pipe.close()
        self._child = None


def _pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert child.stdin is not None
    assert child.stdout is not None
    return child.stdin, child.stdout


def _decimals(feature: Feature) -> int | None:
    """Decimals of what can be set; None for a category."""
    if feature.kind.is_categorical:
        return None
    if feature.resolution is None:
        return 6  # read only: DiCE needs a number all the same
    exponent = feature.resolution.as_tuple().exponent
    assert isinstance(exponent, int)
    return int(np.clip(-exponent, 0, 12))
