"""What a kind of constraint may ask of a language when it brings its own words.

A kind that has words of its own says them in ``words``, a mapping of language tag to
:data:`Saying`; a language that is not in it must have them in its folder of
:mod:`ifonly.explainers.wording` (:mod:`ifonly.explainers.wording.limits` looks in both places)::

    words: ClassVar[Words] = {
        "en": lambda kept, by: f"{by.name(kept.column)} must be even",
        "ko": lambda kept, by: f"{by.name(kept.column, '은/는')} 짝수여야 함",
    }
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Speaker(Protocol):
    """One model's features, in one language."""

    def name(self, column: int, particle: str = "") -> str:
        """The feature as the subject of a clause: "the torque", 토크는. ``particle``: both forms of
        it, ``"은/는"``, in languages that have such."""
        ...

    def value(self, column: int, value: float, particle: str = "") -> str:
        """A reading with its unit: "53.2 Nm"; of a category its label."""
        ...

    def amount(self, column: int, amount: float, particle: str = "") -> str:
        """A difference of readings: "5 K", "2 steps"."""
        ...


Saying = Callable[[Any, Speaker], str]
"""A constraint of the kind, in one clause without a period."""
Words = Mapping[str, Saying]
"""What is said, by language tag."""
