"""The Open Inference Protocol (V2) over REST, as raw JSON and bytes: what its document says."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ifonly.service.access import Role
from ifonly.service.doors.app import create_app
from ifonly.service.errors import GrpcUnavailable
from ifonly.service.settings import Settings
from ifonly.service.store import keys
from ifonly.service.store.journal import JournalOptions
from ifonly.service.store.opened import opened
from tests.integration.conftest import serving

NAME = "milling-machine"
MODEL = f"/v2/models/{NAME}"
INFER = f"{MODEL}/infer"
PRESS = "/v2/models/press/infer"
LENGTH = "Inference-Header-Content-Length"
NUMBERS = ["air_temperature", "process_temperature", "rotational_speed", "torque", "tool_wear"]


def tensor(name: str, datatype: str, data: list[Any], *shape: int, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "datatype": datatype,
        "shape": [*shape] or [len(data)],
        "data": data,
    } | more


def tensors(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """One a feature."""
    return [
        tensor(name, "BYTES" if name == "quality" else "FP64", [row[name] for row in rows])
        for name in rows[0]
    ]


def packed(document: dict[str, Any], *tails: bytes) -> tuple[bytes, dict[str, str]]:
    """A binary request, and its header."""
    head = json.dumps(document).encode()
    return b"".join((head, *tails)), {LENGTH: str(len(head))}


def texts(*values: str) -> bytes:
    return b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)


def outputs(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    return {output["name"]: output["data"] for output in reply.json()["outputs"]}


def native(client: httpx.Client, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"instances": [*rows]}
    found: list[dict[str, Any]] = client.post(
        f"/api/v1/models/{NAME}/predictions", json=body
    ).json()["predictions"]
    return found


# --- the server, the models ---------------------------------------------------------------


def test_the_server_says_who_and_how_it_is(client: httpx.Client) -> None:
    told = client.get("/v2").json()
    assert told["name"] == "ifonly"
    assert "binary_tensor_data" in told["extensions"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1"])
def test_metadata_say_which_tensors_a_model_takes_and_gives(
    client: httpx.Client, path: str
) -> None:
    told = client.get(path).json()
    assert (told["name"], told["versions"]) == (NAME, ["1"])
    types = {t["name"]: (t["datatype"], t["shape"]) for t in told["inputs"]}
    assert {*types} == {*NUMBERS, "quality"}
    assert types["quality"] == ("BYTES", [-1])
    assert types["torque"] == ("FP64", [-1])
    gives = {t["name"]: (t["datatype"], t["shape"]) for t in told["outputs"]}
    assert gives == {
        "label": ("BYTES", [-1]), "probability": ("FP64", [-1]), "scores": ("FP64", [-1, 2]),
        "error": ("BYTES", [-1]),
    }  # fmt: skip
    assert client.get(f"{path}/ready").json() == {"name": NAME, "ready": True}
    config = client.get(f"{path}/config").json()
    assert [i["name"] for i in config["input"]] == [t["name"] for t in told["inputs"]]
    assert {o["data_type"] for o in config["output"]} == {"TYPE_STRING", "TYPE_FP64"}


def test_the_index_lists_every_version(client: httpx.Client) -> None:
    found = client.post("/v2/repository/index").json()
    assert [(e["name"], e["version"], e["state"]) for e in found if e["name"] == "brittle"] == [
        ("brittle", "10", "READY"), ("brittle", "2", "READY"),
    ]  # fmt: skip
    assert client.post("/v2/repository/index", json={"ready": True}).json() == found
    wrong = client.post("/v2/repository/index", json={"raedy": True})
    assert (wrong.status_code, "raedy" in wrong.json()["error"]) == (422, True)


def test_a_folder_that_is_refused_is_in_the_index_with_the_reason(
    press: Path, tmp_path: Path
) -> None:
    shutil.copytree(press / "press", tmp_path / "press")
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "spec.toml").write_text("format = 1")
    with serving(Settings(models=tmp_path)) as url, httpx.Client(base_url=url) as client:
        all_of_them = client.post("/v2/repository/index", json={}).json()
        ready = client.post("/v2/repository/index", json={"ready": True}).json()
    states = {e["name"]: (e["state"], bool(e["reason"])) for e in all_of_them}
    assert states == {"press": ("READY", False), "broken": ("UNAVAILABLE", True)}
    assert [e["name"] for e in ready] == ["press"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/nobody", 404),
        ("GET", "/v2/models/nobody/ready", 404),
        ("GET", f"{MODEL}/versions/99/ready", 404),
        ("GET", "/v2/models/stats", 404),
        ("GET", "/v2/systemsharedmemory/status", 404),
        ("POST", f"/v2/repository/models/{NAME}/unload", 404),
        ("GET", INFER, 405),
        ("POST", "/v2/models/nobody/infer", 404),
        ("POST", INFER, 400),
    ],
)
def test_every_refusal_has_the_key_that_their_clients_read(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    reply = client.request(method, path)
    assert reply.status_code == status
    assert reply.json()["error"]
    assert reply.headers["content-type"] == "application/json"


# --- infer: tensors in JSON ---------------------------------------------------------------


def test_one_tensor_a_feature_is_answered_as_the_native_api_answers(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    rows = [alarm, {**alarm, "torque": 20.0, "tool_wear": 0}]
    reply = client.post(INFER, json={"id": "one", "inputs": tensors(*rows)})
    told, expected = reply.json(), native(client, *rows)
    assert (told["model_name"], told["model_version"], told["id"]) == (NAME, "1", "one")
    made = outputs(reply)
    assert made["label"] == [p["class"] for p in expected]
    assert made["probability"] == [p["probability"] for p in expected]
    classes = ["normal", "failure"]
    for k, p in enumerate(expected):
        scores = dict(zip(classes, made["scores"][2 * k : 2 * k + 2], strict=True))
        assert scores[p["class"]] == p["probability"]
        assert sum(scores.values()) == pytest.approx(1.0)
    record = client.get(f"/api/v1/audit/events/{told['parameters']['record']}").json()
    assert record["event"]["kind"] == "prediction"
    assert record["request"]["instances"][0] == alarm


def test_scores_are_in_the_order_of_the_classes(client: httpx.Client) -> None:
    path = "/v2/models/sorter"
    inputs = [
        tensor("size", "FP64", [9.0, -9.0]),
        tensor("colour/shade", "BYTES", ["red", "green"]),
        tensor("dirt", "FP64", [None, 0.5]),
    ]
    made = outputs(client.post(f"{path}/infer", json={"inputs": inputs}))
    assert made["label"] == ["large", "small"]
    found = client.post(
        "/api/v1/models/sorter/predictions",
        json={"instance": {"size": 9.0, "colour/shade": "red", "dirt": None}},
    ).json()["predictions"][0]
    assert made["scores"][:3] == [*found["probabilities"].values()]


def test_a_regression_has_a_score(client: httpx.Client) -> None:
    inputs = [tensor("pressure", "FP32", [10.0], 1, 1), tensor("speed", "INT64", [100], 1, 1)]
    assert outputs(client.post(PRESS, json={"inputs": inputs})) == {"score": [22.0]}


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "BYTES"])
@pytest.mark.parametrize("nested", [False, True])
def test_one_tensor_of_all_features_is_in_their_order(
    client: httpx.Client, alarm: dict[str, Any], datatype: str, nested: bool
) -> None:
    names = [f["name"] for f in client.get(f"/api/v1/models/{NAME}").json()["features"]]
    features = client.get(f"/api/v1/models/{NAME}").json()["features"]
    qualities = [c["name"] for c in features[names.index("quality")]["categories"]]
    rows = [alarm, {**alarm, "torque": 20.5}]

    def cell(row: dict[str, Any], name: str) -> Any:
        if datatype == "BYTES":
            return str(row[name])
        return float(qualities.index(row[name])) if name == "quality" else float(row[name])

    listed = [[cell(row, name) for name in names] for row in rows]
    data: list[Any] = listed if nested else [v for row in listed for v in row]
    reply = client.post(INFER, json={"inputs": [tensor("input-0", datatype, data, 2, len(names))]})
    assert outputs(reply)["probability"] == [p["probability"] for p in native(client, *rows)]


def test_a_float32_is_read_as_the_decimal_that_it_was(client: httpx.Client) -> None:
    """298.9 as float32 is 298.8999938964844: off the grid, and past a bound it was on."""
    at = float(np.float32(99.9))
    inputs = [tensor("pressure", "FP32", [at]), tensor("speed", "INT32", [5000])]
    reply = client.post(PRESS, json={"inputs": inputs})
    record = client.get(f"/api/v1/audit/events/{reply.json()['parameters']['record']}").json()
    assert record["request"]["instances"] == [{"pressure": 99.9, "speed": 5000}]


def test_outputs_that_are_wanted_come_in_that_order(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    wanted = [{"name": "scores"}, {"name": "label"}]
    reply = client.post(INFER, json={"inputs": tensors(alarm), "outputs": wanted})
    assert [o["name"] for o in reply.json()["outputs"]] == ["scores", "label"]
    assert reply.json()["outputs"][0]["shape"] == [1, 2]


# --- infer: bytes -------------------------------------------------------------------------


def test_binary_tensors_are_read_and_written(client: httpx.Client, alarm: dict[str, Any]) -> None:
    rows = [alarm, {**alarm, "torque": 20.5}]
    inputs, tails = [], []
    for name in alarm:
        if name == "quality":
            raw, datatype = texts(*(row[name] for row in rows)), "BYTES"
        else:
            raw, datatype = np.array([row[name] for row in rows], "<f4").tobytes(), "FP32"
        given = {"name": name, "shape": [2, 1], "datatype": datatype}
        inputs.append(given | {"parameters": {"binary_data_size": len(raw)}})
        tails.append(raw)
    document = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    body, headers = packed(document, *tails)
    reply = client.post(INFER, content=body, headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/octet-stream"
    head = int(reply.headers[LENGTH])
    told, raw = json.loads(reply.content[:head]), reply.content[head:]
    sizes = {o["name"]: o["parameters"]["binary_data_size"] for o in told["outputs"]}
    assert sum(sizes.values()) == len(raw)
    expected = native(client, *rows)
    labels = texts(*(p["class"] for p in expected))
    assert raw.startswith(labels)
    assert sizes["label"] == len(labels)
    probabilities = np.frombuffer(raw[len(labels) :][: sizes["probability"]], "<f8")
    assert probabilities.tolist() == [p["probability"] for p in expected]


def test_json_and_bytes_may_be_mixed(client: httpx.Client) -> None:
    raw = np.array([100, 200], "<i8").tobytes()
    speed = {"name": "speed", "shape": [2], "datatype": "INT64"}
    document = {
        "inputs": [
            tensor("pressure", "FP64", [10.0, 20.0]),
            speed | {"parameters": {"binary_data_size": len(raw)}},
        ],
        "outputs": [{"name": "score", "parameters": {"binary_data": False}}],
        "parameters": {"binary_data_output": True},
    }
    body, headers = packed(document, raw)
    headers["Content-Type"] = "application/octet-stream"
    reply = client.post(PRESS, content=body, headers=headers)
    assert LENGTH not in reply.headers
    assert outputs(reply) == {"score": [22.0, 43.0]}


@pytest.mark.parametrize("datatype", ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16",
                                      "UINT32", "UINT64", "FP16", "FP32", "FP64"])  # fmt: skip
def test_every_type_of_number_is_read(client: httpx.Client, datatype: str) -> None:
    kind = {"I": "i", "U": "u", "F": "f"}[datatype[0]]
    raw = np.array([10, 100], f"<{kind}{int(''.join(filter(str.isdigit, datatype))) // 8}")
    given: dict[str, Any] = {"name": "x", "shape": [1, 2], "datatype": datatype}
    given |= {"parameters": {"binary_data_size": raw.nbytes}}
    body, headers = packed({"inputs": [given]}, raw.tobytes())
    assert outputs(client.post(PRESS, content=body, headers=headers)) == {"score": [22.0]}
    assert outputs(
        client.post(PRESS, json={"inputs": [tensor("x", datatype, [10, 100], 1, 2)]})
    ) == {"score": [22.0]}


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bodies_may_be_packed_both_ways(client: httpx.Client, coding: str, pack: Any) -> None:
    raw = np.arange(400, dtype="<f8").reshape(200, 2) % 90
    given: dict[str, Any] = {"name": "x", "shape": [200, 2], "datatype": "FP64"}
    given |= {"parameters": {"binary_data_size": raw.nbytes}}
    body, headers = packed({"inputs": [given]}, raw.tobytes())
    headers |= {"Content-Encoding": coding, "Accept-Encoding": coding}
    with client.stream("POST", PRESS, content=pack(body), headers=headers) as reply:
        sent = b"".join(reply.iter_raw())
    assert reply.headers["content-encoding"] == coding
    plain = gzip.decompress(sent) if coding == "gzip" else zlib.decompress(sent)
    assert len(json.loads(plain)["outputs"][0]["data"]) == 200
    unasked = client.post(
        PRESS, content=body, headers={LENGTH: headers[LENGTH], "Accept-Encoding": f"{coding};q=0"}
    )
    assert "content-encoding" not in unasked.headers


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_body_that_unpacks_to_too_much_is_refused(client: httpx.Client, pack: Any) -> None:
    coding = "gzip" if pack is gzip.compress else "deflate"
    bomb = pack(b" " * 200_000_000)
    assert len(bomb) < 1_000_000
    reply = client.post(PRESS, content=bomb, headers={"Content-Encoding": coding})
    assert (reply.status_code, "limit" in reply.json()["error"]) == (413, True)
    for wrong in (bomb[:-20], b"nothing packed"):
        cut = client.post(PRESS, content=wrong, headers={"Content-Encoding": coding})
        assert cut.status_code in (400, 413)
    behind = client.post(PRESS, content=zlib.compress(b"{}") + b"x", headers={
        "Content-Encoding": "deflate"})  # fmt: skip
    assert "behind its end" in behind.json()["error"]


# --- what is wrong ------------------------------------------------------------------------

SPEED = tensor("speed", "INT64", [100])
PRESSURE = tensor("pressure", "FP64", [10.0])
X = tensor("x", "FP64", [1.0])
AT, OF = "/inputs/1/parameters/shared_memor", "/outputs/0/parameters/"
BINARY: dict[str, Any] = {"name": "pressure", "datatype": "FP64", "shape": [1]}


def one(datatype: str, data: list[Any], *shape: int) -> dict[str, Any]:
    """A tensor of all features."""
    return {"inputs": [tensor("x", datatype, data, *shape)]}


def of(datatype: str, *speed: Any, **parameters: Any) -> dict[str, Any]:
    """Two tensors, the second as given."""
    more = {"parameters": parameters} if parameters else {}
    return {"inputs": [PRESSURE, tensor("speed", datatype, [*speed], **more)]}


def wanted(*names: str, **parameters: Any) -> dict[str, Any]:
    return {"outputs": [{"name": name, "parameters": parameters} for name in names]}


def of_all(**parameters: Any) -> dict[str, Any]:
    return {"parameters": parameters}


@pytest.mark.parametrize(
    ("change", "said", "pointer"),
    [
        ({"inputs": []}, "inputs has length 0", "/inputs"),
        ({"inputs": [PRESSURE]}, "speed is missing", "/inputs"),
        ({"inputs": [PRESSURE, SPEED, SPEED]}, "speed is given twice", "/inputs/2"),
        ({"inputs": [PRESSURE, SPEED, X]}, "x is not a feature", "/inputs/2"),
        ({"inputs": [X]}, "x is no feature", "/inputs/0/shape"),
        (one("FP64", [1.0] * 3, 1, 3), "not [n, 2]", "/inputs/0/shape"),
        (one("FP64", [], 0, 2), "has no row", "/inputs/0/shape"),
        (one("FP64", [1.0], 2**40, 2), "has 1 values", "/inputs/0/data"),
        (one("FP64", [[1.0, 2.0], [3.0]], 2, 2), "lists that are not as", "/inputs/0/data"),
        (of("INT64", 1, 2), "speed has shape [2], not [1]", "/inputs/1/shape"),
        (of("INT64", 1.5), "1.5, no INT64", "/inputs/1/data/0"),
        (of("INT8", 300), "INT8 cannot hold", "/inputs/1/data"),
        (of("INT64", True), "true, no INT64", "/inputs/1/data/0"),
        (of("INT64", None), "null, no INT64", "/inputs/1/data/0"),
        (of("FP64", "1"), "'1' (text), no FP64", "/inputs/1/data/0"),
        (of("BYTES", "fast"), "row 0: speed is 'fast'", "/inputs/1"),
        (of("COMPLEX", 1), "datatype is 'COMPLEX'", "/inputs/1/datatype"),
        (of("FP64", None), "row 0: speed is null", "/inputs/1"),
        (of("FP32", 1e300), "row 0: speed is inf", "/inputs/1"),
        (of("FP64", 6000.0), "outside [0, 5000]", "/inputs/1"),
        ({"inputs": [PRESSURE, BINARY | {"name": "speed"}]}, "either data or", "/inputs/1"),
        (of("FP64", 1.0, shared_memory_region="r"), "shared_memory_region is no", f"{AT}y_region"),
        (wanted("x"), "x is no output of this model (score, error)", "/outputs/0/name"),
        (wanted("score", "score"), "is wanted twice", "/outputs/1/name"),
        (wanted("score", classification=2), "is no parameter of an output", f"{OF}classification"),
        (of_all(sequence_id=1), "sequence_id is no parameter", "/parameters/sequence_id"),
        (of_all(binary_data_output=1), "not true or false", "/parameters/binary_data_output"),
        ({"model_name": "sorter"}, "'sorter', and the path's is 'press'", "/model_name"),
        ({"colour": "red"}, "colour is not a key here", "/colour"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(
    client: httpx.Client, change: dict[str, Any], said: str, pointer: str
) -> None:
    reply = client.post(PRESS, json={"inputs": [PRESSURE, SPEED]} | change)
    assert reply.status_code == 422, reply.text
    told = reply.json()
    assert said in told["error"]
    assert told["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("size", "tail", "length", "said"),
    [
        (8, b"12345678", "x", "not a number of bytes"),
        (8, b"12345678", "99999", "the body has"),
        (8, b"12345678", "9" * 21, "has length 21"),
        (8, b"1234", None, "4 bytes are left"),
        (8, b"12345678+", None, "belong to no tensor"),
        (4, b"1234", None, "4 bytes; FP64 of shape [1] has 8"),
        (-1, b"", None, "not a number of bytes"),
        ("8", b"12345678", None, "not a number of bytes"),
    ],
)
def test_bytes_that_are_not_as_they_are_declared_are_refused(
    client: httpx.Client, size: Any, tail: bytes, length: str | None, said: str
) -> None:
    given = BINARY | {"parameters": {"binary_data_size": size}}
    body, headers = packed({"inputs": [given, SPEED]}, tail)
    reply = client.post(
        PRESS, content=body, headers=headers if length is None else {LENGTH: length}
    )
    assert reply.status_code in (400, 422)
    assert said in reply.json()["error"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\x01\x00", "ends within a length"),
        (struct.pack("<I", 9) + b"1", "ends before"),
        (struct.pack("<I", 1) + b"\xff", "not UTF-8"),
        (texts("1", "2"), "has 2 texts"),
    ],
)
def test_texts_that_are_none_are_refused(client: httpx.Client, raw: bytes, said: str) -> None:
    given = BINARY | {"datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    body, headers = packed({"inputs": [given, SPEED]}, raw)
    reply = client.post(PRESS, content=body, headers=headers)
    assert (reply.status_code, said in reply.json()["error"]) == (422, True)


def test_nan_is_a_missing_reading_and_infinity_is_none(client: httpx.Client) -> None:
    def ask(dirt: float, path: str = "sorter") -> httpx.Response:
        raw = np.array([dirt], "<f8").tobytes()
        given: dict[str, Any] = {"name": "dirt", "datatype": "FP64", "shape": [1]}
        given |= {"parameters": {"binary_data_size": 8}}
        size, colour = tensor("size", "FP64", [9.0]), tensor("colour/shade", "BYTES", ["red"])
        body, headers = packed({"inputs": [size, colour, given]}, raw)
        return client.post(f"/v2/models/{path}/infer", content=body, headers=headers)

    record = ask(np.nan).json()["parameters"]["record"]
    asked = client.get(f"/api/v1/audit/events/{record}").json()["request"]
    assert asked["instances"][0]["dirt"] is None
    assert "not a finite number" in ask(np.inf).json()["error"]


def test_more_rows_than_one_request_may_have_are_refused(client: httpx.Client) -> None:
    def ask(n: int) -> httpx.Response:
        inputs = [tensor("pressure", "FP64", [1.0] * n), tensor("speed", "INT64", [1] * n)]
        return client.post(PRESS, json={"inputs": inputs})

    assert len(outputs(ask(1_000))["score"]) == 1_000
    assert (ask(1_001).status_code, ask(1_001).json()["title"]) == (
        413,
        "The body has too many rows",
    )


def test_a_wrong_row_does_not_lose_the_others_for_whoever_asks_for_errors(
    client: httpx.Client,
) -> None:
    inputs = [
        tensor("pressure", "FP64", [10.0, 1e9, 20.0]), tensor("speed", "INT64", [100, 100, -1]),
    ]  # fmt: skip
    refused = client.post(PRESS, json={"inputs": inputs})
    assert refused.status_code == 422
    assert "row 1: pressure" in refused.json()["error"]
    assert "row 2: speed" in refused.json()["error"]
    wanted = [{"name": "score"}, {"name": "error"}]
    made = outputs(client.post(PRESS, json={"inputs": inputs, "outputs": wanted}))
    assert made["score"] == [22.0, None, None]
    assert made["error"][0] == ""
    assert "pressure is 1000000000.0 bar, outside [0, 100] bar" in made["error"][1]
    assert "speed is -1 rpm" in made["error"][2]
    binary = client.post(
        PRESS,
        json={"inputs": inputs, "outputs": wanted, "parameters": {"binary_data_output": True}},
    )
    raw = binary.content[int(binary.headers[LENGTH]) :]
    assert np.isnan(np.frombuffer(raw[:24], "<f8")).tolist() == [False, True, True]


def test_a_category_by_code_is_refused_where_names_are_numbers() -> None:
    from ifonly.models.schema import Category, Feature, Kind
    from ifonly.service.ask.cells import of_number
    from ifonly.service.errors import InvalidRequest

    machine = Feature("machine", Kind.NOMINAL, categories=(Category("1"), Category("2")))
    with pytest.raises(InvalidRequest, match="a code or a name"):
        of_number(machine, 1.0, ())
    quality = Feature("quality", Kind.NOMINAL, categories=(Category("L"), Category("M")))
    assert [of_number(quality, code, ()) for code in (0, 1.0)] == ["L", "M"]
    assert [of_number(quality, code, ()) for code in (2, -1, 0.5)] == [2, -1, 0.5]


# --- named requests, roles, attributes ----------------------------------------------------


def test_a_named_request_is_answered_once(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "v2-once", "X-Request-ID": "v2-once"}
    body = {"inputs": [PRESSURE, SPEED]}
    one, two = (client.post(PRESS, json=body, headers=headers) for _ in range(2))
    assert one.json() == two.json()
    assert two.headers["idempotency-replayed"] == "true"
    found = client.get("/api/v1/audit/events", params={"request_id": "v2-once"}).json()["events"]
    assert len(found) == 1
    other = client.post(PRESS, json=body | {"id": "other"}, headers=headers)
    assert (other.status_code, "another request" in other.json()["error"]) == (422, True)


def test_what_is_refused_is_recorded(client: httpx.Client) -> None:
    headers = {"X-Request-ID": "v2-refused"}
    assert client.post(f"{MODEL}/versions/1/infer", json={}, headers=headers).status_code == 422
    (found,) = client.get("/api/v1/audit/events", params={"request_id": "v2-refused"}).json()[
        "events"
    ]
    assert (found["kind"], found["model"]) == ("refusal", NAME)


@pytest.fixture(scope="module")
def guarded(press: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A service with accounts, and an auditor's key."""
    store = f"sqlite:///{tmp_path_factory.mktemp('v2') / 'store.sqlite3'}"
    with opened(store, JournalOptions("test")) as opened_store:
        token, work = keys.create(Role.AUDITOR, "", None, "test")
        opened_store.journal.append(work).result(30)
    settings = Settings.model_validate({"models": press, "database_url": store})
    with serving(settings, no_auth=False) as url:
        yield url, token


