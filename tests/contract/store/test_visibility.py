"""Queries of somebody who may see a part of the trail read that part, in both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ifonly.service.access import NOTHING, Scope
from ifonly.service.errors import UnknownRecord
from ifonly.service.store import archive, explanations, recent
from ifonly.service.store.archive import Filter
from ifonly.service.store.database import Database
from ifonly.service.store.erasure import erase
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.visibility import only
from tests.contract.store.conftest import draft


def asked(model: str | None, line: Any = None, **facts: Any) -> Draft:
    """``line``: of all rows, or a list: of each."""
    said = [{"line": x} if x else {} for x in line] if isinstance(line, list) else {"line": line}
    attributes = {} if line is None else {"attributes": said}
    content = json.dumps({"answer": {}, "request": {"instance": {}} | attributes}).encode()
    return replace(draft(model=model, **facts), payload=content)


@pytest.fixture
def ids(database: Database, journal: Journal) -> dict[str, str]:
    """One record of each kind of place, and what was said about two of them."""
    drafts = {
        "a1": asked("line-a-1", "a"),
        "a1 of b": asked("line-a-1", "b"),
        "a1 of none": asked("line-a-1"),
        "A1": asked("LINE-A-1", "a"),
        "b1": asked("line-b-1", "a"),
        "lineXaX1": asked("lineXaX1", "a"),
        "rows of a": asked("line-a-1", ["a", "a"]),
        "rows of a and b": asked("line-a-1", ["a", "b"]),
        "rows of a and none": asked("line-a-1", ["a", ""]),
        "no rows": asked("line-a-1", []),
        "of no model": asked(None, "a", kind=RecordKind.SIGN_IN),
    }
    if database.is_sqlite:  # PostgreSQL before 16 cannot be asked first whether it is JSON
        drafts["no JSON"] = replace(draft(model="line-a-1"), payload=b"\x00{")
    found = {name: journal.append(each).result(30).id for name, each in drafts.items()}
    for name in ("a1", "b1"):
        said = asked("line-a-1", None, kind=RecordKind.REVIEW, about=found[name], status="approve")
        found[f"said of {name}"] = journal.append(said).result(30).id
    return found


def seen(database: Database, scope: Scope, ids: dict[str, str]) -> set[str]:
    page = archive.page(replace(database, scope=scope), Filter({}), None, 100)
    names = {identity: name for name, identity in ids.items()}
    return {names.get(r.facts.id, r.facts.kind) for r in page.records}


LINE_A = (("line", ("a",)),)
ROWS = {"rows of a", "rows of a and b", "rows of a and none", "no rows"}


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        (NOTHING, set()),
        (
            Scope(("line-a-*",)),
            {"a1", "a1 of b", "a1 of none", "no JSON", "said of a1", "said of b1"} | ROWS,
        ),
        (Scope(("line?a?1",), LINE_A), {"a1", "lineXaX1", "said of a1", "rows of a"}),
        (Scope(("line-a-*",), LINE_A), {"a1", "said of a1", "rows of a"}),
        (
            Scope(("line-a-*", "line-b-1"), LINE_A),
            {"a1", "b1", "said of a1", "said of b1", "rows of a"},
        ),
        (
            Scope(("line-a-*",), (("line", ("a", "b")),)),
            {"a1", "a1 of b", "said of a1", "rows of a", "rows of a and b"},
        ),
        (Scope(("line-a-*",), (("line", ("a",)), ("plant", ("x",)))), set()),
        (Scope(("line_a_1",)), set()),
    ],
)
def test_a_scope_has_what_fits_and_what_is_about_it(
    database: Database, ids: dict[str, str], scope: Scope, names: set[str]
) -> None:
    assert seen(database, scope, ids) == names & set(ids)


def test_every_way_to_read_keeps_to_the_scope(
    database: Database, journal: Journal, ids: dict[str, str]
) -> None:
    mine = replace(database, scope=Scope(("line-a-*",), LINE_A))
    assert archive.get(mine, ids["a1"])[0].facts.id == ids["a1"]
    with pytest.raises(UnknownRecord):
        archive.get(mine, ids["b1"])
    assert [r.facts.id for r, _ in archive.about(mine, ids["a1"], RecordKind.REVIEW)] == [
        ids["said of a1"]
    ]
    assert archive.about(mine, ids["b1"], RecordKind.REVIEW) == ()
    record, _ = archive.get(mine, ids["a1"])
    assert archive.beside(mine, record) == (None, None)
    assert archive.beside(database, record)[1] == ids["a1 of b"]
    entries = archive.everything(mine, Filter({}))
    assert {e.record.facts.id for e in only(mine, entries, lambda e: e.record.facts.id)} == {
        ids["a1"],
        ids["said of a1"],
        ids["rows of a"],
    }
    period = (0, 2**52)
    told = explanations.about_model(mine, RecordKind.PREDICTION, "line-a-1", *period)
    assert {r.facts.id for r, _ in told} == {ids["a1"], ids["rows of a"]}
    assert explanations.count_about_model(mine, RecordKind.PREDICTION, "line-a-1", *period) == 2
    assert explanations.count_about_model(
        database, RecordKind.PREDICTION, "line-a-1", *period
    ) == len(({"a1", "a1 of b", "a1 of none", "no JSON"} | ROWS) & set(ids))
    before = recent.newest(mine)
    journal.append(asked("line-b-1", "a", status="alarm")).result(30)
    assert recent.newest(mine) == before
    journal.append(asked("line-a-1", "a", status="alarm")).result(30)
    assert recent.newest(mine) != before
    assert len(recent.recent(mine, "alarms", None, 10).entries) == 1
    assert len(recent.recent(database, "alarms", None, 10).entries) == 2


def test_what_was_erased_is_of_no_line(
    database: Database, journal: Journal, ids: dict[str, str]
) -> None:
    """Nobody can say any more of which it was."""
    journal.append(erase(ids["a1"], "test", "asked for")).result(30)
    assert ids["a1"] not in seen(database, Scope(("line-a-*",), LINE_A), ids)
    assert "a1" in seen(database, Scope(("line-a-*",)), ids)
