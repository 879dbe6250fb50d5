"""Run by MLServer's own interpreter: MLServer with a model of scikit-learn.

``python mlserver_server.py HTTP_PORT GRPC_PORT COEFFICIENTS INTERCEPT FOLDER``; FOLDER is filled
with the model's files and the server's settings.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

if __name__ == "__main__":
    http, grpc, coefficients, intercept, place = sys.argv[1:]
    folder = Path(place)
    model = LogisticRegression()
    model.classes_ = np.array([0, 1])
    model.coef_ = np.array([json.loads(coefficients)])
    model.intercept_ = np.array([float(intercept)])
    model.n_features_in_ = model.coef_.shape[1]
    joblib.dump(model, folder / "model.joblib")
    (folder / "model-settings.json").write_text(
        json.dumps(
            {
                "name": "kiln",
                "implementation": "mlserver_sklearn.SKLearnModel",
                "parameters": {"uri": "./model.joblib", "version": "v1"},
            }
        )
    )
    settings = {"http_port": int(http), "grpc_port": int(grpc), "metrics_endpoint": None}
    (folder / "settings.json").write_text(
        json.dumps(settings | {"host": "127.0.0.1", "parallel_workers": 0, "debug": False})
    )
    mlserver = Path(sys.executable).parent / "mlserver"
    os.execv(mlserver, [str(mlserver), "start", str(folder)])
