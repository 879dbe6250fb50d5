"""What is to be sent, written in the transaction of what it tells of: nothing is lost between.

A row waits until the record is there that it tells of; then it is due. Whoever sends it has it for
a while: is it not gone by then, it is due again, so a receiver may get it twice, by the same id.
Refused again and again it is dead, and stays until somebody sees to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from ifonly.service.store.chain import new_id, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.journal import UnrecordedWrite
from ifonly.service.store.rows import insert
from ifonly.service.store.tables import outbox

_NOBODY = ""


class MessageState(StrEnum):
    """How far a message is."""

    AWAITED = "awaited"
    """What it tells of has not happened yet."""
    QUEUED = "queued"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Message:
    """One message, by what it tells of."""

    id: str
    state: MessageState
    job: str
    number: int | None
    """Of a row of the job; None: it tells of the job's end."""
    target: str | None
    """None: the sink that the settings name."""
    context: Mapping[str, Any]
    record: str | None
    created_us: int
    attempts: int
    reason: str | None

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Message:
        return cls(
            row.id,
            MessageState(row.state),
            row.job,
            row.number,
            row.target,
            json.loads(row.context),
            row.record,
            row.created_us,
            row.attempts,
            row.reason,
        )


def expect(
    connection: sa.Connection,
    job: str,
    contexts: Mapping[int | None, Mapping[str, Any]],
    target: str | None = None,
) -> None:
    """Once a row of ``job`` is answered, by its number, or the job has ended (None), send that."""
    now = now_us()
    insert(
        connection,
        outbox,
        [
            {
                "id": new_id(),
                "state": MessageState.AWAITED.value,
                "job": job,
                "number": number,
                "target": target,
                "context": json.dumps(context, ensure_ascii=False),
                "record": None,
                "created_us": now,
                "due_us": 0,
                "attempts": 0,
                "reason": None,
                "worker": _NOBODY,
            }
            for number, context in contexts.items()
        ],
    )


def release(connection: sa.Connection, job: str, records: Mapping[int | None, str]) -> None:
    """What was to be sent of these rows of a job, or of its end (None), is due: by the records that
    tell of them."""
    told: sa.ColumnElement[bool] = outbox.c.number.in_(
        [number for number in records if number is not None]
    )
    if None in records:
        told = sa.or_(told, outbox.c.number.is_(None))
    own = (outbox.c.job == job, outbox.c.state == MessageState.AWAITED.value, told)
    there = connection.execute(sa.select(outbox.c.id, outbox.c.number).where(*own)).all()
    due = {"state": MessageState.QUEUED.value, "due_us": now_us()}
    for row in there:  # of most jobs there are none
        now = sa.update(outbox).where(outbox.c.id == row.id)
        connection.execute(now.values(due | {"record": records[row.number]}))


def forget_rows(connection: sa.Connection, job: str) -> None:
    """Rows of a job that was cancelled are answered no more."""
    own = (outbox.c.job == job, outbox.c.number.is_not(None))
    connection.execute(sa.delete(outbox).where(*own, outbox.c.state == MessageState.AWAITED.value))


def is_any_due(database: Database) -> bool:
    """Whether a claim would find something: asked of the readers, so that waiting writes nothing.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return connection.execute(sa.select(outbox.c.id).where(_due()).limit(1)).first() is not None


def _due() -> sa.ColumnElement[bool]:
    return sa.and_(outbox.c.state == MessageState.QUEUED.value, outbox.c.due_us <= now_us())


def claim(worker: str, most: int, lease_us: int) -> UnrecordedWrite[list[Message]]:
    """Have up to ``most`` messages for a while, those that are due longest first."""

    def change(connection: sa.Connection) -> list[Message]:
        chosen = sa.select(outbox).where(_due()).order_by(outbox.c.due_us).limit(most)
        rows = connection.execute(chosen.with_for_update(skip_locked=True)).all()
        if rows:
            connection.execute(
                sa.update(outbox)
                .where(outbox.c.id.in_([row.id for row in rows]))
                .values(worker=worker, due_us=now_us() + lease_us, attempts=outbox.c.attempts + 1)
            )
        # Read before: this try is counted too.
        return [replace(Message.of(row), attempts=row.attempts + 1) for row in rows]

    return change


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that its receiver has not got."""

    id: str
    reason: str
    wait_us: int | None
    """Until it is tried again; None: never."""


def settle(worker: str, sent: Sequence[str], failed: Sequence[Failed]) -> UnrecordedWrite[None]:
    """What became of messages that ``worker`` had."""

    def change(connection: sa.Connection) -> None:
        if sent:
            connection.execute(sa.delete(outbox).where(outbox.c.id.in_(sent)))
        for each in failed:
            is_dead = each.wait_us is None
            again = {
                "state": (MessageState.DEAD if is_dead else MessageState.QUEUED).value,
                "due_us": now_us() + (each.wait_us or 0),
                "reason": each.reason,
            }
            # Only its own: whoever had it for too long may not undo what another has found.
            own = (outbox.c.id == each.id, outbox.c.worker == worker)
            connection.execute(sa.update(outbox).where(*own).values(again))

    return change


def count(database: Database, state: MessageState) -> int:
    """Messages in this state.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    counted = sa.select(sa.func.count()).where(outbox.c.state == state.value)
    with database.reading() as connection:
        return int(connection.execute(counted).scalar_one())


def dead(database: Database) -> list[Message]:
    """What could not be sent, the oldest first.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    there = sa.select(outbox).where(outbox.c.state == MessageState.DEAD.value)
    with database.reading() as connection:
        return [Message.of(row) for row in connection.execute(there.order_by(outbox.c.created_us))]


def retry(identity: str) -> sa.Update:
    """Have a dead message sent once more (nothing is changed where there is none)."""
    again = {"state": MessageState.QUEUED.value, "due_us": now_us(), "attempts": 0}
    return sa.update(outbox).where(_dead(identity)).values(again)


def discard(identity: str) -> sa.Delete:
    """Remove a dead message (nothing is changed where there is none)."""
    return sa.delete(outbox).where(_dead(identity))


def _dead(identity: str) -> sa.ColumnElement[bool]:
    return sa.and_(outbox.c.id == identity, outbox.c.state == MessageState.DEAD.value)
