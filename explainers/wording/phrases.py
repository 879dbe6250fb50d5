"""The words that a plant gives of its own: for a decision, and for setting a value.

A *clause* says that something is the case, in a form that takes any mood:

- English: ``<subject> been <participle …>``, subject in the singular: ``the tool been replaced``
  gives "Had the tool been replaced", "Had the model read the tool as replaced", "the tool would
  (not) have been replaced".
- Korean: a verb's stem without 하, ``공구를 교체`` (했다면, 하지 않았을 것입니다, 한), or one that
  ends in 되: ``대출이 승인되`` (었다면, 지 않았을 것입니다, 된).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from explainers.errors import InvalidPolicy
from explainers.wording.numerals import LANGUAGES
from explainers.wording.text import clean
from models.schema import Decision, Feature, Labels, Schema

Phrases = Mapping[str, Mapping[str, Labels]]
"""Feature name to value (as text) to the words for setting that value."""

ALARM, SCORE = "alarm", "score"
"""Keys of ``decision.phrases`` that hold a noun; every other key is a class and holds a clause."""

_CONJUGATED = re.compile(r"(하다|되다|한다|된다|하고|되고|하면|되면|다면|[.!?])$")


@dataclass(frozen=True, slots=True)
class EnglishClause:
    """``the tool`` and ``replaced``."""

    subject: str
    predicate: str

    @classmethod
    def read(cls, text: str, key: str) -> EnglishClause:
        subject, been, predicate = clean(text).partition(" been ")
        if not (subject and been and predicate) or predicate.endswith((".", "!", "?")):
            problem = (
                f"is {text!r}, not '<subject> been <participle>' as in 'the tool been replaced'"
            )
            raise InvalidPolicy(key, problem, text)
        return cls(subject, predicate)


@dataclass(frozen=True, slots=True)
class KoreanClause:
    """``공구를 교체`` and the verb that carries it, 하다 or 되다."""

    stem: str
    is_passive: bool

    @classmethod
    def read(cls, text: str, key: str) -> KoreanClause:
        stem = clean(text)
        bare = stem.removesuffix("되")
        if not bare or not "가" <= bare[-1] <= "힣" or _CONJUGATED.search(stem):
            problem = f"is {text!r}, not a stem without 하 ('공구를 교체') or with 되 ('승인되')"
            raise InvalidPolicy(key, problem, text)
        return cls(bare, stem != bare)

    @property
    def past(self) -> str:
        return self.stem + ("되었" if self.is_passive else "했")

    @property
    def past_denied(self) -> str:
        return self.stem + ("되지 않았" if self.is_passive else "하지 않았")

    @property
    def joined(self) -> str:
        return self.stem + ("되고" if self.is_passive else "하고")

    @property
    def adnominal(self) -> str:
        return self.stem + ("된" if self.is_passive else "한")

    @property
    def noun(self) -> str:
        return self.stem + ("됨" if self.is_passive else "")


@dataclass(frozen=True, slots=True)
class Clauses:
    """One clause in the languages it was given in."""

    english: EnglishClause | None = None
    korean: KoreanClause | None = None

    @classmethod
    def read(cls, labels: Labels, key: str) -> Clauses:
        known_languages(labels, key)
        return cls(
            EnglishClause.read(labels["en"], f"{key}.en") if "en" in labels else None,
            KoreanClause.read(labels["ko"], f"{key}.ko") if "ko" in labels else None,
        )


NOTHING = Clauses()


@dataclass(frozen=True, slots=True)
class OwnWords:
    """Clauses for setting values: column and value to clauses."""

    clauses: Mapping[tuple[int, float], Clauses]

    @classmethod
    def read(cls, phrases: Phrases, schema: Schema) -> OwnWords:
        """Check and read the policy's phrases.

        Raises
        ------
        InvalidPolicy
            Naming the feature, the value or the clause that cannot be used.
        """
        clauses = {}
        for name, by_value in phrases.items():
            if name not in schema:
                raise InvalidPolicy(f"policy.features.{name}", "is not a feature", name)
            for value, labels in by_value.items():
                key = f"policy.features.{name}.phrases.{value}"
                number = _value(schema[name], value, key)
                clauses[schema.index(name), number] = Clauses.read(labels, key)
        return cls(clauses)

    def of(self, column: int, value: float) -> Clauses:
        return self.clauses.get((column, value), NOTHING)


@dataclass(frozen=True, slots=True)
class DecisionWords:
    """Nouns and clauses for a decision."""

    alarm: Labels
    score: Labels
    clauses: Mapping[int, Clauses]
    """By position of the class."""

    @classmethod
    def read(cls, decision: Decision) -> DecisionWords:
        """Check and read ``decision.phrases``.

        Raises
        ------
        InvalidPolicy
            Naming the phrase that cannot be used.
        """
        clauses = {}
        for name, labels in decision.phrases.items():
            key = f"decision.phrases.{name}"
            if name in (ALARM, SCORE):
                known_languages(labels, key)
            elif name in decision.class_names:
                clauses[decision.class_names.index(name)] = Clauses.read(labels, key)
            else:
                known = (ALARM, SCORE, *decision.class_names)
                raise InvalidPolicy(key, f"is none of {', '.join(known)}", name, known)
        nouns = decision.phrases
        return cls(nouns.get(ALARM, {}), nouns.get(SCORE, {}), clauses)


def known_languages(labels: Labels, key: str) -> None:
    for language, text in labels.items():
        if language not in LANGUAGES or not clean(text):
            problem = "is empty" if language in LANGUAGES else f"is none of {', '.join(LANGUAGES)}"
            raise InvalidPolicy(f"{key}.{language}", problem, text, LANGUAGES)


def _value(feature: Feature, text: str, key: str) -> float:
    if feature.kind.is_categorical:
        if text not in feature.category_names:
            names = feature.category_names
            raise InvalidPolicy(key, f"is none of the categories {', '.join(names)}", text, names)
        return float(feature.category_names.index(text))
    try:
        return float(Decimal(text))
    except InvalidOperation:
        raise InvalidPolicy(key, f"is {text!r}, not a number", text) from None
