"""The native API over real HTTP: what is asked and what is answered."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.doors.http.permissions import ALLOWED, PAGES, PUBLIC, PUBLIC_PAGES
from ifonly.service.doors.http.problems import CLIENTS
from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.support.replies import same_for_all

MODEL = "/api/v1/models/milling-machine"
FOLDER = shipped_models() / "milling-machine" / "1"


def explain(client: httpx.Client, instance: Any, model: str = MODEL, **keys: Any) -> dict[str, Any]:
    reply = client.post(f"{model}/explanations", json={"instance": instance} | keys)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


# --- models -------------------------------------------------------------------------------


def test_the_models_are_listed_with_their_latest_version(client: httpx.Client) -> None:
    listing = client.get("/api/v1/models").json()
    assert [m["name"] for m in listing["models"]] == [
        "brittle",
        "milling-machine",
        "press",
        "sorter",
    ]
    brittle = listing["models"][0]
    assert (brittle["version"], brittle["versions"]) == ("10", ["2", "10"])
    assert listing["models"][1]["title"]["ko"]
    assert listing["refused"] == []


def test_a_model_tells_everything_that_a_client_needs_to_ask(client: httpx.Client) -> None:
    described = client.get(MODEL).json()
    spec = tomllib.loads((FOLDER / "spec.toml").read_text(encoding="utf-8"))
    assert [f["name"] for f in described["features"]] == [f["name"] for f in spec["features"]]
    torque = next(f for f in described["features"] if f["name"] == "torque")
    assert (torque["unit"], torque["bounds"], torque["resolution"]) == ("Nm", [0, 100], 0.1)
    assert torque["label"] == {"en": "torque", "ko": "토크", "ja": "トルク"}
    assert described["decision"]["threshold"] == spec["decision"]["threshold"]
    assert described["decision"]["desired"] == "normal"
    assert all(c["text"]["ko"] and c["text"]["en"] for c in described["constraints"])
    assert len(described["examples"]) >= 2


def test_an_open_bound_is_null(client: httpx.Client) -> None:
    described = client.get("/api/v1/models/sorter").json()
    dirt = described["features"][2]
    assert (dirt["bounds"], dirt["may_be_missing"], dirt["resolution"]) == ([0, None], True, None)
    spec = client.get("/api/v1/models/sorter/spec").json()
    assert spec["features"][2]["bounds"] == [0, None]


def test_a_version_can_be_pinned(client: httpx.Client) -> None:
    path = "/api/v1/models/brittle"
    assert client.get(path).json()["version"] == "10"
    assert client.get(path, params={"version": "2"}).json()["version"] == "2"
    reply = client.post(
        f"{path}/predictions", params={"version": "2"}, json={"instance": {"level": 48}}
    )
    assert reply.json()["provenance"]["version"] == "2"
    assert reply.json()["predictions"] == [{"score": -0.5}]


def test_the_spec_is_the_very_file_and_the_same_as_json(client: httpx.Client) -> None:
    text = client.get(f"{MODEL}/spec", params={"format": "toml"})
    assert text.headers["content-type"] == "application/toml"
    assert text.content == (FOLDER / "spec.toml").read_bytes()
    digest = hashlib.sha256(text.content).hexdigest()
    assert client.get(MODEL).json()["provenance"]["spec_sha256"] == digest
    assert client.get(f"{MODEL}/spec").json() == tomllib.loads(text.text)


# --- predict ------------------------------------------------------------------------------


def test_one_instance_and_several_give_the_same_predictions(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    gentle = alarm | {"torque": 40.0, "tool_wear": 10}
    one = [
        client.post(f"{MODEL}/predictions", json={"instance": i}).json()["predictions"][0]
        for i in (alarm, gentle)
    ]
    both = client.post(f"{MODEL}/predictions", json={"instances": [alarm, gentle]}).json()
    assert both["predictions"] == one
    assert [p["class"] for p in one] == ["failure", "normal"]
    assert one[0]["label"] == {"ko": "고장", "en": "failure"}
    threshold = client.get(MODEL).json()["decision"]["threshold"]
    assert one[0]["probability"] >= threshold > 1 - one[1]["probability"]


def test_a_multi_class_model_gives_every_probability(client: httpx.Client) -> None:
    instance = {"size": 10.0, "colour/shade": "red", "dirt": None}
    reply = client.post("/api/v1/models/sorter/predictions", json={"instance": instance}).json()
    (prediction,) = reply["predictions"]
    assert prediction["class"] == "large"
    assert prediction["label"] == {"ko": "대형", "en": "large"}
    assert prediction["probability"] == prediction["probabilities"]["large"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1.0)
    assert list(prediction["probabilities"]) == ["small", "medium", "large"]


def test_a_regression_gives_a_score_in_its_unit(client: httpx.Client) -> None:
    instance = {"pressure": 10.0, "speed": 100}
    reply = client.post("/api/v1/models/press/predictions", json={"instance": instance}).json()
    assert reply["predictions"] == [{"score": 22.0, "unit": "kN"}]


# --- what-if ------------------------------------------------------------------------------


def what_if(client: httpx.Client, instance: Any, settings: Any, **keys: Any) -> dict[str, Any]:
    body = {"instance": instance, "set": settings} | keys
    reply = client.post(f"{MODEL}/what-if", json=body)
    assert reply.status_code == 200, reply.text
    answered: dict[str, Any] = reply.json()
    return answered


def test_what_if_says_what_the_model_would_say_and_on_which_rung(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = what_if(client, alarm, {"torque": 40.0}, rung="association")
    assert reply["rung"] == "association"
    assert "moved alone" in reply["assumptions"][0]["en"]
    assert reply["prediction"]["before"]["class"] == "failure"
    assert reply["prediction"]["after"]["class"] == "normal"
    assert reply["changed"] is True
    assert reply["allowed"] is True
    assert (reply["broken_rules"], reply["off_grid"], reply["effects"]) == ([], [], [])
    assert reply["instance"] == alarm | {"torque": 40.0}
    (action,) = reply["actions"]
    delta = Decimal("40.0") - Decimal(str(alarm["torque"]))
    assert Decimal(str(action["delta"])) == delta
    assert reply["cost"] > 0
    again = client.post(f"{MODEL}/predictions", json={"instance": reply["instance"]}).json()
    assert again["predictions"][0] == reply["prediction"]["after"]


def test_what_if_names_broken_rules_and_values_off_the_grid(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    settings = {"tool_wear": 3, "air_temperature": 299.0, "torque": 40.05, "quality": "L"}
    reply = what_if(client, alarm, settings, languages=["en"])
    assert reply["allowed"] is False
    keys = {c["key"] for c in reply["broken_rules"]}
    assert "policy.features.air_temperature.actionable" in keys
    assert "policy.features.tool_wear.only_to" in keys
    rule = next(c for c in reply["broken_rules"] if c["key"].startswith("policy.rules."))
    assert rule["features"] == ["tool_wear"]
    assert list(rule["why"]) == ["en"]
    assert list(rule["text"]) == ["en"]
    assert reply["off_grid"] == [
        {
            "feature": "torque",
            "value": 40.05,
            "unit": "Nm",
            "resolution": 0.1,
            "nearest": [40.0, 40.1],
        }
    ]
    assert [a["feature"] for a in reply["actions"]] == ["air_temperature", "torque", "tool_wear"]


def test_what_if_nothing_is_set_anew_nothing_changes(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = what_if(client, alarm, {"torque": alarm["torque"]})
    assert (reply["changed"], reply["actions"], reply["cost"]) == (False, [], 0.0)
    assert reply["prediction"]["before"] == reply["prediction"]["after"]


# --- explain ------------------------------------------------------------------------------


def test_an_explanation_has_everything_that_the_design_promises(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = explain(client, alarm, seed=7, alternatives=2, deadline_ms=30_000)
    assert reply["status"] in ("optimal", "feasible")
    assert reply["deadline_hit"] is False
    assert reply["prediction"]["class"] == "failure"
    assert reply["blocked_by"] == []
    assert "best_prediction" not in reply
    assert set(reply["text"]) == {"ko", "en"}
    assert all(set(a) == {"ko", "en"} for a in reply["assumptions"])
    provenance = reply["provenance"]
    digest = hashlib.sha256((FOLDER / "model.onnx").read_bytes()).hexdigest()
    assert provenance["model_sha256"] == digest
    assert (provenance["model"], provenance["version"], provenance["seed"]) == (
        "milling-machine",
        "1",
        7,
    )
    assert reply["work"]["rows"] >= reply["work"]["runs"] > 0
    assert reply["work"]["deadline_ms"] == 30_000
    found = reply["counterfactuals"]
    assert [c["rank"] for c in found] == list(range(1, len(found) + 1))
    for counterfactual in found:
        assert counterfactual["verified"] is True
        assert counterfactual["prediction"]["class"] == "normal"
        assert set(counterfactual["text"]) == {"ko", "en"}
        parts = (*counterfactual["actions"], *counterfactual["effects"])
        moved = {part["feature"]: part["to"] for part in parts}
        assert counterfactual["instance"] == alarm | moved
        for action in parts:
            assert action["from"] == alarm[action["feature"]]
            exact = Decimal(str(action["to"])) - Decimal(str(action["from"]))
            assert Decimal(str(action["delta"])) == exact
        if counterfactual["gap"] == 0:
            assert counterfactual["lower_bound"] == pytest.approx(counterfactual["cost"])


def test_the_same_question_gets_the_same_answer(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    bodies = [explain(client, alarm, alternatives=3, deadline_ms=30_000) for _ in range(3)]
    assert len({b.pop("id") for b in bodies}) == 3
    assert len({b.pop("audit")["sequence"] for b in bodies}) == 3
    first, *others = map(same_for_all, bodies)
    assert others == [first, first]
    assert bodies[0]["deadline_hit"] is False


def test_texts_come_in_the_languages_asked_for(client: httpx.Client, alarm: dict[str, Any]) -> None:
    reply = explain(client, alarm, languages=["en"])
    assert list(reply["text"]) == ["en"]
    assert list(reply["prediction"]["label"]) == ["en"]
    assert [list(a) for a in reply["assumptions"]] == [["en"]] * len(reply["assumptions"])
    assert list(reply["counterfactuals"][0]["actions"][0]["label"]) == ["en"]


def test_alternatives_use_other_levers(client: httpx.Client, alarm: dict[str, Any]) -> None:
    reply = explain(client, alarm, alternatives=10)
    levers = [frozenset(a["feature"] for a in c["actions"]) for c in reply["counterfactuals"]]
    assert len(levers) >= 2
    assert len(set(levers)) == len(levers)


@pytest.mark.parametrize(
    ("constraints", "kept"),
    [
        ({"freeze": ["torque"]}, lambda a, b: a["torque"] == b["torque"]),
        ({"ranges": {"torque": [52, None]}}, lambda a, b: b["torque"] >= 52),
        ({"directions": {"torque": "up"}}, lambda a, b: b["torque"] >= a["torque"]),
        ({"max_change": {"torque": 2.5}}, lambda a, b: abs(a["torque"] - b["torque"]) <= 2.5001),
        ({"only_to": {"torque": [30.0]}}, lambda a, b: b["torque"] in (a["torque"], 30.0)),
        ({"max_changes": 1}, lambda a, b: sum(a[k] != b[k] for k in a) == 1),
        ({"rules": ["torque <= 40"]}, lambda a, b: b["torque"] <= 40),
        ({"rules": ["tool_wear stays", "torque >= 50"]}, lambda a, b: b["torque"] >= 50),
    ],
)
def test_a_request_can_only_tighten_the_policy(
    client: httpx.Client, alarm: dict[str, Any], constraints: Any, kept: Any
) -> None:
    reply = explain(client, alarm, constraints=constraints, alternatives=3)
    for counterfactual in reply["counterfactuals"]:
        row = counterfactual["instance"]
        assert kept(alarm, alarm | {a["feature"]: a["to"] for a in counterfactual["actions"]})
        assert row["quality"] == alarm["quality"]
        assert row["air_temperature"] == alarm["air_temperature"]


DECISION_ALONE = {"class": "normal", "probability": {"min": 0}}


def test_a_probability_that_is_asked_for_is_reached(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    target = {"class": "normal", "probability": {"min": 0.9}}
    reply = explain(client, alarm, target=target)
    assert reply["counterfactuals"][0]["prediction"]["probability"] >= 0.9
    by_policy = {"robust": True, "robust_source": "policy"}
    assert reply["target"] == {**target, "source": "request", **by_policy}
    alone = explain(client, alarm, target=DECISION_ALONE)
    assert alone["target"] == {"class": "normal", "source": "request", **by_policy}
    assert reply["counterfactuals"][0]["cost"] > alone["counterfactuals"][0]["cost"]


def test_a_request_that_names_no_probability_gets_the_one_of_the_policy(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    least = {"class": "normal", "probability": {"min": 0.95}, "source": "policy"}
    demanded = {**least, "robust": True, "robust_source": "policy"}
    named: list[dict[str, Any]] = [{}, {"target": {"class": "normal"}}]
    for target in named:
        reply = explain(client, alarm, **target)
        assert reply["target"] == demanded
        assert reply["counterfactuals"][0]["prediction"]["probability"] >= 0.95
        assert "at least 95 % sure of 'normal'" in reply["text"]["en"]
        assert "'정상' 확률이 95 % 이상" in reply["text"]["ko"]
    described = client.get("/api/v1/models/milling-machine").json()["decision"]
    assert (described["desired"], described["probability"]) == ("normal", 0.95)
    assert described["robust"]


def test_the_policy_demands_nothing_of_a_class_that_it_does_not_desire(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = explain(client, alarm | {"torque": 40.0}, target={"class": "failure"})
    nothing = {"robust": False, "robust_source": "policy"}
    assert reply["target"] == {"class": "failure", "source": "policy", **nothing}
    assert reply["counterfactuals"]


def test_the_tolerances_of_the_policy_are_survived_unless_a_request_asks_for_less(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    demanded = explain(client, alarm)
    lifted = explain(client, alarm, constraints={"robust": False})
    both = demanded["counterfactuals"][0], lifted["counterfactuals"][0]
    assert both[0]["assurance"]["survives_sensor_errors"] == 1.0
    assert both[0]["cost"] > both[1]["cost"]
    asked = [(r["target"]["robust"], r["target"]["robust_source"]) for r in (demanded, lifted)]
    assert asked == [(True, "policy"), (False, "request")]
    said = "whatever the sensors' declared tolerances make of the readings"
    assert [said in r["text"]["en"] for r in (demanded, lifted)] == [True, False]
    assert "센서의 허용 오차" in demanded["text"]["ko"]
    past = explain(client, alarm, semantics="backtracking")
    assert past["target"]["robust"] is False
    assert said not in past["text"]["en"]


def test_a_demand_that_cannot_be_met_is_named_with_what_can(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    freeze = ["process_temperature", "rotational_speed", "tool_wear"]
    asked: dict[str, Any] = {
        "constraints": {"robust": False, "freeze": freeze, "ranges": {"torque": [55.5, 90.0]}},
        "semantics": "independent",
    }
    sure = explain(client, alarm, target=DECISION_ALONE, **asked)
    assert sure["counterfactuals"]
    reply = explain(client, alarm, **asked)
    assert reply["status"] == "infeasible"
    assert reply["blocked_by"][0]["key"] == "policy.target.probability"
    assert reply["blocked_by"][0]["source"] == "policy"
    best = reply["best_prediction"]
    assert best["class"] == "normal"
    assert best["probability"] < 0.95
    reached = reply["relaxation"]["counterfactual"]["prediction"]["probability"]
    assert reply["relaxation"]["lifted"]["key"] == "policy.target.probability"
    assert int(100 * best["probability"]) / 100 <= reached <= best["probability"]
    named = explain(
        client,
        alarm,
        target={"class": "normal", "probability": {"min": 0.95}},
        **asked,
    )
    assert named["blocked_by"][0]["pointer"] == "/target/probability"


def test_a_score_interval_of_a_regression_is_reached(client: httpx.Client) -> None:
    instance = {"pressure": 10.0, "speed": 100}
    target = {"score": {"min": 40.0, "max": 50.0}}
    reply = explain(client, instance, "/api/v1/models/press", target=target)
    best = reply["counterfactuals"][0]
    assert 40 <= best["prediction"]["score"] <= 50
    assert best["actions"][0]["feature"] == "pressure"
    assert (best["instance"]["pressure"] * 2) % 1 == 0


def test_a_missing_value_stays_missing(client: httpx.Client) -> None:
    instance = {"size": 9.75, "colour/shade": "red", "dirt": None}
    reply = explain(client, instance, "/api/v1/models/sorter")
    best = reply["counterfactuals"][0]
    assert best["prediction"]["class"] == "medium"
    assert best["instance"]["dirt"] is None


def test_a_fact_that_is_the_desired_class_already_is_an_answer(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = explain(client, alarm | {"torque": 40.0, "tool_wear": 10})
    assert reply["status"] == "already_target"
    assert reply["counterfactuals"] == []
    assert reply["text"]["ko"]


def test_infeasible_is_an_answer_that_names_what_blocks(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    levers = ["process_temperature", "rotational_speed", "torque", "tool_wear"]
    reply = explain(client, alarm, constraints={"freeze": levers})
    assert reply["status"] == "infeasible"
    assert reply["counterfactuals"] == []
    assert reply["blocked_by"]
    assert {"request"} <= {c["source"] for c in reply["blocked_by"]}
    pointers = {c["pointer"] for c in reply["blocked_by"] if c["source"] == "request"}
    assert "/constraints/freeze/2" in pointers
    assert reply["text"]["en"]


def test_a_deadline_is_kept_to_and_said(client: httpx.Client, alarm: dict[str, Any]) -> None:
    reply = explain(client, alarm, deadline_ms=1, alternatives=10)
    assert reply["deadline_hit"] is True
    assert len(reply["counterfactuals"]) < 10
    assert reply["work"]["deadline_ms"] == 1


# --- the whole ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow(repository: Path) -> Iterator[httpx.Client]:
    """A service that gives no question more than 40 ms, works on one at once and lets none wait."""
    settings = Settings(
        models=repository, workers=1, max_waiting=0, max_deadline_ms=40, default_deadline_ms=2000
    )
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


def test_the_settings_cap_every_deadline(narrow: httpx.Client, alarm: dict[str, Any]) -> None:
    assert explain(narrow, alarm, deadline_ms=60_000)["work"]["deadline_ms"] == 40
    assert explain(narrow, alarm)["work"]["deadline_ms"] == 40
    assert explain(narrow, alarm, deadline_ms=30)["work"]["deadline_ms"] == 30


def test_too_many_questions_at_once_are_refused_and_none_is_lost(
    narrow: httpx.Client, alarm: dict[str, Any]
) -> None:
    def ask(_: int) -> httpx.Response:
        return narrow.post(f"{MODEL}/explanations", json={"instance": alarm, "alternatives": 10})

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(24)))
    codes = {r.status_code for r in replies}
    assert codes == {200, 503}
    refused = next(r for r in replies if r.status_code == 503)
    assert refused.json()["type"] == "urn:ifonly:problem:overloaded"
    assert refused.headers["retry-after"] == "1"


def test_many_questions_at_once_get_the_answers_that_each_gets_alone(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    instances = [alarm | {"torque": 55.0 + 0.5 * k} for k in range(8)]
    alone = [explain(client, i, deadline_ms=60_000) for i in instances]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: explain(client, i, deadline_ms=60_000), instances))
    for a, b in zip(alone, together, strict=True):
        assert same_for_all(a) == same_for_all(b)


def test_health_tells_life_from_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz/live").json() == {"status": "live"}
    assert client.get("/healthz/ready").json() == {"status": "ready", "models": 4}


def test_a_request_id_is_kept_if_it_is_harmless(client: httpx.Client) -> None:
    kept = client.get("/healthz/live", headers={"X-Request-ID": "line-7.42_a"})
    assert kept.headers["x-request-id"] == "line-7.42_a"
    made = client.get("/healthz/live", headers={"X-Request-ID": "a b" + "c" * 200})
    assert made.headers["x-request-id"] != "a b" + "c" * 200
    assert len(made.headers["x-request-id"]) == 32


def test_every_example_of_the_openapi_document_is_answered(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    document = client.get("/openapi.json").json()
    # Of an explanation that raised an alarm: its id is the alarm's, too.
    raised = explain(client, alarm, attributes={"equipment": "Mill 7"})["id"]
    names = {"model": "milling-machine", "version": "1", "id": raised}
    asked = 0
    for path, operations in document["paths"].items():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            # MLflow's is of the only model, or a named one; nothing is staged here.
            if content is None or path.startswith(("/invocations", "/api/v1/staged")):
                continue
            if "$ref" not in content["schema"]:  # what comes from another service, as it puts it
                continue
            name = content["schema"]["$ref"].rsplit("/", 1)[1]
            for example in document["components"]["schemas"][name].get("examples", ()):
                reply = client.post(path.format(**names), json=example)
                # There is one version, which is active, and none that it could be compared with.
                of_versions = {"activations": 409, "comparisons": 404}
                refused = of_versions.get(path.rsplit("/", 1)[1]) == reply.status_code
                assert reply.is_success or refused, (path, reply.text)
                asked += 1
    assert asked >= 8


def test_every_operation_documents_its_problems(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        # Other services' clients read plain JSON.
        theirs = any(path == p or path.startswith(f"{p}/") for p in CLIENTS)
        kind = "application/json" if theirs else "application/problem+json"
        for operation in operations.values():
            assert operation["tags"]
            assert operation["summary"]
            refusals = {k: v for k, v in operation["responses"].items() if k[0] != "2"}
            assert "500" in refusals
            if path.endswith("/add-checkpoint"):
                assert list(refusals.pop("409")["content"]) == ["text/x.tlog.size"]  # C2SP's own
            for refusal in refusals.values():
                assert list(refusal["content"]) == [kind]
    assert "HTTPValidationError" not in json.dumps(document)


def test_a_question_that_names_the_version_is_answered_as_one_that_does_not(
    client: httpx.Client, alarm: Any
) -> None:
    """The usual request goes another way to its endpoint than one with a query or a preference."""
    replies = [
        client.post(f"{MODEL}/explanations{query}", json={"instance": alarm}, headers=headers)
        for query, headers in (("", {}), ("?version=1", {}), ("", {"Prefer": "wait=5"}))
    ]
    assert [reply.status_code for reply in replies] == [200] * 3
    first, *others = (same_for_all(reply.json()) for reply in replies)
    assert others == [first, first]


def test_what_nobody_documented_is_refused_with_a_query_and_without(
    client: httpx.Client, alarm: Any
) -> None:
    body = {"instance": alarm, "alternatives": 99, "colour": "red"}
    plain, versioned = (
        client.post(f"{MODEL}/explanations{query}", json=body) for query in ("", "?version=1")
    )
    assert plain.status_code == versioned.status_code == 422
    assert plain.json()["errors"] == versioned.json()["errors"]
    assert client.post(f"{MODEL}/explanations?versoin=1", json=body).status_code == 422


def test_operations_have_short_names_of_their_own(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    names = [operation["operationId"] for of in paths.values() for operation in of.values()]
    assert len(names) == len({*names})
    assert {"explain", "predict", "what_if", "submit_job", "v1_explain", "v2_infer"} <= {*names}
    assert max(map(len, names)) <= 24


EVERY = {*ALLOWED, *PUBLIC, *PAGES, *PUBLIC_PAGES}
ISSUERS = ("GET", "/sign-in/account/reply")
"""Where the plant's accounts answer, with parameters of their own (RFC 6749, 4.1.2)."""


