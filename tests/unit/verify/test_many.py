"""One change for many, exported: what is forged is seen by a checker that searches nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from ifonly.explainers.verify.many import check_common
from ifonly.explainers.verify.sections import NotAnAnswer
from ifonly.models.repository import load_folder
from ifonly.models.rounding import rounding_of
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models
from ifonly.service.wire import examples

Json = dict[str, Any]
REPLY, REQUEST = examples.COMMON.reply, examples.COMMON.request


@cache
def model() -> ServedModel:
    return prepare(load_folder(shipped_models() / "milling-machine" / "1"))


def broken(reply: Json, request: Json = REQUEST) -> set[str]:
    predictor = model().deployed.predictor
    book, rounding = model().rulebook, rounding_of(predictor)
    sections = check_common(reply, request, book, predictor.score, rounding)
    return {check.name for section in sections for check in section.checks if not check.holds}


def last(reply: Json) -> Json:
    point: Json = reply["curves"][-1]["points"][-1]
    return point


def a_row_more(reply: Json) -> None:
    point = last(reply)
    point["cleared"].append(point["uncleared"].pop()["row"])
    point["coverage"] += 1


FORGED: dict[str, tuple[Callable[[Json], object], str]] = {
    "a row more is cleared": (a_row_more, "cleared"),
    "a row is cleared twice": (lambda r: last(r)["cleared"].append(last(r)["cleared"][0]), "rows"),
    "it clears more than it tells": (lambda r: last(r).update(coverage=4), "coverage"),
    "it costs less": (lambda r: last(r).update(cost=0.9, lower_bound=0.9), "cost"),
    "it is set less": (lambda r: last(r)["settings"][0].update(delta=0.1), "cleared"),
    "off the grid": (lambda r: last(r)["settings"][0].update(delta=10.63), "cleared"),
    "it is called proven": (lambda r: last(r).update(lower_bound=1.0), "status"),
    "the bound is above its cost": (lambda r: last(r).update(lower_bound=9.0), "bound"),
    "more than can be": (lambda r: r["curves"][0].update(most=2), "most"),
    "an alarm is left out": (lambda r: r["left_out"].append({"row": 1, "why": "x"}), "left_out"),
}


def test_an_answer_of_ours_holds() -> None:
    assert not broken(REPLY)


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_forged_is_seen(forged: str) -> None:
    reply = copy.deepcopy(REPLY)
    change, name = FORGED[forged]
    change(reply)
    assert name in broken(reply)


@pytest.mark.parametrize("missing", ["curves", "left_out", "semantics", "alarms"])
def test_what_is_no_answer_is_called_so(missing: str) -> None:
    reply = {key: value for key, value in REPLY.items() if key != missing}
    with pytest.raises(NotAnAnswer):
        broken(reply)


def test_a_request_with_a_rule_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(NotAnAnswer, match="column 9"):
        broken(REPLY, {**REQUEST, "constraints": {"rules": ["torque <"]}})
