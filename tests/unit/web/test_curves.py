"""The model's word along each slider: as what-if says it, in one call, drawn whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.target import Target
from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.models.predictor import Predictor, Row, Rows, Scores
from ifonly.models.schema import Task
from ifonly.service.ask.curves import LeverCurve, curves_of
from ifonly.service.ask.plane import plane_of
from ifonly.service.ask.question import Question, Rung, problem_of
from ifonly.service.ask.trials import stretches
from ifonly.service.ask.what_if import what_if
from ifonly.service.doors.pages.operator import curve_drawing, plane_drawing
from ifonly.service.doors.pages.operator.levers import LeverControl, levers_of
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import Registry, ServedModel
from tests.support.first_answers import repository
from tests.support.generated import factual

TORQUE, SPEED = "torque", "rotational_speed"


@dataclass
class Counting:
    """A predictor that counts its calls."""

    own: Predictor
    calls: list[int] = field(default_factory=list)

    def score(self, rows: Rows) -> Scores:
        self.calls.append(len(rows))
        return self.own.score(rows)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = Registry(repository(tmp_path_factory.mktemp("models")))
    registry.load()
    return registry


@pytest.fixture
def model(models: Registry) -> ServedModel:
    return models.get("milling-machine", None)


def counted(model: ServedModel) -> tuple[ServedModel, Counting]:
    counting = Counting(model.deployed.predictor)
    return replace(model, deployed=replace(model.deployed, predictor=counting)), counting


def question_of(model: ServedModel) -> Question:
    factual = model.deployed.examples[0].row
    return Question(factual, model.policy.target(), False, semantics=Semantics.INTERVENTIONAL)


def along(
    model: ServedModel, question: Question, settings: Mapping[int, float], most: int = 25
) -> tuple[list[LeverControl], list[LeverCurve]]:
    problem = problem_of(model, question)
    levers = [each for each in levers_of(model, problem, "en") if each.kind == "slider"]
    columns = [lever.column for lever in levers]
    return levers, curves_of(model, question, problem, settings, columns, most)


def slider(curve: LeverCurve) -> LeverControl:
    ends = (str(curve.values[0]), str(curve.values[-1]))
    return LeverControl(
        curve.lever, "x", "x", "", "slider", "", "", lowest=ends[0], highest=ends[1]
    )


def test_curves_and_planes_come_from_one_call_each(model: ServedModel) -> None:
    model, counting = counted(model)
    question = question_of(model)
    levers, curves = along(model, question, {model.schema.index(TORQUE): 50.0})
    assert len(curves) == len(levers) == 3
    assert counting.calls == [sum(len(curve.values) for curve in curves)]
    counting.calls.clear()
    plane = plane_of(model, question, (levers[0].column, levers[1].column), 9)
    assert counting.calls == [plane.flips.size]


def test_a_curve_says_what_what_if_says(model: ServedModel) -> None:
    """What follows moves, what is set stays, and the place where the slider is is on it."""
    question = question_of(model)
    torque = model.schema.index(TORQUE)
    settings = {torque: 55.1}
    met = {True: 0, False: 0}
    for curve in along(model, question, settings, 9)[1]:
        here = settings.get(curve.lever, float(question.factual[curve.lever]))
        assert here in curve.values
        for k, value in enumerate(curve.values.tolist()):
            asked = what_if(
                model, question.factual, settings | {curve.lever: value}, Rung.COUNTERFACTUAL
            )
            assert asked.after.scores[0] == curve.said.scores[k, 0]
            assert (asked.after.decided == question.target.wanted) == curve.said.flips[k]
            assert curve.said.allowed[k] == (not asked.broken)
            met[bool(curve.said.suffices[k])] += 1
    assert min(met.values()) > 0


def test_a_plane_holds_what_else_is_set(model: ServedModel) -> None:
    question = question_of(model)
    torque, speed, process = map(model.schema.index, (TORQUE, SPEED, "process_temperature"))
    plane = plane_of(model, question, (speed, process), 5, held={torque: 40.0, speed: 1.0})
    for j, i in np.ndindex(plane.flips.shape):
        settings = {torque: 40.0, speed: float(plane.xs[i]), process: float(plane.ys[j])}
        asked = what_if(model, question.factual, settings, Rung.COUNTERFACTUAL)
        assert asked.after.scores[0] == plane.scores[j, i, 0]
    free = plane_of(model, question, (speed, process), 5)
    assert (free.scores != plane.scores).any()


def test_what_was_not_read_is_no_place_in_a_plane(model: ServedModel) -> None:
    question = question_of(model)
    columns = model.schema.index(SPEED), model.schema.index(TORQUE)
    plane = plane_of(model, question, columns, 5, [(float("nan"), 50.03), (1_500.0, float("nan"))])
    assert np.isfinite(plane.xs).all()
    assert np.isfinite(plane.ys).all()
    assert 1_500.0 in plane.xs
    assert 50.03 in plane.ys
    here = [(float("nan"), 50.03, "now")]
    assert plane_drawing.drawn(plane, model, "en", here).points == ()


@pytest.mark.parametrize("tag", LANGUAGES)
def test_curves_are_drawn_within_their_place(model: ServedModel, tag: Language) -> None:
    question = question_of(model)
    levers, curves = along(model, question, {})
    drawing = curve_drawing.drawn(curves, levers, model, question.target, tag)
    assert [each.name for each in drawing.each] == [lever.name for lever in levers]
    assert len(drawing.thresholds) == len(drawing.demanded) == 1
    # The share of the alarm: the demand of 95 % "normal" is below the threshold of 45 %.
    assert drawing.thresholds[0] < drawing.demanded[0] < drawing.down
    for each, curve in zip(drawing.each, curves, strict=True):
        points = [tuple(map(float, at.split())) for at in re.split("[ML]", each.path)[1:]]
        assert len(points) == len(curve.values)
        assert all(0 <= x <= drawing.across and 0 < y < drawing.down for x, y in points)
        for part in (*each.works, *each.forbidden):
            assert 0 <= part.x < part.x + part.width <= drawing.across + 1
        assert bool(each.works) == bool((curve.said.suffices & curve.said.allowed).any())
    torque = next(each for each in drawing.each if each.name == TORQUE)
    assert "Nm" in torque.summary


@pytest.mark.parametrize("name", ["kinds", "amounts", "network"])
def test_models_of_every_task_have_curves(models: Registry, name: str) -> None:
    model = models.get(name, None)
    decision = model.decision
    target = (
        Target(decision, lower=0.5) if decision.task is Task.REGRESSION else Target(decision, 0)
    )
    question = Question(factual(1), target, True)
    problem = problem_of(model, question)
    columns = [int(j) for j in problem.movable]
    curves = curves_of(model, question, problem, {}, columns, 25)
    drawing = curve_drawing.drawn(curves, list(map(slider, curves)), model, target, "en")
    assert len(drawing.each) == len(columns) > 0
    heights = [float(y) for each in drawing.each for y in re.findall(r" ([\d.]+)", each.path)]
    assert all(0 < y < drawing.down for y in heights)
    expected = {Task.REGRESSION: 1, Task.MULTICLASS: 0, Task.BINARY: 1}[decision.task]
    assert len(drawing.thresholds) == expected
    assert all(0 < y < drawing.down for y in drawing.thresholds)


def test_what_nobody_can_set_has_no_curve(model: ServedModel) -> None:
    counting = counted(model)[1]
    question = question_of(model)
    assert curves_of(model, question, problem_of(model, question), {}, [], 9) == []
    assert counting.calls == []
    drawing = curve_drawing.drawn([], [], model, question.target, "en")
    assert drawing.each == ()


class Untold:
    """Consequences that cannot be told wherever the first column is set above a limit."""

    def __init__(self, own: Any, limit: float) -> None:
        self._own, self._limit = own, limit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def rows(self, factual: Row, columns: Sequence[int], values: Rows) -> Rows:
        rows: Rows = self._own.rows(factual, columns, values).copy()
        rows[values[:, 0] > self._limit, -1] = np.inf
        return rows


def test_where_nobody_can_tell_what_follows_nothing_is_met(model: ServedModel) -> None:
    question = question_of(model)
    problem = problem_of(model, question)
    torque = model.schema.index(TORQUE)
    blind: Any = Untold(problem.consequences, 30.0)
    untold = replace(problem, consequences=blind)
    (known,), (curve,) = (
        curves_of(model, question, each, {}, [torque], 25) for each in (problem, untold)
    )
    beyond = curve.values > 30.0
    for name in ("flips", "suffices", "allowed"):
        told, said = getattr(known.said, name), getattr(curve.said, name)
        assert told[beyond].any()
        assert not said[beyond].any()
        assert (said[~beyond] == told[~beyond]).all()


def test_a_missing_reading_is_no_place_on_a_curve(models: Registry) -> None:
    model = models.get("network", None)
    row = factual(1)
    features = model.schema.features
    gap = next(j for j, f in enumerate(features) if f.may_be_missing and not f.kind.is_categorical)
    row[gap] = np.nan
    question = Question(row, Target(model.decision, 0), True)
    problem = problem_of(model, question)
    columns = [*map(int, problem.movable), gap]
    curves = curves_of(model, question, problem, {}, columns, 9)
    assert all(np.isfinite(curve.values).all() for curve in curves)


def test_runs_are_found_at_both_ends() -> None:
    mask = np.array([True, False, True, True])
    assert list(stretches(mask)) == [(0, 0), (2, 3)]
    assert list(stretches(~mask)) == [(1, 1)]
    assert list(stretches(np.array([], dtype=bool))) == []
