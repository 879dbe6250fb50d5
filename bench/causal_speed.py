"""How fast actions are carried out in a causal model: ``python -m bench.causal_speed``.

1,000 actions on two levers of an eight-node chain with skips, in CPU time of one thread; beside
it dowhy.gcm on the same polynomial graph, where IFONLY_DOWHY_PYTHON names a Python that has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear, polynomial
from ifonly.explainers.causal.function import Function
from ifonly.explainers.causal.learning import learn
from ifonly.explainers.causal.mechanism import Mechanism, Noise, NoiseForm

D, ACTIONS, LEVERS = 8, 1000, [0, 2]
GRAPH = Graph.of(D, [(i, j) for j in range(1, D) for i in (j - 1, j - 3) if i >= 0])


def model_of(function: Callable[[int], Function]) -> CausalModel:
    mechanisms = tuple(
        Mechanism(function(len(causes)), noise=Noise(1.0)) if causes else None
        for causes in GRAPH.parents
    )
    return CausalModel(tuple(f"x{j}" for j in range(D)), GRAPH, mechanisms)


def _powers(p: int) -> np.ndarray:
    return np.vstack([np.zeros((1, p)), np.eye(p), 2 * np.eye(p)]).astype(np.int64)


def _bent(p: int) -> Function:
    rng = np.random.default_rng(p)
    x = rng.normal(size=(500, p))
    y = np.sin(x).sum(axis=1) + 0.1 * rng.normal(size=500)
    learned = learn(x, y, [False] * p, rng, ["basis"], [NoiseForm.ADDITIVE])
    return learned.mechanism.location


def milliseconds(call: Callable[[], object]) -> float:
    """Median CPU time of one call."""
    spent = []
    for _ in range(30):
        began = time.process_time()
        call()
        spent.append(time.process_time() - began)
    return 1e3 * float(np.median(spent))


def main() -> None:
    rng = np.random.default_rng(0)
    factual, values = rng.normal(size=D), rng.normal(size=(ACTIONS, len(LEVERS)))
    curved = model_of(lambda p: polynomial(_powers(p), 0.2 * np.ones(1 + 2 * p)))
    models = {
        "linear": model_of(lambda p: linear(0.1, 0.5 * np.ones(p))),
        "polynomial": curved,
        "bayesian basis": model_of(_bent),
    }
    for name, model in models.items():
        spent = milliseconds(partial(model.counterfactual, factual, LEVERS, values))
        print(f"{name:16s} {spent:8.3f} ms for {ACTIONS} actions")
    effects = models["linear"].affine_effects(LEVERS)
    assert effects is not None
    spent = milliseconds(lambda: factual + (values - factual[LEVERS]) @ effects)
    print(f"{'affine, one product':20s} {spent:4.3f} ms for {ACTIONS} actions")
    members = draw_members(models["bayesian basis"], rng, 60)
    spent = milliseconds(lambda: members.counterfactual(factual, LEVERS, values[:10]))
    print(f"60 members       {spent:8.3f} ms for 10 actions")
    python = os.environ.get("IFONLY_DOWHY_PYTHON")
    if python:
        print(f"dowhy.gcm        {_dowhy(python, curved, factual, values):8.3f} ms for 20 actions")


def _dowhy(python: str, model: CausalModel, factual: np.ndarray, values: np.ndarray) -> float:
    given = [
        {"exponents": _powers(len(p)).tolist(), "coefficients": [0.2] * (1 + 2 * len(p))}
        if p
        else None
        for p in GRAPH.parents
    ]
    question = {
        "names": model.names,
        "edges": GRAPH.edges,
        "mechanisms": given,
        "factuals": [factual.tolist()],
        "actions": [dict(zip(map(str, LEVERS), v, strict=True)) for v in values[:20].tolist()],
    }
    script = Path(__file__).parent / "peers" / "dowhy_counterfactuals.py"
    done = subprocess.run(
        [python, str(script)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    return 1e3 * float(json.loads(done.stdout)["seconds"])


if __name__ == "__main__":
    main()
