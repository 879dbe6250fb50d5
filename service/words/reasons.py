"""Why something is refused, in the reader's language: our own sentences, known by their shape."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
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


def told(text: str, tag: Language) -> tuple[str, Language]:
    """As :func:`reason`, of what may be several sentences: one a line, after semicolons, or behind
    the file or the key that it is of. One that is English keeps all of it so marked."""
    said, language = reason(text, tag)
    if language == tag:
        return said, tag
    for mark in ("\n", "; "):
        if mark in text:
            parts = [told(part, tag) for part in text.split(mark)]
            return mark.join(part for part, _ in parts), _common(parts, tag)
    if (place := _PLACE.match(text)) is not None:
        rest, language = told(text[place.end() :], tag)
        return f"{place[0]}{rest}", language
    return text, "en"


_PLACE = re.compile(r"[\w./\[\]<>-]+: ")
"""A file, or a key within it."""


def _common(parts: Iterable[tuple[str, Language]], tag: Language) -> Language:
    return tag if all(language == tag for _, language in parts) else "en"


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
        re.escape(fixed) + (f"(?P<{gap}>{_GAPS.get(gap, '.*?')})" if gap else "")
        for fixed, gap, *_ in parts
    )


_GAPS = {"field": r"[^,;:\n]{1,80}?"}
"""Of gaps that take less than anything: a name, or every sentence would begin with one."""
