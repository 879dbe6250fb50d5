"""Generated windows, deployed, and a walk over every action, by arithmetic of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.profiles import Profiles
from ifonly.models.predictor import Row
from ifonly.models.repository import load_folder
from ifonly.models.rounding import rounding_of
from ifonly.models.window import window_of
from ifonly.service.ask import read_request
from ifonly.service.ask.question import Question
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.wire import requests, validation

KINDS = ("linear", "gemm", "conv", "lstm", "trees")
STEPS, NAMES = 4, ("coolant", "flow", "load")
LOW, HIGH, SCALE = 0.0, 10.0, {"coolant": 2.0, "flow": 1.0}
Windows = npt.NDArray[np.float64]
"""``(n, channels, steps)``."""

SPEC = """
format = 1
name = "window"
version = "1"
task = "binary"

[window]
steps = {steps}
period = "1 min"
layout = "{layout}"

[decision]
classes = ["normal", "alarm"]
positive = "alarm"
desired = "normal"
phrases.alarm = {{en = "the alarm", ko = "경보", ja = "警報"}}

[[features]]
name = "coolant"
kind = "continuous"
unit = "degC"
bounds = [0, 10]
resolution = 0.5
label = {{en = "coolant temperature", ko = "냉각수 온도", ja = "冷却水温度"}}

[[features]]
name = "flow"
kind = "{flow}"
unit = "L/min"
bounds = [0, 10]
resolution = 1
label = {{en = "flow", ko = "유량", ja = "流量"}}

[[features]]
name = "load"
kind = "continuous"
unit = "%"
bounds = [0, 10]

[policy.features.coolant]
scale = 2
profiles = [{{shape = "constant"}}, {{shape = "ramp", from = ["2 min", "4 min"]}}]
{coolant}

[policy.features.flow]
scale = 1
weight = 2
profiles = [{{shape = "step", from = ["1 min", "3 min"]}}]
{policy}
"""

CAUSAL = """
format = 1
version = "1"
status = "accepted"
accepted_by = "A. Engineer"
accepted_at = "2026-01-01"
doubts = []

[nodes.coolant]
role = "actionable"
[nodes.flow]
role = "actionable"
[nodes.load]
role = "consequence"

[[edges]]
from = "flow"
to = "load"
source = "physics"
delay = {{minutes = {minutes}, shape = "{shape}"}}

