"""A library in a process that can be killed, as the benchmark talks to it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.peers.catalogue import Use
from bench.peers.contract import Reply
from bench.study import StudySetup

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_PREPARE = 300.0
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
"""So that CPU time and wall time are of one core, for everyone alike."""


class Library:
    """One way to use a library for one study; its process is started again after it was killed."""

    def __init__(self, use: Use, python: Path, study: StudySetup, log: Path) -> None:
        self._use = use
        self._python = python
        self._study = study
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self.prepared = self._start()

    def ask(self, row: npt.NDArray[np.float64], seed: int) -> Reply:
        if self._process is None:
            self.prepared = self._start()
            if self.prepared.status != "ready":
                return self.prepared
        message = {"row": row.tolist(), "seconds": self._use.seconds, "seed": seed}
        return self._exchange(message, self._use.seconds_until_killed)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process = None

    def _start(self) -> Reply:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [str(self._python), "-m", "bench.peers.worker", self._use.method],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, **ONE_THREAD, "TQDM_DISABLE": "1"},
            )
        return self._exchange({"study": self._study.to_json()}, SECONDS_TO_PREPARE)

    def _exchange(self, message: object, seconds: float) -> Reply:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        killer = threading.Timer(seconds, self._process.kill)
        killer.start()
        began = time.perf_counter()
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            killer.cancel()
        if line:
            return Reply(**json.loads(line))
        spent = time.perf_counter() - began
        self.close()
        if spent >= seconds:
            return Reply("timeout", spent, spent, note=f"killed after {seconds:g} s")
        return Reply("error", spent, spent, note=f"its process died; see {self._log.name}")
