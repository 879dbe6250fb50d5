"""Episodes of alarms, as they are written with records, acted on and listed; both databases."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.access import Scope
from ifonly.service.errors import AlarmMoved, AlarmOver, UnknownRecord
from ifonly.service.lifecycle import AlarmDeed, AlarmRules, AlarmState, Phase
from ifonly.service.store import alarm_actions, alarm_findings, alarms, archive, erasure
from ifonly.service.store.alarm_actions import AskedAction, NothingChanged, alarm_of
from ifonly.service.store.alarms import AlarmFilter
from ifonly.service.store.alarms_of_span import open_ones, raised_in, span_query
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import Episode, Observation, episode_of, framed
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.open_alarms import open_alarms, open_query, raised, raised_query
from ifonly.service.store.tables import episodes
from ifonly.service.store.verification import verify
from tests.contract.store.conftest import draft, journal_of
from tests.contract.store.test_archive import plan

T = 10**15
SECOND, MINUTE = 10**6, 60 * 10**6
AT_ONCE = AlarmRules(0, 0, 0)


def seen(
    equipment: str, second: float, alarm: bool = True, rules: AlarmRules = AT_ONCE, **said: Any
) -> Draft:
    facts = {k: said.pop(k) for k in ("kind", "about") if k in said}
    attributes = {"equipment": equipment} | said.pop("attributes", {})
    model = said.pop("model", "milling-machine")
    observation = Observation(
        condition=json.dumps([model, attributes])[:64],
        model=model,
        version="1",
        equipment=equipment,
        attributes=json.dumps(attributes, ensure_ascii=False),
        is_alarm=alarm,
        rules=rules,
        **said,
    )
    made = draft(time_us=T + round(second * SECOND), model=model, **facts)
    return replace(made, observations=(observation,))


def written(journal: Journal, *drafts: Draft) -> list[str]:
    return [f.result(30).id for f in [journal.append(each) for each in drafts]]


def stored(database: Database) -> list[Episode]:
    with database.reading() as connection:
        rows = connection.execute(sa.select(episodes).order_by(episodes.c.began_us)).mappings()
        return [episode_of({**row}) for row in rows]


def do(
    database: Database, journal: Journal, identity: str, asked: AskedAction, by: str = "key:x"
) -> str:
    facts = Facts(kind=RecordKind.ALARM, actor=by, status=asked.action.value, time_us=T + 10**9)
    return journal.append(alarm_actions.done(database, identity, asked, facts, None)).result(30).id


ACK = AskedAction(AlarmDeed.ACKNOWLEDGE)
FIRST = AlarmFilter()


def listed(database: Database, wanted: AlarmFilter = FIRST, now: int = T, **said: Any) -> list[str]:
    found = alarms.page(database, wanted, said.pop("ranks", {}), now, 1, 50)
    assert found.total == len(found.episodes)
    return [e.equipment for e in found.episodes]


def test_readings_of_one_piece_of_equipment_are_one_episode(
    database: Database, journal: Journal
) -> None:
    ids = written(
        journal,
        seen("Mill 8", 0, alarm=False),
        *(seen("Mill 7", k, share=0.5 + k / 100) for k in range(9)),
        seen("Mill 7", 10, alarm=False),
        seen("Mill 9", 11),
    )
    seven, nine = stored(database)
    assert (seven.id, seven.record, seven.share) == (ids[1], ids[9], 0.58)
    assert (seven.life.count, seven.life.phase) == (9, Phase.CLEARED)
    assert (seven.life.began_us, seven.life.cleared_us) == (T, T + 10 * SECOND)
    assert (nine.equipment, nine.life.phase) == ("Mill 9", Phase.ACTIVE)
    assert verify(database).holds


def test_equipment_of_one_name_on_two_lines_is_two(database: Database, journal: Journal) -> None:
    on = [{"line": "a"}, {"line": "b"}, {}]
    written(journal, *(seen("Mill 7", k, attributes=each) for k, each in enumerate(on)))
    written(journal, seen("Mill 7", 3, model="press"))
    assert len(stored(database)) == 4
    narrow = replace(database, scope=Scope(("milling-*",), (("line", ("b",)),)))
    (found,) = alarms.page(narrow, FIRST, {}, T, 1, 9).episodes
    assert found.said == {"equipment": "Mill 7", "line": "b"}
    other = next(e.id for e in stored(database) if e.said.get("line") == "a")
    with pytest.raises(UnknownRecord):
        alarms.get(narrow, other)
    with pytest.raises(UnknownRecord):
        do(narrow, journal, other, ACK)
    assert sum(n for n, _ in alarms.per_hour(narrow, alarms.EVERY, T + MINUTE, 1)) == 1


def test_an_alarm_that_was_acknowledged_and_comes_again_later_is_another_episode(
    database: Database, journal: Journal
) -> None:
    (first,) = written(journal, seen("Mill 7", 0))
    do(database, journal, first, ACK)
    (_, second) = written(journal, seen("Mill 7", 1, alarm=False), seen("Mill 7", 2))
    old, new = stored(database)
    assert (old.id, old.is_current, old.life.is_open) == (first, False, False)
    assert (new.id, new.is_current, new.life.is_open) == (second, True, True)
    with pytest.raises(AlarmOver):
        do(database, journal, first, AskedAction(AlarmDeed.SHELVE, T + MINUTE))
    do(database, journal, first, AskedAction(AlarmDeed.COMMENT))
    assert [
        e.id for e in alarms.page(database, AlarmFilter(AlarmState.NORMAL), {}, T, 1, 9).episodes
    ] == [first]


def test_a_prediction_and_the_explanation_of_its_reading_are_one(
    database: Database, journal: Journal
) -> None:
    E = RecordKind.EXPLANATION
    told = [seen("Mill 7", 0, reading="r"), seen("Mill 7", 1, reading="r", kind=E)]
    ids = written(journal, *told)
    (found,) = stored(database)
    assert (found.life.count, found.record, found.explained) == (1, ids[0], ids[1])
    written(journal, seen("Mill 7", 2, reading="r"), seen("Mill 7", 3, reading="s"))
    assert stored(database)[0].life.count == 3
    # The other way round.
    ids = written(journal, seen("Mill 8", 4, reading="r", kind=E), seen("Mill 8", 5, reading="r"))
    found = stored(database)[1]
    assert (found.life.count, found.id, found.explained) == (1, ids[0], ids[0])


def test_whoever_asks_why_raises_nothing(database: Database, journal: Journal) -> None:
    E = RecordKind.EXPLANATION
    (first, _) = written(journal, seen("Mill 7", 0, reading="r"), seen("Mill 7", 1, alarm=False))
    late = seen("Mill 7", 2, reading="q", kind=E)
    asked = seen("Mill 7", 3, kind=E, is_reading=False, about_us=T)
    before = seen("Mill 7", 4, kind=E, is_reading=False, about_us=T - 1)
    job = seen("Mill 7", 5, kind=E, is_reading=False, reading="r")
    normal = seen("Mill 7", 2, alarm=False, kind=E)
    for each, is_it in ((normal, False), (late, True), (asked, True), (before, False), (job, True)):
        (identity,) = written(journal, each)
        (found,) = stored(database)
        assert found.life.phase is Phase.CLEARED
        assert (found.id, found.life.count) == (first, 1)
        assert (found.explained == identity) is is_it
    written(journal, seen("Mill 8", 6, kind=E, is_reading=False, about_us=T))
    assert len(stored(database)) == 1


def test_an_on_delay_keeps_what_is_short_out_of_the_list(
    database: Database, journal: Journal
) -> None:
    rules = AlarmRules(5 * SECOND, 0, 0)
    written(journal, seen("Mill 7", 0, rules=rules), seen("Mill 7", 1, False, rules))
    assert listed(database) == []
    assert len(stored(database)) == 1, "what shelves it would be kept"
    *_, raised = written(journal, *(seen("Mill 7", 2 + k, rules=rules) for k in range(6)))
    (found,) = stored(database)
    assert (found.id, found.life.count, found.life.began_us) == (raised, 6, T + 2 * SECOND)


def test_readings_out_of_order_count_and_decide_nothing(
    database: Database, journal: Journal
) -> None:
    ids = written(journal, *(seen("Mill 7", k, k != 9) for k in (0, 5, 9, 7, 3)))
    (found,) = stored(database)
    assert (found.life.phase, found.life.count, found.record) == (Phase.CLEARED, 4, ids[1])


def test_what_people_do_is_recorded_once_and_in_the_chain(
    database: Database, journal: Journal
) -> None:
    (first,) = written(journal, seen("Mill 7", 0))
    record = do(database, journal, first, AskedAction(AlarmDeed.ACKNOWLEDGE, returns=0))
    kept, _ = archive.get(database, record)
    assert (kept.facts.kind, kept.facts.status) == (RecordKind.ALARM, "acknowledge")
    assert (kept.facts.about, kept.facts.model) == (first, "milling-machine")
    with pytest.raises(NothingChanged):
        do(database, journal, first, ACK, by="key:other")
    until = AskedAction(AlarmDeed.SHELVE, T + MINUTE)
    do(database, journal, first, until)
    with pytest.raises(NothingChanged):
        do(database, journal, first, until)
    kept, _ = archive.get(database, do(database, journal, first, AskedAction(AlarmDeed.UNSHELVE)))
    do(database, journal, first, AskedAction(AlarmDeed.DONE_AS_SUGGESTED))
    with pytest.raises(NothingChanged):
        do(database, journal, first, AskedAction(AlarmDeed.DONE_AS_SUGGESTED))
    do(database, journal, first, AskedAction(AlarmDeed.DONE_AS_SUGGESTED), by="key:other")
    do(database, journal, first, AskedAction(AlarmDeed.COMMENT))
    do(database, journal, first, AskedAction(AlarmDeed.COMMENT))
    told = archive.about(database, first, RecordKind.ALARM)
    assert [r.facts.status for r, _ in told] == [
        "acknowledge", "shelve", "unshelve", "done_as_suggested", "done_as_suggested",
        "comment", "comment",
    ]  # fmt: skip
    assert verify(database).holds


def test_what_has_returned_since_somebody_looked_is_not_acknowledged(
    database: Database, journal: Journal
) -> None:
    (first, *_) = written(journal, *(seen("Mill 7", k, k != 1) for k in range(3)))
    with pytest.raises(AlarmMoved, match="1 times by now"):
        do(database, journal, first, AskedAction(AlarmDeed.ACKNOWLEDGE, returns=0))
    do(database, journal, first, AskedAction(AlarmDeed.ACKNOWLEDGE, returns=1))


@pytest.mark.parametrize("identity", ["nothing", ""])
def test_what_is_not_there_or_was_never_raised_is_not_acted_on(
    database: Database, journal: Journal, identity: str
) -> None:
    with pytest.raises(UnknownRecord):
        do(database, journal, identity, ACK)
    (pending,) = written(journal, seen("Mill 7", 0, rules=AlarmRules(MINUTE, 0, 0)))
    with pytest.raises(UnknownRecord):
        do(database, journal, pending, ACK)


def test_several_processes_and_operators_at_once_lose_nothing(database: Database) -> None:
    """Four writers of three machines, eight operators: every reading counted, one open episode of
    each, one acknowledgement recorded."""
    with ExitStack() as stack:
        journals = [stack.enter_context(journal_of(database)) for _ in range(4)]

        def write(k: int) -> None:
            # One moment for all: none is late.
            done = [journals[k].append(seen(f"Mill {m % 3}", 0)) for m in range(30)]
            for each in done:
                each.result(30)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        found = stored(database)
        assert [e.life.count for e in found] == [40, 40, 40]

        def acknowledge(k: int) -> bool:
            try:
                do(database, journals[k % 4], found[0].id, ACK, by=f"key:{k}")
            except NothingChanged:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(acknowledge, range(8))) == 1
    assert len(archive.about(database, found[0].id, RecordKind.ALARM)) == 1


def test_the_list_is_filtered_counted_and_in_order(database: Database, journal: Journal) -> None:
    made = written(
        journal,
        seen("Mill 1", 1, share=0.6),
        seen("Mill 2", 2, share=0.9),
        seen("밀링 3호기", 3, attributes={"line": "100%"}),
        seen("Mill 4", 4),
        seen("Press 5", 5, model="press"),
        seen("Mill 4", 6, alarm=False),
    )
    do(database, journal, made[1], ACK)
    do(database, journal, made[2], AskedAction(AlarmDeed.SHELVE, T + MINUTE))
    do(database, journal, made[4], AskedAction(AlarmDeed.TAKE_OUT))
    assert listed(database) == ["Mill 1", "Mill 4", "Mill 2", "밀링 3호기", "Press 5"]
    assert listed(database, now=T + MINUTE)[0] == "밀링 3호기"
    assert listed(database, AlarmFilter(sort="probability"))[:2] == ["Mill 2", "Mill 1"]
    assert listed(database, AlarmFilter(sort="raised"))[0] == "Press 5"
    assert listed(database, AlarmFilter(sort="equipment"))[0] == "Mill 1"
    assert listed(database, AlarmFilter(sort="count"))[0] == "Press 5"
    assert listed(database, AlarmFilter(search="3호")) == ["밀링 3호기"]
    assert listed(database, AlarmFilter(search="100%")) == ["밀링 3호기"]
    assert listed(database, AlarmFilter(search="%")) == ["밀링 3호기"]
    assert listed(database, AlarmFilter(search="MILL")) == ["Mill 1", "Mill 4", "Mill 2"]
    assert listed(database, AlarmFilter(model="press")) == ["Press 5"]
    assert listed(database, AlarmFilter(AlarmState.CLEARED_UNACKNOWLEDGED)) == ["Mill 4"]
    counts = alarms.page(database, FIRST, {}, T, 1, 2).counts
    assert counts == dict.fromkeys([s for s in AlarmState if s is not AlarmState.NORMAL], 1)
    for state in counts:
        assert [e.life.state(T) for e in alarms.page(
            database, AlarmFilter(state), {}, T, 1, 9).episodes] == [state]  # fmt: skip
    second = alarms.page(database, FIRST, {}, T, 2, 2)
    assert ([e.equipment for e in second.episodes], second.total) == (["Mill 2", "밀링 3호기"], 5)
    do(database, journal, made[4], AskedAction(AlarmDeed.PUT_BACK))
    assert listed(database, ranks={"press": 3})[0] == "Press 5"


def test_the_sign_changes_when_something_happens_and_not_while_an_alarm_stands(
    database: Database, journal: Journal
) -> None:
    signs = [alarms.newest(database)]

    def moved() -> bool:
        signs.append(alarms.newest(database))
        return signs[-1] != signs[-2]

    (first,) = written(journal, seen("Mill 7", 0))
    assert moved()
    written(journal, *(seen("Mill 7", k) for k in range(1, 5)), seen("Mill 8", 5, alarm=False))
    assert not moved()
    do(database, journal, first, ACK)
    assert moved()
    written(journal, seen("Mill 7", 6, alarm=False))
    assert moved()


def test_hours_are_counted(database: Database, journal: Journal) -> None:
    written(journal, seen("A", 0), seen("B", 3_599), seen("C", 3_600), seen("C", 3_601, False))
    until = T + 2 * 3_600 * SECOND
    assert alarms.per_hour(database, alarms.EVERY, until, 3) == [(0, 0), (2, 2), (1, 1)]
    assert alarms.per_hour(database, alarms.EVERY, T, 2) == [(0, 0), (0, 0)], "the end is excluded"


def test_lists_are_read_from_their_indexes_and_no_table_is_scanned(
    database: Database, journal: Journal
) -> None:
    """With 400 that are over and 20 that are open."""
    done = []
    for k in range(400):
        done += [seen(f"Mill {k}", k), seen(f"Mill {k}", k + 0.5, alarm=False)]
    written(journal, *done, *(seen(f"Press {k}", 500 + k) for k in range(20)))
    with database.writer.begin() as connection:
        over = sa.update(episodes).where(episodes.c.phase == "cleared")
        connection.execute(over.values(acknowledged=True, is_open=False))
        if not database.is_sqlite:
            connection.exec_driver_sql("ANALYZE episodes")
    now = T + 10**10
    open_ones = [
        alarms.list_query(database, FIRST, {"press": 1}, now).limit(25),
        alarms.total_query(database, AlarmFilter(AlarmState.SHELVED, "press", "mill"), now),
        alarms.counts_query(database, now),
        alarms.standing_query(database, now),
        alarms.newest_query(database),
    ]
    for query in open_ones:
        assert "ix_episodes_open" in plan(database, query)
    narrow = AlarmFilter(AlarmState.NORMAL, "mill", "Mill", equipment="Mill 4", lever="torque")
    by_id, by_time = alarms.levers_queries(database, T + 390 * SECOND)
    assert "ix_episodes_open" in plan(database, by_id)
    of_the_past = [
        by_time,
        alarms.hours_query(database, narrow, T + 390 * SECOND, T + 400 * SECOND),
        alarms.raised_query(database, T + 390 * SECOND, now),
        alarms.list_query(database, AlarmFilter(AlarmState.NORMAL), {}, now).limit(25),
        alarms.hours_query(database, alarms.EVERY, T + 390 * SECOND, T + 400 * SECOND),
    ]
    for query in of_the_past:
        assert re.search("ix_episodes_(raised|equipment)", plan(database, query))
    if database.is_sqlite:  # PostgreSQL decides by what is in the table
        every = alarms.hours_query(database, FIRST, T + 390 * SECOND, T + 400 * SECOND)
        over = alarms.total_query(database, AlarmFilter(AlarmState.NORMAL, lever="torque"), now)
        for query in (every, over, by_time):
            assert "COVERING INDEX ix_episodes_raised" in plan(database, query)
        newest = alarms.list_query(database, AlarmFilter(AlarmState.NORMAL), {}, now).limit(25)
        assert "TEMP B-TREE" not in plan(database, newest)
    asked = sa.select(episodes.c.id).where(sa.text("is_current"), episodes.c.condition.in_(["x"]))
    assert "ix_episodes_current" in plan(database, asked)


def test_alarms_are_found_by_what_would_clear_them(database: Database, journal: Journal) -> None:
    def told(equipment: str, second: float, *levers: str) -> Draft:
        said = framed(levers) if levers else None
        return seen(equipment, second, kind=RecordKind.EXPLANATION, levers=said)

    written(
        journal,
        told("Mill 1", 0, "torque"),
        told("Mill 2", 1, "tool_wear", "torque"),
        told("Mill 3", 2),
        seen("Mill 4", 3),
        told("Mill 1", 4, "Torque"),  # explained anew, by another lever
    )
    for lever, names in {
        "torque": ["Mill 2"],
        "Torque": ["Mill 1"],
        "tool_wear": ["Mill 2"],
        "wear": [],
        "%": [],
    }.items():
        wanted = AlarmFilter(lever=lever)
        page = alarms.page(database, wanted, {}, T + MINUTE, 1, 25)
        assert [e.equipment for e in page.episodes] == names, lever
        hours = alarms.per_hour(database, wanted, T + MINUTE, 1)
        assert hours == [(len(names), len(names))], lever
    for state, count in ((AlarmState.ACTIVE_UNACKNOWLEDGED, 4), (AlarmState.NORMAL, 0)):
        wanted = AlarmFilter(state)
        assert alarms.per_hour(database, wanted, T + MINUTE, 1) == [(count, count)]
    one = AlarmFilter(equipment="Mill 3")
    assert alarms.per_hour(database, one, T + MINUTE, 1) == [(1, 1)]
    model = "milling-machine"
    assert alarms.levers(database, T) == {
        (model, "torque"): 1, (model, "Torque"): 1, (model, "tool_wear"): 1,
    }  # fmt: skip


def test_who_listens_hears_of_what_is_raised_from_then_on(
    database: Database, journal: Journal
) -> None:
    ids = written(journal, *(seen(f"Mill {k}", k) for k in range(4)))
    do(database, journal, ids[2], ACK)
    found = alarms.raised_since(database, T + SECOND, T + MINUTE)
    assert [e.equipment for e in found] == ["Mill 3", "Mill 1"], "the newest first"
    do(database, journal, ids[3], AskedAction(AlarmDeed.SHELVE, T + 2 * MINUTE))
    assert [e.id for e in alarms.raised_since(database, T + SECOND, T + MINUTE)] == [ids[1]]


def test_one_record_raises_alarms_of_several_machines(database: Database, journal: Journal) -> None:
    def both(second: float, *alarm: bool) -> Draft:
        each = [seen(f"Mill {k}", second, a, is_one_of_many=True) for k, a in enumerate(alarm)]
        return replace(each[0], observations=tuple(e.observations[0] for e in each))

    (record,) = written(journal, both(0, True, True))
    first, second = stored(database)
    assert {first.raising_record, second.raising_record} == {record}
    assert record not in {first.id, second.id}
    deed = do(database, journal, second.id, ACK)
    kept, _ = archive.get(database, deed)
    assert (kept.facts.about, alarm_of(kept.facts)) == (record, second.id)
    with database.reading() as connection:
        assert list(alarm_findings.findings(connection)) == []
    written(journal, both(1, False, True))
    assert {e.equipment: e.life.phase for e in stored(database)} == {
        "Mill 0": Phase.CLEARED, "Mill 1": Phase.ACTIVE,
    }  # fmt: skip
    with database.writer.begin() as connection:
        connection.execute(sa.update(episodes).values(raised_by=None))
    with database.reading() as connection:
        assert {f.where for f in alarm_findings.findings(connection)} == {"episodes.id"}


FORGED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "acknowledged": ({"acknowledged": True}, {"acknowledged"}),
    "shelved": ({"shelved_until_us": T + 10**12}, {"shelved_until_us"}),
    "out of service": ({"out_of_service": True}, {"out_of_service"}),
    "by somebody": ({"actor": "key:y", "action": "acknowledge"}, {"action"}),
    "of nothing": ({"id": "nothing"}, {"id"}),
    "of another model": ({"model": "press"}, {"id"}),
}


@pytest.mark.parametrize("case", FORGED)
def test_what_nobody_did_is_found(database: Database, journal: Journal, case: str) -> None:
    written(journal, seen("Mill 7", 0))
    assert verify(database).holds
    values, columns = FORGED[case]
    with database.writer.begin() as connection:
        connection.execute(sa.update(episodes).values(**values))
    found = {finding.where for finding in verify(database).findings}
    assert found == {f"episodes.{column}" for column in columns}


def test_whatever_people_do_records_vouch_for(database: Database, journal: Journal) -> None:
    """Also over a clearance, and into the next episode."""
    (first, _) = written(journal, seen("Mill 7", 0), seen("Mill 7", 1))
    for asked in (
        AskedAction(AlarmDeed.SHELVE, T + MINUTE),
        AskedAction(AlarmDeed.TAKE_OUT),
        ACK,
        AskedAction(AlarmDeed.COMMENT),
    ):
        do(database, journal, first, asked)
        assert verify(database).holds, asked
    written(journal, seen("Mill 7", 2, alarm=False), seen("Mill 7", 3), seen("Mill 7", 4, False))
    assert verify(database).holds
    second = stored(database)[1]
    assert second.life.out_of_service
    do(database, journal, second.id, AskedAction(AlarmDeed.PUT_BACK))
    assert verify(database).holds


@pytest.mark.parametrize(
    ("column", "value"),
    [("phase", "ACTIVE"), ("phase", ""), ("attributes", "{"), ("action", "sing"), ("seen_us", b"x"),
     ("count", "many"), ("began_us", "x"), ("turned_us", "x"), ("equipment", b"\xff")],
)  # fmt: skip
def test_a_row_that_is_nonsense_stops_nothing(
    database: Database, journal: Journal, column: str, value: object
) -> None:
    is_text = isinstance(episodes.c[column].type, sa.Text) and isinstance(value, str)
    if not (database.is_sqlite or is_text):
        pytest.skip("PostgreSQL keeps types")
    written(journal, seen("Mill 7", 0))
    with database.writer.begin() as connection:
        mark = "?" if database.is_sqlite else "%s"
        connection.exec_driver_sql(f"UPDATE episodes SET {column} = {mark}", (value,))
    found = {finding.where for finding in verify(database).findings}
    assert f"episodes.{column}" in found or column == "attributes"
    assert len(alarms.page(database, FIRST, {}, T, 1, 9).episodes) <= 1
    written(journal, seen("Mill 7", 1), seen("Mill 7", 2, alarm=False), seen("Mill 8", 3))
    assert "Mill 8" in {e.equipment for e in stored(database)}


def test_an_acknowledgement_of_before_is_none_of_what_returned(
    database: Database, journal: Journal
) -> None:
    rules = AlarmRules(0, 0, MINUTE)
    (first,) = written(journal, seen("Mill 7", 0, rules=rules))
    do(database, journal, first, ACK)
    written(journal, seen("Mill 7", 1, False, rules), seen("Mill 7", 2, rules=rules))
    (found,) = stored(database)
    assert (found.life.returns, found.life.acknowledged) == (1, False)
    assert verify(database).holds
    with database.writer.begin() as connection:
        connection.execute(sa.update(episodes).values(acknowledged=True))
    assert {f.where for f in verify(database).findings} == {"episodes.acknowledged"}


def test_an_episode_goes_with_the_record_that_raised_it(
    database: Database, journal: Journal
) -> None:
    ids = written(journal, *(seen(f"Mill {k}", k) for k in range(3)))
    written(journal, seen("Mill 1", 3, alarm=False))
    do(database, journal, ids[1], ACK)
    journal.append(erasure.erase(ids[0], "cli:x", "asked for")).result(30)
    assert [e.equipment for e in stored(database)] == ["Mill 1", "Mill 2"]
    list(erasure.prune(journal, T + MINUTE, "cli:x"))
    assert [e.equipment for e in stored(database)] == ["Mill 2"], "what is open stays"
    assert verify(database).holds


# --- what can wait ------------------------------------------------------------------------


def statements(database: Database) -> list[str]:
    """Of the writer about episodes, from now on."""
    found: list[str] = []

    @sa.event.listens_for(database.writer, "before_cursor_execute")
    def note(_1: Any, _2: Any, statement: str, *_: Any) -> None:
        if "episodes" in statement and "INTO audit" not in statement:
            found.append(statement.split()[0])

    return found


def test_readings_that_say_what_was_known_are_written_together_at_the_end(
    database: Database,
) -> None:
    """A hundred standing readings of ten machines: two statements, besides those that raised."""
    with journal_of(database, standing_seconds=3_600) as journal:
        written(journal, *(seen(f"Mill {m}", 0) for m in range(10)))
        done = statements(database)
        for k in range(1, 11):
            written(journal, *(seen(f"Mill {m}", k) for m in range(10)))
        assert done == []
        assert [e.life.count for e in stored(database)] == [1] * 10
    assert sorted(done) == ["SELECT", "UPDATE"]
    assert [e.life.count for e in stored(database)] == [11] * 10


def test_what_turns_an_alarm_never_waits(database: Database) -> None:
    with journal_of(database, standing_seconds=3_600) as journal:
        ids = written(journal, seen("Mill 7", 0), seen("Mill 7", 1), seen("Mill 7", 2))
        written(journal, seen("Mill 7", 3, alarm=False))
        (found,) = stored(database)
        assert (found.life.phase, found.life.count, found.record) == (Phase.CLEARED, 3, ids[2])
        written(journal, seen("Mill 7", 4, alarm=False), seen("Mill 7", 5))
        assert stored(database)[0].life.phase is Phase.ACTIVE


def test_a_delay_that_runs_keeps_nothing_waiting(database: Database) -> None:
    rules = AlarmRules(2 * SECOND, 0, 0)
    with journal_of(database, standing_seconds=3_600) as journal:
        for k in range(3):
            written(journal, seen("Mill 7", k, rules=rules))
        assert [e.life.phase for e in stored(database)] == [Phase.ACTIVE]


def test_what_another_process_made_of_it_is_found_when_what_waits_is_written(
    database: Database,
) -> None:
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(journal_of(database, standing_seconds=s)) for s in (3_600, 0)
        )
        (first,) = written(one, seen("Mill 7", 0))
        written(other, seen("Mill 7", 1, alarm=False))
        written(one, seen("Mill 7", 2))  # an alarm, as far as it knows
        assert stored(database)[0].life.phase is Phase.CLEARED
        do(database, one, first, ACK)
        one.close()
        assert [e.life.phase for e in stored(database)] == [Phase.CLEARED, Phase.ACTIVE]


def test_what_waits_is_written_after_its_seconds_though_nothing_else_comes(
    database: Database,
) -> None:
    with journal_of(database, standing_seconds=0.05) as journal:
        written(journal, seen("Mill 7", 0), seen("Mill 7", 1))
        written(journal, seen("Mill 7", 2))
        until = time.monotonic() + 30
        while stored(database)[0].life.count < 3 and time.monotonic() < until:
            time.sleep(0.01)
        assert stored(database)[0].life.count == 3


def test_a_transaction_that_fails_counts_nothing_and_loses_nothing(database: Database) -> None:
    with journal_of(database, standing_seconds=3_600) as journal:
        written(journal, seen("Mill 7", 0))
        written(journal, seen("Mill 7", 1))  # waits
        doubled = seen("Mill 7", 2, alarm=False)
        written(journal, replace(doubled, observations=()))
        with pytest.raises(sa.exc.IntegrityError):
            journal.append(doubled).result(30)  # the id is taken
        assert stored(database)[0].life.phase is Phase.ACTIVE
    (found,) = stored(database)
    assert (found.life.phase, found.life.count) == (Phase.ACTIVE, 2)


# --- together -----------------------------------------------------------------------------


def test_groups_are_exact_and_read_from_the_index(database: Database, journal: Journal) -> None:
    said = [("Mill 7", "a"), ("Mill 70", "a"), ("Mill 7", "B"), ('M"ill', 'a", "line": "b')]
    for k, (name, line) in enumerate(said):
        written(journal, seen(name, k, attributes={"line": line}))
    ranks = {"milling-machine": 2}

    def found(by: str, name: str) -> list[tuple[str, str]]:
        group = AlarmFilter(group=(by, name))
        listed = alarms.page(database, group, ranks, T + 10**9, 1, 100).episodes
        light = open_alarms(database, group, ranks, T + 10**9)
        assert [e.id for e in listed] == [e.id for e in light]
        return sorted((e.equipment, e.said["line"]) for e in light)

    assert found("equipment", "Mill 7") == [("Mill 7", "B"), ("Mill 7", "a")]
    assert found("line", "a") == [("Mill 7", "a"), ("Mill 70", "a")]
    assert found("line", "b") == found("line", "A") == found("x'; --", "%") == []
    assert found("line", said[3][1]) == [said[3]]
    assert len(found("model", "milling-machine")) == 4
    query = open_query(database, AlarmFilter(group=("line", "a")), ranks, T)
    assert "ix_episodes_open" in plan(database, query)
    assert "ix_episodes_raised" in plan(database, raised_query(database, T, T + SECOND))


def test_times_of_raises_are_those_of_the_scope_the_newest_first(
    database: Database, journal: Journal
) -> None:
    for k in range(4):
        written(journal, seen(f"Mill {k}", k, attributes={"line": "ab"[k % 2]}))
    assert raised(database, T + SECOND, T + 3 * SECOND) == [T + k * SECOND for k in (3, 2, 1)]
    scope = Scope(models=("*",), attributes=(("line", ("b",)),))
    assert raised(replace(database, scope=scope), T, T + 9 * SECOND) == [T + 3 * SECOND, T + SECOND]


def test_alarms_of_a_span_are_those_that_began_or_were_raised_last_within_it(
    database: Database, journal: Journal
) -> None:
    # Mill k is raised at 10 k; Mill 1, which was not acknowledged, once more at 55.
    for k in range(5):
        written(journal, seen(f"Mill {k}", 10 * k, model="mill" if k else "saw"))
    written(
        journal, seen("Mill 1", 50, alarm=False, model="mill"), seen("Mill 1", 55, model="mill")
    )

    def found(since: float, until: float, most: int = 100, **wanted: Any) -> list[str]:
        span = (T + round(since * SECOND), T + round(until * SECOND))
        told = raised_in(database, AlarmFilter(**wanted), *span, most)
        assert told.total >= len(told.episodes)
        return [e.equipment for e in told.episodes]

    assert found(0, 100) == ["Mill 1", "Mill 4", "Mill 3", "Mill 2", "Mill 0"]
    assert found(10, 20) == ["Mill 1"]  # it began then
    assert found(55, 56) == ["Mill 1"]  # and has returned
    assert found(20, 30) == ["Mill 2"]
    assert found(20, 20) == found(60, 90) == []
    assert found(0, 100, most=2) == ["Mill 1", "Mill 4"]
    assert found(0, 100, model="saw") == found(0, 100, search="mill 0") == ["Mill 0"]
    assert found(0, 100, group=("equipment", "Mill 3")) == ["Mill 3"]
    everything = raised_in(database, AlarmFilter(), T, T + 10**10, 1)
    assert (everything.total, everything.models) == (5, {"saw": 1, "mill": 4})
    still = open_ones(database, AlarmFilter(raised_us=(T, T + 21 * SECOND)), {}, T + 10**9, 1)
    assert ([e.equipment for e in still.episodes], still.total) == (["Mill 2"], 2)
    query = span_query(database, AlarmFilter(), T, T + 30 * SECOND)
    assert "ix_episodes_raised" in plan(database, query)