[mechanisms.load]
kind = "linear"
intercept = 1
coefficients = {{flow = {slope}}}
sd = 0.1
"""


def tensor(values: object) -> npt.NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def network(seed: int, kind: str, layout: str, steps: int = STEPS, hidden: int = 5) -> bytes:
    """A random model of a window."""
    draw, channels = np.random.default_rng(seed), len(NAMES)
    shape = (steps, channels) if layout == "steps-channels" else (channels, steps)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, *shape])
    y = helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])
    nodes, constants, at = list[NodeProto](), dict[str, npt.NDArray[Any]](), "x"

    def then(operator: str, *parts: npt.NDArray[Any], **attributes: Any) -> None:
        nonlocal at
        names = [f"c{len(constants) + k}" for k in range(len(parts))]
        constants.update(zip(names, parts, strict=True))
        out = f"t{len(nodes)}"
        nodes.append(helper.make_node(operator, [at, *names], [out], **attributes))
        at = out

    def dense(inputs: int, outputs: int, centre: float) -> None:
        weights = tensor(draw.normal(size=(inputs, outputs)) / np.sqrt(inputs))
        then("Gemm", weights, tensor(draw.normal(size=outputs) * 0.3 - centre * weights.sum(0)))

    if kind == "conv":
        if layout == "steps-channels":
            then("Transpose", perm=[0, 2, 1])
        kernel = tensor(draw.normal(size=(hidden, channels, 2)) / 2)
        then("Conv", kernel, tensor(-5 * kernel.sum((1, 2)) + draw.normal(size=hidden) * 0.3),
             kernel_shape=[2])  # fmt: skip
        then("Relu")
        then("Flatten", axis=1)
        dense(hidden * (steps - 1), 1, 0.0)
    elif kind == "lstm":
        then("Add", tensor(np.full((1, 1, 1), -5.0)))
        then("Transpose", perm=[1, 0, 2] if layout == "steps-channels" else [2, 0, 1])
        own = tensor(draw.normal(size=(1, 4 * hidden, channels)) / 3)
        past = tensor(draw.normal(size=(1, 4 * hidden, hidden)) / 2)
        then("LSTM", own, past, hidden_size=hidden)
        # Of all hidden states the last one.
        nodes[-1].output[:] = ["", at]
        then("Reshape", np.array([-1, hidden], dtype=np.int64))
        dense(hidden, 1, 0.0)
        # Its states are small: so that decisions turn.
        then("Mul", tensor([8.0]))
    else:
        then("Flatten", axis=1)
        if kind == "gemm":
            dense(steps * channels, hidden, 5.0)
            then("Relu")
            dense(hidden, 1, 0.0)
        else:
            dense(steps * channels, 1, 5.0)
    then("Sigmoid")
    nodes.append(helper.make_node("Identity", [at], ["p"]))
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "window", [x], [y], initializers)
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


def forest(seed: int, layout: str, steps: int = STEPS, trees: int = 8) -> bytes:
    """Random stumps of depth 2 over a flattened window."""
    draw, n = np.random.default_rng(seed), steps * len(NAMES)
    shape = (steps, len(NAMES)) if layout == "steps-channels" else (len(NAMES), steps)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, *shape])
    y = helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])
    keys = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    at: dict[str, list[Any]] = {key: [] for key in keys}
    leaves: dict[str, list[Any]] = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for t in range(trees):
        for node in range(7):
            inner = node < 3
            row = (t, node, int(draw.integers(n)) if inner else 0,
                   float(np.float32(draw.uniform(2, 8))) if inner else 0.0,
                   "BRANCH_LEQ" if inner else "LEAF",
                   2 * node + 1 if inner else 0, 2 * node + 2 if inner else 0)  # fmt: skip
            for key, value in zip(at, row, strict=True):
                at[key].append(value)
            if not inner:
                leaf = (t, node, 0, float(np.float32(draw.normal())))
                for key, value in zip(leaves, leaf, strict=True):
                    leaves[key].append(value)
    attributes: dict[str, Any] = {f"nodes_{key}": value for key, value in at.items()}
    attributes |= {f"target_{key}": value for key, value in leaves.items()}
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], axis=1),
        helper.make_node("TreeEnsembleRegressor", ["f"], ["z"], domain="ai.onnx.ml", n_targets=1,
                         **attributes),
        helper.make_node("Sigmoid", ["z"], ["p"]),
    ]  # fmt: skip
    graph = helper.make_graph(nodes, "window", [x], [y])
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


@dataclass(frozen=True)
class Limits:
    """What is demanded besides, as the walk knows it."""

    range_: tuple[float, float] | None = None
    """Of the coolant's readings, where they move."""
    most_mean: float | None = None
    most_jump: float | None = None
    least_last: float | None = None
    only_down: bool = False
    is_whole: bool = False
    """The flow reads whole numbers."""
    slope: float | None = None
    """Of the load by the flow, as late as :attr:`lag`; None: it does not follow."""
    lag: int = 0
    shape: str = "step"

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> Limits:
        def maybe(chance: float) -> bool:
            return bool(draw.random() < chance)

        return cls(
            (1.0, 8.0) if maybe(0.3) else None,
            float(draw.integers(3, 7)) if maybe(0.25) else None,
            float(draw.integers(2, 5)) if maybe(0.25) else None,
            float(draw.integers(1, 4)) if maybe(0.2) else None,
            maybe(0.2),
            maybe(0.3),
            float(np.round(draw.uniform(-0.5, 0.5), 2)) if maybe(0.4) else None,
            int(draw.integers(0, 3)),
            "first-order" if maybe(0.3) else "step",
        )

    @property
    def spec(self) -> Mapping[str, str]:
        rules = [
            f'{{rule = "{text}"}}'
            for text, asked in (
                (f"mean(flow) <= {self.most_mean}", self.most_mean),
                (f"greatest_change(coolant) <= {self.most_jump}", self.most_jump),
                (f"if flow changes then last(flow) >= {self.least_last}", self.least_last),
            )
            if asked is not None
        ]
        coolant = [] if self.range_ is None else [f"range = {list(self.range_)}"]
        coolant += ['direction = "down"'] if self.only_down else []
        return {
            "flow": "integer" if self.is_whole else "continuous",
            "coolant": "\n".join(coolant),
            "policy": f"[policy]\nrules = [{', '.join(rules)}]" if rules else "",
        }

    @property
    def causal(self) -> str | None:
        if self.slope is None:
            return None
        return CAUSAL.format(minutes=self.lag, shape=self.shape, slope=self.slope)


def folder(
    root: Path, seed: int, kind: str, limits: Limits, layout: str = "steps-channels"
) -> Path:
    """A model folder; ``kind`` is one of :data:`KINDS`."""
    found = root / "window" / "1"
    found.mkdir(parents=True, exist_ok=True)
    spec = SPEC.format(steps=STEPS, layout=layout, **limits.spec)
    (found / "spec.toml").write_text(spec, encoding="utf-8")
    model = forest(seed, layout) if kind == "trees" else network(seed, kind, layout)
    (found / "model.onnx").write_bytes(model)
    if limits.causal is not None:
        (found / "causal.toml").write_text(limits.causal, encoding="utf-8")
    return found


def served(root: Path, seed: int, kind: str, limits: Limits, layout: str) -> ServedModel:
    return prepare(load_folder(folder(root, seed, kind, limits, layout)))


def by_exact_engine(model: ServedModel) -> ServedModel:
    """The same, answered by the engine that its graph asks for alone: most questions about so
    small windows are settled by scoring everything, before it is asked."""
    kept = [e for e in model.engine.engines if not isinstance(e, Profiles)]
    return replace(model, own_engine=Portfolio(kept)) if len(kept) > 1 else model


