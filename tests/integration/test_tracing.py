"""Traces, as a collector receives them; none unless asked for."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ifonly.service.settings import Settings
from tests.integration.conftest import serving
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


def test_what_makes_spans_is_not_loaded_by_a_service_that_makes_none() -> None:
    code = (
        "import sys, ifonly.service.doors.app; "
        "print([m for m in sys.modules if 'opentelemetry.sdk' in m])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
