"""Tensors of the Open Inference Protocol: JSON, and the bytes of its binary extension.

Binary tensors lie behind the JSON in the order of the request, little-endian and row-major; each
element of ``BYTES`` has its length before it, four bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifonly.service.ask.problems import as_json
from ifonly.service.errors import Fault, InvalidRequest, MalformedBody, RequestPart
from ifonly.service.wire import validation
from ifonly.service.wire.open_inference import InferInput, InferRequest
from ifonly.service.wire.strict_json import read_json

HEADER_LENGTH = "Inference-Header-Content-Length"

SIZE = "binary_data_size"
IGNORED = ("content_type", "headers")
"""Parameters by which MLServer's clients say how their own library read a tensor."""
DTYPES = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
_SAYS: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float, type(None)}}
"""What JSON may have in a tensor of a kind; ``null``: a reading that is missing."""


def invalid(path: tuple[str | int, ...], problem: str, **told: Any) -> InvalidRequest:
    return InvalidRequest(RequestPart.REQUEST, [Fault(path, problem, **told)])


def split(body: bytes, declared: str | None) -> tuple[InferRequest, bytes]:
    """The request, and the bytes behind its JSON; ``declared``: the header that says how long the
    JSON is, if there is one.

    Raises
    ------
    MalformedBody, InvalidRequest
        If it is no request of the protocol.
    """
    length = len(body) if declared is None else _length(declared, len(body))
    return validation.read(InferRequest, read_json(body[:length])), body[length:]


