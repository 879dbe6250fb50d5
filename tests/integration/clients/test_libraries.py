"""Client libraries as they are released, each run as itself against a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ifonly.service.settings import Settings
from tests.integration.clients.conftest import calls
from tests.integration.conftest import free_port, serving

pytestmark = pytest.mark.clients

Rows = list[dict[str, Any]]


def same(found: dict[str, Any], expected: Rows) -> bool:
    """Labels, their probabilities, and those of all classes."""
    assert [sum(scores) for scores in found["scores"]] == pytest.approx([1.0] * len(expected))
    assert [max(s) for s in found["scores"]] == [p["probability"] for p in expected]
    told = zip(found["label"], found["probability"], strict=True)
    return [*told] == [(p["class"], p["probability"]) for p in expected]


# --- Triton -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def triton(service_url: str, rows: Rows) -> dict[str, Any]:
    return calls("tritonclient", service_url.removeprefix("http://"), json.dumps(rows))


def test_triton_finds_the_server_and_its_models(triton: dict[str, Any]) -> None:
    said = [triton[k] for k in ("live", "ready", "model_ready", "version_ready", "unknown_ready")]
    assert said == [True, True, True, True, False]
    assert triton["server"]["name"] == "ifonly"
    entries = {(e["name"], e["version"]): e["state"] for e in triton["index"]}
    assert entries["milling-machine", "1"] == "READY"
    inputs = [tensor["name"] for tensor in triton["metadata"]["inputs"]]
    assert [tensor["name"] for tensor in triton["config"]["input"]] == inputs
    assert len(inputs) == 6


@pytest.mark.parametrize("how", ["binary", "json", "version", "async"])
def test_triton_is_told_what_the_native_api_tells(
    triton: dict[str, Any], expected: Rows, how: str
) -> None:
    assert same(triton[how], expected)


def test_triton_may_pack_both_ways(triton: dict[str, Any], expected: Rows) -> None:
    labels = [p["class"] for p in expected] * 250
    assert triton["packed"] == [labels] * 4


def test_triton_sends_one_tensor_ids_and_keys(triton: dict[str, Any]) -> None:
    assert triton["matrix"] == [22.0]
    assert triton["id"] == "seven"
    one, two = triton["once"]
    assert one == two


def test_triton_reads_what_is_wrong(triton: dict[str, Any]) -> None:
    status, message = triton["wrong"]
    assert status == "422"
    assert "row 0: torque is 1000000000.0 Nm, outside" in message
    assert triton["nobody"][0] == "404"
    assert "no model 'nobody'" in triton["nobody"][1]
    for asked in ("statistics", "unload"):  # what there is not
        assert triton[asked][0] == "404"
        assert "decoding" not in triton[asked][1]


# --- KServe -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kserve(service_url: str, rows: Rows) -> dict[str, Any]:
    return calls("kserve", service_url, json.dumps(rows))


def test_kserve_finds_the_server_and_its_models(kserve: dict[str, Any]) -> None:
    asked = ["v1_live", "v1_model_ready", "v2_live", "v2_ready", "v2_model_ready"]
    assert [kserve[k] for k in asked] == [True] * 5
    assert kserve["v2_unknown_ready"] is False


def test_kserve_infers_by_v1(kserve: dict[str, Any]) -> None:
    both = {"predictions": ["failure", "normal"]}
    assert kserve["v1_infer"] == kserve["v1_lists"] == both
    assert kserve["v1_many"] == 200
    one, wrong, three = kserve["v1_mixed"]["predictions"]
    assert (one, three) == ("failure", "failure")
    assert "torque" in wrong["error"]


def test_kserve_explains(kserve: dict[str, Any]) -> None:
    (found,), (by_list,) = kserve["explain"], kserve["explain_inputs"]
    assert found["status"] == "optimal"
    assert found["counterfactuals"][0]["verified"]
    assert found["counterfactuals"] == by_list["counterfactuals"]
    assert kserve["explain_mixed"] == ["optimal", 422, "optimal"]
    assert kserve["explain_many"] == ["optimal"] * 80


def test_kserve_is_answered_once_by_its_key(kserve: dict[str, Any]) -> None:
    one, two = kserve["once"]
    assert one == two


@pytest.mark.parametrize("how", ["v2_json", "v2_binary"])
def test_kserve_infers_by_v2(kserve: dict[str, Any], expected: Rows, how: str) -> None:
    assert kserve[how]["id"] == "seven"
    assert same(kserve[how], expected)


def test_kserve_reads_what_is_wrong(kserve: dict[str, Any]) -> None:
    for asked in ("v1_wrong", "v2_wrong"):
        status, message = kserve[asked]
        assert status == 422
        assert "torque is 1000000000" in message
    assert kserve["v1_nobody"][0] == 404
    assert "no model 'nobody'" in kserve["v1_nobody"][1]


# --- MLflow -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mlflow(repository: Path, rows: Rows) -> dict[str, Any]:
    with serving(Settings(models=repository, mlflow_model="milling-machine")) as url:
        return calls("mlflow", url, json.dumps(rows))


@pytest.mark.parametrize("how", ["frame", "shuffled", "array", "list", "records", "csv"])
def test_mlflow_predicts(mlflow: dict[str, Any], how: str) -> None:
    assert mlflow[how] == {"predictions": ["failure", "normal"]}


def test_mlflow_reads_what_it_is_told(mlflow: dict[str, Any]) -> None:
    assert mlflow["as_frame"] == ["failure", "normal"]
    assert mlflow["version"]
    assert "error code 422" in mlflow["error"]
    assert "torque is 1000000000" in mlflow["error"]


def test_mlflow_explains(mlflow: dict[str, Any]) -> None:
    assert mlflow["explained"]["predictions"] == ["failure"]
    (found,) = mlflow["explained"]["explanations"]
    assert (found["status"], found["counterfactuals"][0]["verified"]) == ("optimal", True)


# --- a client made from the OpenAPI document ----------------------------------------------


def test_a_client_is_made_of_the_document_without_a_warning_and_asks(
    service_url: str, rows: Rows, tmp_path: Path
) -> None:
    told = calls("openapi", service_url, json.dumps(rows), str(tmp_path))
    assert "warning" not in told["said"].lower()
    assert "milling-machine" in told["models"]
    assert told["explained"]["status"] == "optimal"
    assert told["explained"]["counterfactuals"][0]["verified"]
    assert [p["class"] for p in told["predicted"]["predictions"]] == ["failure", "normal"]
    assert [line["row"] for line in told["result"]] == [0, 1]
    assert told["result"][0]["explanation"]["status"] == "optimal"
    assert told["inferred"]["outputs"][0]["data"] == [22.0]
    assert told["wrong"][0] == 422


# --- over gRPC ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(repository: Path) -> Iterator[str]:
    pytest.importorskip("grpc", reason="grpcio is not installed (extra [grpc])")
    port = free_port()
    with serving(Settings(models=repository, grpc_port=port)):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def triton_rpc(address: str, rows: Rows) -> dict[str, Any]:
    return calls("tritonclient", address, json.dumps(rows), how="_rpc")


def test_triton_finds_the_server_and_its_models_over_rpc(triton_rpc: dict[str, Any]) -> None:
    asked = ["live", "ready", "model_ready", "version_ready", "unknown_ready"]
    assert [triton_rpc[k] for k in asked] == [True] * 4 + [False]
    assert triton_rpc["server"]["name"] == "ifonly"
    entries = {(e["name"], e["version"]): e["state"] for e in triton_rpc["index"]}
    assert entries["milling-machine", "1"] == "READY"
    inputs = [tensor["name"] for tensor in triton_rpc["metadata"]["inputs"]]
    assert [tensor["name"] for tensor in triton_rpc["config"]["input"]] == inputs


@pytest.mark.parametrize("how", ["infer", "outputs", "packed"])
def test_triton_is_told_over_rpc_what_the_native_api_tells(
    triton_rpc: dict[str, Any], expected: Rows, how: str
) -> None:
    assert same(triton_rpc[how], expected)


def test_triton_sends_ids_and_keys_over_rpc_and_reads_what_is_wrong(
    triton_rpc: dict[str, Any],
) -> None:
    assert triton_rpc["id"] == "seven"
    one, two = triton_rpc["once"]
    assert one == two
    assert triton_rpc["wrong"][0] == "StatusCode.INVALID_ARGUMENT"
    assert "row 0: torque is 1000000000.0 Nm, outside" in triton_rpc["wrong"][1]
    assert triton_rpc["nobody"][0] == "StatusCode.NOT_FOUND"
    assert triton_rpc["statistics"][0] == "StatusCode.UNIMPLEMENTED"


@pytest.fixture(scope="module")
def kserve_rpc(address: str, rows: Rows) -> dict[str, Any]:
    return calls("kserve", address, json.dumps(rows), how="_rpc")


@pytest.mark.parametrize("how", ["raw", "contents"])
def test_kserve_infers_over_rpc(kserve_rpc: dict[str, Any], expected: Rows, how: str) -> None:
    assert kserve_rpc[how]["id"] == "seven"
    assert same(kserve_rpc[how], expected)


def test_kserve_finds_the_server_over_rpc_and_reads_what_is_wrong(
    kserve_rpc: dict[str, Any],
) -> None:
    asked = ["live", "ready", "model_ready", "unknown_ready"]
    assert [kserve_rpc[k] for k in asked] == [True] * 3 + [False]
    code, message = kserve_rpc["error"]
    assert (code, "row 0: torque" in message) == ("INVALID_ARGUMENT", True)
