"""The words that a plant gives of its own: for a decision, and for setting a value.

A *clause* says that something is the case, in a form that takes any mood. Each language has a form
of its own; ``own_words`` in its folder reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.languages import LANGUAGES
from ifonly.explainers.wording.text import clean
from ifonly.models.schema import Decision, Feature, Labels, Schema

Phrases = Mapping[str, Mapping[str, Labels]]
"""Feature name to value (as text) to the words for setting that value."""

ALARM, SCORE = "alarm", "score"
"""Keys of ``decision.phrases`` that hold a noun; every other key is a class and holds a clause."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause in one language: base of each language's own."""


Clauses = Mapping[str, Clause]
"""One clause in the languages that it was given in."""
ReadClause = Callable[[str, str], Clause]
"""Reads a clause; ``InvalidPolicy`` names the key, the second argument."""
Readers = Mapping[str, ReadClause]
"""By language."""

NOTHING: Clauses = MappingProxyType({})


def read_clauses(labels: Labels, key: str, readers: Readers) -> Clauses:
    """One clause in its languages.

    Raises
    ------
    InvalidPolicy
        Naming the language whose clause cannot be used.
    """
    known_languages(labels, key)
    return {tag: readers[tag](text, f"{key}.{tag}") for tag, text in labels.items()}


@dataclass(frozen=True, slots=True)
class OwnWords:
    """Clauses for setting values: column and value to clauses."""

    clauses: Mapping[tuple[int, float], Clauses]

    @classmethod
    def read(cls, phrases: Phrases, schema: Schema, readers: Readers) -> OwnWords:
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
                clauses[schema.index(name), number] = read_clauses(labels, key, readers)
        return cls(clauses)

    def of(self, column: int, value: float) -> Clauses:
        return self.clauses.get((column, value), NOTHING)


@dataclass(frozen=True, slots=True)
class DecisionWords:
    """Nouns and clauses for a decision."""

    alarm: Labels
    score: Labels
    clauses: Mapping[int, Clauses]
    """The clauses of each class, by its position."""

    @classmethod
    def read(cls, decision: Decision, readers: Readers) -> DecisionWords:
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
                clauses[decision.class_names.index(name)] = read_clauses(labels, key, readers)
            else:
                known = (ALARM, SCORE, *decision.class_names)
                raise InvalidPolicy(key, f"is none of {', '.join(known)}", name, known)
        nouns = decision.phrases
        return cls(nouns.get(ALARM, {}), nouns.get(SCORE, {}), clauses)


def known_languages(labels: Labels, key: str) -> None:
    for language, text in labels.items():
        # A language that is misspelt would never be said, and nobody would notice.
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
