"""Every kind of bad input: a clear 4xx that names the field, the value and the limit."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.explainers.languages import LANGUAGES
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_rejections import BODY, PRESS

JSON = {"Content-Type": "application/json"}
EXPLAIN = "/api/v1/models/milling-machine/explanations"
WHAT_IF = "/api/v1/models/milling-machine/what-if"
PREDICT = "/api/v1/models/milling-machine/predictions"


def check(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """A problem details body of that kind, complete and consistent."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["type"]) == (status, f"urn:ifonly:problem:{slug}"), (
        response.text
    )
    assert problem["status"] == status
    assert problem["title"]
    assert problem["instance"] == response.request.url.path
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


# name, changes of a valid instance (``...`` drops a key), field, value and limit quoted, words
INSTANCES: list[tuple[str, dict[str, Any], str, Any, Any, list[str]]] = [
    ("unknown feature", {"torq": 1}, "torq", 1, "names", ["torq is not a feature", "torque"]),
    ("missing feature", {"torque": ...}, "torque", None, None, ["torque is missing"]),
    ("text for a number", {"torque": "58.6"}, "torque", "58.6", None, ["'58.6'", "not a number"]),
    ("bool for a number", {"torque": True}, "torque", True, None, ["True", "not a number"]),
    ("list for a number", {"torque": [1]}, "torque", [1], None, ["not a number"]),
    ("null", {"torque": None}, "torque", None, None, ["torque is null"]),
    ("too high", {"torque": 150}, "torque", 150, [0, 100], ["150 Nm", "[0, 100] Nm"]),
    ("too low", {"torque": -0.1}, "torque", -0.1, [0, 100], ["-0.1 Nm", "[0, 100] Nm"]),
    ("beyond int64", {"torque": 10**30}, "torque", str(10**30), [0, 100], ["[0, 100] Nm"]),
    ("unknown category", {"quality": "X"}, "quality", "X", ["L", "M", "H"], ["'X'", "'L', 'M'"]),
    ("number for a category", {"quality": 1}, "quality", 1, ["L", "M", "H"], ["1", "'L', 'M'"]),
]


@pytest.mark.parametrize("path", [EXPLAIN, WHAT_IF, PREDICT])
@pytest.mark.parametrize(
    ("changes", "field", "value", "limit", "words"),
    [case[1:] for case in INSTANCES],
    ids=[case[0] for case in INSTANCES],
)
def test_an_instance_outside_the_model_is_refused_by_field_value_and_limit(
    client: httpx.Client,
    alarm: dict[str, Any],
    path: str,
    changes: dict[str, Any],
    field: str,
    value: Any,
    limit: Any,
    words: list[str],
) -> None:
    instance = {k: v for k, v in (alarm | changes).items() if v is not ...}
    body = {"instance": instance} | ({"set": {"torque": 40.0}} if path == WHAT_IF else {})
    problem = check(client.post(path, json=body), 422, "invalid-instance")
    (error,) = problem["errors"]
    assert error["pointer"] == f"/instance/{field}"
    assert error.get("value") == value
    assert error.get("limit") == (list(alarm) if limit == "names" else limit)
    for word in words:
        assert word in error["detail"]
        assert word in problem["detail"]
    if field == "torque":
        assert error["unit"] == "Nm"


