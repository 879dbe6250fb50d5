"""What people read, by key: one folder of texts for each language.

A file of ``service/words/<language>/`` has sections of texts; a text's key is
``"<section>.<name>"``, and a gap in it is ``{so}``. A kind of record may bring its own words. Tests
name a key that a language lacks, and one that nothing says.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.models.schema import Labels
from ifonly.service.store.kinds import own_words


# Read once: texts are files of the package, and every reply needs them.
@cache
def texts(language: Language) -> Mapping[str, str]:
    """All texts of a language, by key."""
    found = dict(own_words(language))
    for file in files("ifonly.service.words").joinpath(language).iterdir():
        for section, entries in tomllib.loads(file.read_text("utf-8")).items():
            found |= {f"{section}.{name}": text for name, text in entries.items()}
    return found


def say(key: str, language: Language, **values: object) -> str:
    """One text, its gaps filled in."""
    text = texts(language)[key]
    # Without values braces stay as they are.
    return text.format_map(values) if values else text


def is_said(key: str, language: Language) -> bool:
    """Whether there is such a text."""
    return key in texts(language)


def in_each(told: Callable[[Language], str]) -> Labels:
    """What ``told`` says, by language."""
    return {language: told(language) for language in LANGUAGES}


def say_all(key: str, **values: object) -> Labels:
    """One text in every language, its gaps filled in alike."""
    return in_each(lambda language: say(key, language, **values))


def chosen(said: Labels, languages: Sequence[str]) -> dict[str, str]:
    """Of ``said``, what was asked for."""
    return {tag: said[tag] for tag in languages}


def preferred(accepted: str) -> Language:
    """The first language of a browser's ``Accept-Language`` that is one of ours."""
    # Weights (q=) are not read: browsers send languages in the order of preference.
    for part in accepted.lower().split(","):
        tag = part.partition(";")[0].strip().partition("-")[0]
        for language in LANGUAGES:
            if tag == language:
                return language
    return "en"
