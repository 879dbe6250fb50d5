"""The default model's causal answers, end to end: over HTTP, in both languages, into the record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving

MODEL = "/api/v1/models/milling-machine"


def explained(client: httpx.Client, instance: Any, **keys: Any) -> dict[str, Any]:
    reply = client.post(f"{MODEL}/explanations", json={"instance": instance, **keys})
    assert reply.status_code == 200, reply.text
    answered: dict[str, Any] = reply.json()
    return answered


def test_the_speed_follows_the_torque_and_both_languages_say_so(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = explained(client, alarm)
    assert reply["semantics"] == "interventional"
    (found,) = reply["counterfactuals"]
    assert [a["feature"] for a in found["actions"]] == ["torque"]
    (effect,) = found["effects"]
    assert (effect["feature"], effect["via"]) == ("rotational_speed", ["torque"])
    assert effect["delta"] > 10
    assert found["instance"]["rotational_speed"] == effect["to"]
    assert "그에 따라 회전 속도는" in reply["text"]["ko"]
    assert "the rotational speed would then have been" in reply["text"]["en"]
    assert "the alarm would not have sounded" in reply["text"]["en"]
    for text in (*reply["text"].values(), *found["text"].values()):
        assert "the model read" not in text
        assert "모델에 입력된" not in text


def test_what_is_published_flips_when_it_is_asked_again(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    (found,) = explained(client, alarm)["counterfactuals"]
    again = client.post(f"{MODEL}/predictions", json={"instance": found["instance"]}).json()
    assert again["predictions"][0] == found["prediction"]
    assert again["rung"] == "association"
    settings = {a["feature"]: a["to"] for a in found["actions"]}
    asked = client.post(f"{MODEL}/what-if", json={"instance": alarm, "set": settings}).json()
    assert asked["rung"] == "counterfactual"
    assert asked["instance"] == found["instance"]
    assert asked["effects"] == found["effects"]
    assert asked["cost"] == found["cost"]
    assert asked["allowed"] is True


def test_an_answer_says_who_accepted_its_graph_what_it_assumes_and_how_sure_it_is(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = explained(client, alarm)
    grounds = reply["causal"]
    assert grounds["accepted_by"] == "ifonly maintainers (simulator truth)"
    assert (grounds["version"], grounds["status"]) == ("1", "accepted")
    assert {a["standing"] for a in grounds["assumptions"]} == {"tested", "untested"}
    for assumed in grounds["assumptions"]:
        assert set(assumed["text"]) == {"ko", "en"}
        assert ("check" in assumed) == (assumed["standing"] != "untested")
    assert any("not the real outcome" in a["en"] for a in reply["assumptions"])
    sure = reply["counterfactuals"][0]["assurance"]
    assert grounds["floor"] <= sure["chance_under_this_model"] <= 1
    assert 0 <= sure["survives_sensor_errors"] <= 1
    assert sure["hidden_causes"] == []
    assert "guarantee" not in json.dumps(reply)
    assert "보장" not in json.dumps(reply, ensure_ascii=False)


@pytest.mark.parametrize(
    ("said", "range_"), [("strength = 0.2", [-0.2, 0.2]), ("evidence = 'a spindle'", [-0.5, 0.5])]
)
def test_a_declared_hidden_cause_is_held_against_the_answer_and_said(
    tmp_path: Path, alarm: dict[str, Any], said: str, range_: list[float]
) -> None:
    folder = tmp_path / "milling-machine"
    shutil.copytree(shipped_models() / "milling-machine", folder)
    file = folder / "1" / "causal.toml"
    tie = f'[[confounders]]\nbetween = ["rotational_speed", "torque"]\n{said}\n\n[provenance]\n'
    file.write_text(file.read_text("utf-8").replace("[provenance]\n", tie, 1), "utf-8")
    with (
        serving(Settings(models=tmp_path)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        asked = {"languages": ["en", "ko", "ja"], "constraints": {"robust": False}}
        reply = explained(client, alarm, **asked)
    (found,) = reply["counterfactuals"]
    assert found["assurance"]["chance_under_this_model"] >= reply["causal"]["floor"]
    if range_[1] == 0.2:
        assert [e["feature"] for e in found["effects"]] == ["rotational_speed"]
        (held,) = found["assurance"]["hidden_causes"]
        assert (held["between"], held["held"]) == (["torque", "rotational_speed"], range_)
        assert held["correlation"] is None or abs(held["correlation"]) > 0.2
    else:  # so strong a cause could undo that: the speed is not left to follow
        assert found["effects"] == []
        assert found["assurance"]["hidden_causes"] == []
    texts = [a["text"] for a in reply["causal"]["assumptions"]]
    (text,) = [t for t in texts if "may act on both torque and rotational speed" in t["en"]]
    assert f"every correlation of their noises from {range_[0]} to {range_[1]}" in text["en"]
    assert ("does not say how strongly" in text["en"]) == ("strength" not in said)
    assert "토크" in text["ko"]
    assert "相関" in text["ja"]


def test_independent_semantics_moves_features_alone_and_is_no_advice(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = explained(client, alarm, semantics="independent")
    assert reply["semantics"] == "independent"
    assert reply["status"] == "optimal"
    assert reply["provenance"]["engine"] == "trees"
    assert "causal" not in reply
    (found,) = reply["counterfactuals"]
    assert found["effects"] == []
    assert "assurance" not in found
    assert "Had the model read" in reply["text"]["en"]
    assert "it is no advice" in reply["assumptions"][0]["en"]


def test_the_three_rungs_of_one_setting_are_three_answers(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    replies = {
        rung: client.post(
            f"{MODEL}/what-if", json={"instance": alarm, "set": {"torque": 49.0}, "rung": rung}
        ).json()
        for rung in ("association", "intervention", "counterfactual")
    }
    assert {rung: reply["rung"] for rung, reply in replies.items()} == {r: r for r in replies}
    speeds = {rung: reply["instance"]["rotational_speed"] for rung, reply in replies.items()}
    assert speeds["association"] == alarm["rotational_speed"]
    assert len(set(speeds.values())) == 3
    spread = replies["intervention"]["distribution"]
    assert spread["draws"] == 1000
    assert sum(spread["decisions"].values()) == pytest.approx(1.0)
    assert list(spread["effects"]) == ["rotational_speed"]
    low, high = (spread["effects"]["rotational_speed"][q] for q in ("p5", "p95"))
    assert low < speeds["counterfactual"] < high
    for rung in ("association", "counterfactual"):
        assert "distribution" not in replies[rung]
    others = {k: v for k, v in alarm.items() if k not in ("torque", "rotational_speed")}
    for reply in replies.values():
        assert reply["instance"].items() >= others.items()


def test_what_is_set_to_its_own_value_is_held_there(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    body = {
        "instance": alarm,
        "set": {"torque": 49.0, "rotational_speed": alarm["rotational_speed"]},
    }
    held = client.post(f"{MODEL}/what-if", json=body).json()
    alone = client.post(f"{MODEL}/what-if", json=body | {"rung": "association"}).json()
    assert held["effects"] == []
    assert [a["feature"] for a in held["actions"]] == ["rotational_speed", "torque"]
    assert held["prediction"] == alone["prediction"]


def test_the_record_names_the_causal_model_that_was_used(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = explained(client, alarm)
    digest = reply["provenance"]["causal_sha256"]
    assert digest == reply["causal"]["sha256"]
    events = client.get("/api/v1/audit/events", params={"limit": 20}).json()
    (own,) = [e for e in events["events"] if e["id"] == reply["id"]]
    assert own["causal_sha256"] == digest


def test_the_model_page_names_its_graph(client: httpx.Client) -> None:
    said = client.get(MODEL).json()["causal"]
    assert said["used"] is True
    assert ["torque", "rotational_speed"] in said["edges"]
    assert "causal" not in client.get("/api/v1/models/press").json()


def test_without_an_accepted_graph_nothing_follows_and_asking_for_it_is_refused(
    tmp_path: Path, alarm: dict[str, Any]
) -> None:
    shutil.copytree(shipped_models() / "milling-machine", tmp_path / "milling-machine")
    file = tmp_path / "milling-machine" / "1" / "causal.toml"
    text = file.read_text(encoding="utf-8").replace('status = "accepted"', 'status = "proposed"')
    file.write_text(
        "".join(x for x in text.splitlines(True) if not x.startswith("accepted_")), "utf-8"
    )
    with (
        serving(Settings(models=tmp_path)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        said = client.get(MODEL).json()["causal"]
        assert (said["status"], said["used"]) == ("proposed", False)
        reply = explained(client, alarm)
        assert reply["semantics"] == "independent"
        assert "causal_sha256" not in reply["provenance"]
        assert "no accepted causal model" in reply["assumptions"][0]["en"]
        refused = client.post(
            f"{MODEL}/explanations", json={"instance": alarm, "semantics": "interventional"}
        )
        assert refused.status_code == 422
        (fault,) = refused.json()["errors"]
        assert fault["pointer"] == "/semantics"
        assert "has one that is proposed" in fault["detail"]
        asked = {"instance": alarm, "set": {"torque": 40}, "rung": "counterfactual"}
        refused = client.post(f"{MODEL}/what-if", json=asked)
        assert refused.json()["errors"][0]["pointer"] == "/rung"
