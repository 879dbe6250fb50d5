from __future__ import annotations

import pytest

from ifonly.models.spec import parse_spec
from ifonly.models.spec.attributes import DEFAULT, Attribute, Attributes
from tests.support.broken import Broken
from tests.unit.models.spec_example import FULL

MILL = Broken(FULL, parse_spec, "mill/1/spec.toml")
edited, refused = MILL.edited, MILL.refused


def test_a_spec_says_what_requests_may_say():
    said = parse_spec(FULL.encode(), "spec.toml").attributes
    machine, shift = said.declared
    assert (said.identity, machine.labels["ko"], machine.longest) == (machine, "기계", 12)
    assert (machine.values, shift) == (("Mill 7", "Mill 8"), Attribute("shift", varies=True))
    told = {"shift": "night", "machine": "Mill 7"}
    assert said.equipment(told) == "Mill 7"
    assert said.place(told) == {"machine": "Mill 7"}


def test_without_a_declaration_equipment_is_the_identity_and_anything_else_may_be_said():
    said = Attributes()
    told = {"line": "a", "equipment": "밀링 7호기"}
    assert said.identity == DEFAULT
    assert not [*said.problems(told)]
    assert said.equipment(told) == "밀링 7호기"
    assert [*said.place(told)] == ["equipment", "line"]
    assert said.equipment({"line": "a"}) is None


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"line": "a"}, "line is no attribute of this model; known are machine, shift"),
        ({"machine": "Mill 9"}, "machine is 'Mill 9', not one of 'Mill 7', 'Mill 8'"),
        ({"shift": "night\n"}, "control character"),
        ({"shift": " night"}, "blank at an end"),
        ({"shift": "ni\u200bght"}, "control character"),
        ({"shift": "n" * 129}, "shift has 129 characters; the most is 128"),
    ],
)
def test_what_is_wrong_is_told_by_name(told, problem):
    said = parse_spec(FULL.encode(), "spec.toml").attributes
    ((name, text, limit),) = said.problems(told)
    assert name in told
    assert problem in text
    assert limit


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ("varies = true", "identity = true", "attributes.shift.identity", "second identity"),
        ("max_length = 12", "varies = true", "attributes.machine.varies", "must not"),
        ("max_length = 12", "max_length = 3", "attributes.machine.values[0]", "the most is 3"),
        ('"Mill 8"]', '"Mill 8 "]', "attributes.machine.values[1]", "blank at an end"),
        ("[attributes.shift]", "[attributes.Shift]", "attributes", "Shift"),
        ('priority = "high"', 'priority = "loud"', "alarm.priority", "loud"),
        ("on_delay_seconds = 5", "on_delay_seconds = -5", "alarm.on_delay_seconds", "-5"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(old, new, key, problem):
    error = refused(edited(old, new))
    found = error.problems[0]
    assert found.key == key
    assert problem in found.problem
