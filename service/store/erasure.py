"""Erasing what records tell of: one record's payload, or all that are older than a time.

The chain stays, and each erasure is a record in it, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from service.errors import UnknownRecord
from service.store.chain import Facts, Kind, microseconds, timestamp
from service.store.journal import Draft, Journal, Work
from service.store.tables import payloads, records

AT_ONCE = 5_000
"""Payloads erased in one transaction: while it runs, no answer is recorded."""


def erase(identity: str, actor: str, reason: str) -> Work:
    """Erase the payload of one record.

    Raises, when it is done:

    UnknownRecord
        If there is no record of that id.
    """

    def work(connection: sa.Connection) -> Draft:
        place = connection.execute(
            sa.select(records.c.writer, records.c.sequence).where(records.c.id == identity)
        ).one_or_none()
        if place is None:
            raise UnknownRecord(identity)
        writer, sequence = place
        gone = connection.execute(
            sa.delete(payloads).where(payloads.c.writer == writer, payloads.c.sequence == sequence)
        )
        detail = {"count": gone.rowcount, "reason": reason}
        return Draft(Facts(kind=Kind.ERASURE, actor=actor, about=identity, detail=detail))

    return work


def prune(journal: Journal, older_than_us: int, actor: str) -> Iterator[int]:
    """Erase every payload that is older; yields how many, one transaction after another."""
    while True:
        erased: list[int] = []
        journal.append(_by_age(older_than_us, actor, erased)).result()
        yield erased[-1]
        if erased[-1] < AT_ONCE:
            return


def _by_age(older_than_us: int, actor: str, erased: list[int]) -> Work:
    def work(connection: sa.Connection) -> Draft:
        oldest = (
            sa.select(payloads.c.writer, payloads.c.sequence)
            .where(payloads.c.time_us < older_than_us)
            .order_by(payloads.c.time_us)
            .limit(AT_ONCE)
        )
        gone = connection.execute(
            sa.delete(payloads).where(sa.tuple_(payloads.c.writer, payloads.c.sequence).in_(oldest))
        )
        erased.append(gone.rowcount)
        detail = {"before": timestamp(older_than_us), "count": gone.rowcount}
        return Draft(Facts(kind=Kind.ERASURE, actor=actor, detail=detail))

    return work


def before_us(detail: Any) -> int:
    """The time before which an erasure by age erased everything; 0 where it was none."""
    try:
        return microseconds(detail["before"])
    except (TypeError, ValueError, KeyError):
        return 0