def test_who_may_not_ask_is_told_so_in_their_words(guarded: tuple[str, str]) -> None:
    url, token = guarded
    bearer = {"Authorization": f"Bearer {token}"}
    body = {"inputs": [PRESSURE, SPEED]}
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/v2/health/ready").json() == {"ready": True}
        nobody = client.post(PRESS, json=body)
        assert (nobody.status_code, bool(nobody.json()["error"])) == (401, True)
        auditor = client.post(PRESS, json=body, headers=bearer)
        assert (auditor.status_code, bool(auditor.json()["error"])) == (403, True)
        assert client.get("/v2/models/press", headers=bearer).status_code == 200


def test_attributes_are_parameters(client: httpx.Client) -> None:
    body = {"inputs": [PRESSURE, SPEED], "parameters": {"attribute.line": "a"}}
    record = client.post(PRESS, json=body).json()["parameters"]["record"]
    asked = client.get(f"/api/v1/audit/events/{record}").json()["request"]
    assert asked["attributes"] == {"line": "a"}
    wrong = client.post(PRESS, json=body | {"parameters": {"attribute.line": 1}})
    assert (wrong.status_code, "line" in wrong.json()["error"]) == (422, True)


def test_what_another_version_has_answered_is_not_answered_again(
    press: Path, tmp_path: Path
) -> None:
    shutil.copytree(press / "press", tmp_path / "models" / "press")
    settings = Settings(models=tmp_path / "models", data=tmp_path / "store")
    spec = tmp_path / "models" / "press" / "1" / "spec.toml"
    named = {"Idempotency-Key": "before"}
    for status in (200, 409):
        with serving(settings) as url, httpx.Client(base_url=url, trust_env=False) as client:
            reply = client.post(PRESS, json={"inputs": [PRESSURE, SPEED]}, headers=named)
        assert reply.status_code == status, reply.text
        spec.write_text(spec.read_text("utf-8").replace("[0.0, 100.0]", "[0.0, 90.0]"), "utf-8")
    assert "answered by version 1 of the model" in reply.json()["error"]


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/json"])
def test_a_page_of_another_site_asks_nothing(client: httpx.Client, kind: str) -> None:
    content = json.dumps({"inputs": [PRESSURE, SPEED]})
    headers = {"Origin": "https://evil.example", "Content-Type": kind}
    for path in (PRESS, "/v2/repository/index", "/invocations", "/v1/models/press:predict"):
        assert client.post(path, content=content, headers=headers).status_code == 403
    if kind == "text/plain":
        typed = client.post(PRESS, content=content, headers={"Content-Type": kind})
        assert (typed.status_code, bool(typed.json()["error"])) == (415, True)


