"""ONNX nodes as operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper

from models.graph.operators.base import Operator
from models.graph.operators.couplings import ArgMax, Softmax
from models.graph.operators.elementwise import FUNCTIONS, OPERATIONS, Broadcast, Cast, Clip, Unary
from models.graph.operators.shapes import (
    Concat,
    Flatten,
    Reshape,
    Same,
    Slice,
    Squeeze,
    Take,
    Transpose,
    Unsqueeze,
)
from models.graph.operators.tables import (
    Binarizer,
    Imputer,
    Lookup,
    Normalizer,
    OneHot,
    Scaler,
    Share,
)
from models.graph.refusal import refuse
from models.graph.source import Source, attributes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Translated:
    """An operator, and which of the node's inputs it takes."""

    operator: Operator
    n_inputs: int | None = None
    """The first so many; None: all. The others are constants that are part of the operator."""


class _Node:
    """A node with its attributes and constants at hand."""

    def __init__(self, proto: NodeProto, source: Source) -> None:
        self.proto = proto
        self.opset = source.opset
        self.a = attributes(proto)
        self._source = source

    def has(self, place: int) -> bool:
        return len(self.proto.input) > place and self.proto.input[place] != ""

    def constant(self, place: int) -> Array:
        """The constant at an input.

        Raises
        ------
        UnreadableGraph
            If it is computed.
        """
        value = self._source.constant(self.proto.input[place])
        if value is None:
            raise refuse(self.proto, f"takes {self.proto.input[place]!r}, which is computed")
        return value

    def either(self, name: str, place: int) -> Array | None:
        """What is an attribute in old opsets and an input in new ones."""
        if name in self.a:
            return np.asarray(self.a[name])
        return self.constant(place) if self.has(place) else None


def translate(proto: NodeProto, source: Source) -> Translated:
    """The operator that computes what ``proto`` does.

    Raises
    ------
    UnreadableGraph
        If there is none.
    """
    if len([name for name in proto.output if name]) != 1 and proto.op_type != "Dropout":
        raise refuse(proto, "yields several tensors")
    operator = proto.op_type
    if operator == "Div" and _is_share(proto, source):
        return Translated(Share(), 1)
    if operator in FUNCTIONS:
        return Translated(Unary(operator))
    if operator in OPERATIONS:
        return Translated(Broadcast(operator))
    if operator not in _TRANSLATIONS:
        raise refuse(proto, "is no operator that is read")
    return _TRANSLATIONS[operator](_Node(proto, source))


def _is_share(proto: NodeProto, source: Source) -> bool:
    """Whether a Div divides a matrix by the sum of the sizes of each of its lines."""
    whole = source.producer(proto.input[1])
    if whole is None or whole.op_type not in ("ReduceSum", "ReduceL1"):
        return False
    node = _Node(whole, source)
    axes = node.either("axes", 1)
    if axes is None or _ints(axes) not in ((1,), (-1,)) or not node.a.get("keepdims", 1):
        return False
    sizes = source.producer(whole.input[0])
    if whole.op_type == "ReduceL1" or sizes is None or sizes.op_type != "Abs":
        return whole.op_type == "ReduceL1" and whole.input[0] == proto.input[0]
    return bool(sizes.input[0] == proto.input[0])


def _cast(node: _Node) -> Translated:
    if node.a["to"] == TensorProto.STRING:
        raise refuse(node.proto, "makes texts of numbers")
    return Translated(Cast(np.dtype(helper.tensor_dtype_to_np_dtype(node.a["to"]))))


def _clip(node: _Node) -> Translated:
    bounds = [node.either(name, place) for name, place in (("min", 1), ("max", 2))]
    return Translated(Clip(*(None if b is None else float(b) for b in bounds)), 1)


def _concat(node: _Node) -> Translated:
    return Translated(Concat(int(node.a["axis"])))


def _reshape(node: _Node) -> Translated:
    shape = node.either("shape", 1)
    if shape is None or node.a.get("allowzero", 0):
        raise refuse(node.proto, "has no shape that is read")
    return Translated(Reshape(_ints(shape)), 1)


def _flatten(node: _Node) -> Translated:
    return Translated(Flatten(int(node.a.get("axis", 1))))


def _squeeze(node: _Node) -> Translated:
    axes = node.either("axes", 1)
    if axes is None:
        raise refuse(node.proto, "drops every axis of length 1, the batch included")
    return Translated(Squeeze(_ints(axes)), 1)


def _unsqueeze(node: _Node) -> Translated:
    axes = node.either("axes", 1)
    return Translated(Unsqueeze(_ints(np.asarray(axes))), 1)


def _transpose(node: _Node) -> Translated:
    if "perm" not in node.a:
        raise refuse(node.proto, "reverses all axes: rows become columns")
    return Translated(Transpose(_ints(node.a["perm"])))


def _gather(node: _Node) -> Translated:
    places = node.constant(1).astype(np.int64)
    return Translated(Take(places, int(node.a.get("axis", 0))), 1)


def _extract(node: _Node) -> Translated:
    places = node.constant(1).astype(np.int64).ravel()
    return Translated(Take(places, -1), 1)


def _slice(node: _Node) -> Translated:
    starts, ends = (node.either(name, place) for name, place in (("starts", 1), ("ends", 2)))
    if starts is None or ends is None:
        raise refuse(node.proto, "has no bounds")
    axes, steps = node.either("axes", 3), node.constant(4) if node.has(4) else None
    n = len(starts)
    return Translated(
        Slice(
            _ints(starts),
            _ints(ends),
            tuple(range(n)) if axes is None else _ints(axes),
            (1,) * n if steps is None else _ints(steps),
        ),
        1,
    )


