"""English sentences in what a reader of another language is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

_NOT_SHOWN = frozenset({"code", "pre", "script", "style", "template", "textarea", "option"})
"""Names, files as they are, and what no page shows."""
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_SENTENCE = re.compile(r"(?:[A-Za-z][a-z']+ ){3,}[A-Za-z][a-z']+")
"""Four words of letters, one after another."""


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        # What screen readers say, and what fields show until they are filled.
        self.found += [
            text for name in ("aria-label", "placeholder", "alt") if (text := said.get(name))
        ]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not _NOT_SHOWN & set(self._open):
            self.found.append(data)


def english_in(html: str) -> Iterator[str]:
    """Sentences of a page that have four English words in a row, or more."""
    texts = _Texts()
    texts.feed(html)
    for text in texts.found:
        plain = " ".join(text.split())
        if _SENTENCE.search(plain):
            yield plain


def is_english(text: str) -> bool:
    """Whether a sentence has four English words in a row."""
    return _SENTENCE.search(text) is not None
