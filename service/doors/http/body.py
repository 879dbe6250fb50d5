"""A request's body: its limits, its encoding, and the strict JSON that it is read as.

A body that may cost more than a moment is read by a thread beside the event loop.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from email.message import Message
from functools import lru_cache, partial
from typing import Any

from fastapi import Request

from ifonly.service.doors.http.problems import BodyTooLarge, UnsupportedMediaType
from ifonly.service.errors import MalformedBody
from ifonly.service.scheduling.worker_pools import Workers
from ifonly.service.wire.strict_json import read_json

QUICK_BYTES = 65_536
"""Bytes of a body that the event loop reads itself: at most some milliseconds."""
MAX_MEMBERS = 10_000
"""Parts of one gzip body, each of which costs as much as a kilobyte does."""
_PIECE = 4_096
"""Bytes of gzip that are unpacked at once: what follows a member is copied with it."""


async def read_aside(body: bytes, parsers: Workers) -> Any:
    """As :func:`read_json`; a long body in a thread of ``parsers``.

    Raises
    ------
    Overloaded
        If too many long ones wait.
    """
    if len(body) <= QUICK_BYTES:
        return read_json(body)
    return await parsers.run(partial(read_json, body))


class JsonRequest(Request):
    """A request whose body is unpacked, and read by :func:`read_json`, once."""

    _value: Any
    _plain: bytes

    async def body(self) -> bytes:
        if not hasattr(self, "_plain"):
            state = self.app.state.ifonly
            limit = state.settings.max_body_bytes
            packed = await super().body()
            if self.headers.get("content-encoding") is None:
                self._plain = packed
            else:
                # Unpacked by a thread: some kilobytes of gzip may be megabytes.
                self._plain = await state.parsers.run(partial(plain, packed, self.headers, limit))
        return self._plain

    async def json(self) -> Any:
        if not hasattr(self, "_value"):
            parsers = self.app.state.ifonly.parsers
            self._value = await read_aside(await self.body(), parsers)
        return self._value


def check_media_type(headers: Mapping[str, str]) -> None:
    """Raises
    ------
    UnsupportedMediaType
        Unless the body is declared to be JSON in UTF-8.
    """
    kind = media_type(headers)
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise _unsupported(headers, "application/json")


def _unsupported(headers: Mapping[str, str], wanted: str) -> UnsupportedMediaType:
    declared = headers.get("content-type") or "not given"
    return UnsupportedMediaType(f"the content type is {declared}; this takes {wanted}")


def media_type(headers: Mapping[str, str]) -> str:
    """As declared, without its parameters; empty if none is."""
    return _read_media_type(headers.get("content-type", ""))


@lru_cache(maxsize=16)
def _read_media_type(declared: str) -> str:
    header = Message()
    header["content-type"] = declared or "none"
    # email's parser knows the quoting of parameters (RFC 9110, 5.6.6), which a split does not.
    charset = header.get_content_charset("utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(f"the charset is {charset}; JSON is written in utf-8")
    return header.get_content_type() if declared else ""


def plain(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """``body`` without its content encoding, which is gzip, deflate or none.

    Raises
    ------
    BodyTooLarge
        If it becomes longer than ``limit`` bytes; never are more than those unpacked.
    MalformedBody
        If it is not what it says.
    UnsupportedMediaType
        If it is encoded otherwise.
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding == "identity":
        return body
    # A memoryview: slicing bytes would copy the rest at every member.
    if coding in ("gzip", "x-gzip"):
        return _unpacked(memoryview(body), limit)
    if coding == "deflate":
        return _inflated(memoryview(body), limit)
    raise UnsupportedMediaType(
        f"the content encoding is {coding}; this takes gzip, deflate or none"
    )


def _inflated(body: memoryview, limit: int) -> bytes:
    """What ``deflate`` says, which is zlib's format (RFC 9110, 8.4.1.2)."""
    found = bytearray()
    if _member(body, 0, found, limit, "deflate", zlib.MAX_WBITS) != len(body):
        raise MalformedBody("the body is deflate with something behind its end")
    return bytes(found)


def _unpacked(body: memoryview, limit: int) -> bytes:
    """All members of a gzip file, in one pass over its bytes."""
    found, place, members = bytearray(), 0, 0
    while place < len(body):
        members += 1
        if members > MAX_MEMBERS:
            raise MalformedBody(f"the body is gzip of more than {MAX_MEMBERS:,} members")
        # 16: the gzip format alone, neither zlib's nor raw deflate.
        place = _member(body, place, found, limit, "gzip", zlib.MAX_WBITS | 16)
    return bytes(found)


def _member(
    body: memoryview, place: int, found: bytearray, limit: int, coding: str, wbits: int
) -> int:
    """Unpack the member that begins at ``place`` into ``found``; where the next one begins."""
    member = zlib.decompressobj(wbits=wbits)
    while not member.eof:
        piece = body[place : place + _PIECE]
        if not piece:
            raise MalformedBody(f"the body is {coding} that is cut short")
        place += len(piece)
        try:
            # One byte more than the limit is enough to know that it is exceeded; a bomb ends there.
            found += member.decompress(piece, limit + 1 - len(found))
        except zlib.error:
            raise MalformedBody(f"the body is not {coding}, and says that it is") from None
        if len(found) > limit:
            raise BodyTooLarge(None, limit)
    return place - len(member.unused_data)
