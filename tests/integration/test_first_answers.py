"""The first answer of a fresh installation is like every later one."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ifonly.explainers.wording import DEFAULT_LANGUAGES
from ifonly.service.doors.cli import rendering

ROOT = Path(__file__).resolve().parents[2]
NOTHING = {"imported": [], "tables": 0}


def asked(folder: Path, **environment: str) -> Any:
    """What a process of its own answered."""
    out = folder / "answers.json"
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.first_answers", str(out)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4_000:]
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Of a process that finds nothing of an earlier one: its home is empty."""
    return asked(tmp_path_factory.mktemp("first"), HOME=str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory, first: Any) -> Any:
    """Of one that came after it, and orders sets otherwise."""
    return asked(tmp_path_factory.mktemp("later"), PYTHONHASHSEED="1")


def test_a_fresh_installation_answers_every_kind_of_question_as_every_later_process(
    first: Any, later: Any
) -> None:
    assert first["answers"] == later["answers"]


def test_nothing_is_imported_or_built_inside_a_request(first: Any, later: Any) -> None:
    assert (first["guard"], later["guard"]) == (NOTHING, NOTHING)


def test_no_first_answer_is_cut_by_its_deadline(first: Any) -> None:
    said = [one["said"] for one in first["answers"] if one["path"].endswith("/explanations")]
    assert not any(reply["deadline_hit"] for reply in said if "deadline_hit" in reply)


def test_every_kind_of_answer_and_every_engine_is_among_them(first: Any) -> None:
    said = [one.get("said", {}) for one in first["answers"]]
    found = Counter(reply.get("status") for reply in said)
    assert set(found) >= {"optimal", "infeasible", "feasible", "unknown"}
    engines = {reply["provenance"]["engine"] for reply in said if "counterfactuals" in reply}
    assert engines >= {"trees", "linear", "networks", "blackbox"}
    assert {one["status"] for one in first["answers"]} <= {200, 422}
    assert any(reply.get("relaxation") for reply in said)


def test_the_first_answer_of_all_is_what_the_readme_shows(first: Any) -> None:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    rendering.explanation(console, first["answers"][0]["said"], DEFAULT_LANGUAGES)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("## What it looks like")[1].split("```")[1]
    assert words(shown) == words(console.file.getvalue())  # type: ignore[attr-defined]


def words(text: str) -> list[str]:
    """Without the lines of tables, and however it is broken into lines."""
    return re.sub(r"[\u2500-\u257f]", " ", text).split()


def test_the_reply_that_the_readme_shows_is_a_part_of_it(first: Any) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = json.loads(readme.split("```json")[1].split("```")[0])
    assert part_of(first["answers"][0]["said"], shown) == about(shown)


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
