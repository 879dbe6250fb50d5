"""Joint boxes and menus of an exported answer: what is forged in them is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.answered import Answered
from tests.unit.verify.test_exported import broken, checked, is_found

Json = dict[str, Any]
Forge = Callable[[Json], object]


@pytest.fixture(scope="module")
def told(answers: dict[str, Answered]) -> Answered:
    return answers["menu"]


def test_every_check_of_a_real_menu_and_a_real_box_holds(told: Answered) -> None:
    assert broken(checked(told, told.reply)) == []
    assert broken(checked(told, told.reply, with_request=False)) == []
    assert told.reply["counterfactuals"][0]["joint_box"]["proof"] == "proven"


def _set(reply: Json, *levers: str) -> Json:
    found: Json = next(s for s in reply["menu"]["sets"] if s["levers"] == list(levers))
    return found


def _side(reply: Json, feature: str) -> Json:
    sides = reply["counterfactuals"][0]["joint_box"]["sides"]
    found: Json = next(side for side in sides if side["feature"] == feature)
    return found


def _moved(reply: Json) -> Json:
    """The change of the two levers in the place of that of one of them."""
    other = copy.deepcopy(_set(reply, "process_temperature", "torque")["counterfactual"])
    return _set(reply, "torque") | {"counterfactual": other}


FORGERIES: dict[str, Forge] = {
    "a wider side": lambda r: _side(r, "torque").update(high=66.0),
    "an end off the grid": lambda r: _side(r, "torque").update(low=62.15),
    "a side beside the answer": lambda r: _side(r, "torque").update(low=64.3, high=64.3),
    "a side of another": lambda r: _side(r, "torque").update(feature="tool_wear"),
    "another unit": lambda r: _side(r, "torque").update(unit="kN"),
    "a proof of another kind": lambda r: r["counterfactuals"][0]["joint_box"].update(proof="sure"),
    "a side less": lambda r: r["counterfactuals"][0]["joint_box"]["sides"].pop(),
    "a set less": lambda r: r["menu"]["sets"].pop(),
    "another size": lambda r: r["menu"].update(max_levers=1),
    "what can cannot": lambda r: [
        _set(r, "process_temperature", "torque").pop("counterfactual"),
        _set(r, "process_temperature", "torque").update(status="infeasible"),
    ],
    "what cannot can": lambda r: _set(r, "tool_wear").update(status="optimal"),
    "with less than is told": lambda r: _set(r, "torque", "tool_wear").update(
        same_as=["tool_wear"]
    ),
    "with more than itself": lambda r: _set(r, "torque").update(
        same_as=["process_temperature", "torque"]
    ),
    "a change of others": lambda r: _set(r, "torque").update(_moved(r)),
    "proven and with a gap": lambda r: _set(r, "torque")["counterfactual"].update(
        lower_bound=1.0, gap=0.5
    ),
    "unheard of": lambda r: _set(r, "torque").update(status="perhaps"),
    "no menu": lambda r: r.pop("menu"),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_what_is_forged_is_found(told: Answered, kind: str) -> None:
    reply = copy.deepcopy(told.reply)
    FORGERIES[kind](reply)
    assert is_found(told, reply)


def test_what_was_not_asked_for_is_not_told(told: Answered) -> None:
    request = {k: v for k, v in told.request.items() if k not in ("joint_box", "menu")}
    other = Answered(told.folder, request, told.reply)
    said = broken(checked(other, told.reply))
    assert {each.split(":")[0] for each in said} == {"beside"}
