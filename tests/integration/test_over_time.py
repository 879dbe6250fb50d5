"""A what-if over time and when an answer has its effect, by every door; what is said of it holds
by the checker, and is refused where the causal model has no time for it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ifonly.explainers.verify.course import check_what_if
from ifonly.explainers.verify.exported import check_answer
from ifonly.service.doors.cli import in_process
from ifonly.service.doors.cli.commands import app
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.support.timed_folder import NAME, timed_folder

MODEL = f"/api/v1/models/{NAME}"
INSTANCE = {
    "air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1306,
    "torque": 58.6, "tool_wear": 223, "quality": "L",
}  # fmt: skip
ASKED = {"instance": INSTANCE, "set": {"torque": 45.0}, "languages": ["ko", "en", "ja"]}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("timed")
    timed_folder(made)
    return made


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[httpx.Client]:
    with (
        serving(Settings(models=root)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def served(root: Path) -> ServedModel:
    return loaded(root)


def loaded(root: Path) -> ServedModel:
    registry = Registry(root)
    registry.load()
    return registry.get(NAME)


def asked(client: httpx.Client, **keys: Any) -> Json:
    reply = client.post(f"{MODEL}/what-if", json={**ASKED, **keys})
    assert reply.status_code == 200, reply.text
    found: Json = reply.json()
    return found


def refused(client: httpx.Client, **keys: Any) -> Json:
    reply = client.post(f"{MODEL}/what-if", json={**ASKED, **keys})
    assert reply.status_code == 422, reply.text
    (error,) = reply.json()["errors"]
    found: Json = error
    return found


def test_what_is_set_and_what_follows_arrive_by_their_delays(client: httpx.Client) -> None:
    reply = asked(client, over={"minutes": 8})
    said = reply["trajectory"]
    assert (said["unit"], said["step"], said["after"], said["is_whole"]) == ("minutes", 1, 5, True)
    assert said["arrivals"] == [
        {"feature": "rotational_speed", "begins": 5.0, "arrives": 5.0},
        {"feature": "torque", "begins": 2.0, "arrives": 2.0},
    ]
    moments = said["moments"]
    assert [m["at"] for m in moments] == list(range(9))
    assert [m["instance"]["torque"] for m in moments] == [58.6] * 2 + [45.0] * 7
    speeds = [m["instance"]["rotational_speed"] for m in moments]
    assert speeds[:5] == [1306] * 5
    assert speeds[5:] == pytest.approx([reply["instance"]["rotational_speed"]] * 4, abs=1e-9)
    assert [m["arrived"] for m in moments[1:6:2]] == [
        [], ["torque"], ["rotational_speed", "torque"]
    ]  # fmt: skip


def test_each_moment_is_scored_as_it_would_be_alone(client: httpx.Client) -> None:
    reply = asked(client, over={"minutes": 8})
    rows = [{**INSTANCE, **m["instance"]} for m in reply["trajectory"]["moments"]]
    alone = client.post(f"{MODEL}/predictions", json={"instances": rows}).json()["predictions"]
    for moment, said in zip(reply["trajectory"]["moments"], alone, strict=True):
        assert moment["prediction"]["class"] == said["class"]
        assert moment["prediction"]["probability"] == pytest.approx(said["probability"], abs=1e-6)
    at_last = reply["trajectory"]["moments"][-1]["prediction"]
    assert at_last == reply["prediction"]["after"]


def test_the_alarm_is_off_from_when_on_it_stays_off(client: httpx.Client) -> None:
    said = asked(client, over={"minutes": 8})["trajectory"]
    off = [m["prediction"]["class"] == "normal" for m in said["moments"]]
    assert said["desired_from"] == off.index(True) == 2
    assert all(off[2:])
    assert said["decision_changes"] == 1
    assert said["text"]["en"] == (
        "All of it has arrived after about 5 min. The decision is as wanted after about 2 min, "
        "and stays so."
    )
    assert "약 5분" in said["text"]["ko"]
    assert "約5分" in said["text"]["ja"]
    before = asked(client, over={"minutes": 1})["trajectory"]
    assert (before["desired_from"], before["is_whole"]) == (None, False)
    assert "Within 1 min the decision does not" in before["text"]["en"]


def test_a_decision_that_flips_back_is_told(served: ServedModel) -> None:
    """What is set arrives at other times than what follows: on the way rows are otherwise."""
    told = set[int]()
    for torque in (22.0, 24.0, 28.0, 45.0):
        instance = {**INSTANCE, "torque": 30.0}
        settings = {"torque": torque, "process_temperature": 309.0}
        body = {"instance": instance, "set": settings, "over": {"minutes": 12}}
        reply = in_process.what_if(served, {**body, "languages": ["en", "ko"]})
        said = reply["trajectory"]
        classes = [reply["prediction"]["before"]["class"]]
        classes += [m["prediction"]["class"] for m in said["moments"]]
        flips = sum(a != b for a, b in pairwise(classes))
        assert said["decision_changes"] == flips
        assert (f"On the way the decision changes {flips} times." in said["text"]["en"]) == (
            flips > 1
        )
        assert (f"그 사이에 판정이 {flips}번 바뀝니다." in said["text"]["ko"]) == (flips > 1)
        told.add(flips)
    assert 2 in told


@pytest.mark.parametrize(
    ("over", "pointer", "problem"),
    [
        ({"fortnights": 1}, "/over/fortnights", "not a key"),
        ({"minutes": 1, "hours": 1}, "/over", "exactly one of seconds, minutes, hours"),
        ({}, "/over", "exactly one of seconds, minutes, hours"),
        ({"minutes": 0}, "/over/minutes", "greater than 0"),
        ({"minutes": "10"}, "/over/minutes", ""),
        ({"seconds": 90}, "/over", "1.5 steps of 1 minutes"),
        ({"hours": 9}, "/over", "whole steps from 1 to 480"),
        ({"minutes": 1e300}, "/over/minutes", "no length of time"),
    ],
)
def test_a_length_that_is_none_is_refused(
    client: httpx.Client, over: Json, pointer: str, problem: str
) -> None:
    error = refused(client, over=over)
    assert error["pointer"] == pointer
    assert problem in error["detail"]


@pytest.mark.parametrize("rung", ["association", "intervention"])
def test_over_time_this_machine_is_asked_about(client: httpx.Client, rung: str) -> None:
    error = refused(client, over={"minutes": 3}, rung=rung)
    assert error["pointer"] == "/over"
    assert "by the rung counterfactual" in error["detail"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"step": ""}, "has no [time]"),
        ({"nodes_torque": ""}, "how long setting torque takes has no number"),
        ({"nodes_torque": 'en = "soon"'}, "how long setting torque takes has no number"),
        ({"edges_rotational_speed": ""}, "what torque does to rotational_speed takes has no"),
    ],
)
def test_without_a_number_for_it_nothing_is_told_of_time(
    tmp_path: Path, given: dict[str, str], problem: str
) -> None:
    timed_folder(tmp_path, **given)
    model = loaded(tmp_path)
    with pytest.raises(Exception, match="over cannot be answered") as caught:
        in_process.what_if(model, {**ASKED, "over": {"minutes": 3}})
    assert problem in str(caught.value)
    # What does not speak of time is answered as before.
    assert "trajectory" not in in_process.what_if(model, ASKED)


def test_an_explanation_says_when_all_of_it_has_arrived(client: httpx.Client) -> None:
    reply = explained(client)
    (found,) = reply["counterfactuals"]
    said = found["arrives"]
    assert said["unit"] == "minutes"
    settings = {a["feature"]: a["to"] for a in found["actions"]}
    course = asked(client, set=settings, over={"minutes": said["after"]})["trajectory"]
    assert course["after"] == said["after"]
    assert course["decision_changes"] == said["decision_changes"]
    # The target asks for more than the decision.
    assert said["in_target_from"] >= course["desired_from"]
    for tag, words in {"en": "after about", "ko": "나타나기까지 약", "ja": "現れるまで約"}.items():
        assert words in found["text"][tag]
        assert words in reply["text"][tag]


def test_features_that_move_alone_take_no_time(client: httpx.Client) -> None:
    reply = explained(client, semantics="independent")
    assert all("arrives" not in found for found in reply["counterfactuals"])
    assert all("arrived" not in found["text"]["en"] for found in reply["counterfactuals"])


def explained(client: httpx.Client, **keys: Any) -> Json:
    body = {"instance": INSTANCE, "languages": ["ko", "en", "ja"], **keys}
    reply = client.post(f"{MODEL}/explanations", json=body)
    assert reply.status_code == 200, reply.text
    found: Json = reply.json()
    return found


# --- by the checker ------------------------------------------------------------------------


def _forge(part: str, change: Callable[[Any], Any]) -> Callable[[Json], None]:
    def forged(said: Json) -> None:
        *way, last = part.split(".")
        at: Any = said
        for key in way:
            at = at[int(key)] if key.isdecimal() else at[key]
        at[int(last) if last.isdecimal() else last] = change(
            at[int(last) if last.isdecimal() else last]
        )

    return forged


FORGED = {
    "after": lambda v: v - 1,
    "is_whole": lambda v: not v,
    "unit": lambda v: "seconds",
    "step": lambda v: v * 2,
    "desired_from": lambda v: v - 1,
    "decision_changes": lambda v: v + 2,
    "arrivals.0.begins": lambda v: v - 1,
    "arrivals.0.arrives": lambda v: v + 1,
    "moments.3.at": lambda v: v + 1,
    "moments.3.instance.torque": lambda v: v + 0.1,
    "moments.5.instance.rotational_speed": lambda v: v + 1e-5,
    "moments.3.prediction.probability": lambda v: v - 1e-3,
    "moments.1.prediction.class": lambda v: "normal",
    "moments.4.arrived": lambda v: [*v, "rotational_speed"],
    "moments.0.broken_rules": lambda v: [*v, "policy.rules.3"],
    "moments": lambda v: v[:-1],
}


def test_a_rule_that_is_broken_on_the_way_is_named(served: ServedModel) -> None:
    """In the end the speed has risen; before it has, it is lower than under so little load."""
    instance = {**INSTANCE, "torque": 30.0, "rotational_speed": 1667, "tool_wear": 23}
    request = {"instance": instance, "set": {"torque": 18.0}, "over": {"minutes": 8}}
    reply = in_process.what_if(served, {**request, "languages": ["en", "ko", "ja"]})
    assert reply["allowed"] is True
    said, rule = reply["trajectory"], "policy.rules.4"
    assert [m["broken_rules"] for m in said["moments"]] == [[]] * 2 + [[rule]] * 3 + [[]] * 4
    assert "On the way a rule would be broken: " in said["text"]["en"]
    assert "그 사이에 지켜지지 않는 규칙: " in said["text"]["ko"]
    assert "その間に守られない規則：" in said["text"]["ja"]
    score = served.deployed.predictor.score
    (section,) = check_what_if(reply, request, served.rulebook, score)
    assert section.holds
    said["moments"][3]["broken_rules"] = []
    (section,) = check_what_if(reply, request, served.rulebook, score)
    assert [c.name for c in section.checks if not c.holds] == ["rules"]


def test_what_is_told_of_time_holds_by_the_checker(
    client: httpx.Client, served: ServedModel
) -> None:
    request = {**ASKED, "over": {"minutes": 8}}
    reply, score = asked(client, over={"minutes": 8}), served.deployed.predictor.score
    for of in (request, None):
        (section,) = check_what_if(reply, of, served.rulebook, score)
        assert section.holds, [c for c in section.checks if not c.holds]
    # Later than it is, too: an operator would wait for nothing.
    for part, change in (*FORGED.items(), ("desired_from", lambda v: v + 1)):
        forged = copy.deepcopy(reply)
        _forge(f"trajectory.{part}", change)(forged)
        (section,) = check_what_if(forged, request, served.rulebook, score)
        assert not section.holds, part


def test_an_explanations_arrival_holds_by_the_checker(
    client: httpx.Client, served: ServedModel
) -> None:
    reply, request = explained(client), {"instance": INSTANCE}
    score = served.deployed.predictor.score

    def holds(answer: Json) -> bool:
        return all(s.holds for s in check_answer(answer, request, served.rulebook, score))

    assert holds(reply)
    changes: dict[str, Callable[[Any], Any]] = {
        "after": lambda v: v + 1,
        "in_target_from": lambda v: v - 1,
        "decision_changes": lambda v: v + 2,
        "unit": lambda v: "hours",
    }
    for part, change in changes.items():
        forged = copy.deepcopy(reply)
        _forge(f"counterfactuals.0.arrives.{part}", change)(forged)
        assert not holds(forged), part
    silent = copy.deepcopy(reply)
    del silent["counterfactuals"][0]["arrives"]
    assert not holds(silent)


def test_a_kept_what_if_is_verified_and_replayed(
    client: httpx.Client, root: Path, tmp_path: Path
) -> None:
    reply = asked(client, over={"minutes": 8})
    record = client.get(f"/api/v1/audit/events/{reply['audit']['id']}").json()
    file = tmp_path / "record.json"
    file.write_text(json.dumps(record), encoding="utf-8")
    told = CliRunner().invoke(app, ["verify", str(file), "--model", str(root / NAME / "1")])
    assert told.exit_code == 0, told.output
    assert "trajectory" in told.output
    again = client.post(f"/api/v1/audit/events/{reply['audit']['id']}/replay")
    assert again.status_code == 200, again.text
    assert again.json()["same"] is True, again.text
    recheck = client.get(f"/api/v1/audit/events/{reply['audit']['id']}/verify").json()["answer"]
    assert recheck["holds"] is True
    assert "arrivals" in {check["check"] for check in recheck["checks"]}


def test_the_models_page_says_the_delays(client: httpx.Client) -> None:
    page = client.get(f"/models/{NAME}", headers={"Accept-Language": "ko"})
    assert page.status_code == 200
    assert "지연: 3분" in page.text


# --- on the command line ---------------------------------------------------------------------


def run(root: Path, *options: str) -> Any:
    row = json.dumps(INSTANCE)
    return CliRunner().invoke(app, ["what-if", "--row", row, "--models", str(root), *options])


def test_the_command_line_shows_what_follows_and_when(root: Path) -> None:
    told = run(root, "--set", "torque=45", "--over", "8 minutes", "--lang", "en")
    assert told.exit_code == 0, told.output
    assert "All of it has arrived after about 5 min." in told.output
    lines = [line for line in told.output.splitlines() if " min" in line]
    assert any("2 min" in line and "normal" in line and "45" in line for line in lines)
    as_json = run(root, "--set", '{"torque": 45}', "--over", '{"minutes": 8}', "--json")
    assert json.loads(as_json.output)["trajectory"]["after"] == 5.0
    plain = run(root, "--set", "torque=45", "--set", "quality=H", "--lang", "ko")
    assert plain.exit_code == 0, plain.output
    assert "토크" in plain.output


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--set", "torque"], "feature=value"),
        (["--set", "torque=45", "--over", "8 fortnights"], "not a key"),
        (["--set", "torque=45", "--over", "soon"], "8 minutes"),
        (["--set", "torque=45", "--over", "9 hours"], "whole steps from 1 to 480"),
    ],
)
def test_the_command_line_refuses_what_the_api_does(
    root: Path, options: list[str], problem: str
) -> None:
    told = run(root, *options)
    assert told.exit_code != 0
    said = str(told.exception) + told.output
    assert problem in said
