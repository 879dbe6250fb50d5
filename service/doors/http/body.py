"""A request's body as JSON, strictly: what Python's ``json`` lets through is refused here.

``NaN`` and ``Infinity`` (RFC 8259 has no such numbers), numbers beyond float64 such as
``1e400``, a key given twice (the reader would keep the last one, the sender may mean the
first), half of a surrogate pair, and nesting without end. Each fault names its place, up to
``MAX_FAULTS``; then the reader stops. No body costs more than ``MAX_SECONDS`` of a processor, and
one that may cost more than a moment is read by a thread beside the event loop.
"""

from __future__ import annotations

import json
import math
import re
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service.doors.http import authentication, permissions
from service.doors.http.errors import BodyTooLarge, TooManyRows, UnsupportedMediaType
from service.doors.http.looking import looked
from service.errors import MAX_FAULTS, Fault, InvalidRequest, MalformedBody, Path, RequestPart
from service.scheduling import worker_pools
from service.scheduling.worker_pools import Workers
from service.settings import Settings
from service.wire.validation import called

MAX_DEPTH = 32
"""Levels of nesting; the deepest request that means anything has five."""

MAX_KEYS = 8_192
"""Keys of one object: twice the features that a model may have."""
MAX_SECONDS = 2.0
"""Of a processor, for reading one body."""
QUICK_BYTES = 65_536
"""Bytes of a body that the event loop reads itself: at most some milliseconds."""
MAX_MEMBERS = 10_000
"""Parts of one gzip body, each of which costs as much as a kilobyte does."""
MAX_ENDS = 10
"""Ends of lines for each row that a job may have: more are next to nothing but empty lines."""
_GLANCE = 4_096
"""Values between two looks at the clock."""
_PIECE = 4_096
"""Bytes of gzip that are unpacked at once: what follows a member is copied with it."""

