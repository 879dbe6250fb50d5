"""A request's body as JSON, strictly: what Python's ``json`` lets through is refused here.

``NaN`` and ``Infinity`` (RFC 8259 has no such numbers), numbers beyond float64 such as
``1e400``, a key given twice (the reader would keep the last one, the sender may mean the
first), half of a surrogate pair, and nesting without end. Each fault names its place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service.api import authentication, permissions
from service.api.errors import UnsupportedMediaType
from service.api.validation import called
from service.errors import Fault, InvalidRequest, MalformedBody, Part, Path

MAX_DEPTH = 32
"""Levels of nesting; the deepest request that means anything has five."""

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
    """A request whose body is read by :func:`read_json`, once."""

    _value: Any

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

        async def admit_first(request: Request) -> Response:
            request.state.principal = await authentication.admit(request, roles)
            if self.body_field is None:
                return await handle(request)
            check_media_type(request)
            strict = JsonRequest(request.scope, request.receive)
            request.state.body = await strict.body()
            await strict.json()
            return await handle(strict)

        return admit_first


def check_media_type(request: Request) -> None:
    """Raises
    ------
    UnsupportedMediaType
        Unless the body is declared to be plain JSON in UTF-8.
    """
    declared = request.headers.get("content-type", "")
    header = Message()
    header["content-type"] = declared or "none"
    kind = header.get_content_type()
    if not declared or not (
        kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    ):
        raise UnsupportedMediaType(
            f"the content type is {declared or 'not given'}; this takes application/json"
        )
    charset = header.get_content_charset("utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(f"the charset is {charset}; JSON is written in utf-8")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaType(f"the content encoding is {coding}; this takes none")
