"""Erasing what records tell of: one record's payload, or all that are older than a time.

The chain stays, and each erasure is a record in it, in the same transaction, that says by place
what it erased: no other loss is excused by it.

What wins: a legal hold (:mod:`ifonly.service.store.holds`) over every erasure; then the wish of
whoever a record tells of (:func:`erase`) over the time for which records must be kept; then that
time over age (:func:`prune`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import KeptByLaw, UnknownRecord
from ifonly.service.store import holds
from ifonly.service.store.chain import DAY_US, Facts, Record, microseconds, now_us, timestamp
from ifonly.service.store.chain_membership import standing, stands
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft, Journal, RecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import record_of
from ifonly.service.store.tables import episodes, payloads, records

AT_ONCE = 5_000
"""Payloads erased in one transaction: while it runs, no answer is recorded."""


def erase(identity: str, actor: str, reason: str) -> RecordedWrite:
    """Erase the payload of one record.

    Raises, when it is done:

    UnknownRecord
        If there is no record of that id.
    OnHold
        If it is under a legal hold.
    """

    def work(connection: sa.Connection) -> Draft:
        place = connection.execute(
            sa.select(records.c.writer, records.c.sequence, records.c.model).where(
                records.c.id == identity
            )
        ).one_or_none()
        # Nothing would be erased, and whoever asked would think it was.
        if place is None:
            raise UnknownRecord(identity)
        writer, sequence, model = place
        # In this transaction: a hold that is put meanwhile comes before or after, never between.
        holds.check(connection, identity, model)
        gone = connection.execute(
            sa.delete(payloads).where(payloads.c.writer == writer, payloads.c.sequence == sequence)
        )
        # The episode that it raised says what its request said of the equipment.
        connection.execute(sa.delete(episodes).where(episodes.c.id == identity))
        detail = {"count": gone.rowcount, "reason": reason}
        return Draft(Facts(kind=RecordKind.ERASURE, actor=actor, about=identity, detail=detail))

    return work


def prune(journal: Journal, older_than_us: int, actor: str, keep_days: float = 0) -> Iterator[int]:
    """Erase every payload that is older and under no hold; yields how many, one transaction after
    another.

    Raises
    ------
    KeptByLaw
        If some of it would be younger than ``keep_days``, or is yet to come.
    """
    # The EU's AI Act (26 (6)) wants logs kept for six months; erasing by age must not undercut it.
    newest = now_us() - round(keep_days * DAY_US)
    if older_than_us > newest:
        raise KeptByLaw(
            f"payloads from before {timestamp(older_than_us)} cannot be erased by their age: they "
            f"are kept for {keep_days:g} days (IFONLY_AUDIT_KEEP_DAYS), now those since "
            f"{timestamp(newest)}"
        )
    while True:
        # A list: the work may run again, and what the last run erased is what was committed.
        erased: list[int] = []
        journal.append(_by_age(older_than_us, actor, erased)).result()
        yield erased[-1]
        # Fewer than the limit: nothing that may be erased is left.
        if erased[-1] < AT_ONCE:
            return


def _by_age(older_than_us: int, actor: str, erased: list[int]) -> RecordedWrite:
    def work(connection: sa.Connection) -> Draft:
        same = sa.and_(
            records.c.writer == payloads.c.writer, records.c.sequence == payloads.c.sequence
        )
        # The payload's own time finds them; the record's, which is sealed, decides.
        oldest = (
            sa.select(payloads.c.writer, payloads.c.sequence)
            .select_from(payloads.join(records, same))
            .where(payloads.c.time_us < older_than_us, records.c.time_us < older_than_us)
            .where(*holds.free(connection))
            .order_by(payloads.c.time_us)
            .limit(AT_ONCE)
        )
        here = sa.tuple_(payloads.c.writer, payloads.c.sequence).in_(oldest)
        gone = sa.delete(payloads).where(here).returning(payloads.c.writer, payloads.c.sequence)
        places = [(writer, sequence) for writer, sequence in connection.execute(gone)]
        erased.append(len(places))
        over = (sa.text("raised_us IS NOT NULL"), sa.not_(episodes.c.is_open))
        connection.execute(sa.delete(episodes).where(*over, episodes.c.raised_us < older_than_us))
        detail = {
            "before": timestamp(older_than_us),
            "count": len(places),
            # By place, so that it excuses no other loss; as runs, or it would hold 5,000 numbers.
            "erased": _runs(places),
        }
        return Draft(Facts(kind=RecordKind.ERASURE, actor=actor, detail=detail))

    return work


def _runs(places: Iterable[tuple[str, int]]) -> dict[str, list[list[int]]]:
    """For each writer the sequences, as first and last of each run."""
    found: dict[str, list[list[int]]] = {}
    # RETURNING promises no order.
    for writer, sequence in sorted(places):
        runs = found.setdefault(writer, [])
        if runs and runs[-1][1] == sequence - 1:
            runs[-1][1] = sequence
        else:
            runs.append([sequence, sequence])
    return found


class Erasures:
    """What was erased, by those records of it that stand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Not 0: a store without erasures is then asked once, too.
        self._known = -1
        self._about: set[str] = set()
        self._runs: dict[str, list[list[int]]] = {}
        self._before_us = 0

    def cover(self, record: Record) -> bool:
        """Whether the payload of ``record`` was erased."""
        # Asked again only if something was erased since: verifying asks for every payload.
        return self._covers(record) or (self._has_more() and self._covers(record))

    def _covers(self, record: Record) -> bool:
        if record.facts.id in self._about:
            return True
        if type(record.facts.time_us) is int and record.facts.time_us < self._before_us:
            return True
        runs = self._runs.get(record.writer, [])
        at = bisect_right(runs, record.sequence, key=lambda run: run[0]) - 1
        return at >= 0 and record.sequence <= runs[at][1]

    def _has_more(self) -> bool:
        """Look whether something was erased since the last look."""
        chosen = sa.select(records, standing()).where(records.c.kind == RecordKind.ERASURE.value)
        count = sa.select(sa.func.count()).where(records.c.kind == RecordKind.ERASURE.value)
        with self._database.reading() as connection:
            known = connection.execute(count).scalar_one()
            # A count is an index scan; reading all erasures for every payload would be quadratic.
            if known == self._known:
                return False
            rows = connection.execute(chosen).all()
        self._known = known
        # A forged erasure would excuse a payload that was deleted.
        found = [record_of(row) for row in rows if stands(row)]
        self._about = {r.facts.about for r in found if r.facts.about is not None}
        by_age = [r for r in found if r.facts.about is None]
        self._runs = {
            writer: sorted(run for _, run in runs)
            for writer, runs in groupby(sorted(_told(by_age)), key=lambda each: each[0])
        }
        self._before_us = max(map(_before, by_age), default=0)
        return True


def _told(found: Iterable[Record]) -> Iterator[tuple[str, list[int]]]:
    """Each writer with each run of sequences that was erased."""
    for erasure in found:
        detail: Any = erasure.facts.detail or {}
        for writer, runs in detail.get("erased", {}).items():
            yield from ((writer, run) for run in runs)


def _before(erasure: Record) -> int:
    """Records that did not say yet what they erased: what was there, and older than they say."""
    if "erased" in (erasure.facts.detail or {}):
        return 0
    # No erasure erases what came after it, whatever it says.
    return min(before_us(erasure.facts.detail), erasure.facts.time_us)


def before_us(detail: Any) -> int:
    """The time before which an erasure by age erased everything; 0 where it was none."""
    try:
        return microseconds(detail["before"])
    except (TypeError, ValueError, KeyError):
        return 0
