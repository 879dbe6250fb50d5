"""JSON, strictly: what Python's ``json`` lets through is refused here.

``NaN`` and ``Infinity`` (RFC 8259 has no such numbers), numbers beyond float64 such as
``1e400``, a key given twice (the reader would keep the last one, the sender may mean the
first), half of a surrogate pair, and nesting without end. Each fault names its place, up to
``MAX_FAULTS``; then the reader stops. No text costs more than ``MAX_SECONDS`` of a processor.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ifonly.service.errors import (
    MAX_FAULTS,
    Fault,
    InvalidRequest,
    MalformedBody,
    Path,
    RequestPart,
)
from ifonly.service.wire.validation import called

MAX_DEPTH = 32
"""Levels of nesting; the deepest request that means anything has five."""

MAX_KEYS = 8_192
"""Keys of one object: twice the features that a model may have."""
MAX_SECONDS = 2.0
"""Of a processor, for reading one body."""
_GLANCE = 4_096
"""Values between two looks at the clock."""

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


def read_json(body: bytes, *, nan_is_null: bool = False) -> Any:
    """The value that ``body`` spells. ``nan_is_null``: of clients that write so what is missing.

    Raises
    ------
    MalformedBody
        If it is no JSON text; names line and column.
    InvalidRequest
        If it is JSON in form but holds what no reader can take at its word; names each place,
        at most ``MAX_FAULTS`` and one of them. Or if that takes more than ``MAX_SECONDS``.
    """
    try:
        # A byte order mark is let through: RFC 8259, 8.1 allows readers to ignore it.
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"the body is not UTF-8 text: byte 0x{error.object[error.start]:02x}",
            *_position(error.object[: error.start].decode()),
        ) from None
    if not text.strip():
        raise MalformedBody("the body is empty; a JSON object is needed")
    reader = _Reader(nan_is_null)
    try:
        value = reader.read(text)
        faults = reader.faults(text, value)
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"the body is not JSON: {error.msg}", error.lineno, error.colno
        ) from None
    # Python's own reader recurses: a body of brackets ends at the interpreter's limit.
    except RecursionError:
        raise MalformedBody(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    except _Enough as found:
        faults = (found.fault,)
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults)
    return value


class _Reader:
    """What is asked of each number and each object while one text is read."""

    def __init__(self, nan_is_null: bool) -> None:
        self._nan_is_null = nan_is_null
        self._is_suspect = False
        """Whether something was read that stands for a fault: a walk then finds its place."""
        self._wrong = 0
        self._left = _GLANCE
        # Of this thread: what others compute meanwhile is not the body's.
        self._until = time.thread_time() + MAX_SECONDS

    def read(self, text: str) -> Any:
        return json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._int,
            # NaN and Infinity: Python reads them, RFC 8259 does not have them.
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

    def _no_number(self, text: str) -> _NotANumber | None:
        if text == "NaN" and self._nan_is_null:
            return None
        self._is_suspect = True
        self._wrong += 1
        if self._wrong > MAX_FAULTS:
            problem = f"the body has more than {MAX_FAULTS} numbers that float64 has not"
            raise _Enough(Fault((), f"{problem}: {_brief(text)}", limit=MAX_FAULTS))
        return _NotANumber(text)

    def _float(self, text: str) -> float | _NotANumber | None:
        self.glance()
        number = float(text)
        # 1e400 is JSON in form, and infinite as float64.
        return number if math.isfinite(number) else self._no_number(text)

    def _int(self, text: str) -> int | _NotANumber | None:
        self.glance()
        # The length first: int() of many digits takes a time that grows with their square.
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
    # One pass with a set: counting each key in a list would take quadratic time.
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
            # The path is cut: a pointer of ten thousand steps helps nobody.
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
        # Half a pair cannot be encoded as UTF-8: the record of the request could not be written.
        elif isinstance(value, str) and _SURROGATE.search(value):
            yield Fault(path, f"{called(path)} has half of a surrogate pair: not Unicode text")
        elif isinstance(value, dict):
            yield from _key_faults(path, value)
            pending.extend(((*path, key), item) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            pending.extend(((*path, i), item) for i, item in reversed(list(enumerate(value))))


def _key_faults(path: Path, table: dict[str, Any]) -> Iterator[Fault]:
    # Keys are texts too, and are written to the record as values are.
    for key in table:
        if _SURROGATE.search(key):
            yield Fault(path, f"a key of {called(path)} has half of a surrogate pair")
    if isinstance(table, _Repeating):
        for key in table.repeated:
            yield Fault((*path, key), f"{key} is given more than once", limit=1)


def _brief(text: str) -> str:
    return text if len(text) <= 32 else f"{text[:16]}… ({len(text)} digits)"
