"""What a request, or a row of a job, spends its time on: a histogram of stages, and spans for
OpenTelemetry.

Spans are made only if ``IFONLY_OTLP_ENDPOINT`` says who collects them. They name routes, models
and claims, never a reading, a key, a query or an error's message. Lines of the log that are written
within one carry its ids.

Rows of a job are answered later, maybe by another process: each lease of some is a trace of its
own, linked to the request that submitted them (decision 0113).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from ifonly.service import logs
from ifonly.service.errors import TracingUnavailable
from ifonly.service.metrics import Metrics
from ifonly.service.settings import Settings

TRACES_PATH = "/v1/traces"


class OutcomeCallback(Protocol):
    """Takes what is known of a request only once it is answered: its route and its status."""

    def __call__(self, name: str, status: int, /) -> None: ...


class Tracing:
    """Makes spans; ``provider``: OpenTelemetry's, None: none are made."""

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider
        self._tracer: Any = None if provider is None else provider.get_tracer("ifonly")

    @property
    def is_on(self) -> bool:
        return self._tracer is not None

    def span(self, name: str) -> AbstractContextManager[object]:
        """A span within the one that is open."""
        return nullcontext() if self._tracer is None else self._opened(name)

    @contextmanager
    def _opened(self, name: str, **given: Any) -> Iterator[Any]:
        """A span, and its ids on the lines of the log."""
        # No exception in the span: its message may quote a reading.
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False, **given
        ) as span:
            here = span.get_span_context()
            with logs.of_span(f"{here.trace_id:032x}", f"{here.span_id:016x}"):
                yield span

    @property
    def traceparent(self) -> str | None:
        """The span that is open, as W3C has it; None if there is none."""
        if self._tracer is None:
            return None
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        return carrier.get("traceparent")

    @contextmanager
    def lease(self, job: str, traceparent: str | None, began: int) -> Iterator[None]:
        """The trace of some rows of ``job``, which ``traceparent`` submitted, from when they were
        claimed; ``began``: when that was begun, in ns since 1970."""
        if self._tracer is None:
            yield
            return
        from opentelemetry.context import Context
        from opentelemetry.trace import Link, SpanKind, get_current_span

        before = get_current_span(_extracted({"traceparent": traceparent or ""}))
        links = [Link(before.get_span_context())] if before.get_span_context().is_valid else []
        with self._opened(
            "job rows",
            context=Context(),
            kind=SpanKind.CONSUMER,
            links=links,
            attributes={"ifonly.job": job},
            start_time=began,
        ):
            self._tracer.start_span("claim", start_time=began).end()
            yield

    def row(self, number: int, model: str) -> AbstractContextManager[object]:
        """The span of one row, within that of its lease."""
        if self._tracer is None:
            return nullcontext()
        return self._opened("row", attributes={"ifonly.row": number, "ifonly.model": model})

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[OutcomeCallback]:
        """The span of a request, within the caller's if it sends one (W3C ``traceparent``)."""
        if self._tracer is None:
            yield _unsaid
            return
        # Imported only here: the packages are an extra.
        from opentelemetry.trace import SpanKind, StatusCode

        with self._opened(
            method,
            context=_extracted(headers),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method},
        ) as span:

            def said(route: str, status: int) -> None:
                # The route's template, never the path: names of spans must be few.
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.route": route, "http.response.status_code": status})
                # OpenTelemetry: of a server 4xx is no error, for the client was wrong.
                if status >= 500:
                    span.set_status(StatusCode.ERROR)

            yield said

    def close(self) -> None:
        """Send what was not sent yet."""
        if self._provider is not None:
            self._provider.shutdown()


def _extracted(headers: Mapping[str, str]) -> Any:
    """The context of who sent them."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(headers)


def _unsaid(route: str, status: int, /) -> None:
    return None


def tracing(settings: Settings, version: str) -> Tracing:
    """As the settings have it.

    Raises
    ------
    TracingUnavailable
        If somebody collects spans, and what makes them is not installed.
    """
    if settings.otlp_endpoint is None:
        return Tracing()
    try:
        # Imported only where spans are wanted: the packages are an extra, and slow to import.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise TracingUnavailable from None
    resource = Resource.create({"service.name": "ifonly", "service.version": version})
    # shutdown_on_exit off: `close` sends what is left when the application ends.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    endpoint = settings.otlp_endpoint.rstrip("/") + TRACES_PATH
    # In batches, by a thread of its own: no request waits for the collector.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


class Stages:
    """A :class:`ifonly.explainers.watch.Watch` that measures, and makes spans."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._metrics = metrics
        self._tracing = tracing

    @contextmanager
    def __call__(self, stage: str, /) -> Iterator[None]:
        # A clock that nobody sets back.
        began = time.perf_counter()
        try:
            with self._tracing.span(stage):
                yield
        finally:
            self._metrics.stage(stage, time.perf_counter() - began)