def test_every_fault_of_every_instance_is_named_at_once(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    bad = alarm | {"torque": 101, "quality": "Z"}
    problem = check(
        client.post(PREDICT, json={"instances": [alarm, bad, {}, alarm | {"x": 0}]}),
        422,
        "invalid-request",
    )
    assert [e["pointer"] for e in problem["errors"]] == ["/instances/2"]
    problem = check(
        client.post(PREDICT, json={"instances": [alarm, bad, alarm | {"x": 0}]}),
        422,
        "invalid-instance",
    )
    assert [e["pointer"] for e in problem["errors"]] == [
        "/instances/1/torque",
        "/instances/1/quality",
        "/instances/2/x",
    ]


# name, raw text with @ for the instance, pointer, value, words
LITERALS: list[tuple[str, str, str, Any, list[str]]] = [
    ("NaN", '{"instance": {"torque": NaN}}', "/instance/torque", "NaN", ["torque is NaN"]),
    ("infinity", '{"instance": {"a": -Infinity}}', "/instance/a", "-Infinity", ["-Infinity"]),
    ("1e400", '{"instance": {"torque": 1e400}}', "/instance/torque", "1e400", ["1e400", "finite"]),
    ("400 digits", f'{{"seed": {"9" * 400}}}', "/seed", f"{'9' * 16}… (400 digits)", ["finite"]),
    ("in a list", '{"instances": [{"a": NaN}]}', "/instances/0/a", "NaN", ["a is NaN"]),
    (
        "duplicate key",
        '{"instance": {"torque": 1, "torque": 2}}',
        "/instance/torque",
        None,
        ["torque is given more than once"],
    ),
    ("duplicate part", '{"instance": {}, "instance": {}}', "/instance", None, ["more than once"]),
    ("odd name", '{"instance": {"a/b~c": NaN}}', "/instance/a~1b~0c", "NaN", ["a/b~c is NaN"]),
    (
        "half a surrogate pair",
        '{"instance": {"a": "\\ud800"}}',
        "/instance/a",
        None,
        ["surrogate pair"],
    ),
]


@pytest.mark.parametrize(
    ("text", "pointer", "value", "words"), [c[1:] for c in LITERALS], ids=[c[0] for c in LITERALS]
)
def test_json_that_python_would_take_and_nobody_means_is_refused_with_its_place(
    client: httpx.Client, text: str, pointer: str, value: Any, words: list[str]
) -> None:
    problem = check(client.post(EXPLAIN, content=text, headers=JSON), 422, "invalid-request")
    error = problem["errors"][0]
    assert error["pointer"] == pointer
    assert error.get("value") == value
    for word in words:
        assert word in error["detail"]


# name, raw body, line, column, words
TEXTS: list[tuple[str, bytes, int | None, int | None, str]] = [
    ("empty", b"", None, None, "the body is empty"),
    ("blank", b" \n ", None, None, "the body is empty"),
    ("not JSON", b"instance=1", 1, 1, "not JSON"),
    ("half a body", b'{"instance":\n  {"torque": 1', 2, 15, "not JSON"),
    ("a missing comma", b'{\n "seed": 1 "a": 2}', 2, 12, "not JSON"),
    ("a comment", b'{"seed": 1} // one', 1, 13, "not JSON"),
    ("single quotes", b"{'seed': 1}", 1, 2, "not JSON"),
    ("a leading zero", b'{"seed": 01}', 1, 11, "not JSON"),
    ("not UTF-8", b'{"a":\n "\xb0C"}', 2, 3, "0xb0"),
    ("UTF-16", '{"seed": 1}'.encode("utf-16"), 1, 1, "not UTF-8"),
    ("a thousand levels", b"[" * 100_000, None, None, "nested deeper than 32"),
]


@pytest.mark.parametrize(
    ("body", "line", "column", "words"), [c[1:] for c in TEXTS], ids=[c[0] for c in TEXTS]
)
def test_what_is_not_json_is_refused_with_line_and_column(
    client: httpx.Client, body: bytes, line: int | None, column: int | None, words: str
) -> None:
    problem = check(client.post(EXPLAIN, content=body, headers=JSON), 400, "invalid-json")
    assert words in problem["detail"]
    assert (problem.get("line"), problem.get("column")) == (line, column)


def test_a_trailing_comma_is_refused(client: httpx.Client) -> None:
    problem = check(client.post(EXPLAIN, content=b'{"a": 1,}', headers=JSON), 400, "invalid-json")
    assert problem["line"] == 1


def test_deep_but_well_formed_json_is_refused(client: httpx.Client) -> None:
    body = '{"instance": ' + "[" * 200 + "]" * 200 + "}"
    problem = check(client.post(EXPLAIN, content=body, headers=JSON), 422, "invalid-request")
    assert "nested deeper than 32" in problem["detail"]


@pytest.mark.parametrize("body", ["[]", "1", '"text"', "null", "true"])
def test_json_that_is_no_object_is_refused(client: httpx.Client, body: str) -> None:
    problem = check(client.post(EXPLAIN, content=body, headers=JSON), 422, "invalid-request")
    assert problem["errors"][0]["pointer"] == ""


GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


def test_a_packed_body_is_unpacked(client: httpx.Client, alarm: dict[str, Any]) -> None:
    text = json.dumps({"instance": alarm}).encode()
    for packed in (gzip.compress(text), gzip.compress(text[:9]) + gzip.compress(text[9:])):
        reply = client.post(EXPLAIN, content=packed, headers=GZIP)
        assert reply.status_code == 200, reply.text


def test_a_packed_body_is_unpacked_no_further_than_a_body_may_be_long(client: httpx.Client) -> None:
    bomb = gzip.compress(b" " * 200_000_000)
    assert len(bomb) < 1_000_000
    check(client.post(EXPLAIN, content=bomb, headers=GZIP), 413, "body-too-large")


@pytest.mark.parametrize("body", [b"{}", gzip.compress(b"{}", mtime=0)[:-3], b"\x1f\x8b"])
def test_a_body_that_is_not_packed_as_it_says_is_refused(client: httpx.Client, body: bytes) -> None:
    check(client.post(EXPLAIN, content=body, headers=GZIP), 400, "invalid-json")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "text/plain"}, "text/plain"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "urlencoded"),
        ({"Content-Type": ""}, "not given"),
        ({"Content-Type": "application/json; charset=euc-kr"}, "euc-kr"),
        ({"Content-Type": "application/json", "Content-Encoding": "br"}, "br"),
        ({"Content-Type": "nonsense"}, "nonsense"),
    ],
)
def test_a_body_not_declared_as_plain_json_is_refused(
    client: httpx.Client, alarm: dict[str, Any], headers: dict[str, str], words: str
) -> None:
    content = json.dumps({"instance": alarm})
    problem = check(
        client.post(EXPLAIN, content=content, headers=headers), 415, "unsupported-media-type"
    )
    assert words in problem["detail"]


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=UTF-8", "application/x+json"]
)
def test_any_spelling_of_json_is_taken(
    client: httpx.Client, alarm: dict[str, Any], media_type: str
) -> None:
    content = json.dumps({"instance": alarm})
    reply = client.post(PREDICT, content=content, headers={"Content-Type": media_type})
    assert reply.status_code == 200


