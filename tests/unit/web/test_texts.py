"""What the pages say."""

from __future__ import annotations

import re
import string
from importlib.resources import files
from pathlib import Path

import pytest

from service.ask.problem_types import PROBLEM_TYPES
from service.doors.pages.rendering import PLACES
from service.doors.pages.texts import LANGUAGES, preferred, texts

PACKAGE = Path(str(files("service.doors.pages")))


def sources() -> str:
    found = [p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".html")]
    return "".join(path.read_text("utf-8") for path in found)


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_text_is_in_both_languages_with_the_same_gaps() -> None:
    for key, said in texts().items():
        assert set(said) == set(LANGUAGES), key
        assert all(text.strip() for text in said.values()), key
        assert gaps(said["en"]) == gaps(said["ko"]), key


def test_korean_is_korean() -> None:
    for key, said in texts().items():
        words = re.sub(r"\{\w+\}", "", said["ko"])
        if key != "language.en" and re.search("[a-z]{2}", words):
            assert re.search("[가-힣]", words), key


def test_every_text_that_is_asked_for_is_there_and_every_other_is_gone() -> None:
    code = sources()
    keys = set(texts())
    asked = set(re.findall(r'\bt\(\s*[\'"]([a-z_]+\.[a-z0-9_-]+)[\'"]\s*[,)]', code))
    assert asked <= keys
    # A key that is put together has its section and a dot in quotes.
    built = tuple(re.findall(r'[\'"f]([a-z_]+\.)(?:[\'"]|\{)', code))
    unused = {k for k in keys if f'"{k}"' not in code and f"'{k}'" not in code}
    assert {k for k in unused if not k.startswith(built)} == set()


def test_refusals_that_a_page_can_show_have_a_title_in_both_languages() -> None:
    known = {key.removeprefix("problem.") for key in texts() if key.startswith("problem.")}
    assert known <= {kind.slug for kind in PROBLEM_TYPES}


def test_places_have_names() -> None:
    assert all(place.text in texts() for place in PLACES)


def test_nothing_promises_what_nobody_can_keep() -> None:
    for key, said in texts().items():
        assert not re.search(r"guarantee|always works|보장|반드시 됩니다", str(said)), key


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("en-US", "en"), ("de,ko;q=0.5", "ko"), ("", "en")],
)
def test_a_browsers_first_known_language_is_taken(accepted: str, language: str) -> None:
    assert preferred(accepted) == language
