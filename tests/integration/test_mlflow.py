"""MLflow's scoring protocol, as raw requests: what its documentation says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings
from tests.integration.conftest import serving

NAME = "milling-machine"
ASKED = "/invocations"
CSV = {"Content-Type": "text/csv"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(repository: Path) -> Iterator[httpx.Client]:
    settings = Settings(models=repository, mlflow_model=NAME)
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as c:
        yield c


@pytest.fixture(scope="module")
def sorter(repository: Path) -> Iterator[httpx.Client]:
    settings = Settings(models=repository, mlflow_model="sorter")
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as c:
        yield c


@pytest.fixture(scope="module")
def rows(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    return [alarm, {**alarm, "torque": 20.5, "tool_wear": 0}]


def split(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"columns": [*rows[0]], "index": [0, 1], "data": [[*row.values()] for row in rows]}


def as_csv(rows: list[dict[str, Any]]) -> str:
    lines = [[*rows[0]], *([str(v) for v in row.values()] for row in rows)]
    return "\n".join(",".join(line) for line in lines) + "\n"


# --- rows ---------------------------------------------------------------------------------


def test_every_format_of_rows_is_answered_alike(
    service: httpx.Client, rows: list[dict[str, Any]]
) -> None:
    shuffled = [dict(reversed(row.items())) for row in rows]
    bodies: list[dict[str, Any]] = [
        {"dataframe_split": split(rows)},
        {"dataframe_split": split(shuffled)},  # by name, not by place
        {"dataframe_split": {"data": split(rows)["data"]}},
        {"dataframe_split": {**split(rows), "columns": [*range(6)]}},
        {"dataframe_records": rows},
        {"inputs": rows},
        {"inputs": split(rows)["data"]},
        {"inputs": {name: [row[name] for row in rows] for name in rows[0]}},
        {"inputs": {name: [[row[name]] for row in rows] for name in rows[0]}},
        {"instances": rows},
        {"instances": split(rows)["data"]},
    ]
    for body in bodies:
        reply = service.post(ASKED, json=body)
        assert reply.json() == {"predictions": ["failure", "normal"]}, body
    for kind in ("text/csv", "text/csv; charset=utf-8"):
        reply = service.post(ASKED, content=as_csv(rows), headers={"Content-Type": kind})
        assert reply.json() == {"predictions": ["failure", "normal"]}


def test_an_array_of_numbers_has_categories_by_code(
    service: httpx.Client, rows: list[dict[str, Any]]
) -> None:
    features = service.get(f"/api/v1/models/{NAME}").json()["features"]
    names = {f["name"]: [c["name"] for c in f["categories"]] for f in features}
    listed = [
        [float(names[n].index(v)) if names[n] else float(v) for n, v in row.items()] for row in rows
    ]
    assert service.post(ASKED, json={"inputs": listed}).json()["predictions"] == [
        "failure", "normal",
    ]  # fmt: skip


def test_what_is_missing_is_nan_null_or_empty(sorter: httpx.Client) -> None:
    columns = ["size", "colour/shade", "dirt"]
    with_nan = json.dumps(
        {"dataframe_split": {"columns": columns, "data": [[9.0, "red", float("nan")]]}}
    )
    assert "NaN" in with_nan
    null = dict(zip(columns, [9, "red", None], strict=True))
    replies = [
        sorter.post(ASKED, content=with_nan, headers=JSON),
        sorter.post(ASKED, json={"dataframe_records": [null]}),
        sorter.post(ASKED, content="size,colour/shade,dirt\n9.0,red,\n", headers=CSV),
        sorter.post(ASKED, content="size,colour/shade,dirt\n9.0,red,NaN\n", headers=CSV),
    ]  # fmt: skip
    assert [r.json() for r in replies] == [{"predictions": ["large"]}] * 4
    infinite = with_nan.replace("NaN", "Infinity")
    refused = sorter.post(ASKED, content=infinite, headers=JSON)
    assert (refused.status_code, "Infinity" in refused.json()["error"]) == (422, True)
    assert sorter.post("/v1/models/sorter:predict", content=with_nan, headers=JSON).is_error


# --- explanations -------------------------------------------------------------------------


def test_params_ask_for_explanations(service: httpx.Client, alarm: dict[str, Any]) -> None:
    params = {"explain": True, "semantics": "independent", "alternatives": 2}
    body = {"dataframe_records": [alarm, {**alarm, "torque": 1e9}], "params": params}
    told = service.post(ASKED, json=body).json()
    assert told["predictions"][0] == "failure"
    found, wrong = told["explanations"]
    native = service.post(
        f"/api/v1/models/{NAME}/explanations",
        json={"instance": alarm, "semantics": "independent", "alternatives": 2},
    ).json()
    assert found["counterfactuals"] == native["counterfactuals"]
    assert service.get(f"/api/v1/explanations/{found['id']}").is_success
    assert (wrong["error_code"], wrong["status"]) == ("INVALID_PARAMETER_VALUE", 422)
    assert told["predictions"][1] == wrong


def test_explanations_have_a_route_of_their_own(
    service: httpx.Client, alarm: dict[str, Any]
) -> None:
    path = f"{ASKED}/explanations"
    by_csv = service.post(path, content=as_csv([alarm]), headers=CSV).json()
    body = {"dataframe_records": [alarm], "params": {"alternatives": 1}}
    by_json = service.post(path, json=body).json()
    assert by_csv["predictions"] == by_json["predictions"] == ["failure"]
    found = [told["explanations"][0]["counterfactuals"] for told in (by_csv, by_json)]
    assert found[0] == found[1]
    assert found[0][0]["verified"]
    wrong = service.post(path, content="a\n1\n", headers=CSV).json()
    assert wrong["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("explain", [False, True])
def test_a_named_request_is_answered_once(
    service: httpx.Client, alarm: dict[str, Any], explain: bool
) -> None:
    params = {"explain": True, "semantics": "independent"} if explain else {}
    body = {"dataframe_records": [alarm], "params": params}
    key = f"mlflow-{explain}"
    headers = {"Idempotency-Key": key, "X-Request-ID": key}
    one, two = (service.post(ASKED, json=body, headers=headers) for _ in range(2))
    assert one.json() == two.json()
    assert two.headers["idempotency-replayed"] == "true"
    events = service.get("/api/v1/audit/events", params={"request_id": key}).json()["events"]
    assert len(events) == 1


# --- what is wrong ------------------------------------------------------------------------


def test_a_wrong_row_does_not_lose_the_others(
    service: httpx.Client, rows: list[dict[str, Any]]
) -> None:
    bodies: list[dict[str, Any]] = [
        {"dataframe_records": [rows[0], {"torque": 1}, rows[1]]},
        {"inputs": [rows[0], [1.0, 2.0], rows[1]]},
        {"instances": [rows[0], "text", rows[1]]},
    ]
    for body in bodies:
        one, wrong, three = service.post(ASKED, json=body).json()["predictions"]
        assert (one, three) == ("failure", "normal")
        assert wrong["message"] == wrong["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "the body needs one of dataframe_split, dataframe_records, instances or inputs"),
        ({"inputs": [[1]], "instances": [[1]]}, "has instances and inputs"),
        ({"data": [[1]]}, "data is not a key here"),
        ({"instances": []}, "instances has length 0"),
        ({"inputs": []}, "inputs has no row"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "columns of different length"),
        ({"inputs": {}}, "columns of different length"),
        ({"inputs": [[1, 2]]}, "inputs[0] has 2 values"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "a is given twice"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "row 0 has 2 values"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1]]}}, "a is not a feature"),
        ({"inputs": [[1]], "params": {"expalin": True}}, "expalin is not a key here"),
        ({"inputs": [[1]], "params": {"seed": 1}}, "seed is asked of explanations"),
        ({"inputs": [[1]] * 1_001}, "1,001 rows; the limit is 1,000"),
    ],
)
def test_what_is_wrong_is_named(service: httpx.Client, body: dict[str, Any], said: str) -> None:
    reply = service.post(ASKED, json=body)
    assert reply.status_code in (413, 422), reply.text
    told = reply.json()
    assert said in told["message"]
    assert told["error_code"] in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        ({"inputs": "x"}, "/inputs", "inputs is 'x' (text), not a list"),
        ({"inputs": {"torque": 1}}, "/inputs/torque", "torque is 1, not a list"),
        ({"dataframe_split": {"columns": ["a", True], "data": [[1]]}},
         "/dataframe_split/columns/1", "columns[1] is true, not text"),
        ({"dataframe_split": {}}, "/dataframe_split/data", "data is missing"),
        ({"dataframe_records": [3]}, "/dataframe_records/0", "is 3, not an object"),
    ],
)  # fmt: skip
def test_a_place_where_several_forms_may_stand_is_named_as_it_was_sent(
    service: httpx.Client, body: dict[str, Any], pointer: str, said: str
) -> None:
    told = service.post(ASKED, json=body).json()
    assert (pointer, True) in [(e["pointer"], said in e["detail"]) for e in told["errors"]]
    assert "[any]" not in told["message"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the body is empty"),
        (b"a,b\n", "and no row"),
        (b"a,a\n1,2\n", "the column a is given twice"),
        (b"a,b\n1\n", "line 2 has 1 values"),
        (b'\na,b\n"1\n2",2\n\n1\n', "line 6 has 1 values"),
        (b"\n\n", "the body is empty"),
        (b'a,b\n"1,2\n', "is not CSV"),
        (b"\xff\xfe,b\n1,2\n", "not UTF-8"),
        (b"a,b\n1,2\n", "a is not a feature"),
        (b"air_temperature\n" + b"1\n" * 1_001, "1,001 rows"),
    ],
)
def test_csv_that_is_none_is_refused(service: httpx.Client, content: bytes, said: str) -> None:
    reply = service.post(ASKED, content=content, headers=CSV)
    assert reply.status_code in (400, 413, 422)
    assert said in reply.json()["message"]


def test_empty_lines_of_csv_are_no_rows(service: httpx.Client, alarm: dict[str, Any]) -> None:
    plain = as_csv([alarm])
    for spaced in (f"{plain}\n\n", f"\r\n{plain}", plain.replace("\n", "\n\n")):
        reply = service.post(ASKED, content=spaced, headers=CSV)
        assert reply.raise_for_status().json() == {"predictions": ["failure"]}


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", "0x10", "١", "1e400", "--1"])
def test_text_that_is_no_number_is_none(sorter: httpx.Client, text: str) -> None:
    content = f"size,colour/shade,dirt\n{text},red,1\n".encode()
    reply = sorter.post(ASKED, content=content, headers=CSV)
    assert (reply.status_code, "size is" in reply.json()["error"]) == (422, True)


@pytest.mark.parametrize("kind", ["application/parquet", "", "application/x-www-form-urlencoded"])
def test_other_types_are_refused(service: httpx.Client, kind: str) -> None:
    reply = service.post(ASKED, content=b"x", headers={"Content-Type": kind})
    assert reply.status_code == 415
    assert "text/csv" in reply.json()["message"]


def test_what_is_refused_is_recorded(service: httpx.Client) -> None:
    headers = {"X-Request-ID": "mlflow-refused"}
    assert service.post(ASKED, json={"inputs": [[1]]}, headers=headers).status_code == 422
    asked = {"request_id": "mlflow-refused"}
    (found,) = service.get("/api/v1/audit/events", params=asked).json()["events"]
    assert (found["kind"], found["model"]) == ("refusal", NAME)


# --- which model, and how it is -----------------------------------------------------------


def test_the_only_model_is_asked_and_several_are_a_question(
    press: Path, client: httpx.Client
) -> None:
    with serving(Settings(models=press)) as url, httpx.Client(base_url=url) as only:
        assert only.post(ASKED, json={"inputs": [[10.0, 100]]}).json() == {"predictions": [22.0]}
        assert only.post(ASKED, content=b"{", headers=JSON).status_code == 400
    reply = client.post(ASKED, json={"inputs": [[10.0, 100]]})
    assert reply.status_code == 404
    assert "4 models are served" in reply.json()["message"]
    assert "IFONLY_MLFLOW_MODEL says which" in reply.json()["message"]
    assert reply.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_the_server_says_how_it_is(client: httpx.Client) -> None:
    assert [client.get(path).status_code for path in ("/ping", "/health")] == [200, 200]
    version = client.get("/version")
    assert version.text == client.get("/v2").json()["version"]
    assert version.headers["content-type"].startswith("text/plain")


def test_the_example_of_the_document_is_answered(service: httpx.Client) -> None:
    schemas = service.get("/openapi.json").json()["components"]["schemas"]
    for example in schemas["Invocation"]["examples"]:
        told = service.post(ASKED, json=example).raise_for_status().json()
        assert len(told["explanations"]) == 1
