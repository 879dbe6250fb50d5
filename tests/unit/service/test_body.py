from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.body import MAX_DEPTH, read_json
from service.errors import InvalidRequest, MalformedBody

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
