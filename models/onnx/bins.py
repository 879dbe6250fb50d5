"""scikit-learn's ``KBinsDiscretizer`` as a graph of comparisons.

skl2onnx looks for the first edge that is above a reading, in float32, with a row of all readings
behind it; what depends on one reading alone cannot be told from that graph. Here each column is a
difference of two comparisons of one reading, in float64, as scikit-learn compares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

BINS = "KBinsDiscretizer"

Edges = list[npt.NDArray[np.float64]]


def columns_of(estimator: Any) -> set[str]:
    """Columns of a table that nothing but bins reads, where a ``ColumnTransformer`` hands them
    out."""
    alone: set[str] = set()
    others: set[str] = set()
    known = np.asarray(getattr(estimator, "feature_names_in_", ()), dtype=object)
    for _, part, columns in getattr(estimator, "transformers_", ()):
        picked = np.asarray(columns, dtype=object)
        # By name, or by position or mask.
        if not all(isinstance(column, str) for column in picked.ravel()):
            picked = known[columns]
        own = alone if type(part).__name__ == BINS else others
        own.update(map(str, np.atleast_1d(picked)))
    return alone - others


def shape(operator: Any) -> None:
    """Of its output, for skl2onnx."""
    operator.outputs[0].type = type(operator.inputs[0].type)([None, _width(operator)])


def shape_single(operator: Any) -> None:
    """The same where all behind is computed in float32, whatever the input is."""
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([None, _width(operator)])


def _width(operator: Any) -> int:
    fitted = operator.raw_operator
    return len(fitted.bin_edges_) if fitted.encode == "ordinal" else int(np.sum(fitted.n_bins_))


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Converter for skl2onnx."""
    # A reading is in the bin that counts the inner edges which it reaches.
    inner = [
        np.asarray(edges[1:-1], dtype=np.float64) for edges in operator.raw_operator.bin_edges_
    ]
    write = _ordinal if operator.raw_operator.encode == "ordinal" else _one_hot
    write(operator, container, inner).add_to(scope, container)


def _one_hot(operator: Any, container: Any, inner: Edges) -> Any:
    """At least the bin's lower edge, less at least its upper one."""
    from skl2onnx.algebra.onnx_ops import OnnxGather, OnnxSub

    opset = container.target_opset
    places = np.repeat(np.arange(len(inner)), [len(edges) + 1 for edges in inner])
    lower = np.concatenate([np.append(-np.inf, edges) for edges in inner])
    upper = np.concatenate([np.append(edges, np.inf) for edges in inner])
    read = OnnxGather(operator.inputs[0], places, axis=1, op_version=opset)
    return OnnxSub(
        _reaches(read, lower, operator, opset),
        _reaches(read, upper, operator, opset),
        op_version=opset,
        output_names=operator.outputs[:1],
    )


def _ordinal(operator: Any, container: Any, inner: Edges) -> Any:
    """How many edges are reached."""
    from skl2onnx.algebra.onnx_ops import OnnxSum

    opset = container.target_opset
    most = max(map(len, inner))
    padded = np.array([np.append(edges, [np.inf] * (most - len(edges))) for edges in inner])
    counted = [_reaches(operator.inputs[0], edge, operator, opset) for edge in padded.T]
    return OnnxSum(*counted, op_version=13, output_names=operator.outputs[:1])


def _reaches(read: Any, edges: npt.NDArray[np.float64], operator: Any, opset: int) -> Any:
    """1 where a reading is at least its column's edge, else 0, in the type of the output."""
    from skl2onnx.algebra.onnx_ops import OnnxCast, OnnxGreaterOrEqual
    from skl2onnx.common.data_types import DoubleTensorType

    is_double = isinstance(operator.outputs[0].type, DoubleTensorType)
    wide = OnnxCast(read, to=TensorProto.DOUBLE, op_version=13)
    reached = OnnxGreaterOrEqual(wide, edges[None], op_version=opset)
    kind = TensorProto.DOUBLE if is_double else TensorProto.FLOAT
    return OnnxCast(reached, to=kind, op_version=13)