# name, keys beside the instance, pointer, value, limit, words
ONE_OF = f"{', '.join(map(repr, LANGUAGES[:-1]))} or {LANGUAGES[-1]!r}"
REQUESTS: list[tuple[str, dict[str, Any], str, Any, Any, list[str]]] = [
    (
        "unknown key",
        {"alternative": 3},
        "/alternative",
        3,
        [
            "instance",
            "target",
            "constraints",
            "alternatives",
            "ways",
            "joint_box",
            "menu",
            "deadline_ms",
            "seed",
            "semantics",
            "attributes",
            "languages",
        ],
        ["alternative is not a key here", "alternatives"],
    ),
    (
        "unknown key inside",
        {"target": {"klass": "normal"}},
        "/target/klass",
        "normal",
        ["class", "probability", "score"],
        ["klass is not a key here", "class"],
    ),
    ("too many answers", {"alternatives": 11}, "/alternatives", 11, 10, ["11, above 10"]),
    ("no answers", {"alternatives": 0}, "/alternatives", 0, 1, ["0, below 1"]),
    ("half an answer", {"alternatives": 1.5}, "/alternatives", 1.5, None, ["1.5", "whole number"]),
    ("text", {"alternatives": "3"}, "/alternatives", "3", None, ["'3'", "whole number"]),
    ("no time", {"deadline_ms": 0}, "/deadline_ms", 0, 1, ["0, below 1"]),
    ("too long", {"deadline_ms": 60_001}, "/deadline_ms", 60_001, 60_000, ["above 60000"]),
    ("negative seed", {"seed": -1}, "/seed", -1, 0, ["-1, below 0"]),
    ("bool seed", {"seed": True}, "/seed", True, None, ["true", "whole number"]),
    ("huge seed", {"seed": 2**53}, "/seed", 2**53, 2**53 - 1, [str(2**53), str(2**53 - 1)]),
    ("language", {"languages": ["de"]}, "/languages/0", "de", ONE_OF, ["languages[0]"]),
    ("no language", {"languages": []}, "/languages", [], 1, ["length 0", "1"]),
    ("null", {"constraints": None}, "/constraints", None, None, ["null", "an object"]),
    (
        "probability above 1",
        {"target": {"class": "normal", "probability": {"min": 1.5}}},
        "/target/probability/min",
        1.5,
        1.0,
        ["1.5, above 1"],
    ),
    (
        "direction",
        {"constraints": {"directions": {"torque": "sideways"}}},
        "/constraints/directions/torque",
        "sideways",
        "'up' or 'down'",
        ["torque is 'sideways'", "'up' or 'down'"],
    ),
    (
        "three ends",
        {"constraints": {"ranges": {"torque": [1, 2, 3]}}},
        "/constraints/ranges/torque",
        [1, 2, 3],
        2,
        ["length 3", "2"],
    ),
    (
        "text for an end",
        {"constraints": {"ranges": {"torque": ["1", 2]}}},
        "/constraints/ranges/torque/0",
        "1",
        None,
        ["torque[0] is '1'", "a number"],
    ),
    (
        "negative change",
        {"constraints": {"max_change": {"torque": -1}}},
        "/constraints/max_change/torque",
        -1,
        0.0,
        ["-1, below 0"],
    ),
    (
        "too much to read",
        {"constraints": {"rules": ["torque <= 50 and torque <= 50" + " " * 900] * 3}},
        "/constraints/rules",
        None,
        None,
        ["2787 characters together", "above 2000"],
    ),
    (
        "no changes",
        {"constraints": {"max_changes": 0}},
        "/constraints/max_changes",
        0,
        1,
        ["0, below 1"],
    ),
]


