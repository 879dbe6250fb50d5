"""Abduction, action, prediction and the deployed model's scores in one graph.

Inputs: ``actions`` ``(n, d)``, float64, what is set; ``set`` ``(n, d)``, bool, which of them are;
``factual`` ``(1, d)``, float64, the reading, from which the graph abducts the machine's own noise.
Outputs: ``row`` ``(n, d)``, float64, what would be read, whole numbers rounded as they are read;
``scores`` ``(n, n_scores)``, float64, the deployed model's word on it. What cannot be told is NaN:
an effect a cause of which moves and was not read, or that a formula has no number for; and all
scores of a row with one that is not a number though it was read.

Mechanisms are computed in float64; the row is encoded and cast for the model exactly as the
predictor does it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper

from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.models.errors import GraphError
from ifonly.models.onnx import OnnxPredictor
from ifonly.service.offline.fused_graph.functions import score_of, yield_of
from ifonly.service.offline.fused_graph.nodes import Nodes

ACTIONS, SET, FACTUAL, ROW, SCORES = "actions", "set", "factual", "row", "scores"
_OLDEST, _NEWEST_IR = 13, 10


def fuse(
    consequences: CausalConsequences,
    predictor: OnnxPredictor,
    graphs: Mapping[int, OnnxPredictor] | None = None,
) -> ModelProto:
    """One graph of the consequences of an action and of what ``predictor`` says of them;
    ``graphs``: by column, the mechanisms that are graphs themselves.

    Raises
    ------
    GraphError
        If a mechanism cannot be written as nodes, a node with causes has none, or the graphs do
        not fit together.
    """
    nodes = Nodes({entry.domain: entry.version for entry in predictor.model.opset_import})
    if nodes.opsets.get("", nodes.opsets.get("ai.onnx", _OLDEST)) < _OLDEST:
        raise GraphError(f"the model's operators are older than version {_OLDEST}")
    nodes.opsets.setdefault("", _OLDEST)
    row = _Following(nodes, consequences, graphs or {}).row()
    nodes.nodes.append(helper.make_node("Identity", [row], [ROW]))
    raw = score_of(nodes, predictor, ROW, "model")
    found = nodes.columns(raw, predictor.columns.tolist())
    scores = nodes.add("Where", _lost(nodes), nodes.constant(math.nan), found)
    nodes.nodes.append(helper.make_node("Identity", [scores], [SCORES]))
    return _whole(nodes, len(consequences.model.names), len(predictor.columns))


def _lost(nodes: Nodes) -> str:
    """Whether a row has something that is no number where one was read or set, ``(n, 1)``."""
    asked = nodes.add("Where", SET, ACTIONS, FACTUAL)

    def is_no_number(table: str) -> str:
        return nodes.add("Or", nodes.add("IsNaN", table), nodes.add("IsInf", table))

    lost = nodes.add("And", is_no_number(ROW), nodes.add("Not", is_no_number(asked)))
    counted = nodes.add("Cast", lost, to=TensorProto.DOUBLE)
    total = nodes.add("ReduceSum", counted, nodes.constant([1], np.int64), keepdims=1)
    return nodes.add("Greater", total, nodes.constant(0.0))


def _whole(nodes: Nodes, d: int, n_scores: int) -> ModelProto:
    double, flag = TensorProto.DOUBLE, TensorProto.BOOL
    inputs = [
        helper.make_tensor_value_info(ACTIONS, double, ["rows", d]),
        helper.make_tensor_value_info(SET, flag, ["rows", d]),
        helper.make_tensor_value_info(FACTUAL, double, [1, d]),
    ]
    outputs = [
        helper.make_tensor_value_info(ROW, double, ["rows", d]),
        helper.make_tensor_value_info(SCORES, double, ["rows", n_scores]),
    ]
    graph = helper.make_graph(nodes.nodes, "causal", inputs, outputs, nodes.constants)
    opsets = [helper.make_opsetid(domain, v) for domain, v in sorted(nodes.opsets.items())]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="ifonly")
    # onnx writes its own newest version, which runtimes in the field may not read.
    model.ir_version = min(model.ir_version, _NEWEST_IR)
    checker.check_model(model)
    return model


class _Following:
    """What follows, node by node, causes first."""

    def __init__(
        self, nodes: Nodes, consequences: CausalConsequences, graphs: Mapping[int, OnnxPredictor]
    ) -> None:
        self._nodes = nodes
        self._consequences = consequences
        self._graphs = graphs

    def row(self) -> str:
        graph = self._consequences.model.graph
        now: dict[int, str] = {}
        moves: dict[int, str] = {}
        for j in graph.order:
            follows = self._follows(j, now, moves)
            is_set, given = self._nodes.columns(SET, [j]), self._nodes.columns(ACTIONS, [j])
            now[j] = self._nodes.add("Where", is_set, given, follows)
            moves[j] = self._moves(j, is_set, given, moves)
        read = [self._read(j, now[j]) for j in range(len(now))]
        return self._nodes.add("Concat", *read, axis=1)

    def _follows(self, j: int, now: Mapping[int, str], moves: Mapping[int, str]) -> str:
        """What column ``j`` would read, were it not set."""
        nodes, causes = self._nodes, self._consequences.model.graph.parents[j]
        before = nodes.columns(FACTUAL, [j])
        if not causes:
            return before
        otherwise = self._moved(j, before, [now[i] for i in causes])
        # To the last bit where all causes read as before; one that is missing still says nothing.
        apart = nodes.any([nodes.add("Not", self._same(i, now[i])) for i in causes])
        follows = nodes.add("Where", apart, otherwise, before)
        lost = nodes.any([nodes.add("And", moves[i], self._unread(i)) for i in causes])
        return nodes.add("Where", lost, nodes.constant(math.nan), follows)

    def _moves(self, j: int, is_set: str, given: str, moves: Mapping[int, str]) -> str:
        """As :func:`ifonly.explainers.causal.model.untold` says which columns move."""
        nodes, causes = self._nodes, self._consequences.model.graph.parents[j]
        own = nodes.add("And", is_set, nodes.add("Not", self._same(j, given)))
        if not causes:
            return own
        follows = nodes.add("And", nodes.add("Not", is_set), nodes.any([moves[i] for i in causes]))
        return nodes.add("Or", own, follows)

    def _same(self, j: int, value: str) -> str:
        """Whether ``value`` is what column ``j`` reads, or missing as that is."""
        nodes = self._nodes
        both = nodes.add("And", nodes.add("IsNaN", value), self._unread(j))
        return nodes.add("Or", nodes.add("Equal", value, nodes.columns(FACTUAL, [j])), both)

    def _unread(self, j: int) -> str:
        return self._nodes.add("IsNaN", self._nodes.columns(FACTUAL, [j]))

    def _read(self, j: int, value: str) -> str:
        return self._nodes.add("Round", value) if j in self._consequences.whole else value

    def _moved(self, j: int, value: str, causes: list[str]) -> str:
        """:meth:`ifonly.explainers.causal.mechanism.Mechanism.moved`, with the noise that it
        abducts."""
        nodes, model = self._nodes, self._consequences.model
        mechanism = model.mechanisms[j]
        if mechanism is None:
            raise GraphError(f"{model.names[j]} has causes but no mechanism, so it cannot move")
        before = nodes.columns(FACTUAL, list(model.graph.parents[j]))
        after = nodes.add("Concat", *causes, axis=1)
        graph = self._graphs.get(j)
        level = yield_of(nodes, mechanism.location, before, graph)
        shift = nodes.add("Sub", yield_of(nodes, mechanism.location, after, graph), level)
        if mechanism.log_scale is not None:
            scales = [
                nodes.add("Exp", yield_of(nodes, mechanism.log_scale, parents, None))
                for parents in (before, after)
            ]
            noise = nodes.add("Div", nodes.add("Sub", value, level), scales[0])
            wider = nodes.add("Sub", scales[1], scales[0])
            shift = nodes.add("Add", shift, nodes.add("Mul", wider, noise))
        return nodes.add("Add", value, shift)
