"""Sessions of ONNX Runtime, watched: here, or in a process that can be killed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Protocol

import onnxruntime
from onnx import ModelProto

from ifonly.models.encoding import Tensor
from ifonly.models.errors import GraphError
from ifonly.models.onnx.bounded import unbounded
from ifonly.models.onnx.box import box_of
from ifonly.models.onnx.guard import Guard
from ifonly.models.onnx.watchdog import Watched, watchdog

_NOWHERE = os.path.join(os.devnull, "none")
"""A folder that cannot be there."""

STOPPED = "a run of its graph was ended, for the service ends"


class Session(Protocol):
    """A graph that can be run. Thread-safe."""

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Tensor]) -> list[Tensor]:
        """Raises
        ------
        GraphError
            If ONNX Runtime cannot; an ``OutOfService`` if it takes too long, or did before.
        """
        ...


def open_session(
    model: ModelProto, guard: Guard, threads: int = 1, *, ordered: bool = True
) -> Session:
    """``model`` on the CPU, quiet; ``ordered``: sums in the same order each time.

    Raises
    ------
    GraphError
        If ONNX Runtime refuses the graph.
    """
    data = model.SerializeToString()
    # Graphs whose cost depends on what they read run where they can be killed.
    if guard.limits.boxed and unbounded(model) is not None:
        return box_of(guard).open(guard, data, threads, ordered)
    return _Here(open_here(data, threads, ordered), guard)


class _Here:
    """A session of this process: told to stop between two nodes if it takes too long."""

    def __init__(self, session: onnxruntime.InferenceSession, guard: Guard) -> None:
        self._session = session
        self._guard = guard
        self._seconds = guard.limits.run_seconds

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Tensor]) -> list[Tensor]:
        guard = self._guard
        # A model that is out of service must not take another thread.
        guard.check()
        options = onnxruntime.RunOptions()
        run = Watched(guard, self._seconds, lambda: setattr(options, "terminate", True))
        watchdog.enter(run)
        try:
            found: list[Tensor] = self._session.run(outputs, feeds, options)
        except Exception as error:
            # The error is ours: the watchdog told the run to stop.
            if run.was_stopped:
                raise guard.condemned(STOPPED) from error
            raise GraphError(f"ONNX Runtime cannot run the graph: {reason(error)}") from error
        finally:
            watchdog.leave(run)
        return found


def open_here(data: bytes, threads: int, ordered: bool) -> onnxruntime.InferenceSession:
    """Raises
    ------
    GraphError
        If ONNX Runtime refuses the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = ordered
    # Threads that wait sleep: awake, those of a small graph burn seven times what it computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised, not printed
    # Graphs that name files are refused before; if one ever were not, it would find nothing here.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", _NOWHERE
    )
    try:
        return onnxruntime.InferenceSession(
            data,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # there is nothing to fall back to, and it prints
        )
    except Exception as error:  # ONNX Runtime's errors share no base but this
        raise GraphError(f"ONNX Runtime refuses the graph: {reason(error)}") from error


def reason(error: Exception) -> str:
    """ONNX Runtime's message without its codes and C++ source lines."""
    text = str(error)
    text = text.split(" : ", 3)[-1] if text.startswith("[ONNXRuntimeError]") else text
    if text.startswith("/") and ") " in text:
        text = text.split(") ", 1)[1]
    return " ".join(text.split())
