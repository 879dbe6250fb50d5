"""``ifonly causal export``: the causal model and the deployed one as one ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from ifonly.models.errors import GraphError
from ifonly.models.onnx import OnnxPredictor, load_regressor
from ifonly.models.predictor import Rows
from ifonly.models.repository import load_folder
from ifonly.models.schema import Schema
from ifonly.service.doors.cli.causal import Folder
from ifonly.service.doors.cli.console import Failure, out
from ifonly.service.offline.fused_graph import compare, fuse
from ifonly.service.served.causal_model import ServedCausal
from ifonly.service.served.registry import ServedModel, prepare

ACTIONS = 256
"""Rows that the graph is held against the engine on."""
LARGEST = 1e-6
"""Difference of a row, relative to its size, from which on the graph is not written."""


def command(
    folder: Folder,
    to: Annotated[Path, typer.Option("--to", help="The file to write.")],
) -> None:
    """Write what follows from actions, and the model's scores of it, as one graph.

    Inputs actions and set (n, d), factual (1, d); outputs row (n, d) and scores. It is held against
    the engine and the deployed model before it is written.
    """
    served = prepare(load_folder(folder.resolve()))
    if served.causal is None:
        raise Failure(f"{served.name} {served.version} has no accepted causal model")
    predictor = served.deployed.predictor
    if not isinstance(predictor, OnnxPredictor):
        raise Failure(f"{served.name} {served.version} is no graph that is read here")
    try:
        graph = fuse(served.causal.consequences, predictor, _graphs(served, served.causal))
        rows, flags = _questions(served)
        # Held against the engine first: a graph that differs silently would decide in our name.
        found = compare(graph, served.causal.consequences, predictor, rows[0], rows, flags)
    except GraphError as error:
        raise Failure(f"cannot be written as one graph: {error}") from error
    decision = served.decision
    same = decision.decide(found.scores) == decision.decide(found.expected)
    told = (
        f"rows differ by {found.largest:.1e} at most; {same.sum()} of {len(same)} decisions agree"
    )
    if found.disputed:
        told += f"; of {found.disputed} actions only one can tell what follows"
    # A rounding that flips one decision is a refusal: whoever runs the graph has no checker.
    if found.disputed or not (found.largest <= LARGEST and same.all()):
        raise Failure(f"not written: {told}")
    # Deterministic: the same models give the same digest.
    to.write_bytes(graph.SerializeToString(deterministic=True))
    out.print(f"{to}: {len(graph.graph.node):,} nodes; {told}", markup=False)


def _graphs(served: ServedModel, causal: ServedCausal) -> dict[int, OnnxPredictor]:
    """The mechanisms that are graphs, by column."""
    spec, found = causal.spec, {}
    for name, given in spec.mechanisms.items():
        # Other kinds are formulas, which are written as nodes.
        if given.kind in ("trees", "onnx"):
            causes = Schema(tuple(served.schema[parent] for parent in spec.parents(name)))
            data = served.deployed.causal_files[given.file]
            found[served.schema.index(name)] = load_regressor(data, causes)
    return found


def _questions(served: ServedModel) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """Rows that were seen, the first as the factual, and which of their values are set."""
    seen = served.deployed.reference
    if seen is None:
        seen = np.array([example.row for example in served.deployed.examples])
    if not len(seen):
        raise Failure("there are neither reference rows nor examples to hold the graph against")
    # Repeated when there are fewer rows: which of their values are set differs each time.
    rows = np.resize(seen, (ACTIONS, seen.shape[1]))
    return rows, np.random.default_rng(0).random(rows.shape) < 0.4
