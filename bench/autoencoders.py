"""How many alarms of autoencoders are proven: reconstruction error against a limit.

    python -m bench.autoencoders [--questions 20] [--seconds 1,10] [--features 6,12,24]
                                 [--errors "mean absolute,…"] [--engine relu]

Autoencoders with two hidden layers on readings that hang together (three causes behind them),
trained by scikit-learn, exported by skl2onnx, with the error behind them as PyTorch writes it. The
limit is the 99th percentile of the error over what was seen; questions are rows with one to three
readings out of step, whose error is over it. Each reading may be set, on a grid of 200 values.
Seconds are of CPU; `--engine` asks one engine alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from ifonly.explainers.answer import Infeasible, Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.search.portfolio import Portfolio, engines_for
from ifonly.models.graph.reading import read_graph
from ifonly.models.onnx import OnnxPredictor, load_predictor
from ifonly.models.spec import Spec, parse_spec

Floats = npt.NDArray[np.float64]

ERRORS = ("mean absolute", "max absolute", "mean squared")
HIDDEN = {6: (8, 3), 12: (10, 4), 24: (16, 6)}
ROWS = 3_000


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """One model, and rows that are over its limit."""

    predictor: OnnxPredictor
    spec: Spec
    alarms: Floats


def readings(n: int, rows: int, seed: int) -> Floats:
    """Readings of which three causes make ``n``, some of them bent."""
    draw = np.random.default_rng(seed)
    causes = draw.normal(size=(rows, 3))
    made = causes @ draw.normal(size=(3, n))
    made[:, ::3] = np.tanh(made[:, ::3])
    return np.asarray(made + 0.1 * draw.normal(size=(rows, n)))


def graph_of(network: Any, mean: Floats, scale: Floats, error: str) -> ModelProto:
    """The scaler, the network as skl2onnx writes it, and the error behind it."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    n = len(mean)
    exported = to_onnx(network, initial_types=[("scaled", FloatTensorType([None, n]))])
    graph = exported.graph
    # skl2onnx makes one column of all outputs, whatever their number.
    last_node = graph.node[-1]
    out = last_node.input[0] if last_node.op_type == "Reshape" else last_node.output[0]
    if last_node.op_type == "Reshape":
        del graph.node[-1]
    tables = [numpy_helper.from_array(mean.astype(np.float32), "mean"),
              numpy_helper.from_array(scale.astype(np.float32), "scale"),
              numpy_helper.from_array(np.array([1], np.int64), "axes")]  # fmt: skip
    before = [helper.make_node("Sub", ["x", "mean"], ["centred"]),
              helper.make_node("Div", ["centred", "scale"], ["scaled"])]  # fmt: skip
    off = helper.make_node("Sub", ["scaled", out], ["off"])
    size = helper.make_node("Mul", ["off", "off"], ["size"]) if error == "mean squared" else (
        helper.make_node("Abs", ["off"], ["size"])
    )  # fmt: skip
    ends = ["size", "axes"], ["score"]
    last = helper.make_node("ReduceMean", *ends, keepdims=1)
    if error == "max absolute":
        last = helper.make_node("ReduceMax", *ends, keepdims=1)
    made = helper.make_graph(
        [*before, *graph.node, off, size, last],
        "autoencoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, n])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [*graph.initializer, *tables],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9)


def autoencoder(n: int, error: str, questions: int, seed: int = 0) -> Autoencoder:
    from sklearn.neural_network import MLPRegressor

    seen = readings(n, ROWS, seed)
    mean, scale = seen.mean(axis=0), seen.std(axis=0)
    scaled = (seen - mean) / scale
    network = MLPRegressor(hidden_layer_sizes=HIDDEN[n], random_state=seed, max_iter=300).fit(
        scaled, scaled
    )
    graph = graph_of(network, mean, scale, error)
    sizes = _sizes(scaled - network.predict(scaled), error)
    limit = float(np.float32(np.quantile(sizes, 0.99)))
    spec = parse_spec(_spec(seen, limit).encode(), "spec.toml")
    predictor = load_predictor(graph.SerializeToString(), spec)
    draw = np.random.default_rng([seed, 1])
    alarms: list[Floats] = []
    while len(alarms) < questions:
        row = seen[int(draw.integers(ROWS))].copy()
        moved = draw.choice(n, int(draw.integers(1, 4)), replace=False)
        row[moved] += draw.choice([-1.0, 1.0], len(moved)) * draw.uniform(1.0, 4.0) * scale[moved]
        row = np.clip(row, seen.min(axis=0), seen.max(axis=0))
        if predictor.score(row[None, :])[0, 0] > limit:
            alarms.append(row)
    return Autoencoder(predictor, spec, np.array(alarms))


def _sizes(off: Floats, error: str) -> Floats:
    match error:
        case "mean absolute":
            return np.asarray(np.abs(off).mean(axis=1))
        case "max absolute":
            return np.asarray(np.abs(off).max(axis=1))
        case _:
            return np.asarray((off * off).mean(axis=1))


def _spec(seen: Floats, limit: float) -> str:
    text = 'format = 1\nname = "autoencoder"\nversion = "1"\ntask = "regression"\n'
    text += (
        '[decision]\nclasses = ["normal", "anomaly"]\npositive = "anomaly"\ndesired = "normal"\n'
    )
    text += f"threshold = {limit}\n"
    for k, (low, high) in enumerate(zip(seen.min(axis=0), seen.max(axis=0), strict=True)):
        step = float(f"{(high - low) / 200.0:.2g}")
        first, last = np.floor(low / step) * step, np.ceil(high / step) * step
        text += f'[[features]]\nname = "reading_{k}"\nkind = "continuous"\n'
        text += f"bounds = [{first:.12g}, {last:.12g}]\nresolution = {step}\n"
    return text


def proven(model: Autoencoder, seconds: float, alone: str | None) -> tuple[int, list[float], str]:
    """How many of its alarms are answered with a proof within ``seconds``, how long each takes, and
    the engine that is asked first."""
    form = read_graph(model.predictor.model, model.predictor.encoding, model.predictor.columns)
    engine = engines_for(form, model.spec.schema)
    if alone is not None:
        engine = Portfolio([one for one in engine.engines if one.name == alone])
    if not engine.engines:
        return 0, [0.0], "none"
    policy = Policy.read(model.spec.policy, model.spec.schema, model.spec.decision)
    count, spent = 0, []
    for row in model.alarms:
        began = time.thread_time()
        until = Deadline.after(seconds, time.thread_time)
        answer = explain(policy.problem(row), model.predictor, engine=engine, deadline=until)
        spent.append(time.thread_time() - began)
        is_optimal = isinstance(answer, Recourse) and answer.counterfactuals[0].gap == 0.0
        count += is_optimal or isinstance(answer, Infeasible)
    return count, spent, engine.engines[0].name


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--seconds", default="1,10")
    parser.add_argument("--features", default="6,12,24")
    parser.add_argument("--errors", default=",".join(ERRORS))
    parser.add_argument("--engine", help="asked alone: relu, blackbox, …")
    options = parser.parse_args(arguments)
    limits = [float(s) for s in options.seconds.split(",")]
    table = Table(
        "error", "features", "engine", *(f"proven in {s:g} s" for s in limits), "median s"
    )
    errors = options.errors.split(",")
    if unknown := set(errors) - set(ERRORS):
        parser.error(f"--errors: {', '.join(sorted(unknown))}: none of {', '.join(ERRORS)}")
    for error in errors:
        for n in (int(n) for n in options.features.split(",")):
            model = autoencoder(n, error, options.questions)
            found = [proven(model, s, options.engine) for s in limits]
            shares = [f"{count} of {options.questions}" for count, _, _ in found]
            median = f"{np.median(found[-1][1]):.2f}"
            table.add_row(error, str(n), found[-1][2], *shares, median)
            print(error, n, found[-1][2], *shares, median, flush=True)  # it may take a while
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
