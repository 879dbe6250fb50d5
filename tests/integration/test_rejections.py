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

from ifonly.explainers.cost import Cost
from ifonly.explainers.search.engine import SearchOutcome
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.target import Target
from ifonly.models.onnx import OnnxPredictor
from ifonly.models.predictor import Rows, Scores
from ifonly.service.doors.cli import main
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_jobs_api import ended, lines, result, submit
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


def proposes(patch: pytest.MonkeyPatch, *rows: list[float]) -> None:
    """Whatever is asked, an engine says that these rows are answers."""
    patch.setattr(Portfolio, "search", lambda *_: SearchOutcome(np.array(rows), None))


def no_number(patch: pytest.MonkeyPatch) -> None:
    """The model says nothing of a level of 50 mm."""


def crashes(patch: pytest.MonkeyPatch) -> None:
    true = OnnxPredictor.score

    def score(self: OnnxPredictor, rows: Rows) -> Scores:
        if (rows == 50.0).any():
            raise ZeroDivisionError("nobody foresaw this")
        return true(self, rows)

    patch.setattr(OnnxPredictor, "score", score)


@pytest.mark.parametrize(
    ("fails", "slug"),
    [(no_number, "score-not-finite"), (crashes, "internal-error")],
    ids=["no number", "a failure that nobody foresaw"],
)
def test_a_rejection_is_told_recorded_counted_and_logged_where_the_model_fails_later(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fails: Callable[[pytest.MonkeyPatch], None],
    slug: str,
) -> None:
    target = {"target": {"score": {"min": 1e6}}}
    body = {"instance": {"level": 10.0}} | target
    theirs = {"instances": [{"level": 10.0}]} | target
    with (
        serving(Settings(models=repository)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
        caplog.at_level(logging.ERROR, logger="ifonly"),
        monkeypatch.context() as patch,
    ):
        proposes(patch, [12.3456789], [50.0])
        fails(patch)
        problems = [
            client.post("/api/v1/models/brittle/explanations", json=body),
            client.post("/v1/models/brittle:explain", json=theirs),
        ]
        events = []
        for reply in problems:
            problem = reply.json()
            assert (reply.status_code, problem["type"]) == (500, f"urn:ifonly:problem:{slug}")
            (rejected,) = problem["work"]["rejected"]
            assert "grid: level = 12.3456789" in rejected
            events.append(client.get(f"/api/v1/audit/events/{problem['audit']['id']}").text)
        assert value(base, "ifonly_rejections_total", model_name="brittle") == len(problems)
        job = submit(client, "/api/v1/models/brittle/explanations", lines(body))
        assert ended(client, job)["answered"] == 1
        (line,) = result(client, job)
        assert line["problem"]["work"]["rejected"] == [rejected]
    assert all(json.dumps(rejected) in text and '"rejected":1' in text for text in events)
    told = [r.getMessage() for r in caplog.records if "does not find true" in r.getMessage()]
    assert len(told) == 3
    assert not any("12.3456789" in r.getMessage() for r in caplog.records)


def test_a_rejection_is_recorded_where_the_predictor_does_not_answer_then(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"instances": [{"level": 10.0}], "target": {"score": {"min": 1e6}}}
    with (
        serving(Settings(models=repository, predictor_host="127.0.0.1:9")) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
        monkeypatch.context() as patch,
    ):
        proposes(patch, [12.3456789])
        reply = client.post("/v1/models/brittle:explain", json=theirs)
        assert (reply.status_code, "retry-after" in reply.headers) == (503, True)
        (rejected,) = reply.json()["work"]["rejected"]
        assert "grid: level = 12.3456789" in rejected
        assert value(base, "ifonly_rejections_total", model_name="brittle") == 1
        events = client.get("/api/v1/audit/events", params={"kind": "failure"}).json()["events"]
    assert [event["status"] for event in events] == ["predictor-unavailable"]


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