@pytest.mark.parametrize(
    ("keys", "pointer", "value", "limit", "words"),
    [c[1:] for c in REQUESTS],
    ids=[c[0] for c in REQUESTS],
)
def test_a_request_of_another_shape_is_refused_by_key_value_and_limit(
    client: httpx.Client,
    alarm: dict[str, Any],
    keys: dict[str, Any],
    pointer: str,
    value: Any,
    limit: Any,
    words: list[str],
) -> None:
    reply = client.post(EXPLAIN, json={"instance": alarm} | keys)
    problem = check(reply, 422, "invalid-request")
    (error,) = problem["errors"]
    assert error["pointer"] == pointer
    assert (error.get("value"), error.get("limit")) == (value, limit)
    for word in words:
        assert word in error["detail"]


# name, constraints, pointer, value, words
CONSTRAINTS: list[tuple[str, dict[str, Any], str, Any, list[str]]] = [
    ("unknown frozen", {"freeze": ["torque", "x"]}, "/freeze/1", "x", ["x is not a feature"]),
    ("unknown range", {"ranges": {"x": [1, 2]}}, "/ranges/x", "x", ["x is not a feature"]),
    ("reversed", {"ranges": {"torque": [9, 3]}}, "/ranges/torque", [9, 3], ["[9, 3]", "above"]),
    ("of a category", {"ranges": {"quality": [0, 1]}}, "/ranges/quality", "quality", ["category"]),
    (
        "not a category",
        {"only_to": {"quality": ["L", "X"]}},
        "/only_to/quality/1",
        "X",
        ["'X'", "'L', 'M', 'H'"],
    ),
    (
        "off the grid",
        {"only_to": {"torque": [40.05]}},
        "/only_to/torque/0",
        40.05,
        ["40.05 Nm", "steps of 0.1"],
    ),
    ("out of bounds", {"only_to": {"torque": [120]}}, "/only_to/torque/0", 120, ["[0, 100] Nm"]),
    ("unreadable rule", {"rules": ["torque >> 3"]}, "/rules/0", "torque >> 3", ["column 9"]),
    ("cut rule", {"rules": ["torque >="]}, "/rules/0", "torque >=", ["column 10", "the end"]),
    ("rule of nothing", {"rules": ["wear < 1"]}, "/rules/0", "wear < 1", ["wear is not a feature"]),
]


