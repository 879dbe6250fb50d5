"""Boosted trees as a mechanism: several ensembles in one ONNX graph, whose average it yields."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, helper

from ifonly.models.onnx.export import export_onnx, to_bytes

Array = npt.NDArray[np.float64]

ROUNDS, DEPTH, RATE = 80, 3, 0.1


def grow_mechanism(parents: Array, values: Array, rng: np.random.Generator, members: int) -> bytes:
    """Gradient-boosted trees as a mechanism, in ONNX.

    Parameters
    ----------
    parents : ndarray, shape (n, p)
    values : ndarray, shape (n,)
    rng : numpy.random.Generator
    members : int
        Ensembles. One is grown on the rows as they are; of several each on rows drawn with
        replacement. Their trees stand one ensemble after the other, :data:`ROUNDS` each.
    """
    import xgboost

    grown = []
    n = len(values)
    for _ in range(members):
        # The bootstrap: how the ensembles differ is how unsure the mechanism is.
        drawn = np.arange(n) if members == 1 else rng.integers(0, n, n)
        model = xgboost.XGBRegressor(
            n_estimators=ROUNDS,
            max_depth=DEPTH,
            learning_rate=RATE,
            min_child_weight=5,
            n_jobs=1,
            random_state=int(rng.integers(2**31)),
        )
        model.fit(parents[drawn].astype(np.float32), values[drawn])
        grown.append(export_onnx(model, parents.shape[1], name="mechanism"))
    return to_bytes(average(grown))


def average(models: list[ModelProto]) -> ModelProto:
    """One graph that yields the mean of several, each of which is nothing but one tree ensemble."""
    if len(models) == 1:
        return models[0]
    result = models[0]
    # Nothing but one ensemble, or the mean of leaves would not be the mean of outputs.
    (node,) = result.graph.node
    tables = [
        {a.name: helper.get_attribute_value(a) for a in m.graph.node[0].attribute} for m in models
    ]
    merged: dict[str, Any] = {}
    for name, value in tables[0].items():
        if name == "base_values":
            merged[name] = np.mean([t[name] for t in tables], axis=0).tolist()
        elif name == "target_weights":
            merged[name] = [w / len(models) for t in tables for w in t[name]]
        elif name.endswith("treeids"):
            # Tree numbers go on counting, so that trees of two ensembles are not taken for one.
            merged[name] = [i + k * ROUNDS for k, t in enumerate(tables) for i in t[name]]
        elif isinstance(value, (list, tuple)) or hasattr(value, "__len__"):
            merged[name] = (
                value if isinstance(value, bytes) else [v for t in tables for v in t[name]]
            )
        else:
            merged[name] = value
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(name, value) for name, value in merged.items())
    onnx.checker.check_model(result)
    return result
