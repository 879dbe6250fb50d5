"""Splits by sets of categories, as splits of columns that say which category is in which set.

Trees of ONNX compare a column with a number. So the graph looks up, for each set by which a tree
splits, whether the category of a row is in it: a column of 0 and 1. A test of membership
(``BRANCH_MEMBER``) would do the same, but ONNX Runtime and this service's reader take it apart into
one test for each member, which copies all that is behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

MIDDLE = 0.5
"""What columns of sets are compared with."""
_MOST_ENTRIES = 1 << 22
"""Of the table, whose keys are whole numbers held in float32."""
_ML = "ai.onnx.ml"
_LABEL_ENCODER_OF_NUMBERS = 2
"""Version of ai.onnx.ml that brought it."""
_OPSET = 15
"""For which converters write all other nodes."""


@dataclass(frozen=True)
class Codes:
    """How a model numbers the categories of a column."""

    of: Mapping[int, int]
    """The model's code of each whole number that may stand in the column."""
    other: float
    """What columns of sets hold for all other numbers: 0, in none of the sets, or NaN, missing."""
    is_cut: bool
    """Whether a number is cut to a whole one first; else what is not whole is another number."""


@dataclass(eq=False)
class CategoryColumns:
    """Columns of sets beside those of a matrix."""

    n: int
    """Columns of the matrix; the sets' come after them."""
    codes: Mapping[int, Codes]
    """By columns of the matrix that hold categories."""
    _places: dict[tuple[int, frozenset[int]], int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Columns in all."""
        return self.n + len(self._places)

    def of(self, column: int, members: Iterable[int]) -> int:
        """The column that is 1 where the category in ``column`` has one of the model's codes
        ``members``, 0 where it has another, NaN where it is missing."""
        return self._places.setdefault((column, frozenset(members)), self.total)

    def put_before(self, model: ModelProto) -> None:
        """Let the last tree ensemble of ``model`` read its matrix and, behind it, these columns.

        Raises
        ------
        ValueError
            If the table of all sets is too large.
        """
        if not self._places:
            return
        at = max(k for k, n in enumerate(model.graph.node) if n.op_type.startswith("TreeEnsemble"))
        trees = model.graph.node[at]
        kind = _type_of(model, trees.input[0])
        made = [*self._nodes(trees.input[0], kind, model)]
        trees.input[0] = made[-1].output[0]
        for place, node in enumerate(made):
            model.graph.node.insert(at + place, node)
        _require(model, "", _OPSET)
        _require(model, _ML, _LABEL_ENCODER_OF_NUMBERS)

    def _nodes(self, matrix: str, kind: int, model: ModelProto) -> Iterator[NodeProto]:
        """What makes of ``matrix`` the matrix with these columns, which comes last."""
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        low, high, first, values = self._table()
        is_cut = np.array([self.codes[j].is_cut for j, _ in self._places])

        def constant(name: str, value: npt.NDArray[Any]) -> str:
            model.graph.initializer.append(numpy_helper.from_array(value, f"sets/{name}"))
            return f"sets/{name}"

        def node(operator: str, inputs: list[str], output: str, **more: Any) -> NodeProto:
            return helper.make_node(operator, inputs, [f"sets/{output}"], f"sets/{output}", **more)

        places = constant("places", np.array([j for j, _ in self._places], dtype=np.int64))
        yield node("Gather", [matrix, places], "read", axis=1)
        yield node("Floor", ["sets/read"], "whole")
        # What is not whole is put where no number is known, unless it is cut.
        yield node("Equal", ["sets/read", "sets/whole"], "is_whole")
        yield node("Or", ["sets/is_whole", constant("is_cut", is_cut[None])], "is_kept")
        below = constant("below", (low - 1)[None].astype(dtype))
        yield node("Where", ["sets/is_kept", "sets/whole", below], "kept")
        yield node("Max", ["sets/kept", below], "from")
        beyond = constant("beyond", (high + 1)[None].astype(dtype))
        yield node("Min", ["sets/from", beyond], "within")
        # Each column has keys of its own, so that one table serves all.
        start = constant("start", (first - low + 1)[None].astype(dtype))
        yield node("Add", ["sets/within", start], "wide_key")
        yield node("Cast", ["sets/wide_key"], "key", to=TensorProto.FLOAT)
        keys = np.arange(len(values), dtype=np.float32)
        yield helper.make_node(
            "LabelEncoder", ["sets/key"], ["sets/found"], "sets/found", domain=_ML,
            keys_floats=keys.tolist(), values_floats=values.tolist(), default_float=np.nan,
        )  # fmt: skip
        yield node("Cast", ["sets/found"], "said", to=kind)
        # Minima and maxima of NaN are what each library likes: what is missing stays so.
        yield node("IsNaN", ["sets/read"], "is_missing")
        absent = constant("absent", np.array([[np.nan]], dtype=dtype))
        yield node("Where", ["sets/is_missing", absent, "sets/said"], "columns")
        yield node("Concat", [matrix, "sets/columns"], "matrix", axis=1)

    def _table(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Least and greatest known number of each column, its first entry in the table, and the
        table: an entry for what is below, for each number between, and for what is beyond."""
        ends, entries, first, total = [], [], [], 0
        for column, members in self._places:
            codes = self.codes[column]
            low, high = min(codes.of, default=0), max(codes.of, default=-1)
            own = np.full(high - low + 3, codes.other, dtype=np.float32)
            for number, code in codes.of.items():
                own[number - low + 1] = code in members
            ends.append((low, high))
            entries.append(own)
            first.append(total)
            total += len(own)
        if total > _MOST_ENTRIES:
            raise ValueError(f"its {len(ends)} sets of categories are too many, or too large")
        lows, highs = np.array(ends, dtype=np.int64).T
        return lows, highs, np.array(first, dtype=np.int64), np.concatenate(entries)


def _require(model: ModelProto, domain: str, version: int) -> None:
    for opset in model.opset_import:
        if opset.domain == domain:
            opset.version = max(opset.version, version)
            return
    model.opset_import.append(helper.make_opsetid(domain, version))


def _type_of(model: ModelProto, tensor: str) -> int:
    """Its element type; float32 where none can be inferred."""
    graph = shape_inference.infer_shapes(model).graph
    for value in (*graph.input, *graph.value_info):
        if value.name == tensor and value.type.tensor_type.elem_type:
            return int(value.type.tensor_type.elem_type)
    return int(TensorProto.FLOAT)
