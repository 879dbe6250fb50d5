"""CloudEvents: what is written is read as the same, and what is none is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifonly.service.errors import InvalidRequest
from ifonly.service.wire.cloudevents import BATCHED, JSON, STRUCTURED, CloudEvent, read

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20).filter(
    lambda name: name not in ("id", "source", "type", "specversion", "data", "datacontenttype")
)
EVENTS = st.builds(
    CloudEvent,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    content_type=st.just(JSON),
    data=st.dictionaries(TEXT, TEXT).map(lambda d: json.dumps(d, ensure_ascii=False).encode()),
    attributes=st.dictionaries(NAMES, TEXT, max_size=5),
)


@given(EVENTS)
def test_an_event_is_read_as_it_was_written_in_each_mode(event: CloudEvent) -> None:
    (whole,) = read(event.structured(), {}, STRUCTURED)
    (listed,) = read(b"[%b]" % event.structured(), {}, BATCHED)
    headers = event.headers() | {"content-type": JSON}
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    (binary,) = read(event.data, headers, JSON)
    assert whole == listed == binary == event


def structured(**told: Any) -> CloudEvent:
    plain = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}
    (event,) = read(json.dumps(plain | told).encode(), {}, STRUCTURED)
    return event


def test_data_are_what_the_format_says_they_are() -> None:
    assert structured(data={"a": 1.5}).data == b'{"a": 1.5}'
    assert structured(data="text").data == b'"text"'  # of JSON a text is a value
    assert structured(data="text", datacontenttype="text/plain").data == b"text"
    assert (
        structured(data_base64="AAE=", datacontenttype="application/octet-stream").data == b"\0\1"
    )
    assert structured().data == b""
    assert structured(extra=True, number=7, absent=None).attributes == {
        "extra": "true",
        "number": "7",
    }


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ({"id": ""}, ("id",)),
        ({"id": None}, ("id",)),
        ({"id": 1}, ("id",)),
        ({"type": "x" * 257}, ("type",)),
        ({"specversion": "0.3"}, ("specversion",)),
        ({"Upper": "x"}, ("Upper",)),
        ({"list": []}, ("list",)),
        ({"float": 1.5}, ("float",)),
        ({"line": "a\nb"}, ("line",)),
        ({"line": "\x7f"}, ("line",)),
        ({"long": "x" * 8_193}, ("long",)),
        ({"data": 1, "data_base64": "AA=="}, ("data",)),
        ({"data_base64": "A"}, ("data_base64",)),
        ({"data_base64": 1}, ("data_base64",)),
    ],
)
def test_what_is_wrong_with_an_event_is_named(told: dict[str, Any], path: tuple[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        structured(**told)
    assert [fault.path for fault in refused.value.faults] == [path]


def test_more_attributes_than_one_may_have_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="attributes"):
        structured(**{f"a{k}": "x" for k in range(61)})
