"""The picture of the house is the house."""

from __future__ import annotations

import re
from pathlib import Path

from bench.house import PAGE, ROOT, page, reduced

PATHS = re.compile(r"`((?:service|explainers|models|tests|bench)/[\w/.]+)`")


def test_the_page_is_drawn_from_the_imports_as_they_are() -> None:
    """Else: ``python -m bench.house``."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
    assert text.count("flowchart TD") == 3


def test_every_file_that_the_page_names_is_there() -> None:
    named = PATHS.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [name for name in named if not Path(ROOT, name).exists()] == []


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    whole = {"a": {"b", "c", "d"}, "b": {"d"}, "c": {"d"}, "d": set[str]()}
    arrows = {child: frozenset(found) for child, found in whole.items()}
    assert reduced(arrows) == {
        "a": frozenset({"b", "c"}),
        "b": frozenset({"d"}),
        "c": frozenset({"d"}),
        "d": frozenset(),
    }
