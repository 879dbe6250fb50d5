"""Where a graph is in doubt and delays have numbers: when something arrives goes by the accepted
graph, and replies say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.support.alternatives import NAME, REVERSED, add_graphs
from tests.support.timed_folder import timed_folder

MODEL = f"/api/v1/models/{NAME}"
BY_MAIN = "When anything arrives goes by the accepted graph alone"
AT_REST = "Until the setting everything had read as it does"
HIDDEN_CAUSE = '\n[[confounders]]\nbetween = ["torque", "rotational_speed"]\nstrength = 0.2\n'
DOUBT = """
[[doubts]]
check = "idle edge"
between = ["torque", "rotational_speed"]
value = 0.01
limit = 0.1
"""


def assumed(reply: dict[str, Any]) -> list[str]:
    return [text["en"] for text in reply["assumptions"]]


def says(reply: dict[str, Any], start: str) -> bool:
    return any(text.startswith(start) for text in assumed(reply))


@pytest.mark.parametrize("also", ["", HIDDEN_CAUSE, DOUBT], ids=["", "hidden cause", "doubt"])
def test_when_something_arrives_goes_by_the_accepted_graph_and_is_verified(
    tmp_path: Path, alarm: dict[str, Any], also: str
) -> None:
    folder = timed_folder(tmp_path)
    add_graphs(folder, REVERSED.format(weight=0.3), also)
    asked = {"instance": alarm, "languages": ["en", "ko", "ja"]}
    # By the other graph the torque would follow; by the accepted one nothing does, at once.
    tried = {**asked, "set": {"rotational_speed": 1500}, "over": {"minutes": 5}}
    with (
        serving(Settings(models=tmp_path)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        found = client.post(f"{MODEL}/explanations", json=asked).json()
        past = {**asked, "semantics": "backtracking"}
        otherwise = client.post(f"{MODEL}/explanations", json=past).json()
        what_if = client.post(f"{MODEL}/what-if", json=tried).json()
        for reply in (found, otherwise, what_if):
            again = client.post(f"/api/v1/audit/events/{reply['audit']['id']}/replay").json()
            assert again["same"], again
            record = client.get(f"/api/v1/audit/events/{reply['audit']['id']}").json()
            file = tmp_path / "record.json"
            file.write_text(json.dumps(record), encoding="utf-8")
            told = CliRunner().invoke(app, ["verify", str(file), "--model", str(folder)])
            assert told.exit_code == 0, told.output
    (first,) = found["counterfactuals"]
    assert first["arrives"]["after"] > 0
    assert len(first["assurance"]["graphs"]) == 2
    assert says(found, BY_MAIN)
    assert says(found, AT_REST)
    # In another past nothing is set, so nothing arrives.
    assert not says(otherwise, BY_MAIN)
    assert all("arrives" not in each for each in otherwise["counterfactuals"])
    assert [a["feature"] for a in what_if["trajectory"]["arrivals"]] == ["rotational_speed"]
    assert says(what_if, BY_MAIN)
    assert says(what_if, AT_REST)


def test_with_one_graph_nothing_is_said_of_others(tmp_path: Path, alarm: dict[str, Any]) -> None:
    timed_folder(tmp_path)
    with (
        serving(Settings(models=tmp_path)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        found = client.post(f"{MODEL}/explanations", json={"instance": alarm}).json()
    assert says(found, AT_REST)
    assert not says(found, BY_MAIN)
