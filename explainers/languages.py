"""The one declaration of the languages that people are spoken to in.

A language is its tag here, a folder of :mod:`ifonly.explainers.wording` (see
:class:`ifonly.explainers.wording.catalogue.Catalogue` for what must be in it) and a folder of
``service/words``. All else (types of the wire format, filters, pages, command line) derives from
this.
"""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

Language = Literal["ko", "en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT_LANGUAGES: tuple[Language, ...] = ("ko", "en")
"""Languages of a reply where the request names none."""


def is_language(tag: str) -> TypeGuard[Language]:
    """Whether ``tag`` is one of ours."""
    return tag in LANGUAGES
