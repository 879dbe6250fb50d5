"""What the table of episodes says and no record does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ifonly.service.lifecycle import AlarmDeed, Phase
from ifonly.service.store.alarm_actions import alarm_of
from ifonly.service.store.chain import IntegrityFinding, Record, stated_time
from ifonly.service.store.chain_membership import contradicted, standing_only, stands
from ifonly.service.store.chain_membership import standing as standing_column
from ifonly.service.store.episodes import Episode, episode_id, episode_of
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import record_of
from ifonly.service.store.tables import PAGE_ORDER, episodes, records

_ACKNOWLEDGES = frozenset(
    {AlarmDeed.ACKNOWLEDGE, AlarmDeed.DONE_AS_SUGGESTED, AlarmDeed.DONE_OTHERWISE}
)


def findings(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """Episodes that no reading raised, and states that nobody's deed has made: whoever writes to
    the table could hide an alarm. (How often it was read, and when last, is derived anew with each
    reading; the readings are records.)"""
    chosen = sa.select(records, standing_column()).where(
        records.c.kind == RecordKind.ALARM.value, records.c.status != AlarmDeed.COMMENT.value
    )
    deeds: dict[str, list[Record]] = {}
    for record in standing_only(connection.execute(chosen.order_by(*PAGE_ORDER))):
        deeds.setdefault(alarm_of(record.facts), []).append(record)
    raising = sa.func.coalesce(episodes.c.raised_by, episodes.c.id)
    raised = episodes.join(records, records.c.id == raising, isouter=True)
    columns = [column.label(f"e_{column.name}") for column in episodes.c]
    asked = sa.select(records, standing_column(), *columns).select_from(raised)
    asked = asked.where(episodes.c.raised_us.is_not(None)).order_by(episodes.c.began_us)
    # Of each condition: what was done about its episodes, the earlier ones too.
    of: dict[str, list[Record]] = {}
    for row in connection.execute(asked):
        said = row._mapping
        episode = episode_of({c.name: said[f"e_{c.name}"] for c in episodes.c})
        done = deeds.get(episode.id, [])
        of.setdefault(episode.condition, []).extend(done)
        for each in episodes.c:
            if not _is_of_its_kind(each, said[f"e_{each.name}"]):
                text = f"{each.name} of the alarm {episode.id} is nothing that we write"
                yield contradicted(None, "episodes", each.name, text)
        raised_by = record_of(row) if said[records.c.id] is not None and stands(row) else None
        for column, text in _unvouched(episode, raised_by, done, of[episode.condition]):
            yield contradicted(raised_by, "episodes", column, f"{text} the alarm {episode.id}")


def _is_of_its_kind(column: sa.Column[Any], value: object) -> bool:
    if column.name == "phase":
        return value in tuple(Phase)
    if column.name == "action":
        return value is None or value in tuple(AlarmDeed)
    return (value is None and column.nullable) or type(value) is column.type.python_type


def _unvouched(
    episode: Episode, raised: Record | None, done: Sequence[Record], ever: Sequence[Record]
) -> Iterator[tuple[str, str]]:
    """Columns of an episode that say what no record does, and what is wrong."""
    by = episode.raised_by
    is_own = by is None or episode.id == episode_id(by, episode.condition)
    if raised is None or raised.facts.model != episode.model or not is_own:
        yield "id", "no record has raised"
    last = (episode.actor, episode.action, episode.acted_us, episode.way)
    facts = done[-1].facts if done else None
    said = (facts.detail or {}).get("way") if facts else None
    if last != ((facts.actor, facts.status, facts.time_us, said) if facts else (None,) * 4):
        yield "action", "records tell of another last action on"
    life = episode.life
    if life.acknowledged and not any(
        each.facts.status in _ACKNOWLEDGES
        and (each.facts.detail or {}).get("returns") == life.returns
        for each in done
    ):
        yield "acknowledged", "nobody has acknowledged"
    until = life.shelved_until_us
    told = {(each.facts.detail or {}).get("until") for each in ever}
    if until is not None and stated_time(until) not in told:
        yield "shelved_until_us", "nobody has so shelved"
    taken = [each for each in ever if each.facts.status in (AlarmDeed.TAKE_OUT, AlarmDeed.PUT_BACK)]
    is_out = bool(taken) and taken[-1].facts.status == AlarmDeed.TAKE_OUT
    if episode.is_current and life.out_of_service is not is_out:
        yield "out_of_service", "records tell of another service of"