def _softmax(node: _Node) -> Translated:
    axis = int(node.a.get("axis", 1 if node.opset < 13 else -1))
    if axis not in (1, -1):
        raise refuse(node.proto, f"works along axis {axis}")
    return Translated(Softmax(node.proto.op_type == "LogSoftmax"))


def _argmax(node: _Node) -> Translated:
    if int(node.a.get("axis", 0)) not in (1, -1) or node.a.get("select_last_index", 0):
        raise refuse(node.proto, "does not take the first of the largest of each row")
    return Translated(ArgMax(bool(node.a.get("keepdims", 1))))


def _dropout(node: _Node) -> Translated:
    if node.has(2) and bool(node.constant(2)):
        raise refuse(node.proto, "drops at random")
    return Translated(Same(), 1)


def _scaler(node: _Node) -> Translated:
    return Translated(Scaler(node.a["offset"], node.a["scale"]))


def _imputer(node: _Node) -> Translated:
    if "imputed_value_floats" in node.a:
        replaced, imputed = node.a.get("replaced_value_float", 0.0), "imputed_value_floats"
    else:
        replaced, imputed = node.a.get("replaced_value_int64", 0), "imputed_value_int64s"
    return Translated(Imputer(float(replaced), node.a[imputed]))


def _binarizer(node: _Node) -> Translated:
    return Translated(Binarizer(np.float32(node.a.get("threshold", 0.0))))


def _one_hot(node: _Node) -> Translated:
    keys = node.a.get("cats_int64s", node.a.get("cats_strings", ()))
    texts = _texts(keys)
    if len(set(texts)) < len(texts):
        raise refuse(node.proto, "has a category twice")
    return Translated(OneHot(tuple(texts), bool(node.a.get("zeros", 1))))


def _normalizer(node: _Node) -> Translated:
    return Translated(Normalizer(node.a.get("norm", b"MAX").decode()))


_DEFAULTS: Mapping[str, Any] = {"string": "_Unused", "int64": -1, "float": np.float32(-0.0)}


def _label_encoder(node: _Node) -> Translated:
    """All forms: ``classes_strings`` (1), lists (2), tensors (4)."""
    a = node.a
    if "classes_strings" in a:
        return _mapper(node, a["classes_strings"], np.arange(len(a["classes_strings"])))
    keys = _table(node, "keys")
    values = _table(node, "values")
    if "default_tensor" in a:
        default = a["default_tensor"].ravel()[0]
    else:
        kind = {"O": "string", "i": "int64", "f": "float"}[values.dtype.kind]
        default = a.get(f"default_{kind}", _DEFAULTS[kind])
    default = default.decode() if isinstance(default, bytes) else default
    return Translated(_lookup(keys, values, default))


def _mapper(node: _Node, texts: Any, numbers: Array) -> Translated:
    """From texts to whole numbers; which way is decided by what comes in: only texts are read."""
    default = node.a.get("default_int64", -1)
    return Translated(_lookup(_text_array(texts), numbers.astype(np.int64), default))


def _category_mapper(node: _Node) -> Translated:
    return _mapper(node, node.a["cats_strings"], node.a["cats_int64s"])


def _lookup(keys: Array, values: Array, default: Any) -> Lookup:
    _, first = np.unique(keys.astype(str) if keys.dtype == object else keys, return_index=True)
    kept = np.sort(first)
    return Lookup(keys[kept], values[kept], default)


def _table(node: _Node, side: str) -> Array:
    for name in (f"{side}_tensor", f"{side}_strings", f"{side}_int64s", f"{side}_floats"):
        if name in node.a:
            value = node.a[name]
            return _text_array(value) if name.endswith("strings") else np.asarray(value).ravel()
    raise refuse(node.proto, f"has no {side}")


def _texts(keys: Any) -> list[Any]:
    return [k.decode() if isinstance(k, bytes) else k for k in np.asarray(keys).tolist()]


def _text_array(texts: Any) -> Array:
    found = np.empty(len(texts), dtype=object)
    found[:] = _texts(np.asarray(texts, dtype=object))
    return found


def _ints(array: Array) -> tuple[int, ...]:
    return tuple(int(v) for v in np.atleast_1d(array))


def _feature_vectorizer(node: _Node) -> Translated:
    if len(node.proto.input) != 1:
        raise refuse(node.proto, "puts several tensors side by side")
    return Translated(Cast(np.dtype(np.float32)))


_TRANSLATIONS: Mapping[str, Callable[[_Node], Translated]] = {
    "ArgMax": _argmax,
    "ArrayFeatureExtractor": _extract,
    "Binarizer": _binarizer,
    "Cast": _cast,
    "CategoryMapper": _category_mapper,
    "Clip": _clip,
    "Concat": _concat,
    "Dropout": _dropout,
    "FeatureVectorizer": _feature_vectorizer,
    "Flatten": _flatten,
    "Gather": _gather,
    "Identity": lambda node: Translated(Same()),
    "Imputer": _imputer,
    "LabelEncoder": _label_encoder,
    "LogSoftmax": _softmax,
    "Normalizer": _normalizer,
    "OneHotEncoder": _one_hot,
    "Reshape": _reshape,
    "Scaler": _scaler,
    "Slice": _slice,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "ZipMap": lambda node: Translated(Same()),
}
