"""What Prometheus is told, by one process and by several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_faults import ASK, BODY, process


def told(base: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = httpx.get(f"{base}/metrics", timeout=300, trust_env=False).raise_for_status().text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


OF_A_PROCESS = (
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
)


def processes(base: str, name: str) -> set[str]:
    """Of which a metric is told."""
    return {dict(labels)["pid"] for n, labels in told(base) if n == name and "pid" in dict(labels)}


def value(base: str, name: str, **labels: str) -> float:
    """Of all samples of that name with those labels."""
    wanted = labels.items()
    return sum(v for (n, found), v in told(base).items() if n == name and wanted <= set(found))


def test_answers_and_refusals_are_counted_by_what_they_are(
    repository: Path, alarm: dict[str, Any]
) -> None:
    explain = "/api/v1/models/milling-machine/explanations"
    with serving(Settings(models=repository)) as base:
        with httpx.Client(base_url=base, timeout=300, trust_env=False) as client:
            reply = client.post(explain, json={"instance": alarm}).json()
            client.post(explain, json={"instance": {"torque": "much"}})
            for _ in range(3):
                client.post(ASK, json=BODY)
            client.get("/api/v1/models/secret-name")
        labels = {"model_name": "milling-machine", "engine": reply["provenance"]["engine"]}
        assert value(base, "ifonly_claims_total", status=reply["status"], **labels) == 1
        assert value(base, "ifonly_model_rows_total", **labels) == reply["work"]["rows"]
        assert reply["work"]["nodes"] > 0
        assert value(base, "ifonly_search_nodes_total", **labels) == reply["work"]["nodes"]
        assert value(base, "request_explain_seconds_count", model_name="milling-machine") == 1
        assert value(base, "request_predict_seconds_count", model_name="press") == 3
        assert value(base, "ifonly_refusals_total", status="invalid-instance") == 1
        route = "/api/v1/models/{model}/explanations"
        for status in ("200", "422"):
            assert value(base, "ifonly_http_request_seconds_count", route=route, status=status) == 1
        assert value(base, "ifonly_commit_records_sum") >= 5
        assert value(base, "ifonly_waiting_rows") == 0
        for name in OF_A_PROCESS:
            assert value(base, name) > 0, name
            assert processes(base, name) == set()  # there is but one
        assert value(base, "python_info") == 1
        assert value(base, "python_gc_collections_total", generation="0") > 0
        text = httpx.get(f"{base}/metrics", timeout=300, trust_env=False).text
    for secret in ("secret-name", reply["id"], str(alarm["torque"])):
        assert secret not in text


@pytest.mark.slow
def test_processes_that_share_a_folder_tell_their_sum(
    press: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metrics").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with process(press, url) as (first, one), process(press, url) as (second, other):
        for base in (one, other, other):
            assert (
                httpx.post(f"{base}{ASK}", json=BODY, timeout=300, trust_env=False).status_code
                == 200
            )
        for base in (one, other):
            assert value(base, "request_predict_seconds_count", model_name="press") == 3
            # Each for itself, whoever is asked.
            for name in OF_A_PROCESS:
                assert processes(base, name) == {str(first.pid), str(second.pid)}, name
                assert value(base, name, pid=str(first.pid)) > 0
            assert value(base, "python_info") == 1
        collected = value(one, "python_gc_collections_total", generation="0")
        second.kill()
        second.wait()
        assert processes(one, OF_A_PROCESS[0]) == {str(first.pid)}
        # What it had done stays done: a counter does not fall.
        assert value(one, "python_gc_collections_total", generation="0") >= collected > 0


def test_methods_that_strangers_think_of_make_no_series_each(press: Path) -> None:
    with serving(Settings(models=press)) as base:
        for method in ("PUT", "PATCH", "PROPFIND", "SUBSCRIBE", "OPTIONS"):
            reply = httpx.request(method, f"{base}/alarms", timeout=300, trust_env=False)
            assert reply.status_code == 405
        name = "ifonly_http_request_seconds_count"
        assert value(base, name, method="other") == 5
        assert value(base, name, method="PUT") == 0
