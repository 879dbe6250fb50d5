"""Messages between two processes over a pipe: a JSON header and numpy arrays, nothing pickled."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_LENGTH = struct.Struct("<I")


def write_frame(
    pipe: IO[bytes], header: Mapping[str, Any], *arrays: npt.NDArray[np.float64]
) -> None:
    """Send ``header`` and float64 ``arrays`` of any shape."""
    head = json.dumps({"header": header, "shapes": [a.shape for a in arrays]}).encode()
    pipe.write(_LENGTH.pack(len(head)) + head)
    for array in arrays:
        pipe.write(np.ascontiguousarray(array, dtype="<f8").tobytes())
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> tuple[dict[str, Any], list[npt.NDArray[np.float64]]]:
    """The next message.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    head = json.loads(_exactly(pipe, length))
    arrays = []
    for shape in head["shapes"]:
        size = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(_exactly(pipe, 8 * size), dtype="<f8").reshape(shape))
    return head["header"], arrays


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) != size:
        raise EOFError("the other side of the pipe is gone")
    return data