@pytest.mark.parametrize(
    ("constraints", "pointer", "value", "words"),
    [c[1:] for c in CONSTRAINTS],
    ids=[c[0] for c in CONSTRAINTS],
)
def test_a_constraint_that_the_model_cannot_have_is_refused(
    client: httpx.Client,
    alarm: dict[str, Any],
    constraints: dict[str, Any],
    pointer: str,
    value: Any,
    words: list[str],
) -> None:
    reply = client.post(EXPLAIN, json={"instance": alarm, "constraints": constraints})
    problem = check(reply, 422, "invalid-constraints")
    (error,) = problem["errors"]
    assert (error["pointer"], error["value"]) == (f"/constraints{pointer}", value)
    for word in words:
        assert word in error["detail"]


# name, model, target, pointer, value, words
TARGETS: list[tuple[str, str, dict[str, Any], str, Any, list[str]]] = [
    (
        "unknown class",
        "milling-machine",
        {"class": "broken"},
        "/target/class",
        "broken",
        ["class is 'broken'", "'normal', 'failure'"],
    ),
    ("nothing", "milling-machine", {}, "/target", None, ["neither a class nor a score"]),
    (
        "empty interval",
        "milling-machine",
        {"class": "normal", "probability": {"min": 0.9, "max": 0.1}},
        "/target",
        None,
        ["at least 0.9", "at most 0.1"],
    ),
    (
        "probability of nothing",
        "milling-machine",
        {"probability": {"min": 0.9}},
        "/target/probability",
        None,
        ["needs the class"],
    ),
    (
        "both",
        "milling-machine",
        {"class": "normal", "score": {"max": 0.1}},
        "/target/score",
        None,
        ["together with a class"],
    ),
    ("class of a value", "press", {"class": "x"}, "/target/class", "x", ["this model has none"]),
    (
        "score of many classes",
        "sorter",
        {"score": {"min": 0.5}},
        "/target",
        None,
        ["needs a class"],
    ),
]
INSTANCE_OF = {
    "press": {"pressure": 10.0, "speed": 100},
    "sorter": {"size": 1.0, "colour/shade": "red", "dirt": None},
}


@pytest.mark.parametrize(
    ("model", "target", "pointer", "value", "words"),
    [c[1:] for c in TARGETS],
    ids=[c[0] for c in TARGETS],
)
def test_a_target_that_the_model_cannot_have_is_refused(
    client: httpx.Client,
    alarm: dict[str, Any],
    model: str,
    target: dict[str, Any],
    pointer: str,
    value: Any,
    words: list[str],
) -> None:
    body = {"instance": INSTANCE_OF.get(model, alarm), "target": target}
    reply = client.post(f"/api/v1/models/{model}/explanations", json=body)
    problem = check(reply, 422, "invalid-target")
    (error,) = problem["errors"]
    assert (error["pointer"], error.get("value")) == (pointer, value)
    for word in words:
        assert word in error["detail"]


def test_a_model_without_a_desired_class_needs_a_target(client: httpx.Client) -> None:
    reply = client.post(
        "/api/v1/models/press/explanations", json={"instance": INSTANCE_OF["press"]}
    )
    problem = check(reply, 422, "invalid-target")
    assert "desires no class" in problem["detail"]


