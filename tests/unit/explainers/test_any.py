"""``Any`` switches the type checker off: in ``explainers`` it stays rare."""

from __future__ import annotations

import ast
from pathlib import Path

from ifonly import explainers

MOST = 3.0
"""A thousand lines; what is left reads TOML and JSON."""


def anys(source: str) -> int:
    """How often ``Any`` is used, imports aside; in annotations that are text, too."""
    found = 0
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id="Any") | ast.Attribute(attr="Any"):
                found += 1
            case ast.arg(annotation=ast.Constant(value=str(text))):
                found += anys(text)
    return found


def test_any_is_counted_where_it_stands_for_a_type() -> None:
    source = (
        "from typing import Any\nx: list[Any]\ndef f(a: 'Any', b: typing.Any = 'Any') -> Any: ..."
    )
    assert anys(source) == 4


def test_any_is_rare() -> None:
    sources = [file.read_text() for file in Path(explainers.__path__[0]).rglob("*.py")]
    lines = sum(source.count("\n") for source in sources)
    assert lines > 10_000
    assert 1_000 * sum(map(anys, sources)) / lines < MOST
