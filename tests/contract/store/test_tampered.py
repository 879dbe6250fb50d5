"""The tamper campaign, a part of it: every table, every row deleted or copied, chains forged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.attack import tamper
from bench.attack.filled import opened
from bench.attack.tamper import WHY, Attack, Target, attacks, campaign, nothing, unexplained
from service.store.chain import Finding, Trouble
from service.store.database import Database
from service.store.tables import metadata


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with tamper.filled("sqlite", with_anchors=False) as (filled, _):
        yield filled


def is_cheap(attack: Attack) -> bool:
    """Of values only one kind of lie; none about records, which have a test of each column."""
    if attack.kind not in ("flip", "blank", "retype", "reseal", "swap"):
        return True
    return attack.kind == "flip" and attack.table != "audit_records"


def test_every_table_is_attacked(target: Target) -> None:
    assert target.look(nothing) == "", "the untouched store holds"
    tried = {(attack.table, attack.kind) for attack in attacks(target.read(), 1, True)}
    for table in metadata.tables:
        assert {(table, "flip"), (table, "delete"), (table, "insert")} <= tried


def test_nothing_is_missed_that_nobody_has_a_reason_for(target: Target) -> None:
    came = campaign(target, 1, nothing, is_cheap)
    assert len(came) > 100
    assert [(o.attack.table, o.attack.column, o.attack.kind) for o in unexplained(came)] == []
    by_kind = {o.attack.kind: bool(o.found) for o in came}
    for kind in ("beyond head", "unknown writer", "before first", "backdated chain"):
        assert by_kind[kind], kind
    for kind in ("rewrite chain", "cut with head", "made admin", "all forgotten"):
        assert by_kind[kind], kind
    assert not by_kind["rewrite all"], "that needs a kept head: then strike it out of WHY"
    assert target.look(nothing) == "", "the store was put back"


def test_a_kept_head_is_asked_after_each_attack(target: Target) -> None:
    with opened(target.url) as database:
        kept = {r["hash"] for r in target.read()["audit_records"]}
        assert database.is_sqlite

    def head(_: Database) -> list[Finding]:
        there = {r["hash"] for r in target.read()["audit_records"]}
        gone = len(kept - there)
        return [Finding("", 0, Trouble.CUT, f"{gone} are gone")] if gone else []

    only = {"rewrite all", "cut unanchored"}
    came = campaign(target, 1, head, lambda attack: attack.kind in only)
    assert [bool(o.found) for o in came] == [True, True]


def test_every_reason_is_of_something_that_is_tried(target: Target) -> None:
    tried = set()
    for attack in attacks(target.read(), 9, True):
        tried |= {(attack.table, name) for name in (attack.column, attack.kind, "*")}
    assert set(WHY) <= tried
