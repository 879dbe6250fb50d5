"""What-ifs over time of other tasks than the default model's: a regression that reads an earlier
reading, and many classes with a reading that is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.verify.course import check_what_if
from ifonly.explainers.verify.exported import check_answer
from ifonly.service.doors.cli import in_process
from ifonly.service.doors.pages.operator.course_drawing import drawn
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import Settings
from tests.integration.small_models import PRESS, SORTER, linear

Json = dict[str, Any]
HEAD = """
format = 1
version = "1"
status = "accepted"
accepted_by = "a test"
accepted_at = "2026-01-31"
time.step = {seconds = 30}
"""
LAGGED = """
[nodes.pressure]
role = "actionable"
delay = {seconds = 30}
[nodes.speed]
role = "consequence"
[nodes.speed_before]
kind = "lagged"
of = "speed"
lag = 2
role = "fixed"
[[edges]]
from = "pressure"
to = "speed"
delay = {minutes = 1}
[mechanisms.speed]
kind = "linear"
coefficients = {pressure = 1.25}
"""
FED_BACK = LAGGED.replace(
    "coefficients = {pressure = 1.25}", "coefficients = {pressure = 1.25, speed_before = 0.5}"
) + ('\n[[edges]]\nfrom = "speed_before"\nto = "speed"\ndelay = {seconds = 0}\n')
SORTED = """
[nodes.size]
role = "actionable"
delay = {seconds = 90, shape = "first-order"}
[nodes."colour/shade"]
role = "actionable"
delay = {seconds = 60}
[nodes.dirt]
role = "consequence"
[[edges]]
from = "size"
to = "dirt"
delay = {seconds = 30}
[mechanisms.dirt]
kind = "linear"
coefficients = {size = 0.5}
"""
BEFORE = """
[[features]]
name = "speed_before"
kind = "integer"
unit = "rpm"
bounds = [0, 5000]
resolution = 10
"""
ROW = {"pressure": 20.0, "speed": 1000, "speed_before": 900}
SET = {"pressure": 30.0}


def served(root: Path, name: str, spec: str, causal: str, model: Any) -> ServedModel:
    folder = root / name / "1"
    folder.mkdir(parents=True)
    (folder / "spec.toml").write_text(spec, encoding="utf-8")
    (folder / "causal.toml").write_text(HEAD + causal, encoding="utf-8")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    registry = Registry(root)
    registry.load()
    return registry.get(name)


@pytest.fixture
def press(tmp_path: Path, request: pytest.FixtureRequest) -> ServedModel:
    causal = getattr(request, "param", LAGGED)
    spec = PRESS.replace("[policy.features.pressure]", f"{BEFORE}[policy.features.pressure]", 1)
    return served(tmp_path, "press", spec, causal, linear([[2.0], [0.01], [0.02]], [1.0]))


@pytest.fixture
def sorter(tmp_path: Path) -> ServedModel:
    weights = [[-2.0, 0.0, 2.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.1]]
    model = linear(weights, [0.0, 0.4, 0.0], softmax=True)
    return served(tmp_path, "sorter", SORTER, SORTED, model)


def looked_on(model: ServedModel, instance: Json, settings: Json, over: Json) -> Json:
    """The reply, once the checker holds it for true."""
    body = {"instance": instance, "set": settings, "over": over, "languages": ["ko", "en", "ja"]}
    reply = in_process.what_if(model, body)
    score = model.deployed.predictor.score
    (section,) = check_what_if(reply, body, model.rulebook, score)
    assert section.holds, [c for c in section.checks if not c.holds]
    return reply


def test_an_earlier_reading_is_filled_as_time_passes(press: ServedModel) -> None:
    said = looked_on(press, ROW, SET, {"minutes": 3})["trajectory"]
    assert (said["unit"], said["step"]) == ("seconds", 30)
    rows = [{**ROW, **m["instance"]} for m in said["moments"]]
    assert [r["pressure"] for r in rows] == [20, 30, 30, 30, 30, 30, 30]
    # Whole rpm are read; 12.5 more follow three steps after the setting.
    assert [r["speed"] for r in rows] == [1000, 1000, 1000, 1012, 1012, 1012, 1012]
    assert [r["speed_before"] for r in rows] == [900, 900, 1000, 1000, 1000, 1012, 1012]
    forces = [2 * r["pressure"] + 0.01 * r["speed"] + 0.02 * r["speed_before"] + 1 for r in rows]
    scores = [m["prediction"]["score"] for m in said["moments"]]
    assert scores == pytest.approx(forces, rel=1e-6)
    assert (said["after"], said["is_whole"]) == (150.0, True)
    # Nothing is desired of a force alone.
    assert (said["desired_from"], said["decision_changes"]) == (None, 0)
    assert said["text"]["en"] == "All of it has arrived after about 150 s."


@pytest.mark.parametrize("press", [FED_BACK], indirect=True)
def test_what_its_own_past_moves_never_has_arrived(press: ServedModel) -> None:
    reply = looked_on(press, ROW, SET, {"minutes": 10})
    said = reply["trajectory"]
    assert (said["after"], said["is_whole"]) == (None, False)
    ends = {a["feature"]: a["arrives"] for a in said["arrivals"]}
    assert ends == {"pressure": 30.0, "speed": None, "speed_before": None}
    assert "its own earlier readings" in said["text"]["en"]
    assert said["moments"][-1]["arrived"] == ["pressure"]
    # An effect of half of itself two steps later: twice the first step in the end; and the
    # reading of before was 100 rpm lower, of which half comes back as well.
    speeds = [m["instance"]["speed"] for m in said["moments"]]
    assert speeds[2] == 1050
    assert speeds[-1] == pytest.approx(1000 + 2 * 62.5, abs=1)
    assert (np.diff(speeds[3:]) >= 0).all()
    # Nobody can say when it has had its effect.
    target = {"instance": ROW, "target": {"score": {"min": 100}}, "languages": ["en"]}
    answer = in_process.explain(press, target, Settings(default_deadline_ms=10_000))
    assert answer["counterfactuals"]
    assert all("arrives" not in found for found in answer["counterfactuals"])
    score = press.deployed.predictor.score
    sections = check_answer(answer, target, press.rulebook, score)
    assert all(s.holds for s in sections), [c for s in sections for c in s.checks if not c.holds]


def test_of_many_classes_the_desired_one_is_drawn(sorter: ServedModel) -> None:
    row = {"size": 3.0, "colour/shade": "red", "dirt": 2.0}
    reply = looked_on(sorter, row, {"size": 0.0, "colour/shade": "green"}, {"minutes": 4})
    said = reply["trajectory"]
    classes = [m["prediction"]["class"] for m in said["moments"]]
    assert classes[0] == "large"
    assert classes[-1] == "medium"
    first = classes.index("medium")
    assert said["desired_from"] == 30.0 * first
    picture = drawn(said, sorter, "en")
    assert picture.of == "Probability of ‘medium’"
    assert picture.limit is None
    assert picture.curve.count("H") == 8
    assert next(line.is_alarm for line in picture.lines) is True
    assert picture.lines[-1].is_alarm is False


def test_what_was_not_read_stays_so_over_time(sorter: ServedModel) -> None:
    row = {"size": 3.0, "colour/shade": "red", "dirt": None}
    said = looked_on(sorter, row, {"size": 0.0}, {"minutes": 2})["trajectory"]
    assert all(m["instance"]["dirt"] is None for m in said["moments"])


def test_a_score_is_drawn_on_its_own_scale(press: ServedModel) -> None:
    said = looked_on(press, ROW, SET, {"minutes": 3})["trajectory"]
    picture = drawn(said, press, "ko")
    assert (picture.of, picture.cleared, picture.limit) == ("점수", None, None)
    assert [t.at for t in picture.y_ticks] == [134.0, 74.0, 14.0]
    still = looked_on(press, {**ROW, "speed_before": 1000}, {"pressure": 20.0}, {"minutes": 1})
    # A curve that is level lies in the middle.
    assert drawn(still["trajectory"], press, "ko").curve == "M62.0 74.0H222.0V74.0H382.0V74.0"
