"""A graph that names a file is refused, wherever in the graph it does: it could be any file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper

from ifonly.models.errors import GraphError
from ifonly.models.onnx import load_predictor
from tests.unit.models.graphs import REGRESSION, graph_of, sum_graph, three_numbers, value

SPEC = three_numbers(REGRESSION)
STORE = "ifonly.sqlite3"
DOMAIN = "com.acme"


def elsewhere(name: str = "leak", kind: int = TensorProto.FLOAT) -> TensorProto:
    """A tensor of one number that lies in a file beside the process."""
    tensor = TensorProto(name=name, data_type=kind, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", STORE), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=text)
    return tensor


def in_a_function() -> ModelProto:
    nodes = [
        helper.make_node("Constant", [], ["c"], value=elsewhere()),
        helper.make_node("Add", ["a", "c"], ["b"]),
    ]
    return with_function(nodes)


def with_function(nodes: list[NodeProto], domain: str = DOMAIN, name: str = "Leak") -> ModelProto:
    model = graph_of(
        [
            helper.make_node("ReduceSum", ["x", "axes"], ["s"], keepdims=1),
            helper.make_node(name, ["s"], ["y"], domain=domain),
        ],
        [value("x", [None, 3])],
        [value("y", [None, 1])],
        {"axes": np.array([1])},
    )
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function(domain, name, ["a"], ["b"], nodes, opsets))
    return model


def in_a_graph_of_a_function() -> ModelProto:
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=elsewhere())], "t", [], [value("c", [1])]
    )
    nodes = [
        helper.make_node("Constant", [], ["yes"], value_ints=[1]),
        helper.make_node("Cast", ["yes"], ["is"], to=TensorProto.BOOL),
        helper.make_node("If", ["is"], ["c"], then_branch=branch, else_branch=branch),
        helper.make_node("Add", ["a", "c"], ["b"]),
    ]
    return with_function(nodes)


def sparse(values: TensorProto, indices: TensorProto) -> ModelProto:
    model = graph_of(
        [
            helper.make_node("ReduceSum", ["x", "axes"], ["s"], keepdims=1),
            helper.make_node("Add", ["s", "leak"], ["y"]),
        ],
        [value("x", [None, 3])],
        [value("y", [None, 1])],
        {"axes": np.array([1])},
    )
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1]))
    return model


def sparse_values() -> ModelProto:
    return sparse(elsewhere(), helper.make_tensor("i", TensorProto.INT64, [1], [0]))


def sparse_indices() -> ModelProto:
    values = helper.make_tensor("leak", TensorProto.FLOAT, [1], [1.0])
    return sparse(values, elsewhere("i", TensorProto.INT64))


def in_an_attribute(attribute: AttributeProto) -> ModelProto:
    model = sum_graph()
    model.graph.node[0].attribute.append(attribute)
    return model


def in_a_sparse_attribute() -> ModelProto:
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    tensor = helper.make_sparse_tensor(elsewhere(), indices, [1])
    return in_an_attribute(
        AttributeProto(name="s", type=AttributeProto.SPARSE_TENSOR, sparse_tensor=tensor)
    )


def in_a_list_of_sparse_tensors() -> ModelProto:
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    tensor = helper.make_sparse_tensor(elsewhere(), indices, [1])
    return in_an_attribute(
        AttributeProto(name="s", type=AttributeProto.SPARSE_TENSORS, sparse_tensors=[tensor])
    )


def in_training() -> ModelProto:
    model = sum_graph()
    model.training_info.add().algorithm.initializer.append(elsewhere())
    return model


def in_a_default_of_a_function() -> ModelProto:
    model = with_function([helper.make_node("Identity", ["a"], ["b"])])
    model.functions[0].attribute_proto.append(
        AttributeProto(name="c", type=AttributeProto.TENSOR, t=elsewhere())
    )
    return model


def without_the_flag() -> ModelProto:
    """A place in a file, and a word that it is not used."""
    model = in_a_function()
    tensor = model.functions[0].node[0].attribute[0].t
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = bytes(4)
    return model


@pytest.mark.parametrize(
    "made",
    [
        in_a_function,
        in_a_graph_of_a_function,
        sparse_values,
        sparse_indices,
        in_a_sparse_attribute,
        in_a_list_of_sparse_tensors,
        in_training,
        in_a_default_of_a_function,
        without_the_flag,
    ],
)
def test_a_tensor_in_a_file_is_refused_wherever_it_stands(made: Callable[[], ModelProto], tmp_path):
    """In the model's own folder too: what may lie there is embedded before, and this is not."""
    (tmp_path / STORE).write_bytes(b"SQLite format 3\0")
    with pytest.raises(GraphError, match=f"lies in file '{STORE}'"):
        load_predictor(made().SerializeToString(), SPEC, folder=tmp_path)


@pytest.mark.parametrize("list_of", [False, True])
def test_a_tensor_of_an_attribute_is_no_file_outside_the_folder(list_of: bool, tmp_path):
    made = (
        AttributeProto(name="t", type=AttributeProto.TENSORS, tensors=[elsewhere()])
        if list_of
        else AttributeProto(name="t", type=AttributeProto.TENSOR, t=elsewhere())
    )
    with pytest.raises(GraphError, match="is no file in the model's folder"):
        load_predictor(in_an_attribute(made).SerializeToString(), SPEC, folder=tmp_path)


def test_onnx_runtime_itself_would_read_the_file(tmp_path, monkeypatch):
    """Why all this: of a sparse tensor it returns the first bytes of whatever is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / STORE).write_bytes(b"SQLite format 3\0")
    session = onnxruntime.InferenceSession(sparse_values().SerializeToString())
    (found,) = session.run(None, {"x": np.zeros((1, 3), np.float32)})
    assert found.tobytes() == b"SQLi"


@pytest.mark.parametrize("domain", ["com.microsoft.evil", "com.ms.acme", "ai.onnx.contrib"])
def test_a_domain_that_only_begins_like_a_built_in_one_is_custom(domain):
    model = sum_graph()
    model.graph.node[0].domain = domain
    with pytest.raises(GraphError, match="custom operator of domain"):
        load_predictor(model.SerializeToString(), SPEC)


def test_an_operator_that_loads_a_context_from_a_file_is_refused():
    model = sum_graph()
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.microsoft", "EPContext"
    with pytest.raises(GraphError, match="reads files"):
        load_predictor(model.SerializeToString(), SPEC)


def test_a_function_may_not_take_the_place_of_an_operator():
    model = with_function([helper.make_node("Neg", ["a"], ["b"])], domain="", name="Abs")
    with pytest.raises(GraphError, match="function 'Abs' is defined in domain ''"):
        load_predictor(model.SerializeToString(), SPEC)
