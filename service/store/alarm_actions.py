"""What people do about alarms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import AlarmMoved, AlarmOver, ServiceError
from ifonly.service.lifecycle import AlarmDeed, act
from ifonly.service.store.alarms import find
from ifonly.service.store.chain import Facts, timestamp
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import Episode, current, rewrite
from ifonly.service.store.journal import Draft, RecordedWrite


class NothingChanged(ServiceError):
    """It already was as somebody wants it; nothing was recorded."""


@dataclass(frozen=True, slots=True)
class AskedAction:
    """What somebody does about an episode."""

    action: AlarmDeed
    until_us: int | None = None
    """With :attr:`AlarmDeed.SHELVE`."""
    returns: int | None = None
    """How often it had returned when they looked; None: they do not say."""
    way: str | None = None
    """Of the explanation's ways the one that was done, if they say which."""
    explanation: str | None = None
    """Id of the one that tells of :attr:`way`."""


def done(
    database: Database, identity: str, asked: AskedAction, facts: Facts, content: bytes | None
) -> RecordedWrite:
    """Do it, and record ``facts`` with what it is about.

    Raises, when it is done:

    UnknownRecord
        If there is no such episode within the database's scope.
    NothingChanged
        If it already is so.
    AlarmMoved
        If it has returned, or was explained anew, since they looked.
    AlarmOver
        If another episode has followed it, and there is nothing but to comment on it.
    """

    def work(connection: sa.Connection) -> Draft:
        before = find(database, connection, identity)
        # Again under the lock: what was read before it may have changed.
        newest = current(connection, [before.condition]).get(before.condition)
        before = find(database, connection, identity)
        is_newest = newest is not None and newest.id == identity
        _check(before, is_newest, asked)
        life = act(before.life, asked.action, asked.until_us)
        is_said = asked.action is AlarmDeed.COMMENT or (
            asked.action in (AlarmDeed.DONE_AS_SUGGESTED, AlarmDeed.DONE_OTHERWISE)
            and (before.action, before.actor, before.way)
            != (asked.action.value, facts.actor, asked.way)
        )
        if life == before.life and not is_said:
            raise NothingChanged(f"the alarm {identity} already is so")
        if asked.action is not AlarmDeed.COMMENT:
            by, what, when = facts.actor, asked.action.value, facts.time_us
            after = replace(before, life=life, actor=by, action=what, acted_us=when, way=asked.way)
            rewrite(connection, [after])
        detail: dict[str, Any] = {"returns": before.life.returns}
        if asked.until_us is not None:
            detail["until"] = timestamp(asked.until_us)
        if asked.way is not None:
            detail |= {"way": asked.way, "explanation": asked.explanation}
        if identity != before.raising_record:
            detail["alarm"] = identity
        model, version = before.model, before.version
        about = before.raising_record
        told = replace(facts, about=about, model=model, version=version, detail=detail)
        return Draft(told, content)

    return work


def alarm_of(facts: Facts) -> str:
    """Id of the alarm that a record of the kind ``alarm`` is about: it is about the record that
    raised it, which may have raised those of other equipment too."""
    return str((facts.detail or {}).get("alarm") or facts.about)


def _check(before: Episode, is_newest: bool, asked: AskedAction) -> None:
    if asked.returns is not None and asked.returns != before.life.returns:
        raise AlarmMoved(before.id, f"has returned since: {before.life.returns} times by now")
    if asked.way is not None and asked.explanation != before.explained:
        raise AlarmMoved(before.id, f"was explained anew since: {before.explained}")
    if not is_newest and asked.action is not AlarmDeed.COMMENT:
        raise AlarmOver(before.id)
