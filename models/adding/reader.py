"""Libraries' own files are read and converted in a process that can do no harm."""

from __future__ import annotations

import json
import math
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import IO, Any, TypeGuard

import numpy as np

from ifonly.models.adding.confinement import is_possible
from ifonly.models.adding.native_file import PICKLED, NativeModel
from ifonly.models.adding.table import Columns
from ifonly.models.errors import DataError, GraphError, ModelError, ParityError
from ifonly.models.frames import write_frame
from ifonly.models.onnx.box import environment
from ifonly.models.onnx.guard import GuardLimits
from ifonly.models.onnx.parity import ParityReport

LENGTHS = struct.Struct("<II")
"""Before an answer: of its JSON, and of its graph."""
MOST_SAID = 4 << 20
MOST_GRAPH = 1 << 30
LONGEST = 600
"""Of what the process says in words."""
_XCPU = getattr(signal, "SIGXCPU", None)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "LOKY_MAX_CPU_COUNT": "1"}
"""Each thread takes address space, of which there is a limit."""


class _Ended(Exception):
    """The process did not answer as it should."""


def read_native(
    kind: str,
    name: str,
    content: bytes,
    columns: Columns,
    *,
    label: str | None = None,
    read: Sequence[str] | None = None,
    texts: Collection[str] = (),
    trust: bool = False,
    limits: GuardLimits | None = None,
) -> NativeModel:
    """As :func:`ifonly.models.adding.native_file.read_here`, in a process of its own: with limits
    of memory and time, in an empty folder, and where the system has such walls without network,
    other processes, or files but those that are installed. It hands back a graph, and words.

    Parameters
    ----------
    trust : bool
        Whether code of the file may run there. Only behind these walls.

    Raises
    ------
    GraphError
        Also if the process asked for what it must not have, or answers with something else.
    """
    if kind == PICKLED and not trust:
        raise GraphError(
            f"{name} is a pickle, which runs code of the file when it is read: export it to ONNX "
            f"where it was trained, or have it read with --trust, in a process without network"
        )
    if kind == PICKLED and not is_possible():
        raise GraphError(
            f"{name} is a pickle, and this machine has no walls to read it within (Linux from 5.13 "
            f"on, with Landlock and seccomp): export it to ONNX where it was trained"
        )
    limits = limits or GuardLimits()
    asked = {
        "kind": kind, "name": name, "columns": _plain(columns), "label": label, "read": read,
        "texts": sorted(texts), "trust": trust and is_possible(),
    }  # fmt: skip
    try:
        said, graph = _answer(asked, content, limits)
        if "problem" not in said:
            return _model(kind, columns, said, graph)
    except _Ended as error:
        raise GraphError(f"{name} {error}") from None
    raise _raised(said)


def _plain(columns: Columns) -> Columns:
    for name, cells in columns.items():
        odd = next((c for c in cells if not isinstance(c, str | int | float | None)), None)
        if odd is not None:
            raise DataError("data", f"{name} holds {odd!r}, neither number nor text")
    return columns


def _answer(
    asked: Mapping[str, Any], content: bytes, limits: GuardLimits
) -> tuple[dict[str, Any], bytes]:
    numbers = str(limits.memory_bytes), str(limits.load_seconds)
    with tempfile.TemporaryDirectory(prefix="ifonly-empty-") as folder:
        child = subprocess.Popen(
            [sys.executable, "-m", "ifonly.models.adding.reader_worker", *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**environment(), **_ONE_THREAD, "HOME": folder, "TMPDIR": folder},
            start_new_session=True,
        )
        # Also of one that sleeps, which takes no processor's time.
        clock = threading.Timer(limits.load_seconds, child.kill)
        clock.start()
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            with suppress(OSError):  # it may have ended already
                write_frame(child.stdin, asked, np.frombuffer(content, dtype=np.uint8))
            try:
                return _read(child.stdout)
            except EOFError:
                child.kill()
                raise _Ended(_blame(child.wait(), clock, limits)) from None
        finally:
            clock.cancel()
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what was not sent will not be read
                        pipe.close()


def _read(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Whatever it says: it may be the code of a stranger who speaks."""
    head = pipe.read(LENGTHS.size)
    if len(head) < LENGTHS.size:
        raise EOFError
    said, graph = LENGTHS.unpack(head)
    if said > MOST_SAID or graph > MOST_GRAPH:
        raise _other()
    words, content = pipe.read(said), pipe.read(graph)
    if len(words) < said or len(content) < graph:
        raise EOFError
    try:
        found = json.loads(words)
    except (ValueError, RecursionError):
        raise _other() from None
    if not isinstance(found, dict):
        raise _other()
    return found, content


def _blame(code: int, clock: threading.Timer, limits: GuardLimits) -> str:
    if not clock.is_alive():
        return f"could not be read after {limits.load_seconds:g} s, which is the limit"
    if _XCPU is not None and code == -_XCPU:
        return f"took more than {limits.load_seconds:g} s of a processor, which is the limit"
    return f"ended the process that read it ({code}); it may use {limits.memory}"


def _raised(said: Mapping[str, Any]) -> ModelError:
    text = "".join(c if c.isprintable() else " " for c in str(said["problem"]))[:LONGEST]
    return ParityError(text) if said.get("is_parity") is True else GraphError(text)


def _model(kind: str, columns: Columns, said: Mapping[str, Any], graph: bytes) -> NativeModel:
    names, report, warned = said.get("columns"), said.get("report"), said.get("warned")
    if not _are_texts(names) or not set(names) <= set(columns) or not _are_texts(warned):
        raise _other()
    known = {field.name for field in fields(ParityReport)}
    if not isinstance(report, dict) or set(report) != known:
        raise _other()
    if not all(type(v) in (int, float) and math.isfinite(v) for v in report.values()):
        raise _other()
    if report["label_differences"]:
        raise _other()
    codes = said.get("codes", {})
    if not isinstance(codes, dict) or not set(codes) <= set(names):
        raise _other()
    if not all(_are_texts(own) and len(own) == len(set(own)) for own in codes.values()):
        raise _other()
    told = ["".join(c if c.isprintable() else " " for c in line)[:LONGEST] for line in warned]
    ordered = {name: tuple(own) for name, own in codes.items()}
    return NativeModel(kind, tuple(names), graph, ParityReport(**report), tuple(told[:5]), ordered)


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _other() -> _Ended:
    return _Ended("had the process that reads it answer with something else than a model")
