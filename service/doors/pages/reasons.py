"""Why something is refused, in the reader's language: our own sentences, known by their shape."""

from __future__ import annotations

import re
import string
from functools import cache

from ifonly.explainers.wording import Language
from ifonly.service.words.catalogue import say, texts

SECTION = "reason."
CHECKS = "recheck."
"""Sentences of the checker: with so few words of their own that they are no others' shapes."""


def reason(problem: str, tag: Language, section: str = SECTION) -> tuple[str, Language]:
    """A sentence as the reader reads it, and its language: English if it is none of ours, or
    says what some library said."""
    if tag != "en":
        # By shape, since a loader's error is a sentence by then, not a key.
        for key, shape in _shapes(section):
            found = shape.fullmatch(problem)
            if found is not None:
                gaps = {
                    gap: reason(value, tag, section)[0] for gap, value in found.groupdict().items()
                }
                return say(key, tag, **gaps), tag
    # With its language, so that the page can mark it for screen readers.
    return problem, "en"


@cache
def _shapes(section: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The English of each as a pattern, those that say most without their gaps first."""
    english = {key: said for key, said in texts("en").items() if key.startswith(section)}
    # The most fixed text first: a sentence that is nearly all gap would match any other.
    most = sorted(english, key=lambda key: -sum(map(len, fixed_parts(english[key]))))
    return tuple((key, re.compile(_pattern(english[key]), re.DOTALL)) for key in most)


def fixed_parts(text: str) -> list[str]:
    """What stands around the gaps."""
    return [fixed for fixed, *_ in string.Formatter().parse(text)]


def _pattern(text: str) -> str:
    parts = string.Formatter().parse(text)
    # Escaped: sentences hold brackets and dots.
    return "".join(
        re.escape(fixed) + (f"(?P<{gap}>.*?)" if gap else "") for fixed, gap, *_ in parts
    )
