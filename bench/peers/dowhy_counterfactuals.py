"""dowhy.gcm's counterfactuals, in an environment of its own (its scipy clashes with ours).

Reads one JSON document on standard input, writes one on standard output. Run by
``tests/oracle/causal/test_dowhy.py`` and by ``python -m bench.causal_speed`` with the Python that
IFONLY_DOWHY_PYTHON names; ``DOWHY`` in ``catalogue.py`` says what must be installed there.
"""

from __future__ import annotations

import base64
import json
import sys
import time
import warnings
from typing import Any

import numpy as np

warnings.simplefilter("ignore")


def main() -> None:
    import networkx as nx
    import onnxruntime
    import pandas as pd
    from dowhy import gcm

    gcm.config.disable_progress_bars()
    question = json.load(sys.stdin)
    names = question["names"]

    class DowhyCase(gcm.ml.PredictionModel):  # type: ignore[misc]
        """A function that is known: nothing is fitted."""

        def __init__(self, given: dict[str, Any]) -> None:
            self._given = given

        def fit(self, X: Any, Y: Any) -> None:  # noqa: N803  (dowhy's names)
            pass

        def clone(self) -> DowhyCase:
            return DowhyCase(self._given)

        def predict(self, X: Any) -> Any:  # noqa: N803
            rows = np.asarray(X, dtype=np.float64)
            if "onnx" in self._given:
                session = onnxruntime.InferenceSession(base64.b64decode(self._given["onnx"]))
                name = session.get_inputs()[0].name
                return session.run(None, {name: rows.astype(np.float32)})[0].astype(float)
            total = np.zeros((len(rows), 1))
            for weight, powers in zip(
                self._given["coefficients"], self._given["exponents"], strict=True
            ):
                total[:, 0] += weight * np.prod(rows ** np.array(powers), axis=1)
            return total

    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from([(names[i], names[j]) for i, j in question["edges"]])
    model = gcm.InvertibleStructuralCausalModel(graph)
    for j, name in enumerate(names):
        given = question["mechanisms"][j]
        if given is None:
            model.set_causal_mechanism(name, gcm.EmpiricalDistribution())
        else:
            # dowhy hands over the parents by name, sorted: so do we.
            model.set_causal_mechanism(name, gcm.AdditiveNoiseModel(DowhyCase(given)))
    factuals = pd.DataFrame(np.array(question["factuals"]), columns=names)
    gcm.fit(model, factuals)

    began = time.perf_counter()
    answers = []
    for action in question["actions"]:
        set_to = {names[int(j)]: (lambda x, v=v: v) for j, v in action.items()}
        found = gcm.counterfactual_samples(model, set_to, observed_data=factuals)
        answers.append(found[names].to_numpy().tolist())
    json.dump({"rows": answers, "seconds": time.perf_counter() - began}, sys.stdout)


if __name__ == "__main__":
    main()
