"""Sufficient and principal reasons over HTTP: recorded, checked and asked again; or forged."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

import ifonly
from ifonly.explainers.verify.reasons import check_reasons
from ifonly.explainers.verify.sections import NotAnAnswer
from ifonly.models.repository import load_folder
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models
from ifonly.service.wire import examples

PATH = "/api/v1/models/milling-machine"
ROW: dict[str, Any] = examples.ROW
ASKED = {"instance": ROW, "languages": ["en", "ko", "ja"]}


@cache
def model() -> ServedModel:
    return prepare(load_folder(shipped_models() / "milling-machine" / "1"))


def ask(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post(f"{PATH}/reasons", json=body)


@pytest.fixture(scope="module")
def answer(client: httpx.Client) -> dict[str, Any]:
    reply = ask(client, **ASKED)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_the_readings_alone_force_the_alarm(client: httpx.Client, answer: dict[str, Any]) -> None:
    first = answer["reasons"][0]
    names = [each["feature"] for each in first["features"]]
    assert (answer["status"], first["status"]) == ("smallest", "smallest")
    assert len(names) == answer["at_least"] == 3
    # Those as they were read, and all else as on a machine that is well: an alarm all the same.
    well = {**ROW, "air_temperature": 298.0, "process_temperature": 308.0, "quality": "H"}
    well |= {"torque": 40.0, "rotational_speed": 1500, "tool_wear": 20}
    forced = well | {name: ROW[name] for name in names}
    rows = {"instances": [well, forced]}
    said = client.post(f"{PATH}/predictions", json=rows).json()["predictions"]
    assert [each["class"] for each in said] == ["normal", "failure"]


def test_each_witness_is_decided_otherwise(client: httpx.Client, answer: dict[str, Any]) -> None:
    for reason in answer["reasons"]:
        names = [each["feature"] for each in reason["features"]]
        assert [w["feature"] for w in reason["witnesses"]] == names
        rows = [w["instance"] for w in reason["witnesses"]]
        said = client.post(f"{PATH}/predictions", json={"instances": rows}).json()["predictions"]
        assert {each["class"] for each in said} == {"normal"}
        for witness in reason["witnesses"]:
            kept = [n for n in names if n != witness["feature"]]
            assert all(witness["instance"][n] == ROW[n] for n in kept)


def test_it_is_said_in_each_language(answer: dict[str, Any]) -> None:
    text = answer["text"]
    assert "alone force this: whatever the other readings had been, the model would" in text["en"]
    assert (
        "만으로 판정이 정해집니다. 나머지 값이 무엇이었더라도, 모델은 경보를 울렸을" in text["ko"]
    )
    assert "だけで判定が決まります。ほかの値がどうであっても、モデルは警報を出した" in text["ja"]
    first = answer["principal"][0]
    assert (first["rank"], first["feature"], first["alone"]) == (1, "torque", True)
    assert set(first["text"]) == {"en", "ko", "ja"}


def test_it_is_recorded_checked_and_asked_again(
    client: httpx.Client, answer: dict[str, Any]
) -> None:
    identity = answer["id"]
    event = client.get(f"/api/v1/audit/events/{identity}").json()["event"]
    assert (event["kind"], event["status"]) == ("reasons", "smallest")
    replayed = client.post(f"/api/v1/audit/events/{identity}/replay").json()
    assert replayed["same"], replayed
    assert replayed["answer"]["holds"], replayed["answer"]
    page = client.get(f"/records/{identity}", headers={"Accept-Language": "en"})
    assert page.status_code == 200
    assert f'href="/sheets/{identity}"' in page.text
    assert answer["text"]["en"].split(",")[0] in page.text


def test_those_of_a_recorded_explanation_are_of_its_row(
    client: httpx.Client, answer: dict[str, Any]
) -> None:
    explained = client.post(f"{PATH}/explanations", json={"instance": ROW}).json()["id"]
    found = ask(client, explanation=explained).json()
    assert found["explanation"] == explained
    told = [[f["value"] for f in reason["features"]] for reason in found["reasons"]]
    assert told == [[f["value"] for f in reason["features"]] for reason in answer["reasons"]]
    # What is recorded has the row: it is asked again when the explanation is gone.
    replayed = client.post(f"/api/v1/audit/events/{found['id']}/replay").json()
    assert replayed["same"], replayed
    for body, problem in (
        ({"explanation": answer["id"]}, "is of kind reasons"),
        ({"explanation": "nobody"}, "nobody"),
        ({"explanation": explained, "instance": ROW}, "say one of them"),
        ({}, "exactly one of instance and explanation"),
        ({"instance": {**ROW, "torque": 1e9}}, "torque is"),
        ({**ASKED, "sets": 0}, "sets"),
    ):
        refused = ask(client, **body)
        assert refused.status_code in (400, 422), body
        assert problem in refused.text


def test_a_model_that_decides_nothing_is_refused(client: httpx.Client) -> None:
    names = [m["name"] for m in client.get("/api/v1/models").json()["models"]]
    told = []
    for name in names:
        described = client.get(f"/api/v1/models/{name}").json()
        for example in described["examples"][:1]:
            body = {"instance": example["instance"], "languages": ["en"]}
            reply = client.post(f"/api/v1/models/{name}/reasons", json=body)
            assert reply.status_code in (200, 422), reply.text
            told.append(reply.json()["text"]["en"] if reply.status_code == 200 else reply.text)
    assert all(told)


def test_the_command_says_the_same_and_its_answer_is_verified(
    shop: Any, tmp_path: Path, answer: dict[str, Any]
) -> None:
    asked = ("reasons", "--row", json.dumps(ROW))
    told = shop.command(*asked, "--json")
    assert told.code == 0, told.err
    reply = json.loads(told.out)
    for one, other in zip(reply["reasons"], answer["reasons"], strict=True):
        rows = ([w["instance"] for w in each["witnesses"]] for each in (one, other))
        assert next(rows) == next(rows)
    shown = shop.command(*asked, "--lang", "en")
    assert (shown.code, answer["text"]["en"] in shown.out) == (0, True), shown.err
    assert all(word in shown.out for word in ("alone turns it", "tool wear", "M3"))
    file, question = tmp_path / "answer.json", tmp_path / "question.json"
    question.write_text(json.dumps(ASKED), "utf-8")
    folder = str(shipped_models() / "milling-machine" / "1")
    verify = ("verify", str(file), "--model", folder, "--question", str(question))
    for forge, code in ((None, 0), (alike, 1)):
        if forge is not None:
            forge(reply)
        file.write_text(json.dumps(reply), "utf-8")
        assert shop.command(*verify).code == code
    here = ifonly.reasons(folder, ROW)
    assert [list(s.values) for s in here] == [
        [f["feature"] for f in each["features"]] for each in answer["reasons"]
    ]


def test_the_client_asks_it(service_url: str, answer: dict[str, Any]) -> None:
    with ifonly.Client(service_url) as asking:
        found = asking.reasons("milling-machine", ROW, sets=1)
    assert found.reasons[0].text["en"] == answer["reasons"][0]["text"]["en"]
    assert len(found.reasons) == 1


def other_value(answer: dict[str, Any]) -> None:
    answer["reasons"][0]["features"][0]["value"] += 1


def fewer(answer: dict[str, Any]) -> None:
    """A set that is not sufficient."""
    answer["reasons"] = [answer["reasons"][0]]
    answer["reasons"][0] |= {"features": [], "witnesses": [], "status": "smallest"}
    answer["at_least"] = 0


def padded(answer: dict[str, Any]) -> None:
    """A feature more than is needed."""
    first = answer["reasons"][0]
    first["features"] = sorted(
        (*first["features"], {**first["features"][0], "feature": "quality", "value": "L"}),
        key=lambda f: list(ROW).index(f["feature"]),
    )


def alike(answer: dict[str, Any]) -> None:
    answer["reasons"][0]["witnesses"][0]["instance"] = dict(ROW)


def off_grid(answer: dict[str, Any]) -> None:
    answer["reasons"][0]["witnesses"][0]["instance"]["rotational_speed"] = 1366.5


def impossible(answer: dict[str, Any]) -> None:
    answer["reasons"][0]["witnesses"][0]["instance"]["process_temperature"] = 325.1


def another_class(answer: dict[str, Any]) -> None:
    answer["prediction"] |= {"class": "normal"}


def smaller(answer: dict[str, Any]) -> None:
    answer["at_least"] = 4


def wider(answer: dict[str, Any]) -> None:
    answer["readings"][3]["max"] = 1000.0


def fewer_rules(answer: dict[str, Any]) -> None:
    answer["rules"] = []


def reordered(answer: dict[str, Any]) -> None:
    answer["principal"].reverse()


def usual(answer: dict[str, Any]) -> None:
    answer["principal"][0]["distance"] = 0.0


def lonely(answer: dict[str, Any]) -> None:
    answer["principal"][-1]["alone"] = True


def surer(answer: dict[str, Any]) -> None:
    answer["status"] = "minimal"


FORGERIES = (
    other_value, fewer, padded, alike, off_grid, impossible, another_class, smaller, wider,
    fewer_rules, reordered, usual, lonely, surer,
)  # fmt: skip


def check(answer: dict[str, Any]) -> bool:
    score = model().deployed.predictor.score
    return all(s.holds for s in check_reasons(answer, ASKED, model().rulebook, score))


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_claim_is_found(
    answer: dict[str, Any], forge: Callable[[dict[str, Any]], None]
) -> None:
    forged = copy.deepcopy(answer)
    assert check(forged)
    forge(forged)
    assert not check(forged)


@pytest.mark.parametrize("member", ["reasons", "principal", "readings", "prediction", "at_least"])
def test_what_lacks_a_part_is_no_answer(answer: dict[str, Any], member: str) -> None:
    with pytest.raises(NotAnAnswer):
        check({key: value for key, value in answer.items() if key != member})
