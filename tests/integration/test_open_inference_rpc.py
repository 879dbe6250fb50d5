"""The Open Inference Protocol over gRPC, as its messages; and what clients run into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ifonly.service.access import Role
from ifonly.service.settings import Settings
from ifonly.service.store import keys
from ifonly.service.store.journal import JournalOptions
from ifonly.service.store.opened import opened
from tests.integration.conftest import free_port, serving

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra [grpc])")

NAME = "milling-machine"
Call = Callable[..., Any]


def caller(port: int, token: str | None = None) -> tuple[Any, Call]:
    from ifonly.service.served.remote.messages import MESSAGES, SERVICE

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def call(name: str, /, *metadata: tuple[str, str], **fields: Any) -> Any:
        method = channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=MESSAGES[f"{name}Request"].SerializeToString,
            response_deserializer=MESSAGES[f"{name}Response"].FromString,
        )
        who = () if token is None else (("authorization", f"Bearer {token}"),)
        return method(MESSAGES[f"{name}Request"](**fields), metadata=(*who, *metadata), timeout=300)

    return channel, call


@pytest.fixture(scope="module")
def rest(repository: Path) -> Iterator[tuple[httpx.Client, int]]:
    port = free_port()
    with (
        serving(Settings(models=repository, grpc_port=port)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client, port


@pytest.fixture(scope="module")
def call(rest: tuple[httpx.Client, int]) -> Iterator[Call]:
    channel, call = caller(rest[1])
    with channel:
        yield call


def contents(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "shape": [1],
            "contents": {"bytes_contents": [value.encode()]}
            if isinstance(value, str)
            else {"fp64_contents": [value]},
        }
        for name, value in row.items()
    ]


X = {"name": "x", "datatype": "FP64", "shape": [1, 2]}
RAW = np.array([10.0, 100.0], "<f8").tobytes()


def failed(call: Call, *args: Any, **kwargs: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as found:
        call(*args, **kwargs)
    return found.value.code().name, found.value.details()


def test_the_server_and_its_models_are_described(call: Call) -> None:
    assert call("ServerLive").live
    assert call("ServerReady").ready
    assert call("ServerMetadata").name == "ifonly"
    assert call("ModelReady", name=NAME).ready
    assert call("ModelReady", name="brittle", version="2").ready
    assert not call("ModelReady", name="nobody").ready
    told = call("ModelMetadata", name=NAME)
    assert [t.datatype for t in told.inputs].count("BYTES") == 1
    config = call("ModelConfig", name=NAME).config
    assert [i.name for i in config.input] == [t.name for t in told.inputs]
    assert {o.data_type for o in config.output} == {12, 13}  # FP64 and STRING
    index = {(m.name, m.version): m.state for m in call("RepositoryIndex").models}
    assert index[NAME, "1"] == "READY"


def test_contents_and_raw_bytes_are_answered_alike(
    call: Call, rest: tuple[httpx.Client, int], alarm: dict[str, Any]
) -> None:
    path = f"/api/v1/models/{NAME}/predictions"
    expected = rest[0].post(path, json={"instance": alarm}).json()["predictions"][0]
    said = call("ModelInfer", model_name=NAME, id="seven", inputs=contents(alarm))
    assert (said.model_name, said.model_version, said.id) == (NAME, "1", "seven")
    made = {o.name: o for o in said.outputs}
    assert made["label"].contents.bytes_contents == [expected["class"].encode()]
    assert made["probability"].contents.fp64_contents == [expected["probability"]]
    assert said.parameters["record"].string_param
    raw = call("ModelInfer", model_name="press", inputs=[X], raw_input_contents=[RAW])
    assert np.frombuffer(raw.raw_output_contents[0], "<f8").tolist() == [22.0]
    chosen = call(
        "ModelInfer", model_name="press", inputs=[X], raw_input_contents=[RAW],
        outputs=[{"name": "error"}, {"name": "score"}],
    )  # fmt: skip
    assert [o.name for o in chosen.outputs] == ["error", "score"]


@pytest.mark.parametrize(("datatype", "field"), [
    ("INT8", "int"), ("INT16", "int"), ("INT32", "int"), ("INT64", "int64"), ("UINT8", "uint"),
    ("UINT32", "uint"), ("UINT64", "uint64"), ("FP32", "fp32"), ("FP64", "fp64"),
])  # fmt: skip
def test_every_type_of_number_is_read(call: Call, datatype: str, field: str) -> None:
    given = X | {"datatype": datatype, "contents": {f"{field}_contents": [10, 100]}}
    said = call("ModelInfer", model_name="press", inputs=[given])
    assert said.outputs[0].contents.fp64_contents == [22.0]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"model_name": "nobody"}, "NOT_FOUND", "no model 'nobody'"),
        ({"model_version": "9"}, "NOT_FOUND", "9"),
        ({"raw_input_contents": [RAW, RAW]}, "INVALID_ARGUMENT", "1 inputs and 2 raw_input"),
        ({"raw_input_contents": [RAW[:-1]]}, "INVALID_ARGUMENT", "15 bytes"),
        (
            {"inputs": [X | {"contents": {"fp64_contents": [1.0]}}]},
            "INVALID_ARGUMENT",
            "contents and raw_input_contents",
        ),
        ({"raw_input_contents": [], "inputs": [X | {"contents": {"int_contents": [1, 2]}}]},
         "INVALID_ARGUMENT", "has int_contents"),
        ({"raw_input_contents": [], "inputs": [X | {"datatype": "FP16"}]},
         "INVALID_ARGUMENT", "FP16, which only raw"),
        ({"raw_input_contents": [], "inputs": [X | {"datatype": "FP8"}]},
         "INVALID_ARGUMENT", "datatype is 'FP8'"),
        ({"inputs": [], "raw_input_contents": []}, "INVALID_ARGUMENT", "inputs has length 0"),
        ({"parameters": {"sequence_id": {"int64_param": 4}}}, "INVALID_ARGUMENT", "sequence_id"),
        ({"inputs": [X | {"shape": [-1, 2]}]}, "INVALID_ARGUMENT", "shape"),
        ({"inputs": [X | {"shape": [1] * 100_000}]}, "INVALID_ARGUMENT", "shape has length"),
        ({"model_name": "../../healthz/live"}, "NOT_FOUND", "no model"),
        ({"model_name": "press/versions/1"}, "NOT_FOUND", "no model"),
        ({"model_name": ""}, "NOT_FOUND", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(call: Call, change: dict[str, Any], code: str, said: str) -> None:
    asked: dict[str, Any] = {"model_name": "press", "inputs": [X], "raw_input_contents": [RAW]}
    found = failed(call, "ModelInfer", **asked | change)
    assert (found[0], said in found[1]) == (code, True), found


@pytest.mark.parametrize("name", ["press/ready", "press/config", "press/versions/1"])
def test_a_name_asks_no_other_route(call: Call, name: str) -> None:
    for method in ("ModelMetadata", "ModelConfig"):
        assert failed(call, method, name=name)[0] == "NOT_FOUND"
    assert not call("ModelReady", name=name).ready


def test_what_is_no_message_is_the_callers_fault(
    rest: tuple[httpx.Client, int], caplog: pytest.LogCaptureFixture
) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{rest[1]}") as channel:
        method = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        found = failed(method, b"\xff\xff\xff")
    assert found == ("INVALID_ARGUMENT", "the message is no ModelInferRequest")
    assert "Traceback" not in caplog.text


def test_a_message_that_is_too_long_is_refused(call: Call) -> None:
    long = np.zeros(400_000).tobytes()
    given = X | {"shape": [200_000, 2]}
    asked: dict[str, Any] = {"model_name": "press", "inputs": [given]}
    assert failed(call, "ModelInfer", raw_input_contents=[long], **asked)[0] == "RESOURCE_EXHAUSTED"
    found = failed(call, "ModelInfer", raw_input_contents=[long[:1_600_000]], **asked)
    assert (found[0], "too large" in found[1] or "limit" in found[1]) == ("INVALID_ARGUMENT", True)


def test_calls_that_there_are_not_are_unimplemented(rest: tuple[httpx.Client, int]) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{rest[1]}") as channel:
        method = channel.unary_unary("/inference.GRPCInferenceService/RepositoryModelUnload")
        assert failed(method, b"")[0] == "UNIMPLEMENTED"


def test_a_call_is_a_request_like_every_other(call: Call, rest: tuple[httpx.Client, int]) -> None:
    """Recorded under its request id, answered once by its key."""
    metadata = (("x-request-id", "rpc-once"), ("idempotency-key", "rpc-once"))
    asked: dict[str, Any] = {"model_name": "press", "inputs": [X], "raw_input_contents": [RAW]}
    one, two = (call("ModelInfer", *metadata, **asked) for _ in range(2))
    assert one.parameters["record"].string_param == two.parameters["record"].string_param
    found = rest[0].get("/api/v1/audit/events", params={"request_id": "rpc-once"}).json()["events"]
    assert [e["kind"] for e in found] == ["prediction"]


def test_who_may_not_ask_is_told_so(press: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    tokens = {}
    with opened(store, JournalOptions("test")) as made:
        for role in (Role.AUDITOR, Role.PIPELINE):
            tokens[role], work = keys.create(role, "", None, "test")
            made.journal.append(work).result(30)
    port = free_port()
    settings = {"models": press, "database_url": store, "grpc_port": port}
    asked: dict[str, Any] = {"model_name": "press", "inputs": [X], "raw_input_contents": [RAW]}
    with serving(Settings.model_validate(settings), no_auth=False):
        for who, code in ((None, "UNAUTHENTICATED"), (tokens[Role.AUDITOR], "PERMISSION_DENIED")):
            channel, call = caller(port, who)
            with channel:
                assert call("ServerLive").live
                assert failed(call, "ModelInfer", **asked)[0] == code
        assert failed(caller(port)[1], "ModelReady", name="press")[0] == "UNAUTHENTICATED"
        channel, call = caller(port, tokens[Role.PIPELINE])
        with channel:
            assert call("ModelInfer", **asked).outputs[0].name == "score"
