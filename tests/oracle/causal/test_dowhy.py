"""dowhy.gcm, a library made for it, says the same of generated graphs.

It lives in an environment of its own, whose Python IFONLY_DOWHY_PYTHON names.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifonly import explainers
from ifonly.explainers.causal import CausalModel, Graph
from ifonly.explainers.causal.basis import polynomial
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.models.onnx.export import export_onnx, to_bytes
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.service.served.causal_graphs import graph_loader

PYTHON = os.environ.get("IFONLY_DOWHY_PYTHON", "")
SCRIPT = Path(explainers.__file__).parents[1] / "bench" / "peers" / "dowhy_counterfactuals.py"
D = 6
NAMES = tuple(f"x{j}" for j in range(D))

pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="IFONLY_DOWHY_PYTHON names no Python with dowhy"),
    pytest.mark.slow,
]


def ask(question: dict[str, Any]) -> np.ndarray:
    done = subprocess.run(
        [PYTHON, str(SCRIPT)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    return np.array(json.loads(done.stdout)["rows"])


def some_graph(rng: np.random.Generator) -> Graph:
    order = rng.permutation(D)
    pairs = [(order[a], order[b]) for a in range(D) for b in range(a + 1, D)]
    return Graph.of(D, [(int(i), int(j)) for i, j in pairs if rng.random() < 0.5])


def compare(graph: Graph, mechanisms, given, seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    roots = tuple(None if causes else Noise(1.0) for causes in graph.parents)
    model = CausalModel(NAMES, graph, tuple(mechanisms), roots)
    factuals = model.interventional(rng, 40)
    actions = []
    for _ in range(6):
        columns = [int(j) for j in rng.permutation(D)[: rng.integers(1, 4)]]
        actions.append(dict(zip(columns, rng.normal(size=len(columns)).tolist(), strict=True)))
    theirs = ask(
        {
            "names": NAMES,
            "edges": graph.edges,
            "mechanisms": given,
            "factuals": factuals.tolist(),
            "actions": actions,
        }
    )
    for action, wanted in zip(actions, theirs, strict=True):
        values = np.tile(list(action.values()), (len(factuals), 1))
        ours = model.counterfactual(factuals, list(action), values)
        spread = np.maximum(1.0, np.abs(wanted))
        assert (np.abs(ours - wanted) / spread).max() <= tolerance


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("degree", [1, 2])
def test_linear_and_polynomial_graphs_agree_to_1e_9(seed, degree):
    rng = np.random.default_rng([seed, degree])
    graph = some_graph(rng)
    mechanisms: list[Mechanism | None] = []
    given: list[dict[str, Any] | None] = []
    for causes in graph.parents:
        if not causes:
            mechanisms.append(None)
            given.append(None)
            continue
        p = len(causes)
        exponents = np.vstack([np.zeros((1, p)), np.eye(p), rng.integers(0, degree + 1, (2, p))])
        exponents = exponents[: 1 + p + 2 * (degree > 1)].astype(np.int64)
        weights = 0.4 * rng.normal(size=len(exponents))
        mechanisms.append(Mechanism(polynomial(exponents, weights), noise=Noise(0.5)))
        given.append({"exponents": exponents.tolist(), "coefficients": weights.tolist()})
    compare(graph, mechanisms, given, seed, 1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_graphs_of_trees_agree_to_1e_4(seed):
    from sklearn.ensemble import GradientBoostingRegressor

    rng = np.random.default_rng(seed)
    graph = some_graph(rng)
    schema = Schema(tuple(Feature(name, Kind.CONTINUOUS) for name in NAMES))
    mechanisms: list[Mechanism | None] = []
    given: list[dict[str, Any] | None] = []
    for causes in graph.parents:
        if not causes:
            mechanisms.append(None)
            given.append(None)
            continue
        x = rng.normal(size=(300, len(causes))).astype(np.float32)
        y = np.sin(x).sum(axis=1) + 0.1 * rng.normal(size=300)
        trees = GradientBoostingRegressor(n_estimators=30, random_state=0).fit(x, y)
        data = to_bytes(export_onnx(trees, len(causes), name="mechanism"))
        function = graph_loader(schema)(data, tuple(NAMES[i] for i in causes), True)
        mechanisms.append(Mechanism(function, noise=Noise(0.5)))
        given.append({"onnx": base64.b64encode(data).decode()})
    compare(graph, mechanisms, given, seed, 1e-4)
