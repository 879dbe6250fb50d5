"""Which tensor of a graph is the score, and which of its columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, ValueInfoProto

from ifonly.models.encoding import Tensor
from ifonly.models.errors import GraphError
from ifonly.models.predictor import Scores
from ifonly.models.schema import Decision, Task

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
_INTEGERS = (TensorProto.INT64, TensorProto.INT32)


def score_output(model: ModelProto, name: str | None) -> str:
    """Name of the output that holds the scores.

    Raises
    ------
    GraphError
        If ``name`` is no output of numbers, or, without a name, several could be meant.
    """
    outputs = {output.name: output for output in model.graph.output}
    if name is not None:
        if name not in outputs:
            raise GraphError(f"the graph has no output {name!r}; it has {_listed(outputs)}")
        if not _is_number(outputs[name], _FLOATS + _INTEGERS):
            raise GraphError(f"output {name!r} holds no numbers")
        return name
    found = score_candidates(model)
    if len(found) != 1:
        which = f"{_listed(found)} could be the score" if found else "none holds scores"
        raise GraphError(
            f"of the outputs {_listed(outputs)} {which}: name one as `output.name` in the spec"
        )
    return found[0]


def score_candidates(model: ModelProto) -> list[str]:
    """Names of the outputs that could be the score."""
    outputs = model.graph.output
    # A lone output of whole numbers is the score; beside another it is likelier the label.
    wanted = _FLOATS + _INTEGERS if len(outputs) == 1 else _FLOATS
    return [output.name for output in outputs if _is_number(output, wanted)]


def is_label(output: ValueInfoProto) -> bool:
    """Whether an output beside the score could be the class that it decides."""
    kinds = (*_INTEGERS, TensorProto.STRING, TensorProto.BOOL)
    return output.type.WhichOneof("value") == "tensor_type" and _is_number(output, kinds)


def _is_number(output: ValueInfoProto, types: Sequence[int]) -> bool:
    kind = output.type.WhichOneof("value")
    if kind is None:  # what stood behind a ZipMap
        return True
    return kind == "tensor_type" and output.type.tensor_type.elem_type in types


def _listed(names: object) -> str:
    return ", ".join(repr(name) for name in names) if isinstance(names, dict | list) else ""


def score_columns(
    decision: Decision, column: int | None, width: int, names: tuple[str, ...] | None
) -> npt.NDArray[np.intp]:
    """Columns of an output of ``width`` columns that are the scores, in class order.

    ``column`` is the spec's choice, ``names`` what the graph calls its columns. Where those
    are the names of the classes, they decide; where they are others, position does.

    Raises
    ------
    GraphError
        If the number of columns does not fit the decision, or the names only half agree.
    """
    if column is not None:
        if column >= width:
            raise GraphError(f"the score has {width} columns; the spec names column {column}")
        return np.array([column])
    if width == decision.n_outputs:
        return _in_class_order(decision, names) if width > 1 else np.array([0])
    # Both classes have a column: the positive one's is the score.
    if decision.task is Task.BINARY and width == len(decision.classes):
        return _in_class_order(decision, names)[[decision.positive]]
    hint = "" if decision.task is Task.MULTICLASS else ": name one as `output.column` in the spec"
    raise GraphError(
        f"the score has {width} columns, a {decision.task} model"
        f"{f' of {len(decision.classes)} classes' if decision.classes else ''} "
        f"has {decision.n_outputs}{hint}"
    )


def _in_class_order(decision: Decision, names: tuple[str, ...] | None) -> npt.NDArray[np.intp]:
    """Column of each class."""
    classes = decision.class_names
    # Names of another kind (0 and 1) say nothing, so the order counts.
    if names is None or not set(names) & set(classes):
        return np.arange(len(classes))
    if set(names) != set(classes):
        raise GraphError(
            f"the graph calls its classes {', '.join(names)}, the spec {', '.join(classes)}"
        )
    return np.array([names.index(name) for name in classes])


def as_matrix(raw: Tensor, n_rows: int, name: str) -> Scores:
    """What the graph yielded as float64 ``(n_rows, n_columns)``.

    Raises
    ------
    GraphError
        If it is not one line a row.
    """
    matrix = raw[:, None] if raw.ndim == 1 else raw
    if matrix.ndim != 2 or len(matrix) != n_rows:
        raise GraphError(
            f"output {name!r} has shape {list(raw.shape)} for {n_rows} rows; "
            f"served are [rows] and [rows, columns]"
        )
    return matrix.astype(np.float64)
