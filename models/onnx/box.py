"""A process that runs graphs and nothing else, and can be killed.

ONNX Runtime hears that it should stop only between two nodes: not within one, and not in a loop
whose body has none. The process has no file of the service open, an empty folder to work in and
limits of its own; see ``box_worker``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ifonly.models.encoding import Tensor
from ifonly.models.errors import GraphError
from ifonly.models.frames import Array, read_frame, write_frame
from ifonly.models.onnx.guard import Guard
from ifonly.models.onnx.watchdog import Watched, watchdog

_ROOT = str(Path(__file__).parents[3])
"""Where ``ifonly`` is imported from. Not resolved: in a checkout this package is a link in it."""
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What the process needs to know of ours: no address and no password of a store."""

_boxes: weakref.WeakKeyDictionary[Guard, Box] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def box_of(guard: Guard) -> Box:
    """The process of the model that ``guard`` watches over: one for all its graphs."""
    # Two graphs of one model that open at once must not start two processes.
    with _making:
        box = _boxes.get(guard)
        if box is None:
            _boxes[guard] = box = Box(guard)
        return box


def environment() -> dict[str, str]:
    """Environment variables of a process that runs graphs."""
    found = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return found | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}


class Box:
    """Thread-safe: one run at a time."""

    def __init__(self, guard: Guard) -> None:
        self._guard = weakref.proxy(guard)  # or the table above would keep both for ever
        self._limits = guard.limits
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """None: no graph needed it so far."""
        return self._child

    def open(self, guard: Guard, data: bytes, threads: int, ordered: bool) -> BoxedSession:
        """As :func:`ifonly.models.onnx.sessions.open_session`."""
        header = {"do": "open", "threads": threads, "ordered": ordered}
        raw = np.frombuffer(data, dtype=np.uint8)
        reply, _ = self.ask(header, [raw], self._limits.load_seconds)
        return BoxedSession(guard, int(reply["session"]))

    def ask(
        self, header: Mapping[str, Any], arrays: Sequence[Array], seconds: float
    ) -> tuple[dict[str, Any], list[Array]]:
        """Raises
        ------
        GraphError
            If ONNX Runtime cannot; an ``OutOfService`` if it takes longer than ``seconds``, or
            the process ends.
        """
        # One question at a time: replies carry no number by which to tell them apart.
        with self._lock:
            # Within the lock: who waited may find that the run before condemned the model.
            self._guard.check()
            child = self._started()
            run = Watched(self._guard, seconds, child.kill)
            watchdog.enter(run)
            try:
                assert child.stdin is not None
                assert child.stdout is not None
                write_frame(child.stdin, header, *arrays)
                reply, found = read_frame(child.stdout)
            # The pipe broke: the process died, or the watchdog killed it.
            except (EOFError, OSError) as error:
                raise self._guard.condemned(self._ending(child)) from error
            finally:
                watchdog.leave(run)
        if "problem" in reply:
            hint = f" (it may use {self._limits.memory})" if reply["is_memory"] else ""
            raise GraphError(f"{reply['problem']}{hint}")
        return reply, found

    def _ending(self, child: subprocess.Popen[bytes]) -> str:
        # It may hang and not be dead; then waiting would never end.
        child.kill()
        code = child.wait()
        return f"the process that ran its graph ended ({code}); it may use {self._limits.memory}"

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            # An empty folder: a relative path in a graph finds nothing.
            folder = tempfile.TemporaryDirectory(prefix="ifonly-empty-")
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "ifonly.models.onnx.box_worker",
                    str(self._limits.memory_bytes),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder.name,
                env=environment(),
                start_new_session=True,  # Ctrl-C is for us, who then end it
            )
            # Also when the model is dropped, not only at the end of the service.
            weakref.finalize(self, _end, self._child, folder)
        return self._child


class BoxedSession:
    """A graph in a :class:`Box`."""

    def __init__(self, guard: Guard, number: int) -> None:
        self._guard = guard
        self._number = number

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Tensor]) -> list[Tensor]:
        """As :meth:`ifonly.models.onnx.sessions.Session.run`."""
        names = {"outputs": list(outputs), "inputs": list(feeds)}
        header = {"do": "run", "session": self._number, **names}
        seconds = self._guard.limits.run_seconds
        _, found = box_of(self._guard).ask(header, list(feeds.values()), seconds)
        return found


def _end(child: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was not sent will not be read
                pipe.close()
    folder.cleanup()
