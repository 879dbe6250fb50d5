"""Answers where several graphs may be the true one: what is told of them, and what the checker
finds of what is forged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ifonly.service.doors.cli.verify import _checked
from tests.support.alternatives import HIDDEN, REVERSED, folder_with
from tests.support.answered import Answered, answered, example, served

Reply = dict[str, Any]
ONLY_TORQUE = {"freeze": ["rotational_speed", "tool_wear", "process_temperature"]}


def broken(of: Answered, reply: Reply) -> list[str]:
    sections = _checked(served(of.folder).deployed, reply, of.request)
    return [f"{c.name}: {c.says}" for s in sections for c in s.checks if not c.holds]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    others = REVERSED.format(weight=0.3), HIDDEN.format(weight=0.02)
    return folder_with(tmp_path_factory.mktemp("several"), *others)


@pytest.fixture(scope="module")
def alarms(folder: Path) -> list[str]:
    return [e.id for e in served(folder).deployed.examples]


@pytest.fixture(scope="module")
def replies(folder: Path, alarms: list[str]) -> dict[str, Answered]:
    """By what they come to."""
    found: dict[str, Answered] = {}
    for name in alarms:
        for limits in ({}, ONLY_TORQUE, {"freeze": ["torque", "tool_wear"]}):
            # Tolerances would ask for more than the graphs, and take longer.
            asked = {"robust": False, **limits}
            body = {"instance": example(name, folder), "constraints": asked}
            own = answered(folder, body)
            kind = own.reply["status"]
            first: Reply = next(iter(own.reply["counterfactuals"]), {})
            if "cost_by_main_graph" in own.reply["causal"]:
                kind = "dearer"
            elif (first.get("assurance") or {}).get("graphs"):
                kind = "over graphs"
            found.setdefault(kind, own)
    return found


def test_every_kind_of_reply_holds_by_the_checkers_own_reading(
    replies: dict[str, Answered],
) -> None:
    assert {"over graphs", "dearer", "abstained"} <= set(replies), set(replies)
    for kind, found in replies.items():
        assert broken(found, found.reply) == [], kind
        assert not found.reply["work"].get("rejected")


def test_graphs_are_told_with_their_weights_what_they_change_and_what_would_settle_it(
    replies: dict[str, Answered],
) -> None:
    told = replies["over graphs"].reply["causal"]["graphs"]
    assert [(g["name"], g["weight"], g["held"]) for g in told] == [
        ("main", pytest.approx(0.68), True), ("speed-torque", 0.3, True), ("hidden", 0.02, False),
    ]  # fmt: skip
    _, other, hidden = told
    assert "rotational speed acts on torque" in other["text"]["en"]
    assert "watch whether the other moves" in other["settled_by"]["en"]
    assert "while everything else runs as usual" in hidden["settled_by"]["en"]
    assert other["reason"] == "Both directions leave independent noise."
    for graph in told[1:]:
        assert set(graph["text"]) == {"en", "ko"}
        assert all(graph["settled_by"].values())
    texts = [a["text"]["en"] for a in replies["over graphs"].reply["causal"]["assumptions"]]
    assert sum("The accepted graph may be wrong" in text for text in texts) == 2


def test_the_chance_is_that_of_the_mixture(replies: dict[str, Answered]) -> None:
    sure = replies["over graphs"].reply["counterfactuals"][0]["assurance"]
    mixed = sum(graph["weight"] * graph["chance"] for graph in sure["graphs"])
    assert sure["chance_under_this_model"] == pytest.approx(mixed, abs=1e-12)


@pytest.mark.parametrize("kind", ["dearer", "abstained"])
def test_what_the_doubt_costs_is_said_with_the_edge_that_decides(
    replies: dict[str, Answered], kind: str
) -> None:
    reply = replies[kind].reply
    assert reply["causal"]["deciding_graph"] == "speed-torque"
    for tag, arrow in (("en", "acts on"), ("ko", "→")):
        assert arrow in reply["text"][tag]
    assert "To settle it: set either of" in reply["text"]["en"]
    if kind == "dearer":
        by_main = reply["causal"]["cost_by_main_graph"]
        assert by_main < reply["counterfactuals"][0]["cost"]
        assert "Were the accepted graph certain" in reply["text"]["en"]
    else:
        assert "What decides: it may be" in reply["text"]["en"]
        assert "by the weights of the graphs" in reply["text"]["en"]
        assert "그래프의 가중치로 보아" in reply["text"]["ko"]


def forged(reply: Reply, change: Callable[[Reply], object]) -> Reply:
    found = copy.deepcopy(reply)
    change(found)
    return found


FORGED: dict[str, Callable[[Reply], object]] = {
    "the mixture's chance": lambda r: _sure(r).update(chance_under_this_model=0.5),
    "a graph's chance": lambda r: _sure(r)["graphs"][1].update(chance=0.4),
    "a weight": lambda r: _sure(r)["graphs"][1].update(weight=0.2),
    "a weight of the whole": lambda r: r["causal"]["graphs"][1].update(weight=0.2),
    "whether it is held": lambda r: r["causal"]["graphs"][1].update(held=False),
    "a chance of the whole": lambda r: r["causal"]["graphs"][1].update(chance=0.4),
    "a name": lambda r: r["causal"]["graphs"][1].update(name="other"),
    "a graph of the whole dropped": lambda r: r["causal"]["graphs"].pop(),
    "a graph dropped": lambda r: _sure(r)["graphs"].pop(1),
    "no graphs": lambda r: _sure(r).pop("graphs"),
    "no graphs of the whole": lambda r: r["causal"].pop("graphs"),
    "the worst": lambda r: r["causal"].update(worst_graph="nobody"),
    "no worst": lambda r: r["causal"].pop("worst_graph"),
    "a graph that decides": lambda r: r["causal"].update(deciding_graph="nobody"),
    "a dearer one by the main graph": lambda r: r["causal"].update(cost_by_main_graph=9e9),
    "no chance": lambda r: _sure(r).pop("chance_under_this_model"),
    "a row of another graph": lambda r: _row(r),
}


def _sure(reply: Reply) -> Reply:
    found: Reply = reply["counterfactuals"][0]["assurance"]
    return found


def _row(reply: Reply) -> None:
    """What would be read if the speed did not follow."""
    (effect,) = (e for e in reply["counterfactuals"][0]["effects"])
    reply["counterfactuals"][0]["instance"][effect["feature"]] = effect["from"]
    reply["counterfactuals"][0]["effects"] = []


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_of_graphs_is_found(replies: dict[str, Answered], name: str) -> None:
    found = replies["over graphs"]
    try:
        assert broken(found, forged(found.reply, FORGED[name]))
    except ValueError:  # NotAnAnswer: a part is missing
        assert name.startswith("no ")
