"""A request's body as JSON, strictly: what Python's ``json`` lets through is refused here.

``NaN`` and ``Infinity`` (RFC 8259 has no such numbers), numbers beyond float64 such as
``1e400``, a key given twice (the reader would keep the last one, the sender may mean the
first), half of a surrogate pair, and nesting without end. Each fault names its place.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service.api import authentication, lanes, permissions
from service.api.errors import BodyTooLarge, TooManyRows, UnsupportedMediaType
from service.api.validation import called
from service.errors import Fault, InvalidRequest, MalformedBody, Part, Path
from service.settings import Settings

MAX_DEPTH = 32
"""Levels of nesting; the deepest request that means anything has five."""

LINES = "application/jsonl"
OTHER_LINES = ("application/x-ndjson", "application/x-jsonlines", "application/jsonlines")

_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_DIGITS = 309
"""Digits of the largest float64."""


@dataclass(frozen=True, slots=True)
class _NotANumber:
    """A literal that stands where a number should and is none that float64 has."""

    text: str


class _Repeating(dict[str, Any]):
    """An object in which some key is given more than once."""

    repeated: tuple[str, ...] = ()


def read_json(body: bytes) -> Any:
    """The value that ``body`` spells.

    Raises
    ------
    MalformedBody
        If it is no JSON text; names line and column.
    InvalidRequest
        If it is JSON in form but holds what no reader can take at its word; names each place.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"the body is not UTF-8 text: byte 0x{error.object[error.start]:02x}",
            *_position(error.object[: error.start].decode()),
        ) from None
    if not text.strip():
        raise MalformedBody("the body is empty; a JSON object is needed")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"the body is not JSON: {error.msg}", error.lineno, error.colno
        ) from None
    except RecursionError:
        raise MalformedBody(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    faults = list(_faults(value))
    if faults:
        raise InvalidRequest(Part.REQUEST, faults)
    return value


def _position(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows ``before``."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeating = _Repeating(plain)
    seen: set[str] = set()
    again = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    repeating.repeated = tuple(dict.fromkeys(again))
    return repeating


def _float(text: str) -> float | _NotANumber:
    number = float(text)
    return number if math.isfinite(number) else _NotANumber(text)


def _int(text: str) -> int | _NotANumber:
    if len(text) > _MAX_DIGITS:
        return _NotANumber(text)
    return int(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_NotANumber
)


def _faults(root: Any) -> Iterator[Fault]:
    """Everything in the tree that must not be taken at its word; iterative, so of any depth."""
    pending: list[tuple[Path, Any]] = [((), root)]
    while pending:
        path, value = pending.pop()
        if len(path) > MAX_DEPTH:
            yield Fault(
                path[:MAX_DEPTH],
                f"{called(path[:MAX_DEPTH])} is nested deeper than {MAX_DEPTH} levels",
                limit=MAX_DEPTH,
            )
            return
        if isinstance(value, _NotANumber):
            yield Fault(
                path,
                f"{called(path)} is {_brief(value.text)}, not a finite number",
                _brief(value.text),
                limit="a finite number in float64 range",
            )
        elif isinstance(value, str) and _SURROGATE.search(value):
            yield Fault(path, f"{called(path)} has half of a surrogate pair: not Unicode text")
        elif isinstance(value, dict):
            yield from _key_faults(path, value)
            pending.extend(((*path, key), item) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            pending.extend(((*path, i), item) for i, item in reversed(list(enumerate(value))))


def _key_faults(path: Path, table: dict[str, Any]) -> Iterator[Fault]:
    for key in table:
        if _SURROGATE.search(key):
            yield Fault(path, f"a key of {called(path)} has half of a surrogate pair")
    if isinstance(table, _Repeating):
        for key in table.repeated:
            yield Fault((*path, key), f"{key} is given more than once", limit=1)


def _brief(text: str) -> str:
    return text if len(text) <= 32 else f"{text[:16]}… ({len(text)} digits)"


class JsonRequest(Request):
    """A request whose body is unpacked, and read by :func:`read_json`, once."""

    _value: Any
    _plain: bytes

    async def body(self) -> bytes:
        if not hasattr(self, "_plain"):
            limit = self.app.state.ifonly.settings.max_body_bytes
            self._plain = plain(await super().body(), self.headers, limit)
        return self._plain

    async def json(self) -> Any:
        if not hasattr(self, "_value"):
            self._value = read_json(await self.body())
        return self._value


class JsonRoute(APIRoute):
    """A route that refuses who may not, and then what is not strict JSON, before FastAPI sees it.

    ``request.state`` then has the ``principal`` and the ``body``.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        roles = permissions.allowed(self.methods or (), self.path_format)
        tells_all = permissions.tells_all(self.methods or (), self.path_format)

        async def admit_first(request: Request) -> Response:
            principal = await authentication.admit(request, roles, tells_all=tells_all)
            await request.app.state.ifonly.rates.admit(principal.actor)
            lanes.asking.set(principal.actor)
            request.state.principal = principal
            async with request.app.state.ifonly.floor.entered(principal.actor):
                return await read_then(request)

        async def read_then(request: Request) -> Response:
            if self.body_field is None:
                return await self.admitted(request, handle)
            check_media_type(request.headers)
            strict = JsonRequest(request.scope, request.receive)
            request.state.body = await strict.body()
            await strict.json()
            return await self.admitted(strict, handle)

        return admit_first

    async def admitted(
        self, request: Request, handle: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """What is done for somebody who may, with a body that is strict JSON."""
        return await handle(request)


def check_media_type(headers: Mapping[str, str]) -> None:
    """Raises
    ------
    UnsupportedMediaType
        Unless the body is declared to be JSON in UTF-8.
    """
    kind = _media_type(headers)
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise _unsupported(headers, "application/json")


def _unsupported(headers: Mapping[str, str], wanted: str) -> UnsupportedMediaType:
    declared = headers.get("content-type") or "not given"
    return UnsupportedMediaType(f"the content type is {declared}; this takes {wanted}")


def _media_type(headers: Mapping[str, str]) -> str:
    """As declared, without its parameters; empty if none is."""
    return _read_media_type(headers.get("content-type", ""))


@lru_cache(maxsize=16)
def _read_media_type(declared: str) -> str:
    header = Message()
    header["content-type"] = declared or "none"
    charset = header.get_content_charset("utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(f"the charset is {charset}; JSON is written in utf-8")
    return header.get_content_type() if declared else ""


def plain(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """``body`` without its content encoding, which is gzip or none.

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
    if coding not in ("gzip", "x-gzip"):
        raise UnsupportedMediaType(f"the content encoding is {coding}; this takes gzip or none")
    unpacked = b""
    while body:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            unpacked += member.decompress(body, limit + 1 - len(unpacked))
        except zlib.error:
            raise MalformedBody("the body is not gzip, and says that it is") from None
        if len(unpacked) > limit:
            raise BodyTooLarge(None, limit)
        if not member.eof:
            raise MalformedBody("the body is gzip that is cut short")
        body = member.unused_data
    return unpacked


def read_lines(body: bytes, headers: Mapping[str, str], settings: Settings) -> list[bytes]:
    """The lines of a body of JSON lines, empty ones left out; what is in them is not looked at.

    Raises
    ------
    UnsupportedMediaType, BodyTooLarge, TooManyRows, MalformedBody
        If it is declared as something else, longer than a job may be, or has no line.
    """
    kind = _media_type(headers)
    if kind not in (LINES, *OTHER_LINES):
        raise _unsupported(headers, LINES)
    text = plain(body, headers, settings.max_job_bytes).removeprefix(b"\xef\xbb\xbf")
    lines = [line for line in text.split(b"\n") if line.strip()]
    if not lines:
        raise MalformedBody("the body has no line; each is a JSON object")
    if len(lines) > settings.max_job_rows:
        raise TooManyRows(len(lines), settings.max_job_rows)
    longest = max(map(len, lines))
    if longest > settings.max_body_bytes:
        raise BodyTooLarge(longest, settings.max_body_bytes)
    return lines
