"""What a deployed model was asked and what it said, as two events that are joined here.

They come in any order, more than once, to any process that shares the store: each half is written
into one row, and whoever brings the second has joined them. A process then leases the row, looks
whether it is to be explained, and writes what comes of it in the transaction that settles the row.
A lease that ran out (its process was killed) is another's. Of a settled row the key stays, so that
what is sent again is known; what it held is gone.

Nothing here is evidence: what is explained becomes a job, whose records say what was asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from ifonly.service.access import Principal
from ifonly.service.errors import LostLease, QueueFull
from ifonly.service.store.chain import now_us
from ifonly.service.store.database import Database
from ifonly.service.store.journal import UnrecordedWrite
from ifonly.service.store.rows import octets
from ifonly.service.store.tables import inference_events

_NOBODY = ""
_EVENTS = inference_events.c
_UNSORTED = sa.text("inference_events.state != 'sorted'")
"""Word for word as ``ix_inference_events_unsorted`` has it: keys of what was seen to stay for days,
and no look at what waits may read them."""


class Half(StrEnum):
    """One of two events that belong together."""

    REQUEST = "request"
    RESPONSE = "response"

    @property
    def other(self) -> Half:
        return Half.RESPONSE if self is Half.REQUEST else Half.REQUEST


class PairState(StrEnum):
    """How far a pair is."""

    WAITING = "waiting"
    """For its other half."""
    JOINED = "joined"
    SORTED = "sorted"
    """Somebody has seen to it; only its key is left."""
    DEAD = "dead"
    """It could not be read; its reason says why."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One half, as it came."""

    half: Half
    joined_by: tuple[str, ...]
    """What both halves say alike."""
    said: Mapping[str, str]
    """Attributes that are told on."""
    data: bytes
    principal: Principal
    request_id: str

    @property
    def key(self) -> str:
        # With who sent it: nobody joins a half to somebody else's.
        parts = json.dumps([self.principal.actor, *self.joined_by]).encode()
        return hashlib.sha256(parts).hexdigest()


@dataclass(frozen=True, slots=True)
class Pair:
    """Both halves, or one that has none."""

    key: str
    state: PairState
    principal: Principal
    request_id: str | None
    said: Mapping[str, str]
    request: bytes
    response: bytes
    received_us: int
    reason: str | None

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Pair:
        return cls(
            row.key,
            PairState(row.state),
            Principal.of(row.actor, row.role, row.scope),
            row.request_id,
            json.loads(row.said),
            octets(row.request),
            octets(row.response),
            row.received_us,
            row.reason,
        )


def accept(arrived: Sequence[Arrived], most: int) -> UnrecordedWrite[int]:
    """Keep these halves; how many of them were not there yet.

    Raises, when it is done:

    QueueFull
        If there would be more than ``most`` pairs that nobody has seen to. None is kept then.
    """

    def change(connection: sa.Connection) -> int:
        new = sum(_keep(connection, each) for each in arrived)
        waiting = _count(connection, PairState.WAITING, PairState.JOINED)
        # On PostgreSQL two at once may both pass: the bound guards the store's size alone.
        if new and waiting > most:
            raise QueueFull(waiting, most, "events")
        return new

    return change


def _keep(connection: sa.Connection, arrived: Arrived) -> bool:
    mine, other = _EVENTS[arrived.half], _EVENTS[arrived.half.other]
    inserted = connection.execute(
        sa.text(
            "INSERT INTO inference_events (key, state, actor, role, scope, request_id, said, "
            f"{mine.name}, received_us, worker, leased_until_us) VALUES (:key, :state, :actor, "
            ":role, :scope, :request_id, :said, :data, :now, '', 0) ON CONFLICT DO NOTHING"
        ),
        {
            "key": arrived.key,
            "state": PairState.WAITING.value,
            "actor": arrived.principal.actor,
            "role": arrived.principal.in_words,
            "scope": arrived.principal.scope.in_words,
            "request_id": arrived.request_id,
            "said": json.dumps(dict(arrived.said)),
            "data": arrived.data,
            "now": now_us(),
        },
    )
    if inserted.rowcount == 1:
        return True
    # The first of two that say the same half differently stays: it may have been seen already.
    joined = connection.execute(
        sa.update(inference_events)
        .where(_EVENTS.key == arrived.key, mine.is_(None), other.is_not(None))
        .values({mine: arrived.data, _EVENTS.state: PairState.JOINED.value})
    )
    return joined.rowcount == 1


def _count(connection: sa.Connection, *states: PairState) -> int:
    wanted = _EVENTS.state.in_([s.value for s in states])
    is_few = sa.true() if PairState.SORTED in states else _UNSORTED
    counted = sa.select(sa.func.count()).where(is_few, wanted)
    return int(connection.execute(counted).scalar_one())


