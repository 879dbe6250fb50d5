"""The rows of alarms that were recorded, for a question about many of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa

from ifonly.service.audit.drafts import ALARM
from ifonly.service.audit.observations import place_of
from ifonly.service.errors import (
    ErasedRecord,
    Fault,
    InvalidRequest,
    Path,
    RequestPart,
    UnknownRecord,
)
from ifonly.service.served.registry import ServedModel
from ifonly.service.store import alarms, archive
from ifonly.service.store.chain import DAY_US, Payload, Record, microseconds, now_us
from ifonly.service.store.chain_membership import held
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import said_in
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import episodes, records
from ifonly.service.store.visibility import episodes_within
from ifonly.service.wire import common as wire
from ifonly.service.wire.requests import MAX_INSTANCES, of_rows

KINDS = (RecordKind.PREDICTION, RecordKind.EXPLANATION)
MOST_LOOKED_AT = 20_000
"""Records, after which nobody looks for more."""
PIECE = 500


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One row, and the record that it is of."""

    record: str
    instance: Mapping[str, Any]
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RaisedAlarm:
    """An alarm of one piece of equipment."""

    record: str
    """That raised it."""
    condition: str
    """As :class:`ifonly.service.audit.observations.EquipmentPlace` has it."""

    def of(self, rows: Sequence[AlarmRow], model: ServedModel) -> list[AlarmRow]:
        """Of its record's rows that which raised it, the first of its equipment."""
        for row in rows:
            place = place_of(model, row.attributes)
            if place is not None and place.condition == self.condition:
                return [row]
        return []


_RAISED = (episodes.c.id, episodes.c.raised_by, episodes.c.condition)


def _episode(database: Database, identity: str) -> RaisedAlarm | None:
    """The alarm of that id, where it is not the id of the record that raised it."""
    chosen = sa.select(*_RAISED).where(episodes.c.id == identity, episodes.c.raised_by.is_not(None))
    with database.reading() as connection:
        row = connection.execute(episodes_within(database, chosen)).one_or_none()
    return None if row is None else RaisedAlarm(row.raised_by, row.condition)


