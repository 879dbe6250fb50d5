"""Attributes in requests of the Open Inference Protocol: of all rows as parameters named
``attribute.NAME``, of each row as tensors of that name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ifonly.models.schema import Schema
from ifonly.service.doors.open_inference.rows import rows_of
from ifonly.service.doors.open_inference.tensors import Tensor, invalid
from ifonly.service.errors import InvalidRequest

ATTRIBUTE = "attribute."
"""Before the name of an attribute: ``attribute.line``."""
Said = Mapping[str, Any] | list[dict[str, Any]]
"""Of all rows, or of each."""


def rows_and_said(
    tensors: Sequence[Tensor], schema: Schema
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """Rows by feature name, and what tensors say of each of them: None, if none does. A feature
    that is called so is a feature.

    Raises
    ------
    InvalidRequest
        If the tensors are not those of the model's features, or do not say something of each row.
    TooManyRows
        If they have more rows than one request may have.
    """
    of_rows = [
        k for k, t in enumerate(tensors) if not t.name.startswith(ATTRIBUTE) or t.name in schema
    ]
    if not of_rows:
        raise invalid(("inputs",), "inputs has attributes alone, and no feature of the model")
    try:
        rows = rows_of([tensors[k] for k in of_rows], schema)
    except InvalidRequest as error:
        raise InvalidRequest(error.part, [_placed(f, of_rows) for f in error.faults]) from None
    others = [k for k in range(len(tensors)) if k not in of_rows]
    if not others:
        return rows, None
    said: list[dict[str, Any]] = [{} for _ in rows]
    for k in others:
        _read(tensors[k], k, said)
    return rows, said


def _placed(fault: Any, places: Sequence[int]) -> Any:
    """With the tensor where it stands in the request."""
    first, *rest = fault.path
    if first == "inputs" and rest and isinstance(rest[0], int):
        return replace(fault, path=(first, places[rest[0]], *rest[1:]))
    return fault


def _read(tensor: Tensor, k: int, said: list[dict[str, Any]]) -> None:
    n = len(said)
    if tensor.shape not in ((n,), (n, 1)):
        problem = f"{tensor.name} has shape {[*tensor.shape]}, not [{n}] or [{n}, 1]: one a row"
        raise invalid(("inputs", k, "shape"), problem, value=[*tensor.shape], limit=[n])
    name = tensor.name.removeprefix(ATTRIBUTE)
    for row, (value, told) in enumerate(zip(tensor.values, said, strict=True)):
        if not isinstance(value, str):
            problem = f"{tensor.name} of row {row} is {value!r}, and no text (BYTES)"
            raise invalid(("inputs", k), problem, value=value)
        if name in told:
            raise invalid(("inputs", k), f"{tensor.name} is given twice", value=tensor.name)
        if value:  # nothing is said of this row
            told[name] = value


def together(of_all: Mapping[str, Any], of_each: list[dict[str, Any]] | None) -> Said:
    """What parameters and tensors say.

    Raises
    ------
    InvalidRequest
        If both say the same thing.
    """
    if of_each is None:
        return of_all
    for row in of_each:
        for name in row.keys() & of_all.keys():
            problem = f"{ATTRIBUTE}{name} is a parameter and a tensor: of all rows, and of each"
            raise invalid(("parameters", f"{ATTRIBUTE}{name}"), problem)
    return [{**of_all, **row} for row in of_each]
