"""Tensors as rows of a model, and what it says of them as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ifonly.models.schema import Decision, Feature, Schema, Task
from ifonly.models.window import Window, WindowLayout, window_of
from ifonly.service.ask.cells import of_number, of_text
from ifonly.service.doors.http.problems import TooManyRows
from ifonly.service.doors.open_inference.tensors import Output, Tensor, invalid
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.wire import replies
from ifonly.service.wire.open_inference import DataType, TensorMetadata
from ifonly.service.wire.requests import MAX_INSTANCES

LABEL, PROBABILITY, SCORES, SCORE, ERROR = "label", "probability", "scores", "score", "error"


# --- what a model takes and gives -----------------------------------------------------------


def inputs_of(schema: Schema) -> list[TensorMetadata]:
    """A tensor for each feature."""
    window = window_of(schema)
    if window is not None:
        shape = [-1, window.steps]
        return [TensorMetadata(name=c.name, datatype="FP64", shape=shape) for c in window.channels]
    return [TensorMetadata(name=f.name, datatype=_datatype(f), shape=[-1]) for f in schema.features]


def _datatype(feature: Feature) -> DataType:
    if feature.kind.is_categorical:
        return "BYTES"
    # An integer tensor has no value for a reading that is missing.
    return "INT64" if feature.kind == "integer" and not feature.may_be_missing else "FP64"


def outputs_of(decision: Decision) -> list[TensorMetadata]:
    """The class (`label`) with its probability and those of all classes (`scores`, in their
    order), or a regression's `score`; and, to whoever asks for it, what is wrong with a row."""
    found: list[tuple[str, DataType, list[int]]] = []
    if decision.classes:
        found.append((LABEL, "BYTES", [-1]))
    if decision.task is Task.REGRESSION:
        found.append((SCORE, "FP64", [-1]))
    else:
        found += [(PROBABILITY, "FP64", [-1]), (SCORES, "FP64", [-1, len(decision.classes)])]
    found.append((ERROR, "BYTES", [-1]))
    return [TensorMetadata(name=n, datatype=d, shape=s) for n, d, s in found]


# --- rows ---------------------------------------------------------------------------------


def rows_of(tensors: Sequence[Tensor], schema: Schema) -> list[dict[str, Any]]:
    """Rows by feature name, of one tensor a feature or of one for all of them.

    Raises
    ------
    InvalidRequest
        If the tensors are not those of the model's features.
    TooManyRows
        If they have more rows than one request may have.
    """
    window = window_of(schema)
    if window is not None:
        return _of_windows(tensors, window)
    (first, *others), d = tensors, len(schema)
    is_matrix = len(first.shape) == 2 and first.shape[1] == d > 1
    if not others and (is_matrix or first.name not in schema):
        return _of_matrix(first, schema)
    _check_names(tensors, schema)
    _check_rows(first, 0)
    n = first.shape[0]
    for k, tensor in enumerate(tensors):
        if tensor.shape not in ((n,), (n, 1)):
            problem = f"{tensor.name} has shape {[*tensor.shape]}, not [{n}] or [{n}, 1]"
            raise invalid(("inputs", k, "shape"), problem, value=[*tensor.shape], limit=[n])
    columns = {
        tensor.name: [_cell(schema[tensor.name], value, k) for value in tensor.values]
        for k, tensor in enumerate(tensors)
    }
    return [{name: values[i] for name, values in columns.items()} for i in range(n)]


def _of_windows(tensors: Sequence[Tensor], window: Window) -> list[dict[str, Any]]:
    """Of one tensor a channel, ``[n, steps]``, or of one as the model's graph takes it."""
    first, *others = tensors
    n = first.shape[0] if first.shape else 0
    wanted: tuple[int, ...] = (n, *window.shape)
    if others or first.name in window.names:
        _check_names(tensors, Schema(window.channels))
        wanted = (n, window.steps)
    for k, tensor in enumerate(tensors):
        if tensor.shape != wanted:
            problem = f"{tensor.name} has shape {[*tensor.shape]}, not {[*wanted]}"
            limit = ["n", *wanted[1:]]
            raise invalid(
                ("inputs", k, "shape"), f"{problem}, n rows", value=[*tensor.shape], limit=limit
            )
    _check_rows(first, 0)
    if len(wanted) == 2:
        each = {t.name: iter(t.values) for t in tensors}
        return [
            {name: [_number(next(cells), 0) for _ in range(window.steps)]
             for name, cells in each.items()}
            for _ in range(n)
        ]  # fmt: skip
    cells, (lines, width) = iter(first.values), window.shape
    rows = [[[_number(next(cells), 0) for _ in range(width)] for _ in range(lines)]
            for _ in range(n)]  # fmt: skip
    if window.layout is WindowLayout.STEPS_CHANNELS:
        rows = [[list(series) for series in zip(*row, strict=True)] for row in rows]
    return [dict(zip(window.names, row, strict=True)) for row in rows]