def test_a_named_target_that_is_met_already_is_refused_with_the_prediction(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = client.post(EXPLAIN, json={"instance": alarm, "target": {"class": "failure"}})
    problem = check(reply, 422, "target-already-met")
    assert [e["pointer"] for e in problem["errors"]] == ["/target"]
    assert problem["prediction"]["class"] == "failure"
    assert problem["prediction"]["probability"] > 0


def test_contradictory_constraints_are_refused_and_named(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    constraints = {
        "freeze": ["rotational_speed", "torque"],
        "ranges": {"torque": [20, 30], "process_temperature": [305, 312]},
    }
    reply = client.post(EXPLAIN, json={"instance": alarm, "constraints": constraints})
    problem = check(reply, 422, "contradictory-constraints")
    named = {e["pointer"]: e.get("value") for e in problem["errors"]}
    assert named == {"/constraints/freeze/1": "torque", "/constraints/ranges/torque": [20, 30]}
    assert [c["features"] for c in problem["conflict"]] == [["torque"], ["torque"]]
    assert all(c["text"]["ko"] and c["text"]["en"] for c in problem["conflict"])
    assert "20" in problem["detail"]
    assert "30" in problem["detail"]


def test_a_constraint_against_the_policy_names_the_policys_too(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    constraints = {"ranges": {"air_temperature": [290, 291]}}
    reply = client.post(EXPLAIN, json={"instance": alarm, "constraints": constraints})
    problem = check(reply, 422, "contradictory-constraints")
    assert [e["pointer"] for e in problem["errors"]] == ["/constraints/ranges/air_temperature"]
    assert {c["source"] for c in problem["conflict"]} == {"policy", "request"}
    policy = next(c for c in problem["conflict"] if c["source"] == "policy")
    assert policy["key"] == "policy.features.air_temperature.actionable"
    assert "weather" in policy["why"]["en"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/models/unknown",
        "/api/v1/models/unknown/spec",
        "/api/v1/models/milling-machine?version=99",
        "/api/v1/models/milling-machine/spec?version=..",
        "/api/v1/models/%2e%2e%2fetc",
        "/api/v1/models/%ed%a0%80",
    ],
)
def test_an_unknown_model_or_version_is_not_found(client: httpx.Client, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 404
    assert reply.json()["type"] in (
        "urn:ifonly:problem:unknown-model",
        "urn:ifonly:problem:not-found",
    )
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", [EXPLAIN, WHAT_IF, PREDICT])
def test_a_question_to_an_unknown_model_is_not_found(
    client: httpx.Client, alarm: dict[str, Any], path: str
) -> None:
    body = {"instance": alarm} | ({"set": {"torque": 1}} if path == WHAT_IF else {})
    reply = client.post(path.replace("milling-machine", "miling-machine"), json=body)
    problem = check(reply, 404, "unknown-model")
    assert "miling-machine" in problem["detail"]
    assert "milling-machine" in problem["detail"]


def test_an_unknown_query_parameter_is_refused(client: httpx.Client) -> None:
    problem = check(client.get("/api/v1/models/press?verison=1"), 422, "invalid-request")
    assert [e["parameter"] for e in problem["errors"]] == ["verison"]
    problem = check(client.get("/api/v1/models/press/spec?format=yaml"), 422, "invalid-request")
    assert "'yaml'" in problem["detail"]
    assert "'toml'" in problem["detail"]


def test_a_path_that_is_not_there_is_a_problem_too(client: httpx.Client) -> None:
    check(client.get("/api/v2/models"), 404, "not-found")
    check(client.get("/api/v1/models/"), 404, "not-found")


def test_a_method_that_is_not_there_says_which_are(client: httpx.Client) -> None:
    reply = client.delete(EXPLAIN)
    check(reply, 405, "method-not-allowed")
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"instance": None}, ""),
        ({"instance": {"a": 1}, "instances": [{"a": 1}]}, ""),
        ({"instances": []}, "/instances"),
        ({"instances": {}}, "/instances"),
        ({"instances": [1]}, "/instances/0"),
        ({"instance": {}}, "/instance"),
    ],
)
def test_predictions_need_one_instance_or_several(
    client: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    problem = check(client.post(PREDICT, json=body), 422, "invalid-request")
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"torq": 40}, "torq", "torq is not a feature"),
        ({"torque": 140}, "torque", "[0, 100] Nm"),
        ({"quality": "Q"}, "quality", "'L', 'M', 'H'"),
        ({"torque": None}, "torque", "null"),
    ],
)
def test_a_what_if_that_sets_what_cannot_be_is_refused(
    client: httpx.Client, alarm: dict[str, Any], settings: dict[str, Any], field: str, words: str
) -> None:
    problem = check(
        client.post(WHAT_IF, json={"instance": alarm, "set": settings}), 422, "invalid-instance"
    )
    (error,) = problem["errors"]
    assert error["pointer"] == f"/set/{field}"
    assert words in error["detail"]


