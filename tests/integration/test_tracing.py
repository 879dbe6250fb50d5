"""Traces, as a collector receives them; none unless asked for."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ifonly.service import logs
from ifonly.service.ask import answering
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_faults import until
from tests.integration.test_rejections import BODY, PRESS

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.received: list[bytes] = []

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for body in self.received
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.received.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_question_is_a_trace_of_its_stages_within_its_callers(
    press: Path, collector: Collector
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    with serving(Settings(models=press, otlp_endpoint=endpoint)) as base:
        headers = {"traceparent": f"00-{CALLER}-00f067aa0ba902b7-01"}
        with httpx.Client(base_url=base, trust_env=False, timeout=300) as client:
            client.post(PRESS, json=BODY, headers=headers).raise_for_status()
            client.post(PRESS, json={"instance": {"torque": "secret"}}, headers=headers)
    spans = collector.spans
    answered, refused = [s for s in spans if s.kind == Span.SPAN_KIND_SERVER]
    assert answered.name == "POST /api/v1/models/{model}/explanations"
    assert answered.parent_span_id.hex() == "00f067aa0ba902b7"
    assert {s.trace_id.hex() for s in spans} == {CALLER}
    within = {s.name for s in spans if s.parent_span_id == answered.span_id}
    assert within == {"search", "verify", "complete", "words", "record"}
    statuses = [
        a.value.int_value
        for span in (answered, refused)
        for a in span.attributes
        if a.key == "http.response.status_code"
    ]
    assert statuses == [200, 422]
    everything = b"".join(collector.received)
    for secret in ("secret", "4321", "127.0.0.1"):
        assert secret.encode() not in everything


def test_rows_of_a_job_are_traces_linked_to_the_request_that_submitted_them(
    press: Path, collector: Collector
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    wrong = {"instance": {"torque": "secret"}}
    body = "\n".join(json.dumps(row) for row in (BODY, BODY, wrong))
    with (
        serving(Settings(models=press, otlp_endpoint=endpoint)) as base,
        httpx.Client(base_url=base, trust_env=False, timeout=300) as client,
    ):
        headers = {"traceparent": f"00-{CALLER}-00f067aa0ba902b7-01"}
        headers |= {"Content-Type": "application/jsonl"}
        job = client.post(f"{PRESS}/bulk", content=body, headers=headers).raise_for_status().json()
        here = job["links"]["self"]
        until(lambda: client.get(here).json()["state"] == "done")
        assert client.get("/api/v1/audit/verify").json()["holds"]  # with what its record now has
    spans = collector.spans
    (submitted,) = [s for s in spans if s.trace_id.hex() == CALLER]
    leases = [s for s in spans if s.name == "job rows"]
    assert leases
    rows = []
    for lease in leases:
        (link,) = lease.links
        assert (link.trace_id, link.span_id) == (submitted.trace_id, submitted.span_id)
        assert not lease.parent_span_id
        assert attributes(lease) == {"ifonly.job": job["id"]}
        within = [s for s in spans if s.parent_span_id == lease.span_id]
        assert {s.name for s in within} == {"claim", "row", "write"}
        assert min(within, key=lambda s: s.start_time_unix_nano).name == "claim"
        rows += [s for s in within if s.name == "row"]
    assert sorted(attributes(row)["ifonly.row"] for row in rows) == [0, 1, 2]
    for row in rows:
        stages = {s.name for s in spans if s.parent_span_id == row.span_id}
        is_wrong = attributes(row)["ifonly.row"] == 2
        assert stages == (set() if is_wrong else {"search", "verify", "complete", "words"})
    assert b"secret" not in b"".join(collector.received)


def attributes(span: Span) -> dict[str, Any]:
    values = {a.key: a.value for a in span.attributes}
    return {k: getattr(v, str(v.WhichOneof("value"))) for k, v in values.items()}


def test_lines_of_the_log_lead_to_the_span_in_which_they_were_written(
    press: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a request, also its last one and those of its threads; and of a row of a job."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    endpoint = f"http://127.0.0.1:{collector.server_port}"

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("4321")

    with (
        written() as lines,
        serving(Settings(models=press, otlp_endpoint=endpoint)) as base,
        httpx.Client(base_url=base, trust_env=False, timeout=300) as client,
    ):
        monkeypatch.setattr(answering, "explain", broken)  # a model is tried by it when it loads
        headers = {"traceparent": f"00-{CALLER}-00f067aa0ba902b7-01", "X-Request-ID": "ours"}
        assert client.post(PRESS, json=BODY, headers=headers).status_code == 500
        headers |= {"Content-Type": "application/jsonl"}
        reply = client.post(f"{PRESS}/bulk", content=json.dumps(BODY), headers=headers)
        here = reply.raise_for_status().json()["links"]["self"]
        until(lambda: client.get(here).json()["state"] == "done")
    told = [line for line in map(json.loads, lines) if line["request_id"] == "ours"]
    names = {(s.trace_id.hex(), s.span_id.hex()): s.name for s in collector.spans}
    where = [
        (line["message"].split()[0], names[line["trace_id"], line["span_id"]]) for line in told
    ]
    explained = "POST /api/v1/models/{model}/explanations"
    assert [w for w in where if w[1] != "row"] == [
        ("failed:", explained),
        ("POST", explained),
        ("POST", f"{explained}/bulk"),
    ]
    assert ("failed:", "row") in where
    assert {line["trace_id"] for line in told if line["message"].startswith("POST")} == {CALLER}


@contextmanager
def written() -> Iterator[list[str]]:
    """Lines as the service writes them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter("json"))
    lines: list[str] = []
    before = logs.logger.level
    logs.logger.setLevel("INFO")
    logs.logger.addHandler(handler)
    try:
        yield lines
    finally:
        logs.logger.removeHandler(handler)
        logs.logger.setLevel(before)
        lines += stream.getvalue().splitlines()


def test_what_makes_spans_is_not_loaded_by_a_service_that_makes_none() -> None:
    code = (
        "import sys, ifonly.service.doors.app; "
        "print([m for m in sys.modules if 'opentelemetry.sdk' in m])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
