"""Graphs that cannot be served are refused with the part that is to blame."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from onnx import TensorProto, external_data_helper, helper

from ifonly.models.errors import GraphError
from ifonly.models.onnx import load_predictor
from tests.unit.models.graphs import (
    BINARY,
    REGRESSION,
    graph_of,
    number,
    spec_of,
    sum_graph,
    three_numbers,
    value,
)

SPEC = three_numbers(REGRESSION)


def refused(model, spec=SPEC, **more) -> str:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(GraphError) as caught:
        load_predictor(data, spec, **more)
    return str(caught.value)


def test_a_git_lfs_pointer_says_what_to_run():
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    problem = refused(pointer)
    assert "Git LFS pointer" in problem
    assert "git lfs pull" in problem


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(share):
    whole = sum_graph().SerializeToString()
    assert "is not an ONNX model" in refused(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04 a zip archive", b"\x80\x04pickle"])
def test_bytes_that_are_no_model_are_refused(data):
    problem = refused(data)
    assert f"({len(data)} bytes)" in problem
    assert "not an ONNX model" in problem


def test_a_damaged_file_is_refused_quietly(capfd):
    """A byte of a name that is no UTF-8, of a node and of the graph."""
    data = sum_graph().SerializeToString()
    for name in (b"ReduceSum", b"axes", b"cast"):
        problem = refused(data.replace(name, b"\xff" + name[1:]))
        assert "text" in problem or "utf-8" in problem
    assert capfd.readouterr().out == ""


def one_node(op, domain="", opsets=None):
    node = helper.make_node(op, ["x"], ["y"], name="n1", domain=domain)
    model = graph_of([node], [value("x", [None, 3])], [value("y", [None, 3])])
    if opsets is not None:
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(d, v) for d, v in opsets.items())
    return model


def test_an_unknown_operator_is_named_with_its_node():
    problem = refused(one_node("Frobnicate"))
    assert "node 'n1' (Frobnicate)" in problem
    assert "knows no operator 'Frobnicate'" in problem


def test_a_custom_domain_is_named_with_its_node():
    problem = refused(one_node("Frob", "com.acme", {"": 17, "com.acme": 1}))
    assert "node 'n1' (com.acme:Frob) is a custom operator of domain 'com.acme'" in problem


def test_a_node_without_a_name_is_known_by_what_it_yields():
    model = one_node("Frobnicate")
    model.graph.node[0].name = ""
    assert "node that yields 'y' (Frobnicate)" in refused(model)


def test_an_operator_younger_than_the_models_opset_is_refused():
    assert "operator 'Gelu' is not in opset 17" in refused(one_node("Gelu"))


def test_an_opset_from_the_future_is_refused_in_runtimes_words():
    assert "ONNX Runtime refuses the graph" in refused(one_node("Relu", opsets={"": 999}))


def test_a_file_format_from_the_future_is_refused():
    model = sum_graph()
    model.ir_version = 999
    assert "IR version: 999" in refused(model)


def test_operators_that_runtime_brings_along_are_served():
    nodes = [
        helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft"),
        helper.make_node("ReduceSum", ["g", "axes"], ["y"], keepdims=1),
    ]
    model = graph_of(
        nodes, [value("x", [None, 3])], [value("y", [None, 1])], {"axes": np.array([1])}
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    score = load_predictor(model.SerializeToString(), SPEC).score(np.zeros((2, 3)))
    assert score.tolist() == [[0.0], [0.0]]


def test_functions_of_the_model_itself_are_served():
    body = [helper.make_node("ReduceSum", ["a", "axes"], ["b"], keepdims=1)]
    function = helper.make_function(
        "com.acme", "RowSum", ["a", "axes"], ["b"], body, [helper.make_opsetid("", 17)]
    )
    node = helper.make_node("RowSum", ["x", "axes"], ["y"], domain="com.acme")
    model = graph_of(
        [node], [value("x", [None, 3])], [value("y", [None, 1])], {"axes": np.array([1])}
    )
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    model.functions.append(function)
    score = load_predictor(model.SerializeToString(), SPEC).score(np.ones((1, 3)))
    assert score.tolist() == [[3.0]]


def test_a_graph_that_reads_what_nobody_yields_is_refused():
    model = one_node("Relu")
    model.graph.node[0].input[0] = "z"
    assert "'z'" in refused(model)


# --- inputs -------------------------------------------------------------------------------


def test_a_rank_3_input_is_named_with_its_shape():
    nodes = [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)]
    model = graph_of(nodes, [value("series", [None, 24, 3])], [value("y", [])])
    problem = refused(model)
    assert "input 'series' (float32 [?, 24, 3]) has rank 3" in problem


@pytest.mark.parametrize(
    ("kind", "problem"),
    [(TensorProto.BFLOAT16, "type BFLOAT16"), (TensorProto.COMPLEX64, "type COMPLEX64")],
)
def test_an_input_of_a_type_that_rows_have_not_is_refused(kind, problem):
    model = graph_of(
        [helper.make_node("Identity", ["x"], ["y"])],
        [value("x", [None, 3], kind)],
        [value("y", [None, 3], kind)],
    )
    assert problem in refused(model)


def test_an_input_that_is_no_tensor_is_refused():
    model = sum_graph()
    model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", 1, None))
    assert "input 'x' is a sequence_type, not a tensor" in refused(model)


def test_an_input_without_a_shape_is_refused():
    model = sum_graph()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert "input 'x' declares no shape" in refused(model)


def test_an_input_with_a_default_need_not_be_fed():
    model = sum_graph()
    model.graph.input.append(value("axes", [1], TensorProto.INT64))
    score = load_predictor(model.SerializeToString(), SPEC).score(np.ones((2, 3)))
    assert score.tolist() == [[3.0], [3.0]]


def test_a_feature_for_which_there_is_no_column_is_refused():
    problem = refused(sum_graph(width=4))
    assert "input 'x' (float32 [?, 4]) has 4 columns, the features take 3" in problem


def test_inputs_of_different_fixed_lengths_are_refused():
    nodes = [
        helper.make_node("Concat", ["a", "b"], ["ab"], axis=0),
        helper.make_node("Identity", ["ab"], ["y"]),
    ]
    model = graph_of(nodes, [value("a", [2, 1]), value("b", [4, 1])], [value("y", [6, 1])])
    problem = refused(model, spec_of(REGRESSION, number("a"), number("b")))
    assert "'a' takes 2, 'b' takes 4" in problem


# --- tensors in other files ---------------------------------------------------------------


def with_data_file(folder, location="weights.bin"):
    """Doubles its three inputs by a matrix that lies in ``location``, then sums them."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    weights = np.full((3, 1), 2.0, dtype=np.float32)
    model = graph_of(nodes, [value("x", [None, 3])], [value("y", [None, 1])], {"w": weights})
    tensor = model.graph.initializer[0]
    (folder / "weights.bin").write_bytes(b"header--" + weights.tobytes())
    external_data_helper.set_external_data(tensor, location, offset=8, length=12)
    tensor.ClearField("raw_data")
    return model.SerializeToString()


