"""Nodes of ai.onnx.ml, but for models, as operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ifonly.models.graph.node_view import Array, NodeView, Translated
from ifonly.models.graph.operators.elementwise import Cast
from ifonly.models.graph.operators.shapes import Same, Take
from ifonly.models.graph.operators.tables import (
    Binarizer,
    Imputer,
    Lookup,
    Normalizer,
    OneHot,
    Scaler,
)
from ifonly.models.graph.refusal import refuse


def _extract(node: NodeView) -> Translated:
    places = node.constant(1).astype(np.int64).ravel()
    return Translated(Take(places, -1), 1)


def _scaler(node: NodeView) -> Translated:
    return Translated(Scaler(node.a["offset"], node.a["scale"]))


def _imputer(node: NodeView) -> Translated:
    if "imputed_value_floats" in node.a:
        replaced, imputed = node.a.get("replaced_value_float", 0.0), "imputed_value_floats"
    else:
        replaced, imputed = node.a.get("replaced_value_int64", 0), "imputed_value_int64s"
    return Translated(Imputer(float(replaced), node.a[imputed]))


def _binarizer(node: NodeView) -> Translated:
    return Translated(Binarizer(np.float32(node.a.get("threshold", 0.0))))


def _one_hot(node: NodeView) -> Translated:
    keys = node.a.get("cats_int64s", node.a.get("cats_strings", ()))
    texts = _texts(keys)
    # Two columns would be 1 together, and the reading does not know which of them counts.
    if len(set(texts)) < len(texts):
        raise refuse(node.proto, "has a category twice")
    return Translated(OneHot(tuple(texts), bool(node.a.get("zeros", 1))))


def _normalizer(node: NodeView) -> Translated:
    return Translated(Normalizer(node.a.get("norm", b"MAX").decode()))


_DEFAULTS: Mapping[str, Any] = {"string": "_Unused", "int64": -1, "float": np.float32(-0.0)}


def _label_encoder(node: NodeView) -> Translated:
    """All forms: ``classes_strings`` (1), lists (2), tensors (4)."""
    a = node.a
    if "classes_strings" in a:
        return _mapper(node, a["classes_strings"], np.arange(len(a["classes_strings"])))
    keys = _table(node, "keys")
    values = _table(node, "values")
    if "default_tensor" in a:
        default = a["default_tensor"].ravel()[0]
    else:
        # The default stands in the attribute of the values' type.
        kind = {"O": "string", "i": "int64", "f": "float"}[values.dtype.kind]
        default = a.get(f"default_{kind}", _DEFAULTS[kind])
    default = default.decode() if isinstance(default, bytes) else default
    return Translated(_lookup(keys, values, default))


def _mapper(node: NodeView, texts: Any, numbers: Array) -> Translated:
    """A lookup from texts to whole numbers; the input's type decides the way, and only texts are
    read."""
    default = node.a.get("default_int64", -1)
    return Translated(_lookup(_text_array(texts), numbers.astype(np.int64), default))


def _category_mapper(node: NodeView) -> Translated:
    return _mapper(node, node.a["cats_strings"], node.a["cats_int64s"])


def _lookup(keys: Array, values: Array, default: Any) -> Lookup:
    _, first = np.unique(keys.astype(str) if keys.dtype == object else keys, return_index=True)
    # Of a key that stands twice the first counts.
    kept = np.sort(first)
    return Lookup(keys[kept], values[kept], default)


def _table(node: NodeView, side: str) -> Array:
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


def _feature_vectorizer(node: NodeView) -> Translated:
    # Side by side they would need widths that the file does not say.
    if len(node.proto.input) != 1:
        raise refuse(node.proto, "puts several tensors side by side")
    return Translated(Cast(np.dtype(np.float32)))


ML_TRANSLATIONS: Mapping[str, Callable[[NodeView], Translated]] = {
    "ArrayFeatureExtractor": _extract,
    "Binarizer": _binarizer,
    "CategoryMapper": _category_mapper,
    "FeatureVectorizer": _feature_vectorizer,
    "Imputer": _imputer,
    "LabelEncoder": _label_encoder,
    "Normalizer": _normalizer,
    "OneHotEncoder": _one_hot,
    "Scaler": _scaler,
    "ZipMap": lambda node: Translated(Same()),
}