def instance(draw: np.random.Generator) -> dict[str, list[float]]:
    """Readings in tenths, as sensors give them; the flow is whole."""
    level = draw.uniform(2, 8, len(NAMES))
    series = np.clip(level[:, None] + draw.normal(size=(len(NAMES), STEPS)), LOW, HIGH)
    found = {name: np.round(s, 1).tolist() for name, s in zip(NAMES, series, strict=True)}
    return {**found, "flow": np.round(series[1]).tolist()}


def asked(model: ServedModel, values: Mapping[str, object]) -> tuple[Question, Deadline]:
    """The question of a request that says nothing but the instance."""
    request = validation.read(requests.ExplanationRequest, {"instance": values})
    return read_request.question(request, model), Deadline.never()


# --- the walk -------------------------------------------------------------------------------------


def shares(shape: str, back: int) -> npt.NDArray[np.float64]:
    found = np.zeros(STEPS)
    for age in range(back):
        found[STEPS - 1 - age] = (back - age) / back if shape == "ramp" else 1.0
    return found


PROFILES = {
    "coolant": [("constant", STEPS), ("ramp", 2), ("ramp", 4)],
    "flow": [("step", 1), ("step", 3)],
}
STEP = {"coolant": Decimal("0.5"), "flow": Decimal(1)}


def settings(channel: str, limits: Limits) -> Iterator[tuple[npt.NDArray[np.float64], float]]:
    """By how much each reading of a channel may be moved, and what that costs."""
    yield np.zeros(STEPS), 0.0
    weight = 2.0 if channel == "flow" else 1.0
    most = int(Decimal(10) / STEP[channel])
    for shape, back in PROFILES[channel]:
        for k in range(-most, most + 1):
            if k == 0 or (k > 0 and channel == "coolant" and limits.only_down):
                continue
            amount = float(k * STEP[channel])
            yield amount * shares(shape, back), weight * abs(amount) / SCALE[channel]


def followed(flow: npt.NDArray[np.float64], limits: Limits) -> npt.NDArray[np.float64]:
    """What the load moves by."""
    if limits.slope is None:
        return np.zeros(STEPS)
    parts = np.zeros(limits.lag + 1)
    parts[-1] = 1.0
    if limits.shape == "first-order" and limits.lag:
        there = 1.0 - np.exp(-5.0 * np.arange(limits.lag + 1) / limits.lag)
        parts = np.diff(there / there[-1], prepend=0.0)
    late = np.zeros(STEPS)
    for lag, part in enumerate(parts):
        late[lag:] += part * flow[: STEPS - lag]
    return limits.slope * late


def cheapest(model: ServedModel, factual: Row, limits: Limits) -> float:
    """The cost of the cheapest allowed action after which every session of the model says normal;
    infinite: none."""
    window = window_of(model.schema)
    assert window is not None
    read = factual[: window.n_readings].reshape(len(NAMES), STEPS)
    coolant, flow = (list(settings(channel, limits)) for channel in ("coolant", "flow"))
    now = np.repeat(read[None, None], len(coolant), axis=0).repeat(len(flow), axis=1)
    now[:, :, 0] += np.array([move for move, _ in coolant])[:, None]
    now[:, :, 1] += np.array([move for move, _ in flow])
    now[:, :, 2] += np.array([followed(move, limits) for move, _ in flow])
    costs = np.add.outer([cost for _, cost in coolant], [cost for _, cost in flow]).ravel()
    rows = now.reshape(len(costs), len(NAMES), STEPS)
    if limits.is_whole:
        rows[:, 1] = np.rint(rows[:, 1])
    kept = allowed(rows, read, limits)
    if not kept.any():
        return np.inf
    flat = np.zeros((int(kept.sum()), len(factual)))
    flat[:, : window.n_readings] = rows[kept].reshape(len(flat), -1)
    scores, target = model.deployed.predictor.score(flat), model.policy.target()
    is_sure = target.firm(rounding_of(model.deployed.predictor)).met(scores)
    # What not every session confirms is told of only where nothing else is.
    is_normal = is_sure if is_sure.any() else scores[:, 0] < 0.5
    return float(np.min(costs[kept][is_normal], initial=np.inf))


def allowed(now: Windows, read: npt.NDArray[np.float64], limits: Limits) -> npt.NDArray[np.bool_]:
    """Which of ``(n, channels, steps)`` may be."""
    near, moved = 1e-9, now != read
    low, high = np.full((len(NAMES), 1), LOW), np.full((len(NAMES), 1), HIGH)
    if limits.range_ is not None:
        low[0], high[0] = limits.range_
    kept = ~(moved & ((now < low) | (now > high))).any(axis=(1, 2))
    if limits.most_mean is not None:
        kept &= now[:, 1].mean(axis=1) <= limits.most_mean + near
    if limits.most_jump is not None:
        kept &= np.abs(np.diff(now[:, 0])).max(axis=1) <= limits.most_jump + near
    if limits.least_last is not None:
        kept &= ~moved[:, 1, -1] | (now[:, 1, -1] >= limits.least_last - near)
    return np.asarray(kept)
