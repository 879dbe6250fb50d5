"""What Prometheus may know: counts and times, never a reading, a key or an id.

Whatever is recorded is counted where it is committed, so that questions and rows of jobs count
alike, and nothing counts that was not answered. With several processes on one machine set
``PROMETHEUS_MULTIPROC_DIR`` to a folder that is emptied at the start: they add up there, and
whichever is asked tells the sum, and ``process_*`` of each that lives (label ``pid``). Processes on
several machines are asked one by one.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    multiprocess,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ifonly.service.store.chain import Record
from ifonly.service.store.kinds import RecordKind

MEDIA_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
GAPS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
NOBODY = "none"
"""Engine of a question that was refused."""
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

METHODS = ("GET", "HEAD", "POST", "DELETE")
"""Those that routes have."""


class Metrics:
    """One application's. Thread-safe."""

    def __init__(self) -> None:
        # Its own, not the library's global one: two applications in a process (tests) would clash.
        self._registry = registry = CollectorRegistry()
        model = ["model_name"]
        # KServe's names.
        self._latency = {
            RecordKind.PREDICTION: Histogram(
                "request_predict_seconds", "Prediction.", model, buckets=SECONDS, registry=registry
            ),
            RecordKind.EXPLANATION: Histogram(
                "request_explain_seconds", "Explanation.", model, buckets=SECONDS, registry=registry
            ),
        }
        self._claims = Counter(
            "ifonly_claims", "Explanations.", [*model, "status", "engine"], registry=registry
        )
        self._rows = Counter(
            "ifonly_model_rows", "Rows scored.", [*model, "engine"], registry=registry
        )
        self._nodes = Counter(
            "ifonly_search_nodes", "Boxes opened.", [*model, "engine"], registry=registry
        )
        self._rejections = Counter(
            "ifonly_rejections",
            "Proposals and claims of an engine that the checker did not find true.",
            [*model, "engine"],
            registry=registry,
        )
        self._doubts = Counter(
            "ifonly_answers_in_doubt",
            "That rest on a part of the causal model that had failed a check.",
            model,
            registry=registry,
        )
        self._gap = Histogram(
            "ifonly_gap_ratio",
            "How much smaller a change may be than the one answered; 0: proven.",
            model,
            buckets=GAPS,
            registry=registry,
        )
        self._stages = Histogram(
            "ifonly_stage_seconds",
            "Of a question: queue, search, verify, complete, words, record.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self._refusals = Counter(
            "ifonly_refusals", "Not answered.", ["kind", "status"], registry=registry
        )
        self._events = Counter(
            "ifonly_events", "CloudEvents that came.", ["outcome"], registry=registry
        )
        self._messages = Counter(
            "ifonly_messages",
            "Events and webhooks: sent, to be tried again, given up.",
            ["outcome"],
            registry=registry,
        )
        # Of tables that all processes count.
        self._unsent = Gauge(
            "ifonly_waiting_messages",
            "Events and webhooks that are to be sent.",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._dead = Gauge(
            "ifonly_dead_letters",
            "Events that could not be read, and messages that could not be sent.",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._requests = Histogram(
            "ifonly_http_request_seconds",
            "Requests, records included.",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=registry,
        )
        self._batch = Histogram(
            "ifonly_commit_records", "Records of a commit.", buckets=BATCHES, registry=registry
        )
        self._commit = Histogram(
            "ifonly_commit_seconds", "Duration of a commit.", buckets=SECONDS, registry=registry
        )
        self._questions = Gauge(
            "ifonly_waiting_questions",
            "For a thread.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._records = Gauge(
            "ifonly_waiting_records",
            "For a commit.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        # mostrecent: all processes count the same table, so their sum would be too much.
        self._job_rows = Gauge(
            "ifonly_waiting_rows", "Of jobs.", multiprocess_mode="mostrecent", registry=registry
        )

        self._differing = Gauge(
            "ifonly_predictor_differing_rows",
            "Reference rows of which the deployed predictor says something else than the copy "
            "here; NaN: it did not answer.",
            model,
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        # Only what the specs list: see `ifonly.service.audit.alarms.standing`.
        self._alarms = Gauge(
            "ifonly_alarms_open",
            "Alarms of equipment that somebody has to look at.",
            [*model, "equipment", "state"],
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._known_alarms: set[tuple[str, str, str]] = set()
        self._out_of_service = Gauge(
            "ifonly_models_out_of_service",
            "Models that took more time or memory than they may.",
            model,
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._collections = _Collections(registry)

    def compared(self, name: str, differing: float) -> None:
        """Of so many reference rows the predictor said something else than the copy of the model
        here; NaN: it did not answer."""
        self._differing.labels(name).set(differing)

    def out_of_service(self, names: Iterable[str]) -> None:
        """These models, and no others, are out of service in this process."""
        # With several processes prometheus-client cannot clear labels: they are in a shared folder.
        if FOLDER not in os.environ:
            self._out_of_service.clear()
        for name in names:
            self._out_of_service.labels(name).set(1)

    def alarms(self, standing: Mapping[tuple[str, str, str], int]) -> None:
        """How many are open, by model, equipment and state."""
        self._known_alarms |= standing.keys()
        # Set to 0 and not dropped: with several processes labels cannot be cleared.
        for labels in self._known_alarms:
            self._alarms.labels(*labels).set(standing.get(labels, 0))

    def committed(self, records: Sequence[Record], seconds: float, waiting: int) -> None:
        """These records became durable, together; ``waiting``: how many others were not yet."""
        self._batch.observe(len(records))
        self._commit.observe(seconds)
        self._records.set(waiting)
        self._collections.told()
        # Counted after the commit: what was rolled back was never answered.
        for record in records:
            self._count(record)

    def _count(self, record: Record) -> None:
        facts = record.facts
        detail = facts.detail or {}
        if "rejected" in detail:
            self._rejections.labels(facts.model, facts.engine or NOBODY).inc(detail["rejected"])
        if facts.kind in (RecordKind.REFUSAL, RecordKind.FAILURE):
            self._refusals.labels(facts.kind.value, facts.status or "").inc()
        if "doubts" in detail:
            self._doubts.labels(facts.model).inc()
        latency = self._latency.get(facts.kind)
        if latency is not None and facts.latency_us is not None:
            latency.labels(facts.model).observe(facts.latency_us / 1e6)
        if facts.kind is RecordKind.ROWS:
            count = len(detail.get("numbers", ()))
            self._claims.labels(facts.model, facts.status, facts.engine).inc(count)
        if facts.kind is RecordKind.EXPLANATION:
            self._claims.labels(facts.model, facts.status, facts.engine).inc()
            self._rows.labels(facts.model, facts.engine).inc(detail.get("rows", 0))
            self._nodes.labels(facts.model, facts.engine).inc(detail.get("nodes", 0))
            if "gap_ppm" in detail:
                self._gap.labels(facts.model).observe(detail["gap_ppm"] / 1e6)

    def events(self, counted: Mapping[str, int]) -> None:
        """Events by what became of them."""
        for outcome, number in counted.items():
            self._events.labels(outcome).inc(number)

    def messages(self, counted: Mapping[str, int]) -> None:
        """Messages by what became of them."""
        for outcome, number in counted.items():
            self._messages.labels(outcome).inc(number)

    def letters(self, waiting: int, dead: int) -> None:
        """So many messages wait now, and so many dead letters."""
        self._unsent.set(waiting)
        self._dead.set(dead)

    def stage(self, stage: str, seconds: float) -> None:
        """A question spent so much time on it."""
        self._stages.labels(stage).observe(seconds)

    def replied(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route``: its template, never its path. A method that no route has is one of many that
        strangers think of: a series for each would be theirs to make."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).observe(seconds)

    def told(self, questions: int, records: int, rows: int) -> bytes:
        """All of it, as Prometheus reads it, with what waits just now."""
        self._questions.set(questions)
        self._records.set(records)
        self._job_rows.set(rows)
        self._collections.told()
        # Beside the counts, and new each time: which processes there are is known only now.
        beside = CollectorRegistry()
        PlatformCollector(beside)
        if FOLDER not in os.environ:
            ProcessCollector(registry=beside)
            return generate_latest(self._registry) + generate_latest(beside)
        # Otherwise a killed process would be counted as waiting for ever.
        living = _living(Path(os.environ[FOLDER]))
        multiprocess.MultiProcessCollector(beside)  # type: ignore[no-untyped-call]
        beside.register(_Processes(living))
        return generate_latest(beside)

    def close(self) -> None:
        """What waits in this process waits no more."""
        if FOLDER in os.environ:
            multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


class _Collections:
    """What the garbage collector has done, by the names of ``prometheus_client``'s own collector,
    which tells of the process that is asked alone: these add up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        named = {
            "collected": ("objects_collected", "Objects collected during gc"),
            "uncollectable": ("objects_uncollectable", "Uncollectable objects found during GC"),
            "collections": ("collections", "Number of times this generation was collected"),
        }
        self._counters = {
            key: Counter(f"python_gc_{name}", text, ["generation"], registry=registry)
            for key, (name, text) in named.items()
        }
        self._before = [dict.fromkeys(named, 0) for _ in gc.get_stats()]
        self._lock = threading.Lock()

    def told(self) -> None:
        """Count what was done since."""
        with self._lock:  # what two threads see at once counts once
            before, self._before = self._before, gc.get_stats()
            self._count(before, self._before)

    def _count(self, before: Sequence[dict[str, int]], now: Sequence[dict[str, int]]) -> None:
        for generation, (old, new) in enumerate(zip(before, now, strict=True)):
            for key, counter in self._counters.items():
                if new[key] != old[key]:  # seldom: looking a counter up costs more than all else
                    counter.labels(str(generation)).inc(new[key] - old[key])


class _Processes(Collector):
    """``process_*`` of several processes of this machine: not their sum, which would fall whenever
    one ends, but each with its ``pid``."""

    def __init__(self, processes: Iterable[int]) -> None:
        self._processes = processes

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for process in self._processes:
            of_one = ProcessCollector(pid=partial(int, process), registry=None)
            for told in of_one.collect():  # nothing, if it has ended meanwhile
                blank = Metric(told.name, told.documentation, told.type)
                family = families.setdefault(told.name, blank)
                for sample in told.samples:
                    family.add_sample(sample.name, {"pid": str(process)}, sample.value)
        return families.values()


def _living(folder: Path) -> list[int]:
    """Who has counted there, and lives. What waits in a process that was killed waits no more: it
    could not say so itself."""
    living = []
    for process in sorted({int(f.stem.rpartition("_")[2]) for f in folder.glob("gauge_live*.db")}):
        try:
            # Signal 0 only asks whether the process is there.
            os.kill(process, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]
            continue
        except PermissionError:  # it is there, and somebody else's
            pass
        living.append(process)
    return living
