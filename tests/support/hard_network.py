"""A network about which no proof ends soon: a question takes all the time that it is given."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

NAME = "network"
READINGS, UNITS = 16, 24
ROW = {f"reading_{k}": 0.0 for k in range(READINGS)}
TARGET = {"score": {"min": 2.0}}
"""Far from what it says of ``ROW``."""


def write(root: Path) -> None:
    """The model's folder below ``root``."""
    folder = root / NAME / "1"
    folder.mkdir(parents=True)
    (folder / "spec.toml").write_text(_spec(), encoding="utf-8")
    (folder / "model.onnx").write_bytes(_model().SerializeToString())


def _spec() -> str:
    head = f'format = 1\nname = "{NAME}"\nversion = "1"\ntask = "regression"\n'
    kind = 'kind = "continuous"\nbounds = [-10.0, 10.0]\nresolution = 0.01\n'
    return head + "".join(f'[[features]]\nname = "{name}"\n{kind}' for name in ROW)


def _model() -> ModelProto:
    """Two layers of units."""
    draw = np.random.default_rng(0)
    widths = (READINGS, UNITS, UNITS, 1)
    nodes, constants, tensor = [], [], "x"
    for k, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        weights = draw.normal(size=(n_in, n_out)) * np.sqrt(1.5 / n_in)
        for name, values in ((f"w{k}", weights), (f"b{k}", 0.1 * draw.normal(size=n_out))):
            constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        after = "score" if k == len(widths) - 2 else f"sum{k}"
        nodes.append(helper.make_node("Gemm", [tensor, f"w{k}", f"b{k}"], [after]))
        if after != "score":
            tensor = f"unit{k}"
            nodes.append(helper.make_node("Relu", [after], [tensor]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in (("x", READINGS), ("score", 1))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
