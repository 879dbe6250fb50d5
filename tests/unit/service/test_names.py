"""Each class has a name of its own, in ``service``, and in ``explainers`` and ``models``."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from explainers.wording import LANGUAGES

ROOT = Path(__file__).resolve().parents[3]


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


def test_no_two_classes_of_the_service_have_one_name() -> None:
    twice = defined_twice(ROOT, "service")
    assert not twice, told(twice)


def test_no_two_classes_of_explainers_and_models_have_one_name() -> None:
    twice = defined_twice(ROOT, "explainers", "models")
    folders = [f"explainers/wording/{language}/" for language in LANGUAGES]
    ours = {name: where for name, where in twice.items() if not _is_said(where, folders)}
    assert not ours, told(ours)


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
