"""The bodies that a deployed model was asked and answered with, as rows and words on them.

KServe's protocol V1 and the Open Inference Protocol V2, in JSON and with binary tensors. KServe's
logger does not tell how long the JSON before binary tensors is: it ends where the object does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ifonly.models.said import read_said
from ifonly.models.schema import Decision
from ifonly.service.ask.problems import pointer
from ifonly.service.doors.client_rows import named_row
from ifonly.service.doors.http.problems import TooManyRows
from ifonly.service.doors.open_inference.attributes import ATTRIBUTE, rows_and_said
from ifonly.service.doors.open_inference.tensors import SIZE, Tensor, read_tensors
from ifonly.service.errors import InvalidRequest, MalformedBody
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import validation
from ifonly.service.wire.open_inference import MAX_TENSORS, InferRequest
from ifonly.service.wire.requests import MAX_INSTANCES
from ifonly.service.wire.strict_json import read_json

MOST_NAMED = 5
"""Places of a request that a reason names."""


class Unreadable(Exception):
    """Nothing can be made of what was asked; the message says why, and has no reading."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One row that the deployed model was asked about."""

    place: int
    row: Any
    """By feature name, where it can be read so; else as it came."""
    said: Any
    """What the model said of it; None: that could not be read."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What the request says of the equipment."""


def read_pair(request: bytes, response: bytes, model: ServedModel) -> list[Logged]:
    """The rows of a request, each with what the response says of it.

    Raises
    ------
    Unreadable
        If the request has no rows that can be read, or more than one may have.
    """
    rows, told = _rows(request, model)
    words = _words(response, model.decision, len(rows))
    return [
        Logged(place, row, word, each)
        for place, (row, word, each) in enumerate(zip(rows, words, told, strict=True))
    ]


def is_alarm(logged: Logged, model: ServedModel) -> bool:
    """Whether the deployed model decided otherwise than desired; where its word cannot be read,
    whether ours does.

    Raises
    ------
    Unreadable
        If our model cannot read the row either.
    """
    decision = model.decision
    if decision.desired is None:
        return False
    read = None if logged.said is None else read_said(logged.said, decision)
    if read is None:
        try:
            scores = model.deployed.predictor.score(model.schema.read(logged.row)[np.newaxis])
        except Exception as error:  # whatever is wrong with the row, or with the model
            problem = "neither the response nor the row of the request can be read"
            raise Unreadable(f"{problem} ({type(error).__name__})") from error
        decided = int(decision.decide(scores)[0])
    else:
        decided = read.decided
    return decided not in (decision.desired, -1)


def _split(body: bytes) -> tuple[Any, bytes]:
    """The JSON of a body, and the bytes behind it.

    Raises
    ------
    Unreadable
        If it does not begin with JSON.
    """
    try:
        try:
            return read_json(body, nan_is_null=True), b""
        except MalformedBody:
            # As Latin-1 each character is a byte, so the end is counted in bytes.
            _, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
            return read_json(body[:end], nan_is_null=True), body[end:]
    except (MalformedBody, InvalidRequest, ValueError, RecursionError):
        raise Unreadable("a body is no JSON") from None


def _rows(body: bytes, model: ServedModel) -> tuple[list[Any], list[Mapping[str, Any]]]:
    """The rows, and what the request says of each."""
    said, tail = _split(body)
    asked = said if isinstance(said, dict) else {}
    inputs = asked.get("inputs")
    try:
        if isinstance(inputs, list) and inputs and all(map(_is_tensor, inputs)):
            named, each = rows_and_said(_tensors(inputs, tail), model.schema)
            of_all = _parameters(asked.get("parameters"))
            told = [of_all | row for row in each or [{}] * len(named)]
            return list(named), list(told)
    except TooManyRows as error:
        raise Unreadable(str(error)) from None
    except InvalidRequest as error:
        # Without what is wrong with it, in which readings may stand.
        places = ", ".join(pointer(fault.path) for fault in error.faults[:MOST_NAMED])
        raise Unreadable(f"the request is not one of {model.name}: {places}") from None
    key = "instances" if "instances" in asked else "inputs"
    rows = asked.get(key)
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_INSTANCES:
        raise Unreadable(f"the request has no list of 1 to {MAX_INSTANCES} rows")
    named = [_named(row, key, place, model) for place, row in enumerate(rows)]
    return named, _said(asked.get("attributes"), len(rows))


def _parameters(given: Any) -> dict[str, Any]:
    """Attributes among the parameters of a request."""
    if not isinstance(given, dict):
        return {}
    return {
        str(name).removeprefix(ATTRIBUTE): value
        for name, value in given.items()
        if str(name).startswith(ATTRIBUTE)
    }


def _said(given: Any, n: int) -> list[Mapping[str, Any]]:
    """``attributes`` of a body of V1, of each of ``n`` rows; what cannot be read says nothing: the
    deployed model has answered the request, whatever else was in it."""
    each = given if isinstance(given, list) and len(given) == n else [given] * n
    return [one if isinstance(one, dict) else {} for one in each]


def _named(row: Any, key: str, place: int, model: ServedModel) -> Any:
    try:
        return named_row(row, key, place, model)
    except InvalidRequest:
        return row  # its answer says what is wrong with it


def _is_tensor(given: Any) -> bool:
    return isinstance(given, dict) and {"name", "datatype", "shape"} <= set(given)


def _tensors(given: Sequence[dict[str, Any]], tail: bytes) -> list[Tensor]:
    """Raises
    ------
    InvalidRequest
        If they are none.
    """
    told = [_known(each) for each in given[: MAX_TENSORS + 1]]
    return read_tensors(validation.read(InferRequest, {"inputs": told}), tail)


def _known(given: dict[str, Any]) -> dict[str, Any]:
    """A tensor without what servers add for their own clients."""
    told: dict[str, Any] = {
        name: given[name] for name in ("name", "datatype", "shape", "data") if name in given
    }
    parameters = given.get("parameters")
    if isinstance(parameters, dict) and SIZE in parameters:
        told["parameters"] = {SIZE: parameters[SIZE]}
    return told


def _words(body: bytes, decision: Decision, n: int) -> Sequence[Any]:
    """What a response says of each of ``n`` rows; None of each, where it cannot be read."""
    try:
        said, tail = _split(body)
        asked = said if isinstance(said, dict) else {}
        outputs = asked.get("outputs")
        if isinstance(outputs, list) and outputs and all(map(_is_tensor, outputs)):
            spoken = list(_spoken(_tensors(outputs, tail), n))
        else:
            words = asked.get("predictions")
            spoken = [words] if isinstance(words, list) else []
    except (Unreadable, InvalidRequest):
        spoken = []
    for words in spoken:
        if len(words) == n and _are_read(words, decision):
            return words
    return [None] * n


def _are_read(words: Sequence[Any], decision: Decision) -> bool:
    return all(read_said(word, decision) is not None for word in words)


def _spoken(tensors: Sequence[Tensor], n: int) -> Iterator[list[Any]]:
    """A word on each row, by each of the outputs; names of classes before numbers."""
    by_name = sorted(tensors, key=lambda t: not any(isinstance(v, str) for v in t.values[:1]))
    for tensor in by_name:
        width = math.prod(tensor.shape[1:])
        if tensor.shape[0] != n or width < 1:
            continue
        if width == 1:
            yield list(tensor.values)
        else:
            yield [tensor.values[k * width : (k + 1) * width] for k in range(n)]
