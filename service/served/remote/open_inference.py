"""The Open Inference Protocol over HTTP (V2): KServe, Triton, MLServer; JSON, or its binary tensor
data extension."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.encoding import Encoding
from ifonly.models.predictor import Rows
from ifonly.models.said import as_float
from ifonly.models.schema import Feature, Schema
from ifonly.models.spec import RemoteSpec, RowForm
from ifonly.service.served.remote.failures import MISSHAPEN, unclear
from ifonly.service.served.remote.http import HttpAnswer
from ifonly.service.served.remote.kserve import as_json
from ifonly.service.served.remote.writing import NUMPY, encoded

HEADER_LENGTH = "Inference-Header-Content-Length"
SIZE = "binary_data_size"
TABLE = {"content_type": "pd"}
"""By which KServe and MLServer know that tensors are columns of a table."""


@dataclass(frozen=True, eq=False)
class SentTensor:
    """One tensor; ``values``: of a numpy type, ``object`` for texts."""

    name: str
    datatype: str
    values: npt.NDArray[Any]

    @property
    def raw(self) -> bytes:
        """Little-endian and row-major; each text with its length before it, four bytes."""
        if self.datatype != "BYTES":
            return np.ascontiguousarray(self.values, NUMPY[self.datatype]).tobytes()
        texts = [str(text).encode() for text in self.values.ravel()]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)

    @property
    def listed(self) -> list[Any]:
        """For JSON: null for a number that is missing."""
        return [None if value != value else value for value in self.values.ravel().tolist()]


def path(spec: RemoteSpec) -> str:
    version = "" if spec.version is None else f"/versions/{spec.version}"
    return f"/v2/models/{spec.model}{version}/infer"


def tensors(
    rows: Rows, form: RowForm, spec: RemoteSpec, schema: Schema, encoding: Encoding
) -> list[SentTensor]:
    """What is sent of ``rows``: a tensor a feature, or one of whole rows.

    Raises
    ------
    GraphError
        If a value does not fit its type.
    """
    if form is RowForm.ENCODED:
        return [SentTensor(spec.tensor, spec.dtype, encoded(rows, encoding, spec.dtype))]
    if form is RowForm.NAMED:
        return [_of_feature(rows[:, [j]], f, spec) for j, f in enumerate(schema.features)]
    columns = [
        _values(rows[:, [j]], feature, spec.dtype) for j, feature in enumerate(schema.features)
    ]
    return [SentTensor(spec.tensor, spec.dtype, np.hstack(columns))]


def _of_feature(column: Rows, feature: Feature, spec: RemoteSpec) -> SentTensor:
    default = "BYTES" if feature.kind.is_categorical else spec.dtype
    dtype = spec.dtypes.get(feature.name, default)
    return SentTensor(feature.name, dtype, _values(column, feature, dtype))


def _values(column: Rows, feature: Feature, dtype: str) -> npt.NDArray[Any]:
    """``(n, 1)``; categories by name in texts, by place in numbers."""
    if dtype != "BYTES":
        return column.astype(NUMPY[dtype])
    written = [feature.write(float(value)) for value in column[:, 0]]
    texts = ["" if value is None else str(value) for value in written]
    return np.array(texts, dtype=object)[:, np.newaxis]


def written(
    sent: Sequence[SentTensor], spec: RemoteSpec, *, is_table: bool
) -> tuple[bytes, Mapping[str, str]]:
    """Body and headers of a request; ``is_table``: a tensor is a column."""
    wanted: dict[str, Any] = {"parameters": dict(TABLE)} if is_table else {}
    if spec.output is not None:
        # Servers that compute only what is asked for (MLServer: predict_proba) need to be told.
        wanted["outputs"] = [{"name": spec.output}]
    if not spec.is_binary:
        inputs = [_head(t) | {"data": t.listed} for t in sent]
        return as_json({"inputs": inputs} | wanted), {"content-type": "application/json"}
    tail = [tensor.raw for tensor in sent]
    inputs = [
        _head(t) | {"parameters": {SIZE: len(raw)}} for t, raw in zip(sent, tail, strict=True)
    ]
    if spec.output is not None:
        wanted["outputs"][0]["parameters"] = {"binary_data": True}
    wanted["parameters"] = {"binary_data_output": True} | wanted.get("parameters", {})
    asked = {"inputs": inputs} | wanted
    start = as_json(asked)
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(start))}
    return b"".join([start, *tail]), headers


def _head(tensor: SentTensor) -> dict[str, Any]:
    shape = list(tensor.values.shape)
    return {"name": tensor.name, "shape": shape, "datatype": tensor.datatype}


# --- what is said -------------------------------------------------------------------------


def words(reply: HttpAnswer, count: int, output: str | None) -> list[Any]:
    """One word a row, of the output called ``output`` or the only one.

    Raises
    ------
    PredictorUnclear
        If it is not that.
    """
    length = reply.headers.get(HEADER_LENGTH.lower(), "")
    wanted = expected(count, output)
    try:
        end = int(length) if length else len(reply.body)
        told = json.loads(reply.body[:end])["outputs"]
        found = [_read(each, reply.body, end, told) for each in told]
        return chosen(found, count, output)
    except MISSHAPEN as error:
        raise unclear(reply.url, reply.status, reply.text, wanted) from error


def expected(count: int, output: str | None) -> str:
    name = "one output" if output is None else f"an output {output!r}"
    return f"{name} of the shape [{count}] or [{count}, …] (predictor.output names it)"


def chosen(
    found: Sequence[tuple[str, Sequence[int], list[Any]]], count: int, output: str | None
) -> list[Any]:
    """The words of the output that is declared: name, shape and values of each that came.

    Raises
    ------
    ValueError
        If it is not there, or has not a word a row.
    """
    named = [each for each in found if output is None or each[0] == output]
    if len(named) != 1:
        raise ValueError(f"outputs {[name for name, *_ in found]}")
    _, shape, values = named[0]
    if not shape or shape[0] != count or math.prod(shape) != len(values) or len(values) == 0:
        raise ValueError(f"shape {list(shape)}")
    each = len(values) // count
    if each == 1:
        return values
    return [values[start : start + each] for start in range(0, len(values), each)]


def _read(
    told: Mapping[str, Any], body: bytes, end: int, outputs: Sequence[Mapping[str, Any]]
) -> tuple[str, Sequence[int], list[Any]]:
    name, shape, datatype = told["name"], told["shape"], told["datatype"]
    if "data" in told:
        return name, shape, from_json(_flat(told["data"]), datatype)
    # Its bytes lie behind those of the outputs before it.
    start = end
    for other in outputs:
        size = int((other.get("parameters") or {}).get(SIZE, 0))
        if other is told:
            break
        start += size
    return name, shape, from_bytes(body[start : start + size], datatype)


def _flat(data: list[Any]) -> list[Any]:
    while data and isinstance(data[0], list):
        data = [value for part in data for value in part]
    return data


def from_json(values: list[Any], datatype: str) -> list[Any]:
    """Whole numbers of a type of floats as floats: 1 is a probability there, and no place."""
    if datatype.startswith("FP"):
        return [value if value is None else as_float(value) for value in values]
    return values


def from_bytes(raw: bytes, datatype: str) -> list[Any]:
    """Values of a tensor's bytes.

    Raises
    ------
    KeyError, ValueError, struct.error
        If they are none.
    """
    if datatype != "BYTES":
        return list(np.frombuffer(raw, NUMPY[datatype]).tolist())
    texts, place = [], 0
    while place < len(raw):
        (size,) = struct.unpack_from("<I", raw, place)
        place += 4
        if place + size > len(raw):
            raise ValueError("a text is longer than its tensor")
        texts.append(raw[place : place + size].decode())
        place += size
    return texts
