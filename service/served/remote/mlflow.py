"""MLflow's scoring protocol: ``POST /invocations``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ifonly.service.served.remote.failures import MISSHAPEN, unclear
from ifonly.service.served.remote.http import HttpAnswer
from ifonly.service.served.remote.kserve import JSON, as_json, member

PATH = "/invocations"


def written(instances: Sequence[Any]) -> tuple[bytes, Mapping[str, str]]:
    """Objects as a DataFrame, lists as an array."""
    if not isinstance(instances[0], dict):
        return as_json({"inputs": list(instances)}), JSON
    data = [list(row.values()) for row in instances]
    frame = {"columns": list(instances[0]), "data": data}
    return as_json({"dataframe_split": frame}), JSON


def words(reply: HttpAnswer, count: int, output: str | None) -> list[Any]:
    """One word a row; of records, the column ``output``.

    Raises
    ------
    PredictorUnclear
        If it is not that.
    """
    wanted = f'{{"predictions": […]}} with {count} of them'
    try:
        found = json.loads(reply.body)
    except MISSHAPEN as error:
        raise unclear(reply.url, reply.status, reply.text, wanted) from error
    # Servers before MLflow 2 send the list alone.
    found = found.get("predictions") if isinstance(found, dict) else found
    # A model that gives a table by columns: {"predictions": {"label": […]}}.
    if isinstance(found, dict) and output in found:
        found = found[output]
    if not isinstance(found, list) or len(found) != count:
        raise unclear(reply.url, reply.status, reply.text, wanted)
    return [member(word, output) for word in found]
