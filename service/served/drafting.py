"""A model file and a sample of its rows become a model folder, where that can do no harm.

Reading a stranger's file, converting it and running it happens in a process with limits of time
and memory, which ends when it has answered. What it hands back is a folder that is then tried as
any other, and words.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ifonly.models.onnx import GuardLimits
from ifonly.models.onnx.box import environment
from ifonly.service.errors import Fault, InvalidRequest, RequestPart

SUFFIXES = (".onnx", ".json", ".ubj", ".txt", ".cbm", ".skops")
"""Of files that are read without running code that they hold."""
SAMPLES = (".csv", ".parquet", ".pq")
FILE, SAMPLE, ANSWERS = "file", "sample", "answers"
"""How errors call what was sent."""
_XCPU = getattr(signal, "SIGXCPU", None)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""Each thread takes address space, of which there is a limit."""


@dataclass(frozen=True, slots=True)
class DraftJob:
    """What a folder is to be made of."""

    file: str
    """Path of the model file."""
    sample: str
    origin: str
    """Where both came from, for people."""
    name: str
    version: str
    out: str
    """Folder in which ``<name>/<version>`` is put."""
    label: str | None = None
    """Column of the sample that says what was decided."""
    columns: tuple[str, ...] | None = None
    """Those that the model reads, in its order; None: all others, or those that it names."""
    answers: Mapping[str, str] = field(default_factory=dict)
    held_out: bool | None = None
    """Whether the model was trained on none of the labelled rows; None: nobody says."""


def drafted(job: DraftJob, limits: GuardLimits) -> Mapping[str, Any]:
    """What was found on the way: ``questions`` with the answers that were taken, ``told``.

    Raises
    ------
    InvalidRequest
        If no folder can be made of it: every reason.
    """
    numbers = (limits.run_seconds, limits.load_seconds, limits.memory_bytes)
    command = [sys.executable, "-m", "ifonly.service.served.drafting_worker", *map(str, numbers)]
    try:
        child = subprocess.run(
            command,
            input=json.dumps(asdict(job)),
            stdout=subprocess.PIPE,
            # Nobody reads it.
            stderr=subprocess.DEVNULL,
            # `-m` puts the working folder on the path: here nobody can write a module into it.
            cwd="/",
            env={**environment(), **_ONE_THREAD},
            text=True,
            timeout=limits.load_seconds,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _refused(
            f"could not be read after {limits.load_seconds:g} s, which is the limit"
        ) from None
    said = _answer(child.stdout)
    if said is None:
        if _XCPU is not None and child.returncode == -_XCPU:
            raise _refused(
                f"took more than {limits.load_seconds:g} s of a processor, which is the limit"
            )
        raise _refused(
            f"ended the process that read it ({child.returncode}); it may use {limits.memory}"
        )
    if "faults" in said:
        faults = [Fault(tuple(path), problem) for path, problem in said["faults"]]
        raise InvalidRequest(RequestPart.MODEL, faults)
    return said


def _answer(text: str) -> Mapping[str, Any] | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _refused(problem: str) -> InvalidRequest:
    return InvalidRequest(RequestPart.MODEL, [Fault((FILE,), problem)])