def with_rows(
    database: Database, model: ServedModel, request: wire.CommonRequest
) -> wire.CommonRequest:
    """``request`` with its rows as ``instances``: what is answered, and recorded, so that it can be
    asked again when the records are gone.

    Raises
    ------
    InvalidRequest
        If a record is unknown, erased, of another model or no prediction; if there is no row; or
        if records and rows are both given.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    if request.instances is not None:
        if request.records is not None:
            problem = "records are given beside instances: say one of them"
            raise _refused(("records",), problem, len(request.records))
        return request
    if request.records is not None:
        rows = list(_of_records(database, model, request.records))
    else:
        assert request.recorded is not None
        rows = _of_time(database, model, request.recorded)
    if not rows:
        name = "records" if request.recorded is None else "recorded"
        raise _refused((name,), f"{name}: there is no alarm of {model.name} among them", None)
    if len(rows) > MAX_INSTANCES:
        problem = f"records have {len(rows)} rows, above {MAX_INSTANCES}"
        raise _refused(("records",), problem, len(rows), MAX_INSTANCES)
    given = request.model_dump(by_alias=True, exclude_unset=True, exclude={"recorded", "records"})
    told = {"instances": [row.instance for row in rows], "records": [row.record for row in rows]}
    return wire.CommonRequest.model_validate(given | told)


def _refused(path: Path, problem: str, value: object, limit: object = None) -> InvalidRequest:
    return InvalidRequest(RequestPart.REQUEST, [Fault(path, problem, value, limit=limit)])


# --- by their ids ---------------------------------------------------------------------------------


def _of_records(
    database: Database, model: ServedModel, identities: Sequence[str]
) -> Iterator[AlarmRow]:
    faults: list[Fault] = []
    found: list[AlarmRow] = []
    for i, identity in enumerate(dict.fromkeys(identities)):
        try:
            raised = _episode(database, identity)
            record, payload = archive.get(database, identity if raised is None else raised.record)
            problem = _problem(record, payload, model)
            if not problem:
                assert payload is not None
                rows = alarm_rows(record, payload, model)
                found += rows if raised is None else raised.of(rows, model)
        except (UnknownRecord, ErasedRecord) as error:
            problem = str(error)
        if problem:
            faults.append(Fault(("records", i), f"records[{i}]: {problem}", identity))
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults)
    yield from found


def _problem(record: Record, payload: Payload | None, model: ServedModel) -> str:
    facts = record.facts
    if facts.kind not in KINDS:
        return f"record {facts.id} is of kind {facts.kind}, no prediction or explanation"
    if facts.model != model.name:
        return f"record {facts.id} is of the model {facts.model}, not of {model.name}"
    return "" if payload is not None else str(ErasedRecord(facts.id))


def alarm_rows(record: Record, payload: Payload, model: ServedModel) -> list[AlarmRow]:
    """Of a record of one row that row; of more rows those that were decided as an alarm."""
    kept = json.loads(payload.content)
    asked, answer, identity = kept["request"], kept["answer"], record.facts.id
    said = asked.get("attributes", {})
    if record.facts.kind is RecordKind.EXPLANATION:
        return [AlarmRow(identity, asked["instance"], said)]
    rows = asked.get("instances") or [asked["instance"]]
    desired = model.decision.desired
    wanted = None if desired is None else model.decision.class_names[desired]
    each = zip(rows, of_rows(said, len(rows)), answer["predictions"], strict=True)
    return [
        AlarmRow(identity, row, whose)
        for row, whose, told in each
        if len(rows) == 1 or wanted is None or told.get("class") != wanted
    ]


# --- by their time --------------------------------------------------------------------------------


def _of_time(database: Database, model: ServedModel, asked: wire.RecordedRows) -> list[AlarmRow]:
    """Of equipment one row an alarm: that which raised it. Where none says which equipment it is
    of, every recorded alarm, and rows that are the same in all they say once."""
    until = now_us() if asked.until is None else _time("until", asked.until)
    since = until - DAY_US if asked.since is None else _time("since", asked.since)
    if since >= until:
        problem = f"recorded.since is {asked.since}, not before recorded.until"
        raise _refused(("recorded", "since"), problem, asked.since, asked.until)
    raised = _raised(database, model, since, until, asked)
    return raised or _recorded(database, model, since, until, asked)


def _time(name: str, text: str) -> int:
    try:
        return microseconds(text)
    except (ValueError, OverflowError):
        problem = f"recorded.{name} is {text!r}, not a time such as 2026-01-31T08:00:00Z"
        raise _refused(("recorded", name), problem, text) from None


def _raised(
    database: Database, model: ServedModel, since: int, until: int, asked: wire.RecordedRows
) -> list[AlarmRow]:
    chosen = sa.select(*_RAISED, episodes.c.attributes).where(
        sa.text("raised_us IS NOT NULL"),
        episodes.c.raised_us >= since,
        episodes.c.raised_us < until,
        episodes.c.model == model.name,
    )
    chosen = chosen.order_by(episodes.c.raised_us.desc(), episodes.c.id).limit(MOST_LOOKED_AT)
    with database.reading() as connection:
        rows = connection.execute(episodes_within(database, chosen)).all()
    wanted = (
        RaisedAlarm(row.raised_by or row.id, row.condition)
        for row in rows
        if has(said_in(row.attributes), asked.attributes)
    )
    found: list[AlarmRow] = []
    # As many records at once as are still wanted: few of them lead to no row.
    while len(found) < asked.most and (some := [*islice(wanted, asked.most - len(found))]):
        kept = alarms.records_of(database, {each.record for each in some})
        for raised in some:
            record, payload = kept.get(raised.record, (None, None))
            if record and payload and not _problem(record, payload, model):
                found += raised.of(alarm_rows(record, payload, model), model)
    return found


def _recorded(
    database: Database, model: ServedModel, since: int, until: int, asked: wire.RecordedRows
) -> list[AlarmRow]:
    found: dict[str, AlarmRow] = {}
    for kind in KINDS:
        for record, payload in _alarms(database, model, kind, since, until):
            for row in alarm_rows(record, payload, model):
                if has(row.attributes, asked.attributes):
                    same = json.dumps([row.instance, row.attributes], sort_keys=True)
                    found.setdefault(same, row)
            if len(found) >= asked.most:
                break
    return list(found.values())[: asked.most]


def _alarms(
    database: Database, model: ServedModel, kind: RecordKind, since: int, until: int
) -> Iterator[tuple[Record, Payload]]:
    """Records of alarms that hold, the newest first."""
    chosen = archive.whole().where(
        records.c.kind == kind.value,
        records.c.model == model.name,
        records.c.time_us >= since,
        records.c.time_us < until,
        # An explanation of a record that is there tells of the same reading.
        records.c.about.is_(None),
    )
    is_alarm = records.c.status == ALARM
    chosen = chosen.where(
        is_alarm if kind is RecordKind.PREDICTION else records.c.status != "already_target"
    )
    cursor: str | None = None
    for _ in range(MOST_LOOKED_AT // PIECE):
        rows, cursor = archive.read_page(
            database, archive.newest_first(chosen, cursor, PIECE), PIECE
        )
        for row in rows:
            record, payload = held(row) or (None, None)
            if record is not None and payload is not None:
                yield record, payload
        if cursor is None:
            return


def has(said: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether what is said of equipment is all that is wanted, perhaps among more."""
    return all(said.get(name) == value for name, value in wanted.items())