@pytest.mark.parametrize(("method", "path"), sorted(EVERY - {ISSUERS}))
def test_no_route_takes_a_query_that_it_does_not_know(
    client: httpx.Client, method: str, path: str
) -> None:
    """Refused before anything is looked up: also of what is not there."""
    is_page = (method, path) in PAGES | dict.fromkeys(PUBLIC_PAGES)
    address = path.format(model="milling-machine", version="1", id="nothing", name="ifonly.css")
    reply = client.request(
        method,
        address,
        params={"nonsense": "1"},
        content=b"{}" if method == "POST" else None,
        headers={"Content-Type": "application/json", "Accept": "text/html" if is_page else "*/*"},
    )
    assert reply.status_code == 422, reply.text
    assert "nonsense is no query parameter here" in reply.text
    if not is_page:
        assert [e["parameter"] for e in reply.json()["errors"]] == ["nonsense"]


def test_issuers_may_say_what_they_like(client: httpx.Client) -> None:
    reply = client.get(ISSUERS[1], params={"nonsense": "1", "session_state": "2"})
    assert "no query parameter" not in reply.text


def test_what_the_document_says_is_what_is_asked_for(client: httpx.Client) -> None:
    """A file is sent under its own type, or as bytes to whoever knows these alone."""
    for accept, kind in (
        (None, "application/jsonl"),
        ("*/*", "application/jsonl"),
        ("application/octet-stream", "application/octet-stream"),
        ("application/jsonl, application/octet-stream;q=0.5", "application/jsonl"),
    ):
        headers = {} if accept is None else {"Accept": accept}
        reply = client.get("/api/v1/audit/export", headers=headers)
        assert reply.headers["content-type"] == kind
        assert json.loads(reply.text.splitlines()[0])
