"""The thread of a process that looks at joined events: what is an alarm becomes a row of a job."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from ifonly.models.errors import UnknownModel
from ifonly.service import logs
from ifonly.service.audit.drafts import Drafting
from ifonly.service.audit.runtime import Runtime
from ifonly.service.doors.events.payloads import Logged, Unreadable, is_alarm, read_pair
from ifonly.service.doors.events.readings import LoggedReading, drafts, reading_of, turning
from ifonly.service.doors.events.services import model_of, origin, taken, told_of
from ifonly.service.errors import InvalidRequest, QueueFull
from ifonly.service.polling import PollingThread
from ifonly.service.served.registry import ServedModel
from ifonly.service.store import alarms, inbox, jobs, outbox
from ifonly.service.store.inbox import Pair
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.terms import State

AT_ONCE = 64
"""Pairs of one look; those of one model and sender become one job."""
FULL_US = 2_000_000
"""After so long events are looked at again whose sender has too many rows that wait."""
FORGET_SECONDS = 30.0
"""Between two looks for events whose other half has not come."""


@dataclass(frozen=True, slots=True)
class LoggedAlarm:
    """An alarm, and the pair of events that told of it."""

    pair: Pair
    logged: Logged
    attributes: Mapping[str, str]
    """What is said of its equipment, as far as the model's spec takes it."""

    @property
    def question(self) -> bytes:
        asked: dict[str, Any] = {"instance": self.logged.row}
        if self.attributes:
            asked["attributes"] = dict(self.attributes)
        return json.dumps(asked, ensure_ascii=False).encode()

    @property
    def context(self) -> dict[str, Any]:
        """What its message says beside the record."""
        told = {"row": self.logged.place, "prediction": self.logged.said}
        return {"event": dict(self.pair.said)} | told


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of one pair."""

    model: ServedModel
    pair: Pair
    alarms: Sequence[LoggedAlarm]
    """Rows that are to be explained."""
    readings: Sequence[LoggedReading]
    """Rows that name their equipment."""

    @property
    def group(self) -> tuple[Any, ...]:
        """Those of one group have one model and one sender."""
        return self.model.name, self.model.version, self.pair.principal


def _parts(found: Sequence[LoggedAlarm], most: int) -> Iterator[list[LoggedAlarm]]:
    """Alarms of whole pairs, up to ``most`` together; those of one pair, however many."""
    part: list[LoggedAlarm] = []
    for _, of_pair in groupby(found, key=lambda each: each.pair.key):
        more = list(of_pair)
        if part and len(part) + len(more) > most:
            yield part
            part = []
        part += more
    if part:
        yield part


class Sorter:
    """A thread: ``start`` it, ``stop`` it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._store = runtime.store
        self._settings = runtime.settings
        self._name = f"{runtime.store.journal.writer}-events"
        self._lease_us = round(runtime.settings.job_lease_seconds * 1e6)
        self._forget_next = 0.0
        self._told: set[str] = set()
        """Keys of pairs whose readings are recorded, and which are not settled: they come again."""
        self._thread = PollingThread("events", self.sort, of="events")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.stop(self._settings.shutdown_seconds)

    def _forget(self) -> None:
        if time.monotonic() < self._forget_next:
            return
        self._forget_next = time.monotonic() + FORGET_SECONDS
        patience = round(self._settings.event_patience_seconds * 1e6)
        lonely = self._store.journal.change(inbox.forget_lonely(patience)).result()
        if lonely:
            self._runtime.metrics.events({"alone": lonely})
            logs.logger.warning("the other half of %d events has not come", lonely)

    def sort(self) -> bool:
        """Look at what came; whether there was anything."""
        self._forget()
        journal = self._store.journal
        if not inbox.is_any_joined(self._store.database):
            return False
        pairs = journal.change(inbox.claim(self._name, AT_ONCE, self._lease_us)).result()
        try:
            self._sort(pairs)
        finally:
            # What is left after a failure is free at once, not when the lease ends.
            journal.change(inbox.hand_back(self._name)).result()
        return bool(pairs)

    def _sort(self, pairs: Sequence[Pair]) -> None:
        unreadable: dict[str, str] = {}
        groups: defaultdict[tuple[Any, ...], list[Looked]] = defaultdict(list)
        for pair in pairs:
            with logs.of_request(pair.request_id or "-"):
                try:
                    looked = self._look(pair)
                except Unreadable as error:
                    unreadable[pair.key] = str(error)
                    continue
                # One that raised here would be looked at for ever, before all others.
                except Exception as error:
                    logs.logger.error("events could not be read: %s", logs.where(error))
                    unreadable[pair.key] = f"failed: {type(error).__name__}"
                    continue
            groups[looked.group].append(looked)
        quiet = [
            each.pair.key
            for found in groups.values()
            for each in self._recorded(found)
            if not each.alarms
        ]
        journal = self._store.journal
        if quiet:
            journal.change(inbox.settled(self._name, quiet)).result()
        if unreadable:
            logs.logger.warning("%d pairs of events could not be read", len(unreadable))
            journal.change(inbox.bury(self._name, unreadable)).result()
        # Half of what may wait: else what comes together might never have room.
        most = min(self._settings.max_job_rows, self._settings.max_waiting_rows // 2)
        explained = sum(
            self._submitted(found[0].model, together)
            for found in groups.values()
            for together in _parts([alarm for each in found for alarm in each.alarms], most)
        )
        # What is settled does not come again; what waits for room does.
        self._told.difference_update(quiet)
        counts = {"quiet": len(quiet), "unreadable": len(unreadable), "explained": explained}
        self._runtime.metrics.events(counts)

    def _recorded(self, found: Sequence[Looked]) -> Sequence[Looked]:
        """These, once what they tell of equipment is recorded. Before they are settled: a process
        that is killed in between tells it again, and what a machine is now is not lost."""
        new = [each for each in found if each.pair.key not in self._told]
        read = [reading for each in new for reading in each.readings]
        if not read:
            return found
        conditions = {reading.condition for reading in read}
        kept = turning(read, alarms.lives(self._store.database, conditions))
        model, pair = found[0].model, found[0].pair
        with logs.of_request(pair.request_id or "-"):
            made = drafts(kept, model, Drafting(pair.principal, time.perf_counter()))
        if made:
            self._store.journal.append(lambda _: made).result()
        self._told |= {each.pair.key for each in new}
        return found

    def _look(self, pair: Pair) -> Looked:
        """What a pair tells.

        Raises
        ------
        Unreadable
            If nothing can be made of it.
        """
        registry = self._runtime.registry.within(pair.principal.scope)
        try:
            model = model_of(pair.said, registry, self._settings)
        except (UnknownModel, InvalidRequest) as error:
            raise Unreadable(str(error)) from None
        rows = read_pair(pair.request, pair.response, model)
        wants_all = self._settings.event_rule == "all"
        told, within = told_of(pair.said), pair.principal.scope.has
        found, readings = [], []
        for row in rows:
            alarm = is_alarm(row, model)
            said = taken({**told, **row.attributes, **origin(pair.said)}, model)
            if wants_all or alarm:
                found.append(LoggedAlarm(pair, row, said))
            if within(said) and (reading := reading_of(pair.key, row.row, said, alarm, model)):
                readings.append(reading)
        if len(found) > (most := self._settings.max_waiting_rows):
            raise Unreadable(f"{len(found)} rows are to be explained, and {most} may wait")
        return Looked(model, pair, found, readings)

    def _submitted(self, model: ServedModel, found: Sequence[LoggedAlarm]) -> int:
        """How many of these are explained from now on: all, or none while their sender has too many
        that wait."""
        try:
            self._submit(model, found)
        except QueueFull as error:
            logs.logger.warning("events wait: %s", error)
            keys = [each.pair.key for each in found]
            later = inbox.postpone(self._name, keys, FULL_US)
            self._store.journal.change(later).result()
            return 0
        return len(found)

    def _submit(self, model: ServedModel, found: Sequence[LoggedAlarm]) -> None:
        """Have these explained, in the transaction that settles their pairs."""
        principal = found[0].pair.principal
        scope = principal.scope.in_words
        detail = {"rows": len(found), "of": jobs.EVENTS}
        detail |= {} if scope is None else {"scope": scope}
        drafting = Drafting(principal, time.perf_counter())
        with logs.of_request(found[0].pair.request_id or "-"):
            facts = drafting.facts(RecordKind.JOB, model, status=State.QUEUED.value, detail=detail)
        requests = [each.question for each in found]
        job, work = jobs.submit(facts, requests, self._settings.max_waiting_rows)
        keys = [*dict.fromkeys(each.pair.key for each in found)]
        contexts: Mapping[int | None, Any] = {k: each.context for k, each in enumerate(found)}

        def write(connection: sa.Connection) -> Draft | Sequence[Draft]:
            inbox.settle(connection, self._name, keys)
            if self._settings.event_sink is not None:
                outbox.expect(connection, job.id, contexts)
            return work(connection)

        self._store.journal.append(write).result()
        self._told.difference_update(keys)
        self._runtime.wake()
