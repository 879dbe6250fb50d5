"""Text as a page sets it: a number and its percent sign stay on one line."""

from __future__ import annotations

import re

from ifonly.explainers.wording.conventions import conventions_of

NO_BREAK = "\u00a0"
_PERCENT = re.compile(r"(?<=\d) (?=%)")
# Tags are no text; what is recorded is shown word for word, and a field sends what it holds.
_KEPT = re.compile(r"(<(pre|textarea)\b.*?</\2>|<[^>]*>)", re.DOTALL)


def percents(text: str, language: str, space: str = NO_BREAK) -> str:
    """``text`` with ``95 %`` as the language writes it: ``95%`` in Korean, elsewhere with ``space``
    between, which no line breaks at."""
    return _PERCENT.sub(space if conventions_of(language).percent_space else "", text)


def typeset(html: str, language: str) -> str:
    """:func:`percents` of the text of a page, whoever wrote it: attributes, what stands in ``pre``
    and what a form sends stay as they are."""
    if not _PERCENT.search(html):
        return html
    # Each part between two that are kept is followed by the one that is, and by its name.
    parts = _KEPT.split(html)
    return "".join(
        percents(part, language) if k % 3 == 0 else part
        for k, part in enumerate(parts)
        if k % 3 != 2
    )
