"""Records are found by every filter, in pages, from an index."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.explainers.languages import LANGUAGES
from ifonly.service.errors import FormatUnavailable, InvalidCursor, UnknownRecord
from ifonly.service.store import archive
from ifonly.service.store.archive import FILTERS, Filter
from ifonly.service.store.database import Database, connect
from ifonly.service.store.erasure import erase
from ifonly.service.store.export import export
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.migrate import upgrade
from ifonly.service.store.tables import records
from ifonly.service.store.terms import Format
from tests.contract.store.conftest import STORES, draft, journal_of, new_url

Fill = Callable[[int], list[str]]


def test_pages_hold_every_record_once_newest_first(database: Database, journal: Journal) -> None:
    sent = [draft(k, time_us=1_000 * (k // 3)) for k in range(10)]  # several at the same time
    for each in sent:
        journal.append(each).result(30)
    seen, cursor = list[str](), None
    while True:
        page = archive.page(database, Filter({}), cursor, 4)
        seen += [record.facts.id for record in page.records]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [each.facts.id for each in reversed(sent)]


def test_a_page_is_not_moved_by_what_comes_later(
    database: Database, journal: Journal, filled: Fill
) -> None:
    ids = filled(4)
    first = archive.page(database, Filter({}), None, 2)
    filled(3)
    second = archive.page(database, Filter({}), first.next, 2)
    assert [r.facts.id for r in (*first.records, *second.records)] == ids[::-1]


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_leaves_only_what_fits(
    database: Database, journal: Journal, name: str
) -> None:
    other = {"kind": RecordKind.REFUSAL, "about": "x"}.get(name, "other")
    if name != "writer":
        journal.append(draft(1)).result(30)
        wanted = journal.append(draft(2, **{name: other})).result(30).id
    else:
        wanted, other = journal.append(draft(1)).result(30).id, journal.writer
    (found,) = archive.page(database, Filter({name: other}), None, 5).records
    assert found.facts.id == wanted
    assert archive.page(database, Filter({name: "absent"}), None, 5).records == ()


def test_times_bound_a_page_from_the_first_to_before_the_last(
    database: Database, journal: Journal
) -> None:
    for k in range(5):
        journal.append(draft(k, time_us=k)).result(30)
    wanted = Filter({}, since_us=1, until_us=3)
    found = archive.page(database, wanted, None, 9).records
    assert [r.facts.time_us for r in found] == [2, 1]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        base64.urlsafe_b64encode(b"[1]").decode(),
        base64.b64encode(b'[1,2,"x"]').decode(),
    ],
)
def test_a_cursor_that_no_page_gave_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        archive.page(database, Filter({}), cursor, 5)


def test_a_record_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(UnknownRecord, match="'nothing'"):
        archive.get(database, "nothing")


# --- plans --------------------------------------------------------------------------------


def plan(database: Database, query: sa.Select[Any]) -> str:
    """How the database would answer, in its own words."""
    with database.writer.begin() as connection:
        text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        if database.is_sqlite:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            return "\n".join(str(row[-1]) for row in rows)
        connection.exec_driver_sql("ANALYZE audit_records")
        # A table of a few pages is always read whole: judge the plan that a big one would get.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}"))


@pytest.fixture(scope="module", params=STORES)
def varied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A thousand records that differ in what they can be filtered by; to be read only."""
    with closing(connect(new_url(request, tmp_path_factory.mktemp("varied")))) as database:
        upgrade(database)
        with journal_of(database) as journal:
            for future in [journal.append(_varied(k)) for k in range(1_000)]:
                future.result(30)
        yield database


def _varied(k: int) -> Draft:
    return draft(
        k,
        kind=list(RecordKind)[k % 7],
        model=f"model-{k % 5}",
        status=f"status-{k % 9}",
        actor=f"key:{k % 11}",
        about=f"record-{k}",
        languages=[*LANGUAGES, ",".join(LANGUAGES)][k % (len(LANGUAGES) + 1)],
        time_us=10**15 + k,
    )


WANTED = {
    "": {},
    "kind": {"kind": "refusal"},
    "model": {"model": "model-1"},
    "status": {"status": "status-1"},
    "actor": {"actor": "key:1"},
    "request_id": {"request_id": "request-7"},
    "about": {"about": "record-7"},
    "writer": {"writer": "w"},
}


def test_no_page_reads_the_whole_table_or_sorts_it(varied: Database) -> None:
    assert set(WANTED) == {"", *FILTERS}
    place = base64.urlsafe_b64encode(json.dumps([10**15 + 500, "w", 5]).encode()).decode()
    for name, equal in WANTED.items():
        for cursor in (None, place):
            wanted = Filter(equal, since_us=1, until_us=2**60)
            how = plan(varied, archive.query(wanted, cursor, 20))
            # PostgreSQL knows how rare a value is: for a frequent one it may walk through time.
            indexes = {name or "time"} if varied.is_sqlite else {name or "time", "time"}
            assert any(f"ix_audit_records_{i}" in how for i in indexes), how
            for bad in ("SCAN", "TEMP B-TREE", "Seq Scan"):
                assert bad not in how, how


COMBINED = {
    "kind_model": Filter({"kind": "refusal", "model": "model-1"}),
}
for _tag in LANGUAGES:
    COMBINED[str(_tag)] = Filter({}, since_us=1, language=_tag)


