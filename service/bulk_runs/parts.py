"""What came of one slice: a file of its own, which says what it holds and is whole or not there."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_LENGTHS = struct.Struct("<4sIQQ")
_MAGIC = b"ifb1"
_PACKED = pa.ipc.IpcWriteOptions(compression="zstd")


@dataclass(frozen=True)
class AnsweredPart:
    """The answers to one slice."""

    number: int
    rows: int
    """Of the input; ``output`` has fewer where only alarms are wanted."""
    counts: Mapping[str, int]
    """Rows by status, of all rows."""
    cut: int
    """Rows whose search was cut by its deadline."""
    output: pa.RecordBatch
    problems: pa.RecordBatch

    def written(self) -> bytes:
        """The file."""
        head = {"number": self.number, "rows": self.rows, "counts": dict(self.counts)}
        said = json.dumps(head | {"cut": self.cut}).encode()
        bodies = [_stream(self.output), _stream(self.problems)]
        return b"".join([_LENGTHS.pack(_MAGIC, len(said), *map(len, bodies)), said, *bodies])

    @classmethod
    def joined(cls, number: int, parts: Sequence[AnsweredPart]) -> AnsweredPart:
        """Those of the pieces of one slice, in order."""
        counts: Counter[str] = Counter()
        for part in parts:
            counts.update(part.counts)
        return cls(
            number,
            sum(part.rows for part in parts),
            dict(sorted(counts.items())),
            sum(part.cut for part in parts),
            pa.concat_batches([part.output for part in parts]),
            pa.concat_batches([part.problems for part in parts]),
        )

    @classmethod
    def read(cls, data: bytes) -> AnsweredPart:
        """Raises
        ------
        ValueError
            If it is no such file.
        """
        said, start, first, second = head_of(data)
        if len(data) != start + first + second:
            raise ValueError("it is cut off")
        whole = memoryview(data)
        output = _read(whole[start : start + first])
        problems = _read(whole[start + first :])
        return cls(said["number"], said["rows"], said["counts"], said["cut"], output, problems)


def head_of(data: bytes) -> tuple[dict[str, Any], int, int, int]:
    """What a part says of itself; where its streams begin, and their lengths.

    Raises
    ------
    ValueError
        If it is none.
    """
    if len(data) < _LENGTHS.size:
        raise ValueError("it is too short")
    magic, head, first, second = _LENGTHS.unpack_from(data)
    start = _LENGTHS.size + head
    if magic != _MAGIC:
        raise ValueError("it is no part of this form")
    return json.loads(data[_LENGTHS.size : start]), start, first, second


def packed(batch: pa.RecordBatch) -> bytes:
    """A batch as a stream of Arrow, unpacked: for the way to another process of this machine."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def unpacked(data: bytes) -> pa.RecordBatch:
    """The inverse of :func:`packed`."""
    return _read(memoryview(data))


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_PACKED) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _read(data: memoryview) -> pa.RecordBatch:
    with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
        batches = list(reader)
        return batches[0] if batches else pa.RecordBatch.from_pylist([], reader.schema)
