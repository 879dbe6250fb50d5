"""What people read: complete in every language, and nothing that nobody says."""

from __future__ import annotations

import re
import string
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.explainers.wording.conventions import conventions
from ifonly.service.ask.problem_types import PROBLEM_TYPES
from ifonly.service.doors.pages.rendering import PLACES
from ifonly.service.store.kinds import KINDS, STATUSES, RecordKind, own_words
from ifonly.service.words.catalogue import preferred, texts

PACKAGE = Path(str(files("ifonly.service")))
KEYS = sorted({key for language in LANGUAGES for key in texts(language)})
ENGLISH = texts("en")


def sources() -> str:
    found = [p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".html")]
    return "".join(path.read_text("utf-8") for path in found)


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_in_every_language_with_the_same_gaps(language: Language) -> None:
    said = texts(language)
    assert [key for key in KEYS if not said.get(key, "").strip()] == []
    assert [key for key in KEYS if gaps(said[key]) != gaps(ENGLISH.get(key, ""))] == []


@pytest.mark.parametrize("language", [tag for tag in LANGUAGES if conventions(tag).letters])
def test_a_text_is_in_its_own_script(language: Language) -> None:
    own = "".join(f"{first}-{last}" for first, last in conventions(language).letters)
    for key, said in texts(language).items():
        if re.search("[a-z]{2}", re.sub(r"\{\w+\}", "", said)):
            assert re.search(f"[{own}]", said), key


def test_every_text_that_is_asked_for_is_there_and_every_other_is_gone() -> None:
    code = sources()
    keys = set(KEYS)
    asking = r'\b(?:t|say|say_all)\(\s*[\'"]([a-z_]+\.[a-z0-9_-]+)[\'"]\s*[,)]'
    asked = set(re.findall(asking, code))
    assert asked <= keys
    # A key that is put together has its section and a dot in quotes.
    built = tuple(re.findall(r'[\'"f]([a-z_]+\.)(?:[\'"]|\{)', code))
    unused = keys - {named for _, named in re.findall(r"""(['"])([\w.-]+)\1""", code)}
    assert {k for k in unused if not k.startswith(built)} == set()


def test_refusals_that_a_page_can_show_have_a_title() -> None:
    known = {key.removeprefix("problem.") for key in KEYS if key.startswith("problem.")}
    assert known <= {kind.slug for kind in PROBLEM_TYPES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_kinds_of_record_and_their_statuses_have_a_word(language: Language) -> None:
    wanted = [*(f"kind.{k}" for k in RecordKind), *(f"status.{s}" for s in STATUSES)]
    assert [key for key in wanted if not texts(language).get(key, "").strip()] == []


def test_what_is_said_of_kinds_is_said_of_each() -> None:
    assert list(KINDS) == list(RecordKind)


def test_places_have_names() -> None:
    assert all(place.text in ENGLISH for place in PLACES)


def test_nothing_promises_what_nobody_can_keep() -> None:
    for language in LANGUAGES:
        for key, said in texts(language).items():
            assert not re.search(r"guarantee|always works|보장|반드시 됩니다|保証", said), key


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("en-US", "en"), ("de,ko;q=0.5", "ko"), ("", "en")],
)
def test_a_browsers_first_known_language_is_taken(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_stands_twice(language: Language) -> None:
    folder = Path(str(files("ifonly.service.words"))) / language
    keys = [
        f"{section}.{name}"
        for file in folder.iterdir()
        for section, entries in tomllib.loads(file.read_text("utf-8")).items()
        for name in entries
    ] + [key for key, _ in own_words(language)]
    assert len(keys) == len(set(keys)) == len(texts(language))