def test_a_score_that_is_no_number_is_an_error_that_names_row_and_output(
    client: httpx.Client,
) -> None:
    body = {"instances": [{"level": 0.0}, {"level": 50.0}]}
    reply = client.post("/api/v1/models/brittle/predictions", json=body)
    problem = check(reply, 500, "score-not-finite")
    assert problem["row"] == [50.0]
    assert problem["value"] in ("nan", "inf", "-inf")
    assert problem["output"] in problem["detail"]
    assert "row 1" in problem["detail"]


# --- size ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(press: Path) -> Iterator[httpx.Client]:
    """A service that reads at most 1,000 bytes."""
    with (
        serving(Settings(models=press, max_body_bytes=1_000)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


def test_a_body_that_says_it_is_too_large_is_refused(small: httpx.Client) -> None:
    problem = check(small.post(PRESS, content=b" " * 1_001, headers=JSON), 413, "body-too-large")
    assert problem["errors"] == [
        {
            "pointer": "",
            "detail": "the body is too large",
            "value": 1_001,
            "unit": "bytes",
            "limit": 1_000,
        }
    ]
    assert "1,001 bytes" in problem["detail"]
    assert "1,000 bytes" in problem["detail"]


def test_a_body_that_turns_out_too_large_is_refused(small: httpx.Client) -> None:
    chunks = (b" " * 300 for _ in range(10))  # no Content-Length
    problem = check(small.post(PRESS, content=chunks, headers=JSON), 413, "body-too-large")
    assert "1,000 bytes" in problem["detail"]


def test_a_body_of_exactly_the_limit_is_read(small: httpx.Client) -> None:
    content = json.dumps(BODY).encode()
    reply = small.post(PRESS, content=content + b" " * (1_000 - len(content)), headers=JSON)
    assert reply.status_code == 200


def test_a_huge_body_is_refused_and_the_next_request_is_answered(client: httpx.Client) -> None:
    reply = client.post(EXPLAIN, content=b"[" * 8_000_000, headers=JSON)
    problem = check(reply, 413, "body-too-large")
    assert "1,048,576 bytes" in problem["detail"]
    assert client.get("/healthz/live").status_code == 200


def test_a_body_that_is_wrong_in_many_places_gets_a_bounded_answer(client: httpx.Client) -> None:
    body = '{"instances": [' + ",".join(['"\\ud800"'] * 100_000) + "]}"
    problem = check(client.post(PREDICT, content=body, headers=JSON), 422, "invalid-request")
    assert len(problem["errors"]) == 100
    assert "the first 100 errors are listed; there are more" in problem["detail"]


def test_a_client_that_goes_away_harms_nobody(
    client: httpx.Client, service_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = service_url.removeprefix("http://").split(":")
    with caplog.at_level(logging.INFO, "ifonly"):
        with socket.create_connection((host, int(port))) as gone:
            head = (
                f"POST {EXPLAIN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            )
            gone.sendall(f'{head}Content-Length: 99\r\n\r\n{{"in'.encode())
        for _ in range(600):
            if "the client went away" in caplog.text:
                break
            time.sleep(0.01)
    assert "the client went away" in caplog.text
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert client.get("/healthz/live").status_code == 200


def test_a_long_value_is_not_repeated_in_full(client: httpx.Client, alarm: dict[str, Any]) -> None:
    reply = client.post(EXPLAIN, json={"instance": alarm | {"quality": "x" * 500_000}})
    check(reply, 422, "invalid-instance")
    assert len(reply.content) < 5_000
