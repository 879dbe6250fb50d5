"""Text that people wrote (labels, reasons) made safe to stand inside a sentence."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from ifonly.explainers.wording.conventions import conventions_of
from ifonly.models.schema import Category, Feature, Labels


@lru_cache(maxsize=4_096)
def clean(text: str) -> str:
    """``text`` on one line: control, format and separator characters become single spaces."""
    # A line break or a direction mark in a label could make the sentence say something else.
    spaced = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(spaced.split())


def label_of(thing: Feature | Category, language: str) -> str:
    """What people call a feature or a category; never empty."""
    own = clean(given(thing.labels, language) or "")
    if own:
        return own
    name = clean(thing.name)
    return clean(name.replace("_", " ")) if isinstance(thing, Feature) else name or "?"


def given(labels: Labels, language: str) -> str | None:
    """The text in ``language``, or in a language that stands in for it; None where it has none."""
    for tag in (language, *conventions_of(language).labels_from):
        if tag in labels:
            return labels[tag]
    return None


def bracketed(text: str, glue: str = " ") -> str:
    """``text`` in brackets after ``glue``; nothing for no text."""
    return f"{glue}({text})" if text else ""


def reason(why: Labels, language: str) -> str:
    """A reason without the period that would end the sentence around it."""
    # The sentence around it brings its own period.
    return clean(why.get(language, "")).rstrip(".。 ")
