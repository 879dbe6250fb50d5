"""Replies as the command line shows them: numbers, units and percent signs of the language."""

from __future__ import annotations

import io
import json
from importlib.resources import files
from typing import Any

import pytest
from rich.console import Console

from ifonly.explainers.wording import Language
from ifonly.service.doors.cli.rendering import explanation, readings


@pytest.fixture(scope="module")
def reply() -> dict[str, Any]:
    """The explanation that the API's documentation shows."""
    example = files("ifonly.service.wire.examples").joinpath("explanation.json")
    found: dict[str, Any] = json.loads(example.read_text("utf-8"))["reply"]
    return found


def printed(reply: dict[str, Any], tag: Language) -> str:
    console = Console(file=io.StringIO(), width=400)
    explanation(console, reply, [tag])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_korean_has_no_space_before_a_percent_sign_and_english_has(reply: dict[str, Any]) -> None:
    korean, english = printed(reply, "ko"), printed(reply, "en")
    assert "60%" in korean
    assert " %" not in korean
    assert "60 %" in english


def test_how_it_was_found_is_said_in_the_language(reply: dict[str, Any]) -> None:
    korean = printed(reply, "ko").splitlines()[-1]
    assert korean.startswith("최적(증명됨); 모델 ")
    cut = printed(reply | {"status": "infeasible", "deadline_hit": True}, "en").splitlines()[-1]
    assert cut.startswith("infeasible, proven, time was up; ")


def test_a_reading_has_its_unit_as_the_language_writes_it() -> None:
    feature = {"name": "wear", "label": {"ko": "마모"}, "unit": "min", "categories": []}
    console = Console(file=io.StringIO(), width=80)
    console.print(readings({"wear": 1306}, [feature], "ko"))
    assert isinstance(console.file, io.StringIO)
    assert "1,306분" in console.file.getvalue()
