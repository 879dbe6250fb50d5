"""The tamper campaign, a part of it: every table, every row deleted or copied, chains forged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.attack import tamper
from bench.attack.tamper import (
    NEEDS_HEAD,
    WHY,
    Attack,
    TamperTarget,
    attacks,
    campaign,
    unexplained,
)
from ifonly.service.store.tables import metadata


@pytest.fixture(scope="module")
def target() -> Iterator[TamperTarget]:
    with tamper.filled("sqlite", with_anchors=False) as (filled, _):
        yield filled


def is_cheap(attack: Attack) -> bool:
    """Of values only one kind of lie; none about records, which have a test of each column."""
    if attack.kind not in ("flip", "blank", "retype", "reseal", "swap"):
        return True
    return attack.kind == "flip" and attack.table != "audit_records"


def test_every_table_is_attacked(target: TamperTarget) -> None:
    assert target.look() == ("", ""), "the untouched store holds"
    stored = target.read()
    assert all(stored.values()), "every table has something"
    tried = {(attack.table, attack.kind) for attack in attacks(stored, 1, True)}
    for table in metadata.tables:
        assert {(table, "flip"), (table, "delete"), (table, "insert")} <= tried


@pytest.mark.slow
def test_nothing_is_missed_that_nobody_has_a_reason_for(target: TamperTarget) -> None:
    came = campaign(target, 1, is_cheap)
    assert len(came) > 100
    assert [(o.attack.table, o.attack.column, o.attack.kind) for o in unexplained(came)] == []
    alone = {o.attack.kind: bool(o.alone) for o in came}
    for kind in ("beyond head", "unknown writer", "before first", "backdated chain"):
        assert alone[kind], kind
    for kind in ("rewrite chain", "cut with head", "made admin", "all forgotten", "held for ever"):
        assert alone[kind], kind
    for kind in ("rewrite all", "cut unanchored"):
        assert alone[kind], f"{kind}: the log has other leaves"
    kept = {(o.attack.table, o.attack.kind): o for o in came}
    for key in NEEDS_HEAD:
        assert not kept[key].alone, f"{key}: then strike it out of NEEDS_HEAD"
        assert kept[key].kept, key
    assert target.look() == ("", ""), "the store was put back"


def is_odd_type_in_log(attack: Attack) -> bool:
    is_log = attack.table.startswith("audit_log") or attack.table == "witnessed_logs"
    return is_log and attack.kind in ("retype", "blank", "swap")


@pytest.mark.slow
def test_values_of_a_wrong_type_in_the_log_are_findings_and_no_crash(target: TamperTarget) -> None:
    came = campaign(target, 9, is_odd_type_in_log)
    assert len(came) > 40
    assert [(o.attack.table, o.attack.column, o.alone) for o in unexplained(came)] == []
    assert all(o.alone for o in came if o.attack.kind == "retype")


def test_every_reason_is_of_something_that_is_tried(target: TamperTarget) -> None:
    tried = set()
    for attack in attacks(target.read(), 9, True):
        tried |= {(attack.table, name) for name in (attack.column, attack.kind, "*")}
    assert set(WHY) | set(NEEDS_HEAD) <= tried