LINES = "application/jsonl"
OTHER_LINES = ("application/x-ndjson", "application/x-jsonlines", "application/jsonlines")

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON that came as UTF-8 may spell a surrogate."""
_MAX_DIGITS = 309
"""Digits of the largest float64."""


@dataclass(frozen=True, slots=True)
class _NotANumber:
    """A literal that stands where a number should and is none that float64 has."""

    text: str


class _Repeating(dict[str, Any]):
    """An object in which some key is given more than once."""

    repeated: tuple[str, ...] = ()


class _Enough(Exception):
    """There is more wrong than anybody would read."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def read_json(body: bytes) -> Any:
    """The value that ``body`` spells.

    Raises
    ------
    MalformedBody
        If it is no JSON text; names line and column.
    InvalidRequest
        If it is JSON in form but holds what no reader can take at its word; names each place,
        at most ``MAX_FAULTS`` and one of them. Or if that takes more than ``MAX_SECONDS``.
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
    reader = _Reader()
    try:
        value = reader.read(text)
        faults = reader.faults(text, value)
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"the body is not JSON: {error.msg}", error.lineno, error.colno
        ) from None
    except RecursionError:
        raise MalformedBody(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    except _Enough as found:
        faults = (found.fault,)
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults)
    return value


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


class _Reader:
    """What is asked of each number and each object while one text is read."""

    def __init__(self) -> None:
        self._is_suspect = False
        """Whether something was read that stands for a fault: a walk then finds its place."""
        self._wrong = 0
        self._left = _GLANCE
        self._until = time.thread_time() + MAX_SECONDS

    def read(self, text: str) -> Any:
        return json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._int,
            parse_constant=self._no_number,
        ).decode(text)

    def faults(self, text: str, value: Any) -> tuple[Fault, ...]:
        """What is wrong with the ``value`` of ``text``, up to ``MAX_FAULTS`` and one. Most values
        have nothing that could be, and are not walked through."""
        if not (self._is_suspect or _ESCAPED.search(text) or _is_deep(value)):
            return ()
        return tuple(islice(_faults(value, self.glance), MAX_FAULTS + 1))

    def glance(self) -> None:
        """Raises
        ------
        _Enough
            If the time is over. Looks at the clock now and then.
        """
        self._left -= 1
        if self._left <= 0:
            self._left = _GLANCE
            if time.thread_time() > self._until:
                problem = f"reading the body takes more than {MAX_SECONDS:g} s of a processor"
                raise _Enough(Fault((), problem, unit="s", limit=MAX_SECONDS))

    def _no_number(self, text: str) -> _NotANumber:
        self._is_suspect = True
        self._wrong += 1
        if self._wrong > MAX_FAULTS:
            problem = f"the body has more than {MAX_FAULTS} numbers that float64 has not"
            raise _Enough(Fault((), f"{problem}: {_brief(text)}", limit=MAX_FAULTS))
        return _NotANumber(text)

    def _float(self, text: str) -> float | _NotANumber:
        self.glance()
        number = float(text)
        return number if math.isfinite(number) else self._no_number(text)

    def _int(self, text: str) -> int | _NotANumber:
        self.glance()
        return int(text) if len(text) <= _MAX_DIGITS else self._no_number(text)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self.glance()
        if len(pairs) > MAX_KEYS:
            problem = f"an object has {len(pairs):,} keys, the most is {MAX_KEYS:,}"
            raise _Enough(Fault((), problem, len(pairs), limit=MAX_KEYS))
        plain = dict(pairs)
        if len(plain) == len(pairs):
            return plain
        self._is_suspect = True
        return _repeating(plain, pairs)


def _is_deep(root: Any) -> bool:
    """Whether ``root`` is nested deeper than ``MAX_DEPTH``; looks at containers only."""
    level = [root] if isinstance(root, dict | list) else []
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _position(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows ``before``."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _repeating(plain: dict[str, Any], pairs: list[tuple[str, Any]]) -> _Repeating:
    repeating = _Repeating(plain)
    seen: set[str] = set()
    again = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    repeating.repeated = tuple(dict.fromkeys(again))
    return repeating


def _faults(root: Any, glance: Callable[[], None]) -> Iterator[Fault]:
    """Everything in the tree that must not be taken at its word; iterative, so of any depth.
    ``glance`` is called for each value."""
    pending: list[tuple[Path, Any]] = [((), root)]
    while pending:
        glance()
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
            state = self.app.state.ifonly
            limit = state.settings.max_body_bytes
            packed = await super().body()
            if self.headers.get("content-encoding") is None:
                self._plain = packed
            else:
                self._plain = await state.parsers.run(partial(plain, packed, self.headers, limit))
        return self._plain

    async def json(self) -> Any:
        if not hasattr(self, "_value"):
            parsers = self.app.state.ifonly.parsers
            self._value = await read_aside(await self.body(), parsers)
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
            worker_pools.asking.set(principal.actor)
            request.state.principal = principal
            async with request.app.state.ifonly.floor.entered(principal.actor):
                return await read_then(request)

        async def read_then(request: Request) -> Response:
            if self.body_field is None:
                return await looked(request, self.path_format, await self.admitted(request, handle))
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
    return _unpacked(memoryview(body), limit)


def _unpacked(body: memoryview, limit: int) -> bytes:
    """All members of a gzip file, in one pass over its bytes."""
    found, place, members = bytearray(), 0, 0
    while place < len(body):
        members += 1
        if members > MAX_MEMBERS:
            raise MalformedBody(f"the body is gzip of more than {MAX_MEMBERS:,} members")
        place = _member(body, place, found, limit)
    return bytes(found)


def _member(body: memoryview, place: int, found: bytearray, limit: int) -> int:
    """Unpack the member that begins at ``place`` into ``found``; where the next one begins."""
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    while not member.eof:
        piece = body[place : place + _PIECE]
        if not piece:
            raise MalformedBody("the body is gzip that is cut short")
        place += len(piece)
        try:
            found += member.decompress(piece, limit + 1 - len(found))
        except zlib.error:
            raise MalformedBody("the body is not gzip, and says that it is") from None
        if len(found) > limit:
            raise BodyTooLarge(None, limit)
    return place - len(member.unused_data)


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
    if (ends := text.count(b"\n")) > MAX_ENDS * settings.max_job_rows:
        raise TooManyRows(ends, settings.max_job_rows)
    lines = [line for line in text.split(b"\n") if line.strip()]
    if not lines:
        raise MalformedBody("the body has no line; each is a JSON object")
    if len(lines) > settings.max_job_rows:
        raise TooManyRows(len(lines), settings.max_job_rows)
    longest = max(map(len, lines))
    if longest > settings.max_body_bytes:
        raise BodyTooLarge(longest, settings.max_body_bytes)
    return lines
