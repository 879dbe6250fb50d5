"""Text as a page sets it: a number and its percent sign stay on one line."""

from __future__ import annotations

import re

from ifonly.explainers.wording.conventions import conventions_of

NO_BREAK = "\u00a0"
# What is sought comes first, which `re` looks for fast: a page has few of them.
_PERCENT = re.compile(r" %(?<=\d %)")
# Not within a tag: attributes are no text. Autoescape leaves no angle bracket in one.
_IN_TEXT = re.compile(r" %(?<=\d %)(?![^<>]*>)")
# What is recorded is shown word for word, and a field sends what it holds.
_KEPT = re.compile(r"(<(pre|textarea)\b.*?</\2>)", re.DOTALL)


def percents(text: str, language: str, space: str = NO_BREAK) -> str:
    """``text`` with ``95 %`` as the language writes it: ``95%`` in Korean, elsewhere with ``space``
    between, which no line breaks at."""
    return _PERCENT.sub(_between(language, space), text)


def typeset(html: str, language: str) -> str:
    """:func:`percents` of the text of a page, whoever wrote it: attributes, what stands in ``pre``
    and what a form sends stay as they are."""
    sign = _between(language, NO_BREAK)
    # Each part between two that are kept is followed by the one that is, and by its name.
    parts = _KEPT.split(html)
    return "".join(
        _IN_TEXT.sub(sign, part) if k % 3 == 0 else part
        for k, part in enumerate(parts)
        if k % 3 != 2
    )


def _between(language: str, space: str) -> str:
    return f"{space}%" if conventions_of(language).percent_space else "%"
