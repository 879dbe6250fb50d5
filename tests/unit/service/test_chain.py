"""The audit chain by itself: what is hashed, and what a check finds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ifonly.service.store.chain import (
    Facts,
    Head,
    IntegrityFinding,
    Payload,
    Record,
    Trouble,
    canonical,
    check,
    document,
    hash_of,
    microseconds,
    seal,
    timestamp,
)
from ifonly.service.store.kinds import RecordKind

WRITER = "0123456789abcdef"


def chain(count: int) -> list[Record]:
    at, made = Head(), []
    for k in range(count):
        facts = Facts(kind=RecordKind.PREDICTION, actor="key:1", time_us=1_700_000_000_000_000 + k)
        made.append(seal(facts, WRITER, at, "c" * 64))
        at = made[-1].head
    return made


def findings(records: list[Record]) -> list[tuple[int, Trouble]]:
    at, found = Head(), list[IntegrityFinding]()
    for record in records:
        found += check(record, at)
        at = record.head
    return [(f.sequence, f.trouble) for f in found]


def test_a_sealed_chain_holds() -> None:
    assert findings(chain(5)) == []


def test_the_hash_is_sha256_of_the_canonical_document() -> None:
    (record,) = chain(1)
    text = (
        f'{{"actor":"key:1","format":1,"id":"{record.facts.id}","kind":"prediction",'
        f'"payload_digest":"{record.payload_digest}","previous":"{record.previous}","sequence":1,'
        f'"time":"2023-11-14T22:13:20.000000Z","writer":"{WRITER}"}}'
    )
    assert record.hash == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "key:2"},
        {"time_us": 1_700_000_000_000_003},
        {"kind": RecordKind.WHAT_IF},
        {"status": ""},
        {"seed": 0},
        {"detail": {}},
        {"detail": 0.5},
        {"time_us": 10**30},
    ],
)
def test_any_other_fact_is_found(change: dict[str, Any]) -> None:
    records = chain(5)
    records[2] = replace(records[2], facts=replace(records[2].facts, **change))
    assert findings(records) == [(3, Trouble.ALTERED)]


@pytest.mark.parametrize("field", ["hash", "previous", "payload_digest"])
def test_any_other_digest_is_found(field: str) -> None:
    records = chain(5)
    own = getattr(records[2], field)
    other = ("0" if own[0] == "f" else "f") + own[1:]
    records[2] = replace(records[2], **{field: other})
    assert {where for where, _ in findings(records)} <= {3, 4}
    assert (3, Trouble.ALTERED) in findings(records)


def test_deleted_records_are_found_once() -> None:
    records = chain(6)
    assert findings(records[:2] + records[3:]) == [(3, Trouble.MISSING)]
    assert findings(records[3:]) == [(1, Trouble.MISSING)]


def test_two_records_that_changed_places_are_both_named() -> None:
    records = chain(5)
    third, fourth = records[2:4]
    records[2:4] = [replace(fourth, sequence=3), replace(third, sequence=4)]
    assert set(findings(records)) >= {(3, Trouble.MOVED), (4, Trouble.MOVED)}


def test_a_record_sealed_anew_does_not_fit_its_neighbours() -> None:
    records = chain(5)
    forged = replace(records[2].facts, actor="key:2")
    records[2] = seal(forged, WRITER, records[1].head, records[2].payload_digest)
    assert findings(records) == [(4, Trouble.UNLINKED)]


def test_what_is_not_known_is_not_written_down() -> None:
    (record,) = chain(1)
    assert None not in document(record).values()
    assert "seed" not in document(record)
    assert hash_of(record) == record.hash


def test_a_payload_cannot_be_guessed_from_its_digest() -> None:
    one, other = Payload.of(b"torque 58.6"), Payload.of(b"torque 58.6")
    assert one.digest != other.digest
    assert one.digest == hashlib.sha256(one.salt + b"torque 58.6").hexdigest()
    assert len(one.salt) == 32


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(plain)
def test_the_canonical_form_says_the_same_and_only_one_way(value: Any) -> None:
    text = canonical(value)
    assert text == rfc8785.dumps(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@pytest.mark.parametrize(
    "value", [0.5, 2**53, float("nan"), {"é": 1}, {1: 2}, b"", {"a": [1.0]}, "\ud800"]
)
def test_what_readers_disagree_about_has_no_canonical_form(value: object) -> None:
    with pytest.raises(ValueError):
        canonical(value)


@given(st.integers(0, 4_102_444_800_000_000))
def test_times_keep_their_microseconds(time_us: int) -> None:
    assert microseconds(timestamp(time_us)) == time_us


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        microseconds("2026-01-01T00:00:00")
