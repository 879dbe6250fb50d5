"""What one ONNX graph of causal model and model costs: ``python -m bench.causal_fused``.

Actions as ``blackbox`` asks about them (one lever, and pairs) on an alarm of the default model:
the compiled engine and then the deployed model, as the search does it, beside the fused graph of
``ifonly causal export``. CPU time of one thread; both are one ``Run`` a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import onnxruntime

from ifonly.explainers.problem import Problem
from ifonly.explainers.space import changed
from ifonly.models.onnx import OnnxPredictor
from ifonly.models.predictor import Rows
from ifonly.service.offline.fused_graph import fuse
from ifonly.service.served.registry import Registry
from ifonly.service.settings import shipped_models

SIZES = (256, 1024, 4096)
REPEATS = 15


def _propagated_then_scored(problem: Problem, predictor: OnnxPredictor, actions: Rows) -> object:
    return predictor.score(problem.rows_of(actions))


def milliseconds(call: Callable[[], object]) -> float:
    """Median CPU time."""
    spent = []
    for _ in range(REPEATS):
        began = time.process_time()
        call()
        spent.append(1e3 * (time.process_time() - began))
    return float(np.median(spent))


def main() -> None:
    registry = Registry(shipped_models())
    registry.load()
    served = registry.get("milling-machine")
    predictor, causal = served.deployed.predictor, served.causal
    assert causal is not None
    assert isinstance(predictor, OnnxPredictor)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    fused = fuse(causal.consequences, predictor).SerializeToString()
    session = onnxruntime.InferenceSession(fused, options, providers=["CPUExecutionProvider"])
    factual = served.deployed.examples[0].row
    problem = replace(served.policy.problem(factual), consequences=causal.consequences)
    rng = np.random.default_rng(0)
    print("| actions | engine, ms | + model, ms | fused, ms | of it the model alone, ms |")
    print("|---|---|---|---|---|")
    for n in SIZES:
        actions = np.repeat(factual[None], n, axis=0)
        for j in problem.movable:
            drawn = rng.choice(problem.axes_if_set[j].values(), n)
            actions[:, j] = np.where(rng.random(n) < 0.5, drawn, actions[:, j])
        feeds = {"actions": actions, "set": changed(actions, factual), "factual": factual[None]}
        rows = problem.rows_of(actions)
        (said,) = session.run(["row"], feeds)
        np.testing.assert_allclose(said, rows, rtol=1e-9)
        figures = (
            milliseconds(partial(problem.rows_of, actions)),
            milliseconds(partial(_propagated_then_scored, problem, predictor, actions)),
            milliseconds(partial(session.run, ["row", "scores"], feeds)),
            milliseconds(partial(predictor.score, rows)),
        )
        print(f"| {n:,} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |", flush=True)


if __name__ == "__main__":
    main()
