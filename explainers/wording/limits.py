"""Constraints in words: where the words of each kind are found.

A kind brings its own words (``words``, by language: :mod:`ifonly.explainers.speaker`), or the
language's folder has them (:attr:`Limits.words`, by kind). So a new kind touches its own module,
and a new language its own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ifonly.explainers.constraints import Constraint
from ifonly.explainers.constraints.registry import KINDS
from ifonly.explainers.languages import Language
from ifonly.explainers.speaker import Words
from ifonly.explainers.wording.gauges import Gauge, quantity
from ifonly.explainers.wording.numerals import Number, decimal
from ifonly.explainers.wording.text import reason

Saying = Callable[[Any, Any], str]
"""A constraint, said by the limits of a language: one clause without a period."""


@dataclass(frozen=True)
class Limits:
    """What is allowed, in one language: base of each language's own, which says how a feature is
    named and has words for every kind that brings none."""

    gauges: Sequence[Gauge]

    language: ClassVar[Language]
    words: ClassVar[Mapping[type[Constraint], Saying]]
    """By kind."""
    brackets: ClassVar[tuple[str, str]] = (" (", ")")
    """Around the reason behind a clause."""

    def say(self, constraint: Constraint) -> str:
        """One clause, without a period; the reason, if one was given, in brackets."""
        said = saying(type(constraint), type(self)) or type(self).by_key
        why = reason(constraint.origin.why, self.language)
        before, behind = self.brackets
        return said(constraint, self) + (f"{before}{why}{behind}" if why else "")

    def name(self, column: int, particle: str = "") -> str:
        """See :class:`ifonly.explainers.speaker.Speaker`."""
        return self.ended(self.gauges[column].label(self.language), particle)

    def value(self, column: int, value: float, particle: str = "") -> str:
        """See :class:`ifonly.explainers.speaker.Speaker`."""
        return self.ended(self.gauges[column].value(value, self.language), particle)

    def amount(self, column: int, amount: float, particle: str = "") -> str:
        """See :class:`ifonly.explainers.speaker.Speaker`."""
        gauge = self.gauges[column]
        number = Number(decimal(amount))
        if gauge.feature.kind.is_categorical:
            return self.ended(self.steps(number), particle)
        # A difference of percentages is in points, of °C in °C without a zero.
        said = quantity(number, gauge.unit.difference, self.language)
        return self.ended(said, particle)

    def ended(self, text: str, particle: str) -> str:
        """``text`` with the form of ``particle`` that follows it; languages without any have
        nothing to add."""
        return text

    def steps(self, number: Number) -> str:
        """So many steps along the order of categories."""
        raise NotImplementedError

    @staticmethod
    def by_key(constraint: Constraint, by: Any) -> str:
        """A kind that nobody has words for: by where it was declared."""
        raise NotImplementedError


def saying(kind: type[Constraint], limits: type[Limits]) -> Saying | None:
    """The words of a kind: its own, else the language's, else those of the kind it is made from;
    None where nobody has any."""
    # A caller's own kind that is made from one of ours may be said as that.
    for each in kind.__mro__:
        if issubclass(each, Constraint):
            own: Words = vars(each).get("words", {})
            found = own.get(limits.language) or limits.words.get(each)
            if found is not None:
                return found
    return None


def kinds() -> tuple[type[Constraint], ...]:
    """All kinds of constraint that the package knows."""
    return tuple(kind.constraint for kind in KINDS)


def require_words(limits: type[Limits], of: Sequence[type[Constraint]] | None = None) -> None:
    """Every kind has words in the language of ``limits``.

    Raises
    ------
    TypeError
        Naming the kind and the language that have none.
    """
    for kind in kinds() if of is None else of:
        if saying(kind, limits) is None:
            raise TypeError(
                f"the constraint kind {kind.__name__} has no words in {limits.language}"
            )
