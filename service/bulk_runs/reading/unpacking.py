"""Streams that may be packed: ``.gz``, ``.zst``, ``.bz2``, ``.lz4``."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ifonly.service.bulk_runs.reading.places import InputFile

PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
"""Codec by the end of a name."""


class _Counted(io.RawIOBase):
    """A stream of Arrow's that says how much was read of it: streams of object stores cannot."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self._stream.read(None if size < 0 else size)
        self.count += len(data)
        return data


@contextmanager
def unpacked(file: InputFile) -> Iterator[tuple[Any, Callable[[], int]]]:
    """The file's text, and how many bytes of the file have been read for it so far."""
    with file.opened() as raw:
        counted = _Counted(raw)
        stream = pa.PythonFile(counted, mode="r")
        codec = next((c for end, c in PACKED.items() if file.path.endswith(end)), None)
        if codec is not None:
            stream = pa.CompressedInputStream(stream, codec)
        yield stream, lambda: counted.count
