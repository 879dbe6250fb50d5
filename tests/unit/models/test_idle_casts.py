"""Networks whose layers are wrapped in casts to the type that is there, as Keras exports them."""

from __future__ import annotations

import onnx
import pytest

from ifonly.models.graph.idle_casts import without_idle_casts

NETWORK = """<ir_version: 8, opset_import: ["": 15]>
g (float[n,2] x) => (float[n,1] y) <float[2,3] a = {{1,2,3,4,5,6}}, float[3,1] b = {{1,2,3}}> {{
  x1 = Cast<to={before}>(x)
  x2 = Cast<to=1>(x1)
  h = MatMul(x2, a)
  h1 = Cast<to=1>(h)
  r = Relu(h1)
  r1 = Cast<to=1>(r)
  z = MatMul(r1, b)
  y = Cast<to=1>(z)
}}"""


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_casts_to_the_same_type_are_passed_over_but_for_the_output() -> None:
    model = onnx.parser.parse_model(NETWORK.format(before=1))
    found = without_idle_casts(model)
    assert kinds(found) == ["MatMul", "Relu", "MatMul", "Cast"]
    assert list(found.graph.node[0].input) == ["x", "a"]
    onnx.checker.check_model(found)
    assert len(model.graph.node) == 8


@pytest.mark.parametrize("to", [7, 10, 11], ids=["int64", "float16", "float64"])
def test_casts_that_round_stay(to: int) -> None:
    found = without_idle_casts(onnx.parser.parse_model(NETWORK.format(before=to)))
    assert kinds(found) == ["Cast", "Cast", "MatMul", "Relu", "MatMul", "Cast"]


def test_a_graph_without_products_is_left_alone() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 15]> g (float[n] x) => (float[n] y) '
        "{ z = Cast<to=1>(x) y = Relu(z) }"
    )
    assert without_idle_casts(model) is model