def count(database: Database, *states: PairState) -> int:
    """Pairs in any of these states.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return _count(connection, *states)


def _free(now: int) -> sa.ColumnElement[bool]:
    is_joined = _EVENTS.state == PairState.JOINED.value
    return sa.and_(_UNSORTED, is_joined, _EVENTS.leased_until_us <= now)


def is_any_joined(database: Database) -> bool:
    """Whether a claim would find something: asked of the readers, so that waiting writes nothing.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        found = sa.select(_EVENTS.key).where(_free(now_us())).limit(1)
        return connection.execute(found).first() is not None


def claim(worker: str, most: int, lease_us: int) -> UnrecordedWrite[list[Pair]]:
    """Lease up to ``most`` pairs, the oldest first."""

    def change(connection: sa.Connection) -> list[Pair]:
        now = now_us()
        oldest = sa.select(inference_events).where(_free(now)).order_by(_EVENTS.received_us)
        locked = oldest.limit(most).with_for_update(skip_locked=True)
        pairs = [Pair.of(row) for row in connection.execute(locked)]
        if pairs:
            connection.execute(
                sa.update(inference_events)
                .where(_EVENTS.key.in_([pair.key for pair in pairs]))
                .values(worker=worker, leased_until_us=now + lease_us)
            )
        return pairs

    return change


def _of(worker: str) -> sa.ColumnElement[bool]:
    return sa.and_(_EVENTS.worker == worker, _EVENTS.state == PairState.JOINED.value)


def settle(connection: sa.Connection, worker: str, keys: Sequence[str]) -> None:
    """Somebody has seen to these pairs: what they held goes.

    Raises
    ------
    LostLease
        If the worker has not got all of them any more: then nothing of its work is to be written.
    """
    done = connection.execute(
        sa.update(inference_events)
        .where(
            _EVENTS.key.in_(keys), _EVENTS.worker == worker, _EVENTS.state == PairState.JOINED.value
        )
        .values(
            state=PairState.SORTED.value,
            request=None,
            response=None,
            said="{}",
            received_us=now_us(),
            worker=_NOBODY,
        )
    )
    if done.rowcount != len(keys):
        raise LostLease(f"{len(keys) - done.rowcount} pairs of events are another worker's")


def settled(worker: str, keys: Sequence[str]) -> UnrecordedWrite[None]:
    """As :func:`settle`, where nothing else comes of them."""

    def change(connection: sa.Connection) -> None:
        if keys:
            settle(connection, worker, keys)

    return change


def bury(worker: str, why: Mapping[str, str]) -> UnrecordedWrite[None]:
    """These pairs, by key, cannot be read: kept with the reason until somebody sees to them."""

    def change(connection: sa.Connection) -> None:
        for key, reason in why.items():
            own = sa.update(inference_events).where(_EVENTS.key == key, _of(worker))
            dead = {"state": PairState.DEAD.value, "reason": reason, "worker": _NOBODY}
            connection.execute(own.values(dead))

    return change


def postpone(worker: str, keys: Sequence[str], wait_us: int) -> UnrecordedWrite[None]:
    """Have these pairs looked at later: others come first meanwhile."""

    def change(connection: sa.Connection) -> None:
        own = sa.update(inference_events).where(_EVENTS.key.in_(keys), _of(worker))
        connection.execute(own.values(worker=_NOBODY, leased_until_us=now_us() + wait_us))

    return change


def hand_back(worker: str) -> UnrecordedWrite[None]:
    """Free what a worker has not seen to."""

    def change(connection: sa.Connection) -> None:
        free = sa.update(inference_events).where(_of(worker))
        connection.execute(free.values(worker=_NOBODY, leased_until_us=0))

    return change


def forget_lonely(patience_us: int) -> UnrecordedWrite[int]:
    """Remove what has waited for its other half for so long; how many that were."""

    def change(connection: sa.Connection) -> int:
        lonely = sa.and_(
            _UNSORTED,
            _EVENTS.state == PairState.WAITING.value,
            _EVENTS.received_us < now_us() - patience_us,
        )
        return connection.execute(sa.delete(inference_events).where(lonely)).rowcount

    return change


def dead(database: Database) -> list[Pair]:
    """What could not be read, the oldest first.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    there = sa.select(inference_events).where(_UNSORTED, _EVENTS.state == PairState.DEAD.value)
    with database.reading() as connection:
        return [Pair.of(row) for row in connection.execute(there.order_by(_EVENTS.received_us))]


def retry(key: str) -> sa.Update:
    """Have a dead pair looked at once more (nothing is changed where there is none)."""
    again = {"state": PairState.JOINED.value, "reason": None, "leased_until_us": 0}
    return sa.update(inference_events).where(_dead(key)).values(again)


def discard(key: str) -> sa.Delete:
    """Remove a dead pair (nothing is changed where there is none)."""
    return sa.delete(inference_events).where(_dead(key))


def _dead(key: str) -> sa.ColumnElement[bool]:
    return sa.and_(_EVENTS.key == key, _EVENTS.state == PairState.DEAD.value)
