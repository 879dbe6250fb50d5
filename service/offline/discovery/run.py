"""Asks the child for graphs until its time is over."""

from __future__ import annotations

import io
import json
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.discovery import Arcs
from ifonly.models.predictor import Rows

ALGORITHMS = ("direct-lingam", "pc", "ges", "notears", "notears-standardised")
WORKER = Path(__file__).with_name("worker.py")


class DiscoveryFailed(Exception):
    """No graph came back; the message says why."""


@dataclass(frozen=True)
class Discovered:
    """What one algorithm found."""

    algorithm: str
    library: str
    """Its name and version."""
    graphs: tuple[Arcs, ...]
    """The first of all rows, the others of rows drawn with replacement."""
    asked: int
    """So many were wanted; fewer came where the time was over."""


def discover(
    algorithm: str,
    rows: Rows,
    forbidden: npt.NDArray[np.bool_],
    *,
    runs: int,
    seconds: float,
    seed: int,
    python: str,
) -> Discovered:
    """Graphs of ``rows`` ``(n, d)``, all finite; ``forbidden[i, j]``: ``i`` may not act on ``j``.

    ``python`` is the interpreter that has the libraries. After ``seconds`` it is killed, and what
    it has found by then is returned.

    Raises
    ------
    DiscoveryFailed
        If not even the first graph was found.
    """
    # By path: that interpreter has the libraries, and need not have ifonly.
    command = [python, str(WORKER), algorithm, str(runs), str(seed)]
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise DiscoveryFailed(f"{python} cannot be started: {error.strerror}") from error
    late = threading.Event()

    def stop() -> None:
        late.set()
        child.kill()

    # Killed, not asked: an algorithm in C hears no signal handler of Python's.
    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        output, complaint = child.communicate(_question(rows, forbidden))
    finally:
        timer.cancel()
    library, *graphs = [json.loads(line) for line in output.splitlines()] or [""]
    # A child killed for its time fails too, and what it had printed counts.
    if child.returncode and not late.is_set():
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise DiscoveryFailed(f"{algorithm} failed: {last}")
    if not graphs:
        raise DiscoveryFailed(f"{algorithm} found no graph within {seconds:g} s")
    found = tuple(tuple((int(i), int(j)) for i, j in graph) for graph in graphs)
    return Discovered(algorithm, library, found, runs)


def _question(rows: Rows, forbidden: npt.NDArray[np.bool_]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, rows=rows, forbidden=forbidden)
    return buffer.getvalue()
