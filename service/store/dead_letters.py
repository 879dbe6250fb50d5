"""What could not be read, and what could not be sent: kept until somebody sees to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from ifonly.service.errors import UnknownRecord
from ifonly.service.store import inbox, outbox
from ifonly.service.store.database import Database
from ifonly.service.store.journal import UnrecordedWrite

_KEY = 64
"""Characters of a pair's key; a message's id has fewer."""


class LetterKind(StrEnum):
    """What a dead letter is."""

    EVENT = "event"
    """A request and a response of a deployed model of which nothing could be made."""
    EXPLANATION = "explanation"
    """An explained alarm that the sink has not taken."""
    WEBHOOK = "webhook"
    """The end of a job that its webhook has not taken."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One of them; without readings."""

    id: str
    kind: LetterKind
    reason: str
    time_us: int
    """When it came, or was to be sent."""
    attempts: int
    about: str
    """The event's id, the explanation's record, the job."""


def listing(database: Database) -> list[DeadLetter]:
    """All of them, the oldest first.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    found = [
        DeadLetter(p.key, LetterKind.EVENT, p.reason or "", p.received_us, 1, p.said.get("id", ""))
        for p in inbox.dead(database)
    ]
    found += [
        DeadLetter(
            m.id,
            LetterKind.WEBHOOK if m.number is None else LetterKind.EXPLANATION,
            m.reason or "",
            m.created_us,
            m.attempts,
            m.job if m.number is None else m.record or "",
        )
        for m in outbox.dead(database)
    ]
    return sorted(found, key=lambda letter: letter.time_us)


def retry(identity: str) -> UnrecordedWrite[None]:
    """Have one read, or sent, once more.

    Raises, when it is done:

    UnknownRecord
        If there is none.
    """
    return _changed(identity, (inbox if _is_event(identity) else outbox).retry(identity))


def discard(identity: str) -> UnrecordedWrite[None]:
    """Remove one.

    Raises, when it is done:

    UnknownRecord
        If there is none.
    """
    return _changed(identity, (inbox if _is_event(identity) else outbox).discard(identity))


def _is_event(identity: str) -> bool:
    return len(identity) == _KEY


def _changed(identity: str, statement: sa.Update | sa.Delete) -> UnrecordedWrite[None]:
    def change(connection: sa.Connection) -> None:
        if connection.execute(statement).rowcount != 1:
            raise UnknownRecord(identity, "dead letter")

    return change
