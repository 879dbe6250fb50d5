"""A graph that was accepted against failed checks: who rests on what failed is told so, by every
door, or, where the plant says so, is not answered with at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from ifonly.explainers.constraints import Severed
from ifonly.explainers.verify import Asked
from ifonly.explainers.verify.exported import check_answer
from ifonly.explainers.verify.reading import Reading
from ifonly.models.errors import SpecError
from ifonly.models.repository import load_folder
from ifonly.service.ask.question import Rung
from ifonly.service.ask.what_if import what_if
from ifonly.service.ask.write_reply import ReplyWriter
from ifonly.service.doors.cli import in_process
from ifonly.service.doors.cli.commands import app
from ifonly.service.doors.pages.operator.outcome import outcome_of
from ifonly.service.served.causal_model import prepare_causal, read_graph_of
from ifonly.service.served.checking import rulebook_of
from ifonly.service.served.registry import Registry
from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.integration.test_metrics import value

NAME = "milling-machine"
MODEL = f"/api/v1/models/{NAME}"
USED = 'check = "idle edge"\nbetween = ["torque", "rotational_speed"]\nvalue = 0.01\nlimit = 0.1\n'
UNUSED = 'check = "reversed edge"\nbetween = ["air_temperature", "process_temperature"]\n'
NOISE = 'check = "noise independence"\nnode = "rotational_speed"\nnote = "as seen"\n'


def folder_with(root: Path, *doubts: str, forbid: bool = False, listed: bool = True) -> Path:
    """The shipped model, its graph accepted with these doubts; ``listed``: whether the file says
    what had failed at all."""
    folder = root / NAME / "1"
    shutil.copytree(shipped_models() / NAME / "1", folder)
    file = folder / "causal.toml"
    head, nodes = file.read_text(encoding="utf-8").split("[nodes.air_temperature]", 1)
    if listed and not doubts:
        head += "doubts = []\n\n"
    head += "".join(f"[[doubts]]\n{doubt}\n" for doubt in doubts)
    file.write_text(f"{head}[nodes.air_temperature]{nodes}", encoding="utf-8")
    if forbid:
        with (folder / "spec.toml").open("a", encoding="utf-8") as spec:
            spec.write('\n[policy.causal]\nfailed_checks = "forbid"\n')
    return folder


@contextmanager
def asked_of(root: Path) -> Iterator[httpx.Client]:
    with (
        serving(Settings(models=root)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


def explained(client: httpx.Client, instance: Any, **keys: Any) -> dict[str, Any]:
    body = {"instance": instance, "languages": ["ko", "en", "ja"], **keys}
    reply = client.post(f"{MODEL}/explanations", json=body)
    assert reply.status_code == 200, reply.text
    answered: dict[str, Any] = reply.json()
    return answered


def set_by(found: dict[str, Any]) -> set[str]:
    return {action["feature"] for action in found["actions"]}


def test_an_answer_that_rests_on_what_failed_says_so_at_every_door(
    tmp_path: Path, alarm: dict[str, Any]
) -> None:
    folder_with(tmp_path, USED, UNUSED, NOISE)
    with asked_of(tmp_path) as client:
        reply = explained(client, alarm)
        (found,) = reply["counterfactuals"]
        assert reply["status"] == "optimal"
        assert [e["feature"] for e in found["effects"]] == ["rotational_speed"]
        # Two of the three parts: the temperatures do not move.
        assert found["doubts"] == reply["doubts"]
        assert [(d["check"], d["features"]) for d in found["doubts"]] == [
            ("idle edge", ["torque", "rotational_speed"]),
            ("noise independence", ["rotational_speed"]),
        ]
        assert (found["doubts"][0]["value"], found["doubts"][0]["limit"]) == (0.01, 0.1)
        assert found["doubts"][1]["value"] is None
        for tag, lead in (
            ("en", "In doubt"),
            ("ko", "확실하지 않음"),
            ("ja", "確かではありません"),
        ):
            for text in (reply["text"][tag], found["text"][tag]):
                assert text.count(lead) == 2
            assert "{" not in reply["text"][tag]
            assert lead in found["doubts"][0]["text"][tag]

        what_if = {"instance": alarm, "set": {"torque": found["actions"][0]["to"]}}
        assert len(client.post(f"{MODEL}/what-if", json=what_if).json()["doubts"]) == 2
        held = {**what_if["set"], "rotational_speed": alarm["rotational_speed"]}
        said = client.post(f"{MODEL}/what-if", json={"instance": alarm, "set": held}).json()
        assert said["doubts"] == []
        alone = explained(client, alarm, semantics="independent")
        assert alone["doubts"] == alone["counterfactuals"][0]["doubts"] == []

        served = client.post(f"/v1/models/{NAME}:explain", json={"instances": [alarm]}).json()
        assert len(served["explanations"][0]["counterfactuals"][0]["doubts"]) == 2

        (event,) = [
            e
            for e in client.get("/api/v1/audit/events", params={"limit": 50}).json()["events"]
            if e["id"] == reply["id"]
        ]
        assert event["detail"]["doubts"] == 2
        told = client.get(f"/api/v1/audit/events/{reply['id']}").json()
        assert any("In doubt" in claim["en"] for claim in told["claim"])
        checked = client.post(f"/api/v1/audit/events/{reply['id']}/replay").json()
        assert checked["same"], checked
        assert checked["answer"]["holds"], checked
        assert value(str(client.base_url), "ifonly_answers_in_doubt_total", model_name=NAME) == 3

        page = client.get(f"/records/{reply['id']}", headers={"Accept-Language": "en"}).text
        assert "in doubt" in page
        assert "optimal, proven" not in page


@pytest.mark.parametrize("language", ["en", "ko", "ja"])
def test_a_page_shows_it_amber_and_never_as_proven(
    tmp_path: Path, alarm: dict[str, Any], language: str
) -> None:
    folder_with(tmp_path, USED)
    with asked_of(tmp_path) as client:
        headers = {"Accept-Language": language}
        reply = explained(client, alarm)
        page = client.get(f"/alarms/{reply['id']}", headers=headers).text
        listed = client.get("/alarms", headers=headers).text
    green = {"en": "Proven smallest", "ko": "최소임이 증명됨", "ja": "最小と証明済み"}[language]
    amber = {"en": "In doubt", "ko": "확실하지 않음", "ja": "確かではない"}[language]
    assert 'class="badge warn"' in page
    assert amber in page
    assert amber in listed
    assert green not in page
    assert green not in listed


def test_the_sliders_say_it_too(tmp_path: Path) -> None:
    folder_with(tmp_path, USED)
    registry = Registry(tmp_path)
    registry.load()
    model = registry.get(NAME, None)
    factual, schema = model.deployed.examples[0].row, model.schema
    for lever, doubts in (("torque", 1), ("process_temperature", 0)):
        asked = what_if(model, factual, {schema.index(lever): 40.0}, Rung.COUNTERFACTUAL)
        reply = ReplyWriter(model).what_if(asked).model_dump(mode="json", by_alias=True)
        shown = outcome_of(reply, model, "en", None).doubts
        assert len(shown) == doubts
        assert all("In doubt" in doubt for doubt in shown)


def test_a_failed_part_that_no_answer_uses_marks_none(
    tmp_path: Path, alarm: dict[str, Any]
) -> None:
    folder_with(tmp_path, UNUSED)
    with asked_of(tmp_path) as client:
        reply = explained(client, alarm)
        assert reply["doubts"] == reply["counterfactuals"][0]["doubts"] == []
        assert "In doubt" not in json.dumps(reply)
        page = client.get(f"/alarms/{reply['id']}", headers={"Accept-Language": "en"}).text
        assert "Proven smallest" in page
        events = client.get("/api/v1/audit/events", params={"limit": 9}).json()["events"]
        (own,) = [e for e in events if e["id"] == reply["id"]]
        assert "doubts" not in own["detail"]
        assert value(str(client.base_url), "ifonly_answers_in_doubt_total") == 0
        # Where there is no answer, all that could be set is spoken of.
        stuck = explained(
            client,
            alarm,
            constraints={"freeze": ["torque", "rotational_speed", "tool_wear"]},
        )
        if not stuck["counterfactuals"]:
            assert [d["check"] for d in stuck["doubts"]] == ["reversed edge"]


def test_a_graph_of_before_answers_as_before(tmp_path: Path, alarm: dict[str, Any]) -> None:
    folder_with(tmp_path, listed=False)
    with asked_of(tmp_path) as client:
        reply = explained(client, alarm)
    assert reply["doubts"] == []
    assert {a["standing"] for a in reply["causal"]["assumptions"]} == {"tested", "untested"}


def test_the_command_line_says_it_too(tmp_path: Path, alarm: dict[str, Any]) -> None:
    folder_with(tmp_path, USED)
    asked = ["explain", "--row", json.dumps(alarm), "--models", str(tmp_path), "--lang", "en"]
    done = CliRunner().invoke(app, asked, env={"COLUMNS": "400"})
    assert done.exit_code == 0, done.output
    assert "In doubt: this rests on a part of the causal model" in done.output
    assert "optimal, proven, in doubt;" in done.output


def test_a_reply_that_hides_a_doubt_or_makes_one_up_is_found_out(
    tmp_path: Path, alarm: dict[str, Any]
) -> None:
    deployed = load_folder(folder_with(tmp_path, USED, UNUSED, NOISE))
    registry = Registry(tmp_path)
    registry.load()
    request = {"instance": alarm, "languages": ["en"]}
    reply = in_process.explain(registry.get(NAME, None), request, Settings(models=tmp_path))
    book, score = rulebook_of(deployed), deployed.predictor.score

    def broken(answer: dict[str, Any]) -> set[str]:
        sections = check_answer(answer, request, book, score)
        return {check.name for section in sections for check in section.checks if not check.holds}

    assert broken(reply) == set()
    (found,) = reply["counterfactuals"]
    for told in ([], found["doubts"][:1], [*found["doubts"], found["doubts"][0]]):
        assert broken({**reply, "counterfactuals": [{**found, "doubts": told}]}) == {"doubts"}
    assert broken({**reply, "doubts": []}) == {"doubts"}
    # An answer of before told nothing of it.
    old = {k: v for k, v in found.items() if k != "doubts"}
    rest = {k: v for k, v in reply.items() if k != "doubts"}
    assert broken({**rest, "counterfactuals": [old]}) == set()


def test_engines_and_checker_forbid_the_same(tmp_path: Path) -> None:
    """By two definitions, of every set of features."""
    parts = (
        USED,
        UNUSED,
        NOISE,
        'check = "missing edge"\nbetween = ["tool_wear", "rotational_speed"]\n',
        'check = "composition"\n',
        'check = "of ours"\nbetween = ["torque", "tool_wear"]\n',
    )
    folder_with(tmp_path, *parts, forbid=True)
    registry = Registry(tmp_path)
    registry.load()
    model = registry.get(NAME, None)
    assert model.causal is not None
    factual = model.deployed.examples[0].row
    was = Reading(factual.tolist())
    for semantics, own in (
        ("interventional", [c for c in model.causal.constraints if isinstance(c, Severed)]),
        ("backtracking", list(model.causal.of_history)),
    ):
        limits = model.rulebook.terms(Asked(semantics=semantics)).limits
        theirs = [limit for limit in limits if limit.key.startswith("causal.doubts.")]
        assert len(theirs) == len(parts)
        for chosen in product([0.0, 1.0], repeat=len(factual)):
            action = factual + np.array(chosen)
            kept = {
                key: all(c.kept(action, factual) for c in own if c.origin.key == key)
                for key in (limit.key for limit in theirs)
            }
            now = Reading(action.tolist())
            assert kept == {limit.key: limit.holds(now, was) for limit in theirs}, chosen


def test_a_plant_may_forbid_it_and_what_follows_is_set_as_well(
    tmp_path: Path, alarm: dict[str, Any]
) -> None:
    folder_with(tmp_path, USED, forbid=True)
    with asked_of(tmp_path) as client:
        reply = explained(client, alarm, alternatives=3)
        assert reply["counterfactuals"]
        for found in reply["counterfactuals"]:
            levers = set_by(found)
            assert "torque" not in levers or "rotational_speed" in levers
            assert found["doubts"] == []
        assert reply["doubts"] == []
        checked = client.post(f"/api/v1/audit/events/{reply['id']}/replay").json()
        assert checked["same"], checked
        assert checked["answer"]["holds"], checked
        # What a person tries is told to break the rule.
        what_if = {"instance": alarm, "set": {"torque": 40.0}}
        said = client.post(f"{MODEL}/what-if", json=what_if).json()
        assert said["allowed"] is False
        (broken,) = said["broken_rules"]
        assert broken["key"] == "causal.doubts.0"
        assert broken["source"] == "policy"
        assert "failed a check" in broken["text"]["en"]
        assert len(said["doubts"]) == 1
        # With the speed frozen the torque is no lever any more.
        frozen = {"freeze": ["rotational_speed", "process_temperature", "tool_wear"]}
        stuck = explained(client, alarm, constraints=frozen)
        assert stuck["counterfactuals"] == []
        assert stuck["status"] == "infeasible"
        assert "causal.doubts.0" in {b["key"] for b in stuck["blocked_by"]}
        # Another past rests on nothing that failed either.
        past = explained(client, alarm, semantics="backtracking")
        for found in past["counterfactuals"]:
            assert "torque" not in set_by(found)
        # Without what follows nothing rests on it.
        assert explained(client, alarm, semantics="independent")["counterfactuals"]


def test_what_had_failed_must_be_known_where_it_is_forbidden(tmp_path: Path) -> None:
    deployed = load_folder(folder_with(tmp_path, forbid=True, listed=False))
    registry = Registry(shipped_models())
    registry.load()
    policy = registry.get(NAME, None).policy
    with pytest.raises(SpecError, match=r"doubts.*is missing.*failed_checks is 'forbid'"):
        prepare_causal(deployed, read_graph_of(deployed), policy)


def test_a_graph_that_passed_is_used_where_it_is_forbidden(
    tmp_path: Path, alarm: dict[str, Any]
) -> None:
    folder_with(tmp_path, forbid=True)
    with asked_of(tmp_path) as client:
        (found,) = explained(client, alarm)["counterfactuals"]
    assert set_by(found) == {"torque"}
    assert found["effects"]


def test_a_policy_that_says_neither_is_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    with (folder / "spec.toml").open("a", encoding="utf-8") as spec:
        spec.write('\n[policy.causal]\nfailed_checks = "maybe"\n')
    with pytest.raises(SpecError, match="failed_checks"):
        load_folder(folder)
