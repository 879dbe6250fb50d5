"""Run by MLflow's own interpreter: its scoring client, and the requests of its documentation.

``python mlflow_calls.py URL ROWS``; prints what came back as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import requests
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

CODES = {"L": 0.0, "M": 1.0, "H": 2.0}


def main(url: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    address = urlsplit(url)
    client = ScoringServerClient(address.hostname, address.port)
    client.wait_server_ready(timeout=30)
    frame = pd.DataFrame(rows)
    numbers = np.array([[CODES.get(v, v) for v in row.values()] for row in rows], dtype=float)
    question = {"explain": True, "semantics": "independent"}
    explained = client.invoke(frame.iloc[:1], params=question)

    def posted(content: str, kind: str) -> Any:
        return requests.post(f"{url}/invocations", data=content, headers={"Content-Type": kind})

    try:
        client.invoke(frame.assign(torque=1e9))
        error = ""
    except Exception as refused:
        error = str(refused)
    return {
        "version": client.get_version(),
        "frame": client.invoke(frame),
        "as_frame": client.invoke(frame).get_predictions().iloc[:, 0].tolist(),
        "shuffled": client.invoke(frame[frame.columns[::-1]]),
        "array": client.invoke(numbers),
        "list": client.invoke(rows),
        "records": posted(
            json.dumps({"dataframe_records": frame.to_dict(orient="records")}), "application/json"
        ).json(),
        "csv": posted(frame.to_csv(index=False), "text/csv").json(),
        "explained": explained,
        "error": error,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