def test_tensors_in_a_file_of_the_folder_are_read(tmp_path):
    predictor = load_predictor(with_data_file(tmp_path), SPEC, folder=tmp_path)
    assert predictor.score(np.ones((1, 3))).tolist() == [[6.0]]


def test_the_digest_covers_the_files_that_tensors_lie_in(tmp_path):
    data = with_data_file(tmp_path)
    before = load_predictor(data, SPEC, folder=tmp_path).sha256
    (tmp_path / "weights.bin").write_bytes(b"header--" + np.ones(3, dtype=np.float32).tobytes())
    after = load_predictor(data, SPEC, folder=tmp_path).sha256
    assert before != after


def test_the_digest_of_a_model_in_one_file_is_the_files():
    data = sum_graph().SerializeToString()
    assert load_predictor(data, SPEC).sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "", "no.bin", "."])
def test_a_tensor_in_a_file_outside_the_folder_is_refused(tmp_path, location):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(20))
    problem = refused(with_data_file(folder, location), folder=folder)
    assert f"tensor 'w' lies in {location!r}, which is no file in the model's folder" in problem


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    data = with_data_file(folder)
    (folder / "weights.bin").rename(tmp_path / "outside.bin")
    (folder / "weights.bin").symlink_to(tmp_path / "outside.bin")
    assert "no file in the model's folder" in refused(data, folder=folder)