@pytest.mark.parametrize("index", COMBINED)
def test_a_page_of_one_kind_about_one_model_or_in_one_language_has_its_index(
    varied: Database, index: str
) -> None:
    how = plan(varied, archive.query(COMBINED[index], None, 20))
    assert f"ix_audit_records_{index}" in how or not varied.is_sqlite, how
    for bad in ("SCAN", "TEMP B-TREE", "Seq Scan"):
        assert bad not in how, how


def test_the_beginning_of_an_id_is_looked_up_whatever_else_is_asked(varied: Database) -> None:
    wanted = Filter({"kind": "refusal", "actor": "key:1"}, language="ko", begins="1a2b3")
    how = plan(varied, archive.query(wanted, None, 20))
    assert "ix_audit_records_id" in how, how
    assert "SCAN audit_records" not in how, how
    assert "Seq Scan" not in how, how
    for other in ("kind", "actor", "time", "ko"):  # the few that are found are not looked for there
        assert f"ix_audit_records_{other} " not in how or not varied.is_sqlite, how


def test_records_are_found_by_how_their_id_begins(database: Database, journal: Journal) -> None:
    ids = [f"{first}-0000-4000-8000-000000000000" for first in ("1a2b3c4d", "1a2b3c4e", "9a2b3c4d")]
    for identity in ids:
        journal.append(draft(id=identity)).result(30)
    for begins, found in {"1a2b": ids[1::-1], "1a2b3c4d-0": ids[:1], "1a2b-": []}.items():
        page = archive.page(database, Filter({}, begins=begins), None, 9)
        assert [r.facts.id for r in page.records] == found
        exported = archive.everything(database, Filter({}, begins=begins))
        assert sorted(seen.record.facts.id for seen in exported) == sorted(found)


def test_records_are_found_by_language(database: Database, journal: Journal) -> None:
    several = [p for n in (1, len(LANGUAGES)) for p in permutations(LANGUAGES, n)]
    spoken = [*map(",".join, several), "ko,ko", None]
    for k, languages in enumerate(spoken):
        journal.append(draft(k, languages=languages)).result(30)
    for language in LANGUAGES:
        want = [s for s in reversed(spoken) if s and language in s]
        page = archive.page(database, Filter({}, language=language), None, 9)
        assert [r.facts.languages for r in page.records] == want
        exported = archive.everything(database, Filter({}, language=language))
        assert [seen.record.facts.languages for seen in exported] == want[::-1]


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        (records.c.id == "x", "ix_audit_records_id"),
        (records.c.about == "x", "ix_audit_records_about"),
        (sa.and_(records.c.writer == "w", records.c.sequence > 5), ""),
    ],
)
def test_no_other_question_reads_the_whole_table(
    varied: Database, condition: Any, index: str
) -> None:
    how = plan(varied, sa.select(records).where(condition))
    assert index in how, how
    assert "SCAN" not in how, how
    assert "Seq Scan" not in how, how


# --- export -------------------------------------------------------------------------------


def lines(database: Database, wanted: Filter | None = None) -> list[dict[str, Any]]:
    pieces = export(archive.everything(database, wanted or Filter({})), Format.JSONL)
    return [json.loads(line) for line in b"".join(pieces).splitlines()]


def test_an_exported_line_holds_everything_that_its_hash_covers(
    database: Database, journal: Journal, filled: Fill
) -> None:
    ids = filled(3)
    journal.append(erase(ids[1], "key:admin", "asked for")).result(30)
    exported = lines(database)
    assert [line["sequence"] for line in exported] == [1, 2, 3, 4]
    assert ["payload" in line for line in exported] == [True, False, True, False]
    for line in exported:
        salt, payload = line.pop("salt", ""), line.pop("payload", None)
        claimed = line.pop("hash")
        text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == claimed
        if payload is not None:
            digest = hashlib.sha256(bytes.fromhex(salt) + payload.encode()).hexdigest()
            assert digest == line["payload_digest"]


def test_an_export_takes_the_same_filters(database: Database, journal: Journal) -> None:
    for k in range(4):
        journal.append(draft(k, actor=f"key:{k % 2}", time_us=k)).result(30)
    found = lines(database, Filter({"actor": "key:1"}, since_us=2))
    assert [line["sequence"] for line in found] == [4]
    assert lines(database, Filter({"writer": "absent"})) == []


def test_parquet_holds_the_same_as_jsonl(
    database: Database, filled: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("ifonly.service.store.export.ROW_GROUP", 2)
    filled(5)
    pieces = list(export(archive.everything(database, Filter({})), Format.PARQUET))
    assert len(pieces) == 3
    table = parquet.read_table(io.BytesIO(b"".join(pieces))).to_pylist()
    for row, line in zip(table, lines(database), strict=True):
        shared = set(row) & set(line) - {"detail"}
        assert {k: row[k] for k in shared} == {k: line[k] for k in shared}
        assert json.loads(row["detail"]) == line["detail"]
        assert set(line) - set(row) == {"format", "time"}


def test_parquet_without_pyarrow_names_the_line_that_installs_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FormatUnavailable, match=r"pip install 'ifonly\[parquet\]'"):
        export(archive.everything(database, Filter({})), Format.PARQUET)
