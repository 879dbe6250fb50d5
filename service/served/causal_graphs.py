"""Mechanisms that are ONNX graphs, opened for the causal layer, which can run none."""

from __future__ import annotations

from ifonly.explainers.causal.build import LoadGraph
from ifonly.explainers.causal.function import Function
from ifonly.explainers.causal.regressor import Regressor, TreeRegressor
from ifonly.models.errors import GraphError
from ifonly.models.graph.checking import check_reading
from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.reading import read_graph
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.onnx import Guard, OnnxPredictor, load_regressor
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.schema import Schema


def graph_loader(schema: Schema, guard: Guard | None = None) -> LoadGraph:
    """How ``ifonly.explainers.causal.build_model`` opens graphs over the features of ``schema``."""

    def load(data: bytes, parents: tuple[str, ...], must_be_trees: bool) -> Function:
        causes = Schema(tuple(schema[name] for name in parents))
        predictor = load_regressor(data, causes, guard=guard)
        if not must_be_trees:
            return Regressor(predictor, len(parents))
        try:
            return TreeRegressor(_form(predictor, causes), len(parents))
        except (UnreadableGraph, ValueError) as error:
            raise GraphError(f"is no tree ensemble that can be bounded: {error}") from error

    return load


def _form(predictor: OnnxPredictor, schema: Schema) -> GraphForm:
    """The graph as mathematics, held against ONNX Runtime."""
    form = read_graph(predictor.model, predictor.encoding, predictor.columns)
    check_reading(form, predictor, trial_rows(schema))
    return form
