"""Named ways of an exported answer: what is forged in them is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.answered import MILLING, Answered, answered, example
from tests.unit.verify.test_exported import (
    broken,
    checked,
    is_found,
    leaves,
    otherwise,
    with_value,
)

Json = dict[str, Any]
SMALLEST, FEWEST, ROBUST, OTHER = range(4)


@pytest.fixture(scope="module")
def told(answers: dict[str, Answered]) -> Answered:
    return answers["ways"]


def test_every_check_of_real_ways_holds(told: Answered) -> None:
    sections = checked(told, told.reply)
    assert broken(sections) == []
    assert broken(checked(told, told.reply, with_request=False)) == []
    titles = [s.title for s in sections if s.title.startswith("way ")]
    assert titles == ["way smallest", "way fewest_levers", "way most_robust", "way other_levers"]
    assert [w["status"] for w in told.reply["ways"]] == ["optimal"] * 4


def test_what_is_said_of_a_way_beside_its_counterfactual_is_checked(told: Answered) -> None:
    weaker = [("ways", ROBUST, "survives")]
    missed = []
    for path, value in leaves(told.reply):
        if path[0] != "ways" or {"text", "counterfactual"} & set(path):
            continue
        for other in otherwise(value):
            changed = with_value(told.reply, path, other)
            # That it survives less is true, and less.
            if not is_found(told, changed) and not (path in weaker and other < value):
                missed.append((path, value, other))
    assert missed == []


def _shown_twice(way: int) -> Callable[[Json], Json]:
    """A way in the place of another: the smallest's settings are told for it."""

    def forge(reply: Json) -> Json:
        own = reply["ways"][way]
        own["counterfactual"] = copy.deepcopy(reply["counterfactuals"][0])
        return reply

    return forge


def _said_of(way: int, **said: Any) -> Callable[[Json], Json]:
    def forge(reply: Json) -> Json:
        reply["ways"][way] |= said
        return reply

    return forge


def _cheaper(reply: Json) -> Json:
    reply["ways"][OTHER]["counterfactual"]["cost"] /= 2
    return reply


def _other_levers_that_are_not(reply: Json) -> Json:
    """The most robust's, which sets all of the smallest's levers."""
    own = copy.deepcopy(reply["ways"][ROBUST])
    reply["ways"][OTHER]["counterfactual"] = own["counterfactual"]
    reply["ways"][OTHER]["survives"] = own["survives"]
    return reply


def _without(reply: Json) -> Json:
    return {key: value for key, value in reply.items() if key != "ways"}


FORGED: dict[str, Callable[[Json], Json]] = {
    "fewest is the smallest": _shown_twice(FEWEST),
    "other is the smallest": _shown_twice(OTHER),
    "other shares all levers": _other_levers_that_are_not,
    "cheaper than it is": _cheaper,
    "survives more than it does": _said_of(ROBUST, survives=5.0),
    "the smallest survives more": _said_of(SMALLEST, survives=4.0),
    "nobody knows, with a reason that is none": _said_of(ROBUST, why="no_tolerances"),
    "there is no other, which there is": _said_of(OTHER, status="infeasible"),
    "the same as one that it is not": _said_of(OTHER, same_as="fewest_levers"),
    "the same as itself": _said_of(OTHER, same_as="other_levers", counterfactual=None),
    "the same as a later one": _said_of(FEWEST, same_as="other_levers", counterfactual=None),
    "not told, though asked for": _without,
    "in another order": lambda reply: reply | {"ways": reply["ways"][::-1]},
    "one is missing": lambda reply: reply | {"ways": reply["ways"][:3]},
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_way_is_found(told: Answered, name: str) -> None:
    assert is_found(told, FORGED[name](copy.deepcopy(told.reply)))


def test_ways_that_nobody_asked_for_are_found(told: Answered) -> None:
    asked = {key: value for key, value in told.request.items() if key != "ways"}
    assert broken(checked(Answered(told.folder, asked, told.reply), told.reply))


def test_none_are_told_where_none_are_asked_for_and_where_nothing_is_found() -> None:
    plain = answered(MILLING, {"instance": example("false-alarm")})
    assert "ways" not in plain.reply
    frozen = ["torque", "tool_wear", "process_temperature", "rotational_speed"]
    body = {"instance": example("false-alarm"), "ways": True, "constraints": {"freeze": frozen}}
    nothing = answered(MILLING, body)
    assert nothing.reply["status"] == "infeasible"
    assert "ways" not in nothing.reply
    assert broken(checked(nothing, nothing.reply)) == []


@pytest.mark.parametrize(
    ("forge", "check"),
    [
        (lambda reply: reply["counterfactuals"][0].update(cost=0.1), "within"),
        (_other_levers_that_are_not, "other"),
    ],
)
def test_what_is_wrong_is_told_by_its_own_check(
    told: Answered, forge: Callable[[Json], Any], check: str
) -> None:
    """Whatever else is found wrong of it."""
    reply = copy.deepcopy(told.reply)
    forge(reply)
    (section,) = (s for s in checked(told, reply) if s.title == "ways")
    assert check in {c.name for c in section.checks if not c.holds}
