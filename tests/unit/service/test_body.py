from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifonly.service.doors.http import body as reading
from ifonly.service.doors.http.body import MAX_MEMBERS, QUICK_BYTES, plain, read_aside
from ifonly.service.doors.http.problems import BodyTooLarge
from ifonly.service.errors import MAX_FAULTS, InvalidRequest, MalformedBody
from ifonly.service.scheduling.worker_pools import Workers
from ifonly.service.wire import strict_json, validation
from ifonly.service.wire.requests import ExplanationRequest
from ifonly.service.wire.strict_json import MAX_DEPTH, MAX_KEYS, read_json

GZIP = {"content-encoding": "gzip"}

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NUMBERS = st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_every_plain_json_value_is_read_as_it_was_written(
    value: object, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read_json(text.encode()) == value


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(MalformedBody, InvalidRequest):
        json.dumps(read_json(body), allow_nan=False)


def test_a_byte_order_mark_is_no_reason_to_refuse() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_what_is_not_utf8_is_placed_by_character() -> None:
    with pytest.raises(MalformedBody) as refused:
        read_json('{"토크":\n  '.encode() + b"\xff}")
    assert (refused.value.line, refused.value.column) == (2, 3)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e309", "-1e999", "9" * 310])
def test_a_number_that_float64_has_not_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_json(f'{{"a": [0, {text}]}}'.encode())
    (fault,) = refused.value.faults
    assert fault.path == ("a", 1)
    assert fault.problem.startswith("a[1] is ")


def test_the_largest_and_the_smallest_number_are_read() -> None:
    assert read_json(b"[1.7976931348623157e308, 5e-324]") == [1.7976931348623157e308, 5e-324]


def test_each_key_given_twice_is_named_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_json(b'{"a": 1, "b": {"c": 1, "c": 2, "c": 3}, "a": 2}')
    assert [f.path for f in refused.value.faults] == [("a",), ("b", "c")]


def test_nesting_is_read_to_its_limit_and_refused_beyond() -> None:
    def nested(depth: int) -> bytes:
        return b"[" * depth + b"]" * depth

    read_json(nested(MAX_DEPTH))
    with pytest.raises(InvalidRequest, match=f"nested deeper than {MAX_DEPTH}"):
        read_json(nested(MAX_DEPTH + 2))
    with pytest.raises(MalformedBody, match=f"nested deeper than {MAX_DEPTH}"):
        read_json(nested(200_000))


def test_half_of_a_surrogate_pair_is_refused_as_a_key_too() -> None:
    with pytest.raises(InvalidRequest, match="surrogate"):
        read_json(b'{"\\udc00": 1}')
    assert read_json(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_a_hundred_numbers_that_are_none_are_placed_and_with_more_the_parser_stops() -> None:
    for word in ("NaN", "1e999", "9" * 400):
        listed = ",".join([word] * MAX_FAULTS)
        with pytest.raises(InvalidRequest) as refused:
            read_json(f"[{listed}]".encode())
        assert [f.path for f in refused.value.faults] == [(i,) for i in range(MAX_FAULTS)]
        with pytest.raises(InvalidRequest, match="more than 100 numbers") as stopped:
            read_json(f"[{listed},{word}, what follows is never read".encode())
        assert len(stopped.value.faults) == 1


def test_who_looks_for_faults_stops_at_a_hundred_and_one() -> None:
    text = ",".join(['"\\ud800"'] * 1_000)
    with pytest.raises(InvalidRequest) as refused:
        read_json(f"[{text}]".encode())
    assert len(refused.value.faults) == MAX_FAULTS + 1
    many = {f"key{i}": 1 for i in range(1_000)}
    with pytest.raises(InvalidRequest) as misshapen:
        validation.read(ExplanationRequest, {"instance": {"a": 1}, **many})
    assert len(misshapen.value.faults) == MAX_FAULTS + 1


def test_an_object_has_so_many_keys_and_no_more() -> None:
    def wide(keys: int) -> bytes:
        return json.dumps({str(i): i for i in range(keys)}).encode()

    assert len(read_json(wide(MAX_KEYS))) == MAX_KEYS
    with pytest.raises(InvalidRequest, match="8,193 keys"):
        read_json(wide(MAX_KEYS + 1))


@pytest.mark.parametrize("text", ["[" + "1," * 9_000 + "1]", "[" + '"\\ud800",' * 9_000 + "1]"])
def test_a_body_that_takes_too_long_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_FAULTS", 10_000)
    with contextlib.suppress(InvalidRequest):  # there is time
        read_json(text.encode())
    monkeypatch.setattr(strict_json, "MAX_SECONDS", -1.0)
    with pytest.raises(InvalidRequest, match="s of a processor"):
        read_json(text.encode())


def test_a_long_body_is_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "read_json", lambda body: threading.get_ident())

    async def readers() -> list[int]:
        parsers = Workers(threads=1, max_waiting=1)
        bodies = (b" " * QUICK_BYTES, b" " * (QUICK_BYTES + 1))
        return [await read_aside(body, parsers) for body in bodies]

    by_short, by_long = asyncio.run(readers())
    assert by_short == threading.get_ident() != by_long


def test_all_members_of_a_gzip_body_are_unpacked_and_there_are_not_too_many() -> None:
    one = gzip.compress(b"ab")
    assert (
        plain(one * 3 + gzip.compress(b"c" * 100_000), GZIP, 200_000) == b"ababab" + b"c" * 100_000
    )
    assert plain(gzip.compress(b"x") * MAX_MEMBERS, GZIP, MAX_MEMBERS) == b"x" * MAX_MEMBERS
    with pytest.raises(MalformedBody, match="more than 10,000 members"):
        plain(gzip.compress(b"") * (MAX_MEMBERS + 1), GZIP, 1)
    with pytest.raises(BodyTooLarge):
        plain(one * 3, GZIP, 5)
    with pytest.raises(MalformedBody, match="cut short"):
        plain(one * 2 + one[:-1], GZIP, 100)
    with pytest.raises(MalformedBody, match="not gzip"):
        plain(one + b"rest", GZIP, 100)