def test_without_its_package_a_start_for_grpc_says_what_to_install(
    press: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "ifonly.service.doors.open_inference.rpc"
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delattr(module, raising=False)
    with pytest.raises(GrpcUnavailable, match=r"pip install 'ifonly\[grpc\]'"):
        create_app(Settings(models=press, grpc_port=0))


@pytest.mark.parametrize("path", ["/v1/models/brittle:predict", "/v2/models/brittle/infer"])
def test_a_row_without_a_finite_score_does_not_lose_the_others(
    client: httpx.Client, path: str
) -> None:
    """50 mm is where the model divides by zero."""
    headers = {"Idempotency-Key": f"brittle-{path[:3]}", "X-Request-ID": f"brittle-{path[2]}"}
    inputs = [tensor("level", "FP64", [40.0, 50.0, 200.0, 60.0])]
    body: dict[str, Any] = {"inputs": inputs, "outputs": [{"name": "score"}, {"name": "error"}]}
    if "v1" in path:
        body = {"instances": [[40.0], [50.0], [200.0], [60.0]]}
    one, two = (client.post(path, json=body, headers=headers) for _ in range(2))
    assert one.status_code == 200, one.text
    if "v1" in path:
        said = one.json()["predictions"]
        scores, errors = [said[0], said[3]], [said[1]["error"], said[2]["error"]]
        assert two.json()["predictions"][0] == said[0]
    else:
        made = outputs(one)
        assert made["score"][1:3] == [None, None]
        scores, errors = made["score"][::3], made["error"][1:3]
        assert one.json() == two.json()
    assert scores == pytest.approx([-0.1, 0.1])
    assert "column 0, is inf" in errors[0]
    assert "outside [0, 100]" in errors[1]
    asked = {"request_id": headers["X-Request-ID"], "kind": "prediction"}
    found = client.get("/api/v1/audit/events", params=asked).json()["events"]
    assert len(found) == 2, "each is answered once"
    alone = client.post(path, json={"inputs": inputs} if "v2" in path else {"inputs": [[50.0]]})
    assert alone.status_code in (422, 500)