def _length(declared: str, most: int) -> int:
    if not (declared.isascii() and declared.isdecimal() and len(declared) < 20):
        raise MalformedBody(f"{HEADER_LENGTH} is {declared[:60]!r}, not a number of bytes")
    if int(declared) > most:
        raise MalformedBody(f"{HEADER_LENGTH} is {int(declared):,}; the body has {most:,} bytes")
    return int(declared)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One that was read."""

    name: str
    shape: tuple[int, ...]
    values: list[Any]
    """Row-major: numbers, text, or None where a reading is missing."""


def read_tensors(request: InferRequest, tail: bytes) -> list[Tensor]:
    """All inputs; ``tail``: the bytes behind the JSON.

    Raises
    ------
    InvalidRequest
        If one is not as the protocol has it.
    """
    found, place = [], 0
    for k, given in enumerate(request.inputs):
        size = _size(given, k)
        count = math.prod(given.shape)
        if size is None:
            values = _from_json(given, k, count)
        elif size > len(tail) - place:
            problem = f"{given.name} has {SIZE} {size:,}; {len(tail) - place:,} bytes are left"
            raise invalid(("inputs", k, "parameters", SIZE), problem, value=size)
        else:
            values = _from_bytes(given, k, count, tail[place : place + size])
            place += size
        found.append(Tensor(given.name, tuple(given.shape), values))
    if place != len(tail):
        problem = f"{len(tail) - place:,} bytes behind the JSON belong to no tensor"
        raise invalid(("inputs",), problem)
    return found


def _size(given: InferInput, k: int) -> int | None:
    """Of its binary data; None if it is in the JSON."""
    for key in given.parameters or {}:
        if key != SIZE and key not in IGNORED:
            problem = f"{key} is no parameter of an input here; known is {SIZE}"
            raise invalid(("inputs", k, "parameters", key), problem)
    size = (given.parameters or {}).get(SIZE)
    if (size is None) == (given.data is None):
        raise invalid(("inputs", k), f"{given.name} needs either data or {SIZE}, and not both")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        problem = f"{SIZE} is {validation.shown(size)}, not a number of bytes"
        raise invalid(("inputs", k, "parameters", SIZE), problem, value=size)
    return size


# --- JSON ---------------------------------------------------------------------------------


def _from_json(given: InferInput, k: int, count: int) -> list[Any]:
    assert given.data is not None
    flat = _flat(given.data, given.shape, given.name, k)
    if len(flat) != count:
        problem = f"{given.name} has {len(flat):,} values; its shape {given.shape} has {count:,}"
        raise invalid(("inputs", k, "data"), problem, value=len(flat), limit=count)
    if given.datatype == "BYTES":
        _check_types(flat, {str, type(None)}, given, k)
        return flat
    dtype = np.dtype(DTYPES[given.datatype])
    _check_types(flat, _SAYS[dtype.kind], given, k)
    try:
        return _plain(_array(flat, dtype))
    except OverflowError:
        problem = f"{given.name} has a number that {given.datatype} cannot hold"
        raise invalid(("inputs", k, "data"), problem) from None


def _flat(data: list[Any], shape: Sequence[int], name: str, k: int) -> list[Any]:
    """Nested lists must be as the shape says: other ones would be read as other rows."""
    for depth, length in enumerate(shape[1:], 1):
        if not data or not isinstance(data[0], list):
            return data
        if not all(isinstance(part, list) and len(part) == length for part in data):
            problem = f"{name} has lists that are not as its shape {list(shape)} says"
            raise invalid(("inputs", k, "data"), f"{problem} (level {depth})")
        data = [value for part in data for value in part]
    return data


def _check_types(flat: list[Any], may_be: set[type], given: InferInput, k: int) -> None:
    if set(map(type, flat)) <= may_be:
        return
    place = next(i for i, value in enumerate(flat) if type(value) not in may_be)
    problem = f"{given.name} has {validation.shown(flat[place])}, no {given.datatype}"
    # Of nested data the pointer is to all of it.
    at = () if given.data and isinstance(given.data[0], list) else (place,)
    raise invalid(("inputs", k, "data", *at), problem, value=flat[place])


def _array(flat: list[Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if dtype.kind != "f":
        return np.array(flat, dtype=dtype)
    with np.errstate(over="ignore"):  # infinite, which is refused as such
        return np.array(flat, dtype=np.float64).astype(dtype)


# --- bytes --------------------------------------------------------------------------------


def _from_bytes(given: InferInput, k: int, count: int, raw: bytes) -> list[Any]:
    if given.datatype == "BYTES":
        values = list(_texts(raw, given.name, k))
        if len(values) != count:
            problem = f"{given.name} has {len(values):,} texts; its shape {given.shape} {count:,}"
            raise invalid(("inputs", k), problem, value=len(values), limit=count)
        return values
    dtype = np.dtype(DTYPES[given.datatype])
    if len(raw) != count * dtype.itemsize:
        problem = f"{given.name} has {len(raw):,} bytes; {given.datatype} of shape {given.shape} "
        raise invalid(("inputs", k), f"{problem}has {count * dtype.itemsize:,}")
    return _plain(np.frombuffer(raw, dtype))


def _texts(raw: bytes, name: str, k: int) -> Iterator[str]:
    place = 0
    while place < len(raw):
        if len(raw) - place < 4:
            raise invalid(("inputs", k), f"{name} ends within a length")
        (length,) = struct.unpack_from("<I", raw, place)
        place += 4
        if length > len(raw) - place:
            raise invalid(("inputs", k), f"{name} has a text of {length:,} bytes that ends before")
        try:
            yield raw[place : place + length].decode()
        except UnicodeDecodeError:
            raise invalid(("inputs", k), f"{name} has a text that is not UTF-8") from None
        place += length


def _plain(array: np.ndarray[Any, Any]) -> list[Any]:
    """As Python's numbers: NaN is a missing reading; a narrow float the shortest decimal that it
    stands for, as it was before its client has rounded it (298.9, not 298.8999938964844)."""
    if array.dtype.kind != "f":
        return list((array.astype(np.int64) if array.dtype.kind == "b" else array).tolist())
    wide = array if array.dtype.itemsize == 8 else array.astype(str)
    return [None if math.isnan(v) else v for v in wide.astype(np.float64).tolist()]


# --- replies ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor of a reply, ``(n,)`` or ``(n, k)``."""

    name: str
    datatype: str
    values: np.ndarray[Any, Any]
    """Float64, or objects that are text."""


def write(said: dict[str, Any], outputs: Sequence[tuple[Output, bool]]) -> tuple[bytes, int | None]:
    """``said`` with its outputs, each in JSON or (True) in bytes behind it; how long the JSON is,
    if anything lies behind it."""
    parts, told = [], []
    for output, is_binary in outputs:
        entry: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.values.shape),
        }
        if is_binary:
            raw = _bytes(output)
            parts.append(raw)
            told.append(entry | {"parameters": {SIZE: len(raw)}})
        else:
            told.append(entry | {"data": _json_values(output)})
    body = as_json(said | {"outputs": told})
    return b"".join((body, *parts)), len(body) if parts else None


def _bytes(output: Output) -> bytes:
    if output.datatype != "BYTES":
        return output.values.astype(DTYPES[output.datatype]).tobytes()
    encoded = [text.encode() for text in output.values.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def _json_values(output: Output) -> list[Any]:
    flat = output.values.ravel().tolist()
    # A row that was refused has no number, and JSON no NaN.
    return [None if isinstance(v, float) and math.isnan(v) else v for v in flat]
