"""One row as somebody pastes it: JSON, or CSV with a header."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ifonly.service.errors import ServiceError
from ifonly.service.wire.strict_json import read_json

MOST_CHARACTERS = 100_000
_SEPARATORS = ",;\t"


class NotOneRow(Exception):
    """What was pasted is no row; ``key``: the text that says why, with ``gaps``."""

    def __init__(self, key: str, **gaps: object) -> None:
        self.key = key
        self.gaps = gaps
        super().__init__(key)


@dataclass(frozen=True, slots=True)
class PastedRow:
    """What was read, as a form has it."""

    values: Mapping[str, str]
    """By the name of a column, as it was pasted; empty: missing."""
    attributes: Mapping[str, str]


def pasted(text: str) -> PastedRow:
    r"""``text`` as a row: a JSON object, alone or as requests have it, or two lines of CSV.

    >>> pasted("torque;tool_wear\n62.7;196").values
    {'torque': '62.7', 'tool_wear': '196'}

    Raises
    ------
    NotOneRow
        If it is neither, or several.
    """
    text = text.strip().removeprefix("\ufeff").strip()
    if not text:
        raise NotOneRow("paste.nothing")
    if len(text) > MOST_CHARACTERS:
        raise NotOneRow("paste.too_long", limit=MOST_CHARACTERS)
    return _of_json(text) if text[0] in "{[" else _of_csv(text)


def _of_json(text: str) -> PastedRow:
    try:
        # Surrogates cannot be encoded; a form could send some.
        found: Any = read_json(text.encode("utf-8", "replace"))
    except ServiceError:
        raise NotOneRow("paste.not_json") from None
    said: Any = {}
    if isinstance(found, dict) and ("instance" in found or "instances" in found):
        said = found.get("attributes")
        found = found.get("instance", found.get("instances"))
    if isinstance(found, list):
        if len(found) != 1:
            raise NotOneRow("paste.rows", count=len(found))
        (found,) = found
    if not isinstance(found, dict):
        raise NotOneRow("paste.no_names")
    texts = said.items() if isinstance(said, dict) else ()
    return PastedRow(
        {name: _written(value) for name, value in found.items()},
        {name: _written(value) for name, value in texts},
    )


def _written(value: object) -> str:
    """A value of JSON as one would type it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _of_csv(text: str) -> PastedRow:
    header = text.partition("\n")[0]
    # What a spreadsheet copies has tabs; many of Europe write semicolons.
    separator = max(_SEPARATORS, key=header.count)
    try:
        read = csv.reader(text.splitlines(), delimiter=separator, strict=True)
        lines = [line for line in read if any(cell.strip() for cell in line)]
    except csv.Error:
        raise NotOneRow("paste.not_csv") from None
    names, *rows = [[cell.strip() for cell in line] for line in lines]
    if len(rows) != 1:
        raise NotOneRow("paste.rows" if rows else "paste.no_header", count=len(rows))
    if len(rows[0]) != len(names):
        raise NotOneRow("paste.width", names=len(names), values=len(rows[0]))
    if len(set(names)) < len(names):
        raise NotOneRow("paste.twice")
    return PastedRow(dict(zip(names, rows[0], strict=True)), {})
