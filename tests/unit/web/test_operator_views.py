"""What the operator's pages make of answers: verdicts, levers, and the plane of two of them."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifonly.explainers.target import Target
from ifonly.explainers.wording.numerals import percentage
from ifonly.models.schema import Decision
from ifonly.service.ask.plane import plane_of
from ifonly.service.ask.question import Question, Rung, problem_of
from ifonly.service.ask.what_if import what_if
from ifonly.service.ask.write_reply import ReplyWriter
from ifonly.service.doors.pages.causal_graph import drawn as graph_of
from ifonly.service.doors.pages.operator.answer import shown
from ifonly.service.doors.pages.operator.levers import levers_of
from ifonly.service.doors.pages.operator.outcome import outcome_of
from ifonly.service.doors.pages.operator.plane_drawing import TICKS, drawn, ticks
from ifonly.service.doors.pages.operator.verdict import verdict_of
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import shipped_models
from ifonly.service.words.catalogue import say

TORQUE, SPEED = "torque", "rotational_speed"


@pytest.fixture(scope="module")
def model() -> ServedModel:
    registry = Registry(shipped_models())
    registry.load()
    return registry.get("milling-machine", None)


@pytest.fixture(scope="module")
def question(model: ServedModel) -> Question:
    factual = model.deployed.examples[0].row
    target = Target(model.decision, model.decision.desired)
    return Question(factual, target, False, semantics=Semantics.INTERVENTIONAL)


@given(st.floats(0, 1), st.floats(0.01, 0.99))
def test_a_percentage_is_never_rounded_over_its_threshold(share: float, limit: float) -> None:
    text = percentage(share, limit).removesuffix(" %").replace("×10", "e")
    number = text.lstrip("<> ").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    shown = float(number) / 100 + {">": 1e-9, "<": -1e-9}.get(text[0], 0.0)
    assert (shown < limit) == (share < limit) or abs(share - limit) < 1e-9
    assert (shown > 0) == (share > 0) or share < 1e-9
    assert (shown < 1) == (share < 1) or share > 1 - 1e-9


def test_a_threshold_says_on_which_side_of_it_the_alarm_is(model: ServedModel) -> None:
    said = {"class": "failure", "probability": 0.9}

    def limit(decision: Decision) -> tuple[str, str]:
        shown = verdict_of(said, True, Mock(decision=decision), "en")
        return shown.limit, say(f"verdict.{shown.limit}", "en", percent=shown.threshold_percent)

    own = model.decision
    assert limit(own) == ("alarm_from", "alarm at ≥ 45 %")
    wanted = replace(own, desired=own.positive)
    assert limit(wanted) == ("alarm_below", "alarm at < 45 %")
    assert limit(replace(own, desired=None)) == ("decided_from", "decided at ≥ 45 %")


def test_every_feature_is_a_lever_or_says_why_it_is_none(
    model: ServedModel, question: Question
) -> None:
    problem = problem_of(model, question)
    found = {lever.name: lever for lever in levers_of(model, problem, "en")}
    assert set(found) == set(model.schema.names)
    torque = found[TORQUE]
    assert (torque.kind, torque.lowest, torque.highest, torque.step) == (
        "slider",
        "3.8",
        "76.6",
        "0.1",
    )
    assert (torque.present, torque.low, torque.decimals) == ("62.7 Nm", "3.8 Nm", 1)
    assert [c.value for c in found["tool_wear"].choices] == ["0", "196"]
    assert found[SPEED].may_follow
    assert found["air_temperature"].why.startswith("The hall's air")
    assert levers_of(model, problem, "ko")[0].label == "공정 온도"


def test_the_plane_says_what_what_if_says(model: ServedModel, question: Question) -> None:
    columns = model.schema.names.index(TORQUE), model.schema.names.index(SPEED)
    here = float(question.factual[columns[0]]), float(question.factual[columns[1]])
    plane = plane_of(model, question, columns, 9, [here])
    assert here[0] in plane.xs
    assert here[1] in plane.ys
    for i in range(0, len(plane.xs), 3):
        for j in range(0, len(plane.ys), 3):
            settings = {columns[0]: float(plane.xs[i]), columns[1]: float(plane.ys[j])}
            asked = what_if(model, question.factual, settings, Rung.COUNTERFACTUAL)
            assert asked.after.scores[0] == plane.scores[j, i, 0]
            assert (asked.after.decided == question.target.wanted) == plane.flips[j, i]
            assert plane.allowed[j, i] == (not asked.broken)


def test_the_plane_is_drawn_whole(model: ServedModel, question: Question) -> None:
    columns = model.schema.names.index(TORQUE), model.schema.names.index(SPEED)
    here = float(question.factual[columns[0]]), float(question.factual[columns[1]])
    plane = plane_of(model, question, columns, 25, [here])
    drawing = drawn(plane, model, "en", [(*here, "now"), (1e9, 0.0, "far away")])
    area = sum(box.width * box.height for box in drawing.boxes)
    assert area == pytest.approx(drawing.frame.across * drawing.frame.down, rel=0.01)
    forbidden = sum(box.width * box.height for box in drawing.forbidden)
    assert 0 < forbidden < area
    assert [point.text for point in drawing.points] == ["now"]
    assert drawing.boundary.startswith("M")
    assert np.isclose(
        float(drawing.share_allowed.removesuffix(" %")), 100 * plane.allowed.mean(), atol=1
    )
    assert len(drawing.rows) == len(drawing.columns) == 6
    assert [len(row) for row in drawing.cells] == [len(drawing.xs)] * len(drawing.ys)
    for j, i in ((0, 0), (3, 7), (-1, -1)):
        said = drawing.words[drawing.cells[j][i]]
        assert ("not allowed" in said) == (not plane.allowed[j, i])
        assert ("no alarm" in said) == plane.flips[j, i]


@given(
    st.floats(-1e6, 1e6).map(lambda x: round(x, 2)),
    st.floats(0.01, 1e6).map(lambda x: round(x, 2)),
)
def test_ticks_are_round_few_and_within(low: float, length: float) -> None:
    high = round(low + length, 2)
    found = ticks(np.array([low, high]))
    assert 2 <= len(found) <= TICKS
    assert all(low <= tick <= high for tick in found)
    steps = {Decimal(repr(b)) - Decimal(repr(a)) for a, b in pairwise(found)}
    (step,) = steps
    assert step.normalize().as_tuple().digits in ((1,), (2,), (2, 5), (5,))
    assert all(Decimal(repr(tick)) % step == 0 for tick in found)


def test_an_axis_of_one_value_has_one_tick() -> None:
    assert ticks(np.array([7.0])) == [7.0]
    assert ticks(np.array([312.8, 316.0])) == [313.0, 314.0, 315.0, 316.0]


def test_the_plane_and_a_what_if_tell_a_cleared_alarm_from_one_as_sure_as_is_demanded(
    model: ServedModel, question: Question
) -> None:
    columns = model.schema.names.index(TORQUE), model.schema.names.index(SPEED)
    asked = replace(question, target=model.policy.target())
    plane = plane_of(model, asked, columns, 25)
    assert (plane.suffices <= plane.flips).all()
    assert 0 < plane.suffices.sum() < plane.flips.sum()
    assert drawn(plane, model, "en", []).demanded.startswith("M")
    alone = plane_of(model, question, columns, 25)
    assert (alone.flips == plane.flips).all()
    assert drawn(alone, model, "en", []).demanded == ""
    demand = asked.target.demand
    assert demand is not None
    for torque, unsure in ((56.0, "95 %"), (50.0, None), (62.0, None)):
        said = what_if(model, question.factual, {columns[0]: torque}, Rung.COUNTERFACTUAL)
        reply = ReplyWriter(model).what_if(said).model_dump(mode="json", by_alias=True)
        shown = outcome_of(reply, model, "en", demand)
        assert (shown.unsure is None) == (unsure is None), torque
        if shown.unsure is not None:
            assert (shown.unsure.side, shown.unsure.limit) == ("below", "95 %")
            assert shown.unsure.of == "normal"
            assert float(shown.unsure.percent.removesuffix(" %")) < 95
        assert outcome_of(reply, model, "en", None).unsure is None


def test_causes_are_drawn_left_of_what_follows(model: ServedModel) -> None:
    assert model.causal is not None
    drawing = graph_of(model.causal.spec, "ko", {TORQUE: "set", SPEED: "follows"})
    at = {node.name: node for node in drawing.nodes}
    assert set(at) == set(model.schema.names)
    for edge in drawing.edges:
        assert at[edge.cause].x + drawing.node_width < at[edge.effect].x
    assert [(e.cause, e.effect) for e in drawing.edges if e.is_live] == [(TORQUE, SPEED)]
    corners = [(node.x, node.y) for node in drawing.nodes]
    assert len(set(corners)) == len(corners)


def test_numbers_of_a_model_that_is_not_served_any_more_are_written_as_any() -> None:
    example = files("ifonly.service.wire.examples").joinpath("explanation.json")
    answer = json.loads(example.read_text("utf-8"))["reply"]
    best = shown(answer, None, None, "ko").ways[0]
    torque, effect = best.actions[1], best.effects[0]
    told = answer["counterfactuals"][0]["effects"][0]
    assert (torque.before, torque.after) == ("58.6 Nm", "48.4 Nm")
    assert (effect.before, effect.after) == ("1,306 rpm", f"{told['to']:,.2f} rpm")
