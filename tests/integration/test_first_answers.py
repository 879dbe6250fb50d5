"""The first answer of a fresh installation is like every later one."""

from __future__ import annotations

import io
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from explainers.wording import DEFAULT_LANGUAGES
from service.doors.cli import rendering
from tests.support import machine_code

ROOT = Path(__file__).resolve().parents[2]
NOTHING = {"compiled": [], "imported": [], "tables": 0}


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Of a process that began with nothing compiled."""
    return machine_code.cold(tmp_path_factory.mktemp("cold"))


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, cold: Any) -> Any:
    """Of one that found all of it compiled."""
    folder = tmp_path_factory.mktemp("warm")
    kept = Path(os.environ.get(machine_code.VARIABLE, folder))
    asked = machine_code.first_answers(kept, folder / machine_code.ANSWERS)
    assert asked.returncode == 0, asked.stderr[-4_000:]
    return json.loads((folder / machine_code.ANSWERS).read_text(encoding="utf-8"))


def test_a_fresh_installation_answers_every_kind_of_question_as_every_later_process(
    cold: Any, warm: Any
) -> None:
    assert cold["answers"] == warm["answers"]


def test_nothing_is_compiled_imported_or_built_inside_a_request(cold: Any, warm: Any) -> None:
    assert (cold["guard"], warm["guard"]) == (NOTHING, NOTHING)


def test_no_first_answer_is_cut_by_its_deadline(cold: Any) -> None:
    said = [one["said"] for one in cold["answers"] if one["path"].endswith("/explanations")]
    assert not any(reply["deadline_hit"] for reply in said if "deadline_hit" in reply)


def test_every_kind_of_answer_and_every_engine_is_among_them(cold: Any) -> None:
    said = [one.get("said", {}) for one in cold["answers"]]
    found = Counter(reply.get("status") for reply in said)
    assert set(found) >= {"optimal", "infeasible", "feasible", "unknown"}
    engines = {reply["provenance"]["engine"] for reply in said if "counterfactuals" in reply}
    assert engines >= {"trees", "linear", "relu", "blackbox"}
    assert {one["status"] for one in cold["answers"]} <= {200, 422}
    assert any(reply.get("relaxation") for reply in said)


def test_the_first_answer_of_all_is_what_the_readme_shows(cold: Any) -> None:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    rendering.explanation(console, cold["answers"][0]["said"], DEFAULT_LANGUAGES)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("## What it looks like")[1].split("```")[1]
    assert words(shown) == words(console.file.getvalue())  # type: ignore[attr-defined]


def words(text: str) -> list[str]:
    """Without the lines of tables, and however it is broken into lines."""
    return re.sub(r"[\u2500-\u257f]", " ", text).split()


def test_the_reply_that_the_readme_shows_is_a_part_of_it(cold: Any) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = json.loads(readme.split("```json")[1].split("```")[0])
    assert part_of(cold["answers"][0]["said"], shown) == about(shown)


def part_of(whole: Any, shown: Any) -> Any:
    """What ``whole`` says where ``shown`` says something."""
    if isinstance(shown, dict):
        return {key: part_of(whole[key], value) for key, value in shown.items()}
    if isinstance(shown, list):
        return [part_of(a, b) for a, b in zip(whole, shown, strict=True)]
    return whole


def about(value: Any) -> Any:
    """The same, whatever the last digits of numbers: processors differ there."""
    if isinstance(value, dict):
        return {key: about(own) for key, own in value.items()}
    if isinstance(value, list):
        return [about(own) for own in value]
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
