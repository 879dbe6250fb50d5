"""What the checker rejects is in the reply, in the record, counted, and logged without values."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from explainers.cost import Cost
from explainers.target import Target
from service.cli import main
from service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_metrics import value

PRESS = "/api/v1/models/press/explanations"
BODY = {"instance": {"pressure": 13.5, "speed": 4321}, "target": {"score": {"min": 92.0}}}


def test_a_rejection_is_told_recorded_counted_and_logged(
    press: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        serving(Settings(models=press)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        right = client.post(PRESS, json=BODY).json()
        assert right["status"] == "optimal"
        assert "rejected" not in right["work"]
        assert value(base, "ifonly_rejections_total") == 0
        with caplog.at_level(logging.ERROR, logger="ifonly"), monkeypatch.context() as patch:
            halved_cost(patch)
            reply = client.post(PRESS, json=BODY).json()
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


def halved_cost(patch: pytest.MonkeyPatch) -> None:
    true = Cost.of
    patch.setattr(Cost, "of", lambda self, rows, before: 0.5 * true(self, rows, before))


def never_there(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Target, "needs_nothing", lambda self, scores: np.zeros(len(scores), dtype=bool))


@pytest.mark.parametrize(
    ("plant", "more", "slug", "says"),
    [
        (never_there, {"target": {"score": {"min": 0.0}}}, "target-already-met", "in the target"),
        (
            halved_cost,
            {"constraints": {"freeze": ["speed"], "ranges": {"speed": [4000, 4100]}}},
            "contradictory-constraints",
            "cost: ",
        ),
    ],
    ids=["target already met", "contradictory constraints"],
)  # fmt: skip
def test_a_rejection_is_told_recorded_and_counted_where_the_question_is_refused_too(
    press: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    more: dict[str, Any],
    slug: str,
    says: str,
) -> None:
    with (
        serving(Settings(models=press)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        right = client.post(PRESS, json=BODY | more)
        assert (right.status_code, "work" in right.json()) == (422, False)
        with monkeypatch.context() as patch:
            plant(patch)
            problem = client.post(PRESS, json=BODY | more).json()
        assert problem["type"] == f"urn:ifonly:problem:{slug}"
        rejected = problem["work"]["rejected"]
        assert any(says in line for line in rejected)
        assert value(base, "ifonly_rejections_total", model_name="press") == len(rejected)
        event = client.get(f"/api/v1/audit/events/{problem['audit']['id']}").json()
    assert json.dumps(rejected[0]) in json.dumps(event)
    assert f'"rejected": {len(rejected)}' in json.dumps(event)


def ifonly(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ifonly", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_events_and_exports_of_a_service_are_checked_by_the_command(
    press: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out_of_reach = {
        **BODY,
        "target": {"score": {"min": 240.0}},
        "constraints": {"freeze": ["speed"]},
    }
    with (
        serving(Settings(models=press, data=tmp_path)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        found = [client.post(PRESS, json=body).json() for body in (BODY, out_of_reach)]
        client.post("/api/v1/models/press/predictions", json={"instance": BODY["instance"]})
        events = [client.get(f"/api/v1/audit/events/{f['id']}").text for f in found]
    assert [f["status"] for f in found] == ["optimal", "infeasible"]
    folder = ("--model", str(press / "press" / "1"))
    for text in events:
        (tmp_path / "event.json").write_text(text)
        assert ifonly(monkeypatch, "verify", str(tmp_path / "event.json"), *folder) == 0
    monkeypatch.setenv("IFONLY_DATA", str(tmp_path))
    lines = tmp_path / "trail.jsonl"
    assert ifonly(monkeypatch, "audit", "export", "--out", str(lines)) == 0
    capsys.readouterr()
    assert ifonly(monkeypatch, "verify", str(lines), *folder) == 0
    assert capsys.readouterr().out.count("all hold") == 2
    cost = found[0]["counterfactuals"][0]["cost"]
    lines.write_text(lines.read_text().replace(str(cost), str(cost + 1)))
    assert ifonly(monkeypatch, "verify", str(lines), *folder) == 1
