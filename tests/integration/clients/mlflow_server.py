"""Run by MLflow's own interpreter: its scoring server with a model of ours.

``python mlflow_server.py PORT COEFFICIENTS INTERCEPT FOLDER``; the model is saved in FOLDER as any
other and loaded from there.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import uvicorn
from mlflow.pyfunc import scoring_server

GRADES = ("A", "B", "C")


class Kiln(mlflow.pyfunc.PythonModel):  # type: ignore[misc,unused-ignore]
    """A table of two columns."""

    def __init__(self, coefficients: list[float], intercept: float) -> None:
        self.coefficients, self.intercept = coefficients, intercept

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        if isinstance(model_input, pd.DataFrame) and "grade" in model_input:
            grades = model_input["grade"]
            codes = np.array([[float(grade == name) for name in GRADES] for grade in grades])
            rows = np.hstack([model_input[["temperature", "load"]].to_numpy(), codes])
        else:
            rows = np.asarray(model_input, np.float64)
        share = 1.0 / (1.0 + np.exp(-(rows @ np.array(self.coefficients) + self.intercept)))
        return pd.DataFrame({"label": np.where(share < 0.5, "ok", "alarm"), "p": share})


if __name__ == "__main__":
    port, coefficients, intercept, folder = sys.argv[1:]
    place = os.path.join(folder, "model")
    mlflow.pyfunc.save_model(
        place,
        python_model=Kiln(json.loads(coefficients), float(intercept)),
        pip_requirements=[],
    )
    app = scoring_server.init(mlflow.pyfunc.load_model(place))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
