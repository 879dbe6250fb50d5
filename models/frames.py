"""Messages between two processes over a pipe: a JSON header and numpy arrays, nothing pickled."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_LENGTH = struct.Struct("<I")
_TEXTS = "O"


def write_frame(pipe: IO[bytes], header: Mapping[str, Any], *arrays: Array) -> None:
    """Send ``header`` and ``arrays`` of any shape, of numbers, truth values or texts."""
    described = [_described(array) for array in arrays]
    # JSON and raw numbers: unlike a pickle, reading them runs no code.
    head = json.dumps({"header": header, "arrays": described}).encode()
    pipe.write(_LENGTH.pack(len(head)) + head)
    for array in arrays:
        if array.dtype.kind != _TEXTS:
            pipe.write(np.ascontiguousarray(array).tobytes())
    # The other side waits for the whole message before it answers.
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> tuple[dict[str, Any], list[Array]]:
    """The next message.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    head = json.loads(_exactly(pipe, length))
    return head["header"], [_array(pipe, *described) for described in head["arrays"]]


def _described(array: Array) -> tuple[str, tuple[int, ...], list[Any] | None]:
    texts = array.ravel().tolist() if array.dtype.kind == _TEXTS else None
    return _TEXTS if texts is not None else array.dtype.str, array.shape, texts


def _array(pipe: IO[bytes], kind: str, shape: list[int], texts: list[Any] | None) -> Array:
    if texts is not None:
        return np.array(texts, dtype=object).reshape(shape)
    dtype = np.dtype(kind)
    # Counted in int64: shapes are the other side's word.
    data = _exactly(pipe, dtype.itemsize * int(np.prod(shape, dtype=np.int64)))
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    # A pipe gives less only when the other side has closed it.
    if len(data) != size:
        raise EOFError("the other side of the pipe is gone")
    return data
