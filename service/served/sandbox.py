"""A folder is tried where it can do no harm, before the service itself looks into it.

The trial is a process with limits of time and memory that reads the folder as it would be read to
be served, and runs its graphs with as many rows as a run may have. One process tries all folders
of a look at the repository, one after the other; a folder that ends it gets the blame.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ifonly.models.errors import GraphError, ModelError, SpecError, SpecProblem
from ifonly.models.onnx import Guard, GuardLimits
from ifonly.models.onnx.box import environment
from ifonly.models.onnx.watchdog import Watched, watchdog
from ifonly.models.repository.files import content_of

_XCPU = getattr(signal, "SIGXCPU", None)
READY = "ready"
"""The first line of a process that tries: what it needed until then is no folder's fault."""
REMEMBERED = 1_024
"""Folders that are known to be sound, by their content."""


class _Sound:
    """Contents of folders that kept to limits. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[tuple[GuardLimits, str], None] = {}
        self._lock = threading.Lock()

    def has(self, limits: GuardLimits, content: str) -> bool:
        return (limits, content) in self._known

    def add(self, limits: GuardLimits, content: str) -> None:
        with self._lock:
            self._known[limits, content] = None
            while len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]


_sound = _Sound()
"""Whoever tries folders in this process: one is not tried twice within the same limits."""


class Sandbox:
    """Thread-safe. ``close`` it to end its process; the next trial starts another."""

    def __init__(self, limits: GuardLimits, trusted: Path | None = None) -> None:
        self.limits = limits
        self._trusted = None if trusted is None else trusted.resolve()
        """Folders in here came with the program, and are no more to be tried than it is."""
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def check(self, folder: Path, root: Path) -> None:
        """Raises
        ------
        ModelError
            If the version folder ``folder`` below ``root`` cannot be served, or could harm
            whoever served it.
        """
        if self._trusted is not None and folder.resolve().parent.parent == self._trusted:
            return
        # Known by content: a touched folder stays sound, a changed one is tried again.
        content = content_of(folder)
        with self._lock:
            if not _sound.has(self.limits, content):
                self._ask(folder, root)
                _sound.add(self.limits, content)

    def close(self) -> None:
        with self._lock:
            self._end()

    def _ask(self, folder: Path, root: Path) -> None:
        child = self._started()
        label = "/".join(folder.parts[-2:])
        run = Watched(Guard(label), self.limits.load_seconds, child.kill)
        watchdog.enter(run)
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(json.dumps([str(folder.resolve()), str(root.resolve())]) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except OSError:
            line = ""
        finally:
            watchdog.leave(run)
        # No reply: the watchdog, the system or the graph itself has ended the child.
        if not line:
            code = child.wait()
            self._end()
            raise GraphError(f"{label}/model.onnx: {self._blame(code, run)}")
        _raise(json.loads(line))

    def _blame(self, code: int, run: Watched) -> str:
        limits = self.limits
        if run.was_stopped:
            return f"it could not be served after {limits.load_seconds:g} s, which is the limit"
        if _XCPU is not None and code == -_XCPU:
            return f"it took more than {limits.load_seconds:g} s of a processor, which is the limit"
        return f"the process that tried it ended ({code}); it may use {limits.memory}"

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            limits = self.limits
            numbers = (limits.run_seconds, limits.load_seconds, limits.memory_bytes)
            self._child = subprocess.Popen(
                [sys.executable, "-m", "ifonly.service.served.sandbox_worker", *map(str, numbers)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Nobody reads it: a full pipe would block the child for ever.
                stderr=subprocess.DEVNULL,
                # `-m` puts the working folder on the path: here nobody can write a module into it.
                cwd="/",
                env=environment(),
                text=True,
                start_new_session=True,  # Ctrl-C is for us, who then end it
            )
            assert self._child.stdout is not None
            if self._child.stdout.readline().strip() != READY:
                raise GraphError("no process can be started to try models in")
        return self._child

    def _end(self) -> None:
        if self._child is None:
            return
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent will not be read
                    pipe.close()
        self._child = None


def written(error: ModelError) -> dict[str, Any]:
    """What a trial says of a folder that it refuses."""
    if isinstance(error, SpecError):
        return {"file": error.file, "problems": [[p.key, p.problem] for p in error.problems]}
    return {"problem": str(error)}


def _raise(said: Mapping[str, Any]) -> None:
    """Raises
    ------
    ModelError
        That :func:`written` has written, if it has.
    """
    if "problems" in said:
        raise SpecError.of(said["file"], [SpecProblem(*p) for p in said["problems"]])
    if "problem" in said:
        raise GraphError(said["problem"])
