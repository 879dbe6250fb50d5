"""What the checker rejects is in the reply, in the record, counted, and logged without values."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import httpx
import numpy as np
import pytest

from explainers.cost import Cost
from service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_metrics import value

PRESS = "/api/v1/models/press/explanations"
BODY = {"instance": {"pressure": 13.5, "speed": 4321}, "target": {"score": {"min": 92.0}}}


def test_a_rejection_is_told_recorded_counted_and_logged(
    repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    true = Cost.of

    def of(self: Cost, rows: np.ndarray, before: np.ndarray) -> np.ndarray:
        return 0.5 * true(self, rows, before)

    with (
        serving(Settings(models=repository)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        right = client.post(PRESS, json=BODY).json()
        assert right["status"] == "optimal"
        assert "rejected" not in right["work"]
        assert value(base, "ifonly_rejections_total") == 0
        monkeypatch.setattr(Cost, "of", of)
        with caplog.at_level(logging.ERROR, logger="ifonly"):
            reply = client.post(PRESS, json=BODY).json()
        monkeypatch.undo()
        assert reply["status"] == "unknown"
        assert reply["counterfactuals"] == []
        rejected = reply["work"]["rejected"]
        assert rejected
        assert any("cost: " in line for line in rejected)
        labels = {"model_name": "press", "engine": reply["provenance"]["engine"]}
        assert value(base, "ifonly_rejections_total", **labels) == len(rejected)
        event = client.get(f"/api/v1/audit/events/{reply['id']}").json()
    assert json.dumps(rejected[0]) in json.dumps(event)
    assert f'"rejected": {len(rejected)}' in json.dumps(event)
    (line,) = (r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR)
    assert reply["id"] in line
    assert "13.5" not in line
    assert "4321" not in line