def test_a_tensor_in_a_file_without_a_folder_is_refused(tmp_path):
    assert "lies in file 'weights.bin'" in refused(with_data_file(tmp_path))


def test_a_data_file_cut_short_is_refused(tmp_path):
    data = with_data_file(tmp_path)
    (tmp_path / "weights.bin").write_bytes(bytes(15))
    assert "needs 12 bytes at 8 of file 'weights.bin', which has 15" in refused(
        data, folder=tmp_path
    )


# --- outputs ------------------------------------------------------------------------------


def two_outputs():
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["left"]),
        helper.make_node("Neg", ["x"], ["right"]),
    ]
    return graph_of(
        nodes,
        [value("x", [None, 1])],
        [value("left", [None, 1]), value("right", [None, 1])],
    )


ONE = spec_of(REGRESSION, number("a"))


def test_two_outputs_that_could_be_the_score_are_ambiguous():
    problem = refused(two_outputs(), ONE)
    assert "'left', 'right' could be the score: name one as `output.name`" in problem


def test_the_spec_names_the_output():
    spec = spec_of(REGRESSION + '[output]\nname = "right"\n', number("a"))
    predictor = load_predictor(two_outputs().SerializeToString(), spec)
    assert predictor.score(np.array([[2.0]])).tolist() == [[-2.0]]
    assert [node.op_type for node in predictor.model.graph.node] == ["Neg"]


def test_an_output_that_is_not_there_is_named():
    spec = spec_of(REGRESSION + '[output]\nname = "middle"\n', number("a"))
    assert "no output 'middle'; it has 'left', 'right'" in refused(two_outputs(), spec)


def test_a_score_of_rank_3_is_refused_with_its_shape():
    nodes = [helper.make_node("Unsqueeze", ["x", "axes"], ["y"])]
    model = graph_of(
        nodes, [value("x", [None, 1])], [value("y", [None, 1, 1])], {"axes": np.array([2])}
    )
    assert "output 'y' has shape [1, 1, 1] for 1 rows" in refused(model, ONE)


def test_a_score_that_is_not_one_line_a_row_is_refused():
    nodes = [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=1)]
    model = graph_of(nodes, [value("x", [None, 2])], [value("y", [1, 1])])
    spec = spec_of(REGRESSION, number("a"), number("b"))
    assert "output 'y' has shape [1, 1] for" in refused(model, spec)


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (REGRESSION, "3 columns, a regression model has 1: name one as `output.column`"),
        (BINARY, "3 columns, a binary model of 2 classes has 1"),
        (
            'task = "multiclass"\n[decision]\nclasses = ["a", "b", "c", "d"]\n',
            "3 columns, a multiclass model of 4 classes has 4",
        ),
        (REGRESSION + "[output]\ncolumn = 3\n", "3 columns; the spec names column 3"),
    ],
)
def test_columns_that_do_not_fit_the_decision_are_refused(task, problem):
    model = graph_of(
        [helper.make_node("Sigmoid", ["x"], ["y"])],
        [value("x", [None, 3])],
        [value("y", [None, 3])],
    )
    assert problem in refused(model, three_numbers(task))


def test_a_binary_score_that_is_no_probability_is_refused():
    problem = refused(sum_graph(), three_numbers(BINARY))
    assert "a binary model's score is a probability, but trial rows score from" in problem


def test_a_graph_whose_rows_depend_on_each_other_is_refused():
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    model = graph_of(nodes, [value("x", [None, 1])], [value("y", [None, 1])])
    assert "a row's score depends on the rows beside it" in refused(model, ONE)


def test_a_score_that_is_no_number_is_refused_when_the_model_is_loaded():
    nodes = [helper.make_node("Log", ["x"], ["y"])]
    model = graph_of(nodes, [value("x", [None, 1])], [value("y", [None, 1])])
    assert "output 'y', column 0, is nan for row 0, [-10.0]" in refused(model, ONE)
