"""Each class has a name of its own: one name, one idea, in the whole project."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ifonly.explainers.wording import LANGUAGES

ROOT = Path(__file__).resolve().parents[3]
ONE_IDEA = {"Question"}
"""What one request asks: in domain values, and in the arrays that the compiled search reads."""


def defined_twice(root: Path, *packages: str) -> dict[str, list[str]]:
    """Names of classes that ``packages`` below ``root`` define more than once, and where: files
    with lines. Nested classes count as well; what is only assigned (an alias) does not."""
    places: dict[str, list[str]] = {}
    for file in sorted(file for package in packages for file in (root / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                where = f"{file.relative_to(root).as_posix()}:{node.lineno}"
                places.setdefault(node.name, []).append(where)
    return {name: where for name, where in places.items() if len(where) > 1}


def told(twice: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{name} is defined at {' and '.join(twice[name])}" for name in sorted(twice))


def test_no_two_classes_of_the_project_have_one_name_but_for_one_idea() -> None:
    twice = defined_twice(ROOT, "service", "explainers", "models", "bench")
    folders = [f"explainers/wording/{language}/" for language in LANGUAGES]
    ours = {
        name: where
        for name, where in twice.items()
        if name not in ONE_IDEA and not _is_said(where, folders) and not _is_on_the_wire(where)
    }
    assert not ours, told(ours)


def _is_on_the_wire(where: Sequence[str]) -> bool:
    """Whether it is one idea and the form in which replies or requests have it."""
    return len(where) == 2 and sum(at.startswith("service/wire/") for at in where) == 1


def _is_said(where: Sequence[str], folders: Sequence[str]) -> bool:
    """Whether one idea is said in several languages: at most once in the folder of each."""
    each = [[at for at in where if at.startswith(folder)] for folder in folders]
    return sum(map(len, each)) == len(where) and all(len(own) <= 1 for own in each)


@pytest.mark.parametrize(
    "second",
    ["class Report(Wire):\n    pass\n", "class Page:\n    class Report:\n        pass\n"],
    ids=["a schema beside what it is made from", "within another class"],
)
def test_both_places_of_a_name_are_told(tmp_path: Path, second: str) -> None:
    package = tmp_path / "service" / "wire"
    package.mkdir(parents=True)
    (package / "schema.py").write_text(second)
    (package.parent / "report.py").write_text("\n\nclass Report:\n    pass\n\n\nclass Other: ...\n")
    line = 1 + second.split("class Report")[0].count("\n")
    assert told(defined_twice(tmp_path, "service")) == (
        f"Report is defined at service/report.py:3 and service/wire/schema.py:{line}"
    )