def _number(value: Any, k: int) -> Any:
    """A reading as JSON has it; none where it is missing."""
    found = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(found, float) and found != found else found


def _of_matrix(tensor: Tensor, schema: Schema) -> list[dict[str, Any]]:
    d = len(schema)
    if len(tensor.shape) != 2 or tensor.shape[1] != d:
        names = ", ".join(schema.names)
        problem = f"{tensor.name} is no feature, and has shape {[*tensor.shape]}, not [n, {d}]"
        raise invalid(
            ("inputs", 0, "shape"), f"{problem}: {names}", value=[*tensor.shape], limit=schema.names
        )
    _check_rows(tensor, 0)
    cells = iter(tensor.values)
    return [
        {f.name: _cell(f, next(cells), 0) for f in schema.features} for _ in range(tensor.shape[0])
    ]


def _cell(feature: Feature, value: Any, k: int) -> Any:
    if isinstance(value, str):
        return of_text(feature, value)
    return of_number(feature, value, ("inputs", k))


def _check_rows(tensor: Tensor, k: int) -> None:
    n = tensor.shape[0]
    if n == 0:
        raise invalid(("inputs", k, "shape"), f"{tensor.name} has no row", value=[*tensor.shape])
    if n > MAX_INSTANCES:
        raise TooManyRows(n, MAX_INSTANCES)


def _check_names(tensors: Sequence[Tensor], schema: Schema) -> None:
    """Each feature once, and nothing else."""
    given = [tensor.name for tensor in tensors]
    faults = [
        Fault(("inputs", k), f"{name} {problem}", name, limit=schema.names)
        for k, name in enumerate(given)
        for problem in [
            f"is not a feature of this model ({', '.join(schema.names)})"
            if name not in schema
            else "is given twice"
            if name in given[:k]
            else ""
        ]
        if problem
    ]
    faults += [
        Fault(("inputs",), f"{f.name} is missing", unit=f.unit)
        for f in schema.features
        if f.name not in given
    ]
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults)


# --- what is said -------------------------------------------------------------------------


def results(
    decision: Decision,
    found: Mapping[int, replies.Prediction],
    errors: Mapping[int, str],
    n: int,
) -> dict[str, Output]:
    """Every output, by its name. A row that is wrong has an empty label, NaN for each number, and
    its ``errors``."""
    said = [found.get(place) for place in range(n)]
    names = decision.class_names
    made: dict[str, Any] = {
        LABEL: _texts([p.class_ if p is not None else "" for p in said]),
        SCORE: np.array([np.nan if p is None else p.score for p in said], dtype=np.float64),
        PROBABILITY: np.array(
            [np.nan if p is None else p.probability for p in said], dtype=np.float64
        ),
        SCORES: np.array([_scores(p, names) for p in said], dtype=np.float64).reshape(n, -1),
        ERROR: _texts([errors.get(place, "") for place in range(n)]),
    }
    return {t.name: Output(t.name, t.datatype, made[t.name]) for t in outputs_of(decision)}


def _texts(values: Sequence[str | None]) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=object)


def _scores(prediction: replies.Prediction | None, names: Sequence[str]) -> list[float]:
    """Probabilities of all classes."""
    if prediction is None or prediction.probability is None:
        return [np.nan] * len(names)
    if prediction.probabilities is not None:
        return [prediction.probabilities[name] for name in names]
    # Of two classes the other one has the rest.
    said = prediction.probability
    return [said if name == prediction.class_ else 1.0 - said for name in names]
