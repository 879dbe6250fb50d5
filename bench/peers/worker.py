"""The process in which a library runs: ``python -m bench.peers.worker METHOD``.

Reads one JSON object a line and answers with one: first the study, then rows. Time is measured
here, around the library's call alone. Whatever the library prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import distributions
from typing import IO, Any

import numpy as np

from bench.peers.contract import Asker, Method, PeerAnswer, Reply, Unsupported
from bench.study import StudySetup

METHODS = {
    "ours": ("bench.peers.ask_ours", "portfolio"),
    "ours-blackbox": ("bench.peers.ask_ours", "blackbox"),
    "dice-random": ("bench.peers.ask_dice", "random"),
    "dice-genetic": ("bench.peers.ask_dice", "genetic"),
    "dice-kdtree": ("bench.peers.ask_dice", "kdtree"),
    "nice-proximity": ("bench.peers.ask_nice", "proximity"),
    "nice-sparsity": ("bench.peers.ask_nice", "sparsity"),
    "treecf-heuristic": ("bench.peers.ask_treecf", "heuristic"),
    "treecf-exact": ("bench.peers.ask_treecf", "exact"),
    "ocean-cp": ("bench.peers.ask_ocean", "constraint_programming"),
}


def main() -> None:
    method = sys.argv[1]
    replies = _take_stdout()
    warnings.simplefilter("ignore")
    asker: Asker | None = None
    for line in sys.stdin:
        message = json.loads(line)
        if "study" in message:
            asker = None
            reply, asker = _prepare(method, message["study"])
        else:
            assert asker is not None
            reply = _ask(asker, message)
        replies.write(json.dumps(asdict(reply), allow_nan=False) + "\n")
        replies.flush()


def _take_stdout() -> IO[str]:
    """The real standard output; what libraries print goes to standard error from here on."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _prepare(method: str, study: str) -> tuple[Reply, Asker | None]:
    module, function = METHODS[method]
    began, cpu = time.perf_counter(), time.process_time()
    try:
        make: Method = getattr(importlib.import_module(module), function)
        asker = make(StudySetup.from_json(study))
    except Unsupported as reason:
        return Reply("unsupported", note=str(reason)), None
    except Exception as error:  # a peer may raise anything: it is a result, not our failure
        return _failed(error), None
    spent = time.process_time() - cpu, time.perf_counter() - began
    versions = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions()}
    return Reply("ready", *spent, cannot=list(asker.cannot), versions=versions), asker


def _ask(asker: Asker, message: dict[str, Any]) -> Reply:
    row = np.array(message["row"], dtype=np.float64)
    try:
        found, cpu, wall = _timed(lambda: asker.ask(row, message["seconds"], message["seed"]))
    except Exception as error:  # as above
        return _failed(error)
    return Reply(
        "answer",
        cpu,
        wall,
        np.asarray(found.rows, dtype=np.float64).tolist(),
        found.is_proven,
        None if found.lower_bound is None or np.isinf(found.lower_bound) else found.lower_bound,
        found.model_rows,
        found.engine_cpu,
        found.note,
    )


def _timed(call: Callable[[], PeerAnswer]) -> tuple[PeerAnswer, float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    found = call()
    return found, time.process_time() - cpu, time.perf_counter() - began


def _failed(error: Exception) -> Reply:
    traceback.print_exc()
    return Reply("error", note=f"{type(error).__name__}: {error}"[:300])


if __name__ == "__main__":
    main()
