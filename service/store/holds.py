"""Legal holds: what may not be erased until the hold is lifted.

A hold is a record of kind ``hold``, over one record, over what is recorded of one model, or over
everything; its end is another record, about the first. A hold is above the age that ``prune`` is
given and above the wish of whoever a record tells of (GDPR, article 17 (3) (b) and (e)).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from ifonly.service.errors import OnHold, UnknownRecord
from ifonly.service.store.chain import Facts, Record, new_id
from ifonly.service.store.chain_membership import standing, stands
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft, RecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import record_of
from ifonly.service.store.tables import PAGE_ORDER, records

PUT, LIFTED = "put", "lifted"


@dataclass(frozen=True, slots=True)
class Hold:
    """One that was put and not lifted."""

    id: str
    time_us: int
    by: str
    reason: str
    record: str | None = None
    """The one record that it is over."""
    model: str | None = None
    """Whose records it is over; neither: everything."""

    def covers(self, identity: str, model: str | None) -> bool:
        """Whether it is over the record of that id, which is about that model."""
        if self.record is not None:
            return self.record == identity
        return self.model is None or self.model == model


def put(
    actor: str, reason: str, *, record: str | None = None, model: str | None = None
) -> RecordedWrite:
    """Put a hold: on ``record``, on everything about ``model``, or on everything.

    Raises, when it is done:

    UnknownRecord
        If there is no record of that id.
    """
    # Made here, before the transaction: the journal may run `work` again after a failed commit.
    identity = new_id()

    def work(connection: sa.Connection) -> Draft:
        # A hold on a misspelt id would protect nothing, and nobody would notice.
        if record is not None:
            _require(connection, record)
        detail = {"reason": reason}
        facts = Facts(
            kind=RecordKind.HOLD,
            id=identity,
            actor=actor,
            status=PUT,
            about=record,
            model=model,
            detail=detail,
        )
        return Draft(facts)

    return work


def lift(identity: str, actor: str, reason: str) -> RecordedWrite:
    """End a hold.

    Raises, when it is done:

    UnknownRecord
        If there is no such hold, or it was lifted before.
    """

    def work(connection: sa.Connection) -> Draft:
        # In the same transaction: two that lift it at once leave one record.
        if identity not in in_force(connection):
            raise UnknownRecord(identity, "hold in force")
        detail = {"reason": reason}
        return Draft(
            Facts(kind=RecordKind.HOLD, actor=actor, status=LIFTED, about=identity, detail=detail)
        )

    return work


def listing(database: Database) -> tuple[Hold, ...]:
    """Those in force, the oldest first.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return tuple(in_force(connection).values())


def in_force(connection: sa.Connection) -> Mapping[str, Hold]:
    """By id. What was put counts also where its record does not stand any more; that it was
    lifted counts only where that stands: whoever tampers can put holds, never end one."""
    chosen = sa.select(records, standing()).where(records.c.kind == RecordKind.HOLD.value)
    found: dict[str, Hold] = {}
    lifted: set[str | None] = set()
    for row in connection.execute(chosen.order_by(*PAGE_ORDER)):
        record = record_of(row)
        if record.facts.status == LIFTED:
            lifted |= {record.facts.about} if stands(row) else set()
        else:
            found[record.facts.id] = _hold(record)
    return {identity: hold for identity, hold in found.items() if identity not in lifted}


def _hold(record: Record) -> Hold:
    facts = record.facts
    # A record may have been tampered with: its hold counts all the same.
    detail = facts.detail if isinstance(facts.detail, Mapping) else {}
    reason = str(detail.get("reason", ""))
    return Hold(facts.id, facts.time_us, facts.actor, reason, facts.about, facts.model)


def check(connection: sa.Connection, identity: str, model: str | None) -> None:
    """Raises
    ------
    OnHold
        If the record of that id, which is about that model, is under one.
    """
    for hold in in_force(connection).values():
        if hold.covers(identity, model):
            raise OnHold(identity, hold.id, hold.reason)


def free(connection: sa.Connection) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions on records that all holds, together, leave to be erased."""
    holds = in_force(connection).values()
    over_records = [hold.record for hold in holds if hold.record is not None]
    over_models = [hold.model for hold in holds if hold.record is None and hold.model is not None]
    if any(hold.record is None and hold.model is None for hold in holds):
        yield sa.false()
    if over_records:
        yield records.c.id.not_in(over_records)
    if over_models:
        # coalesce: NULL NOT IN (...) is NULL, and what has no model would never be erased.
        yield sa.func.coalesce(records.c.model, "").not_in(over_models)


def _require(connection: sa.Connection, identity: str) -> None:
    if connection.execute(sa.select(records.c.id).where(records.c.id == identity)).first() is None:
        raise UnknownRecord(identity)
