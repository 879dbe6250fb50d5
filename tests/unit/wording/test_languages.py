"""Every language is complete; what one lacks is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

import ifonly.explainers.wording
from ifonly.explainers.constraints import MaxChange, Origin, Single, Source
from ifonly.explainers.speaker import Words
from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.explainers.wording.catalogue import Grammar, catalogue
from ifonly.explainers.wording.conventions import WORDS, canonical, conventions
from ifonly.explainers.wording.en.limits import EnglishLimits
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.limits import kinds, require_words, saying
from tests.unit.wording.plant import SCHEMA, TORQUE

PACKAGE = Path(ifonly.explainers.wording.__file__).parent
SENTENCES = [name for name in vars(Grammar) if not name.startswith("_")]
GAUGES = tuple(Gauge.of(feature) for feature in SCHEMA.features)


def test_every_folder_is_a_declared_language_and_the_other_way_round():
    folders = {p.parent.name for p in PACKAGE.glob("*/catalogue.py")}
    assert folders == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_is_there(language: Language, sentence: str):
    assert callable(getattr(catalogue(language).grammar, sentence, None))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("unit", sorted(WORDS))
def test_every_unit_that_is_a_word_has_one(language: Language, unit: str):
    assert unit in conventions(language).units


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_kind_of_constraint_has_words_of_its_own(language: Language, kind: type):
    limits = catalogue(language).limits
    assert limits.language == language
    assert kind in limits.words or language in getattr(kind, "words", {})


@dataclass(frozen=True)
class Even(Single):
    """A kind that brings its own words in two languages."""

    words: ClassVar[Words] = {
        "en": lambda kept, by: f"{by.name(kept.column)} must be even",
        "ko": lambda kept, by: f"{by.name(kept.column, '은/는')} 짝수여야 함",
    }


@dataclass(frozen=True)
class Silent(Single):
    """A kind without words."""


EVEN = Even(TORQUE, origin=Origin(Source.POLICY, "policy.even", {"en": "as built"}))


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "the torque must be even (as built)"), ("ko", "토크는 짝수여야 함")],
)
def test_a_kind_may_bring_its_own_words(language: Language, said: str):
    assert catalogue(language).limits(GAUGES).say(EVEN) == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_kind_without_words_is_named(language: Language):
    with pytest.raises(TypeError, match=f"Silent has no words in {language}"):
        require_words(catalogue(language).limits, [MaxChange, Silent])


class NewLimits(EnglishLimits):
    """A language that came after the kind."""

    language: ClassVar[Any] = "xx"
    words: ClassVar = {Even: lambda kept, by: "even"}


def test_the_folder_of_a_later_language_has_the_words_that_a_kind_does_not_bring():
    assert saying(Even, EnglishLimits) is Even.words["en"]
    assert saying(Even, NewLimits) is NewLimits.words[Even]


def test_a_unit_is_known_by_the_words_of_every_language():
    assert canonical("분") == canonical("minutes") == "min"
    assert canonical("Nm") == "Nm"
