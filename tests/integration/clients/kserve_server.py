"""Run by KServe's own interpreter: its model server with a custom predictor, V1, V2 and gRPC.

``python kserve_server.py HTTP_PORT GRPC_PORT COEFFICIENTS INTERCEPT GRAPH``. The predictors read
what KServe's runtimes read (``get_predict_input``): lists of the encoded columns, as its server of
XGBoost does, or a table with a column a feature. GRAPH is the default model's, and says what that
server would: of each row the probability of the positive class.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
from kserve import Model, ModelServer
from kserve.utils.utils import get_predict_input, get_predict_response
from onnxruntime import InferenceSession

GRADES = ("A", "B", "C")


class Kiln(Model):  # type: ignore[misc,unused-ignore]
    """Probabilities of both classes."""

    def __init__(self, coefficients: list[float], intercept: float) -> None:
        super().__init__("kiln")
        self._coefficients = np.array(coefficients)
        self._intercept = intercept
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        rows = get_predict_input(payload)
        if isinstance(rows, pd.DataFrame):
            grades = [g.decode() if isinstance(g, bytes) else g for g in rows["grade"]]
            codes = [[float(grade == name) for name in GRADES] for grade in grades]
            rows = np.hstack([rows[["temperature", "load"]].to_numpy(), codes])
        logits = np.asarray(rows, np.float64) @ self._coefficients + self._intercept
        share = 1.0 / (1.0 + np.exp(-logits))
        found = np.stack([1.0 - share, share], axis=1)
        return get_predict_response(payload, found, self.name)


class Milling(Model):  # type: ignore[misc,unused-ignore]
    """The default model as KServe's server of XGBoost has one: numbers in, one share a row out."""

    def __init__(self, graph: str) -> None:
        super().__init__("milling-machine")
        self._session = InferenceSession(graph)
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        # As `xgboost.DMatrix` reads it: what is no matrix of numbers is an error.
        rows = np.asarray(get_predict_input(payload), np.float32)
        (shares,) = self._session.run(["probabilities"], {"features": rows})
        return get_predict_response(payload, shares[:, 1], self.name)


if __name__ == "__main__":
    http, grpc, coefficients, intercept, graph = sys.argv[1:]
    server = ModelServer(http_port=int(http), grpc_port=int(grpc), workers=1, max_threads=2)
    server.start([Kiln(json.loads(coefficients), float(intercept)), Milling(graph)])
