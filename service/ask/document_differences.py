"""Two TOML documents side by side: what is otherwise, key by key and line by line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Literal

Way = Literal["added", "removed", "changed"]
MOST_LINES = 4_000
"""Lines that are matched: it may take the square of them."""
AROUND = 2
"""Lines that are the same, shown before and after those that are not."""


@dataclass(frozen=True, slots=True)
class KeyDifference:
    """A key whose values differ."""

    path: tuple[str, ...]
    """Its parts; an item of a list after what it is known by: ``features``, ``[torque]``."""
    was: str | None
    """None: it is not there."""
    now: str | None

    @property
    def key(self) -> str:
        """As errors name it: ``features[torque].unit``."""
        return "".join(p if p.startswith("[") else f".{p}" for p in self.path).removeprefix(".")

    @property
    def way(self) -> Way:
        return "added" if self.was is None else "removed" if self.now is None else "changed"


def key_differences(was: bytes, now: bytes) -> Iterator[KeyDifference]:
    """Keys of two documents whose values differ, in their order; items of lists are matched by
    their names, or by what they say."""
    before, after = (_flat(_read(text)) for text in (was, now))
    for path in dict.fromkeys([*before, *after]):
        if before.get(path) != after.get(path):
            yield KeyDifference(path, before.get(path), after.get(path))


def _read(text: bytes) -> dict[str, Any]:
    return tomllib.loads(text.decode("utf-8-sig"), parse_float=Decimal)


def _flat(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    parts: list[tuple[str, Any]]
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list) and value and all(isinstance(i, dict) for i in value):
        parts = _named(value)
    else:
        return {path: text_of(value)}
    return {p: text for name, item in parts for p, text in _flat(item, (*path, name)).items()}


def _named(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    seen: dict[str, int] = {}
    for k, item in enumerate(items):
        name = f"[{_identity(item, k)}]"
        # Two of one name: told apart by which of them it is.
        seen[name] = seen.get(name, 0) + 1
        found.append((name if seen[name] == 1 else f"{name[:-1]} #{seen[name]}]", item))
    return found


def _identity(item: Mapping[str, Any], place: int) -> str:
    """What an item is known by, whatever stands before it."""
    match item:
        case {"name": str(name)}:
            return name
        case {"from": str(cause), "to": str(effect)}:
            return f"{cause} → {effect}"
        case {"rule": str(rule)}:
            return rule
        case {"between": [str(one), str(other)]}:
            return f"{one} ↔ {other}"
        case {"check": str(check), **others}:
            of = others.get("node") or others.get("between") or ""
            return f"{check} {text_of(of)}".strip()
        case {"file": str(file)}:
            return file
    return str(place)


def text_of(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- lines ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinePair:
    """Two lines that stand beside each other, with their numbers from 1; None: there is none."""

    was: tuple[int, str] | None
    now: tuple[int, str] | None

    @property
    def way(self) -> Literal["added", "removed", "changed", "same"]:
        if self.was is None or self.now is None:
            return "added" if self.was is None else "removed"
        return "same" if self.was[1] == self.now[1] else "changed"


def paired_lines(was: bytes, now: bytes) -> tuple[LinePair, ...] | None:
    """Lines that differ, paired, with some of those around; None: they are too many to match."""
    before, after = (text.decode("utf-8-sig").splitlines() for text in (was, now))
    first = _alike(before, after)
    last = _alike(before[first:][::-1], after[first:][::-1])
    a, b = before[first : len(before) - last], after[first : len(after) - last]
    if max(len(a), len(b)) > MOST_LINES:
        return None
    found = [_pair(before, after, k, k) for k in range(first)]
    for _, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        lines = zip_longest(range(i, j), range(k, m))
        found += [
            _pair(before, after, *(None if x is None else x + first for x in pair))
            for pair in lines
        ]
    n, m = len(before), len(after)
    found += [_pair(before, after, n - k, m - k) for k in range(last, 0, -1)]
    return tuple(_near_changes(found))


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines at the beginning are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((k for k, (x, y) in pairs if x != y), min(len(one), len(other)))


def _pair(before: Sequence[str], after: Sequence[str], i: int | None, k: int | None) -> LinePair:
    return LinePair(
        None if i is None else (i + 1, before[i]), None if k is None else (k + 1, after[k])
    )


def _near_changes(pairs: Sequence[LinePair]) -> Iterator[LinePair]:
    changed = [k for k, pair in enumerate(pairs) if pair.way != "same"]
    near = {k + step for k in changed for step in range(-AROUND, AROUND + 1)}
    yield from (pair for k, pair in enumerate(pairs) if k in near)
