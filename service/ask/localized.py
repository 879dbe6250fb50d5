"""Refusals in the language of whoever reads them, beside the English that programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.service.words.catalogue import is_said, say
from ifonly.service.words.reasons import told


def title_of(slug: str, fallback: str, tag: Language) -> str:
    """What a kind of refusal is called."""
    key = f"problem.{slug}"
    return say(key, tag) if is_said(key, tag) else fallback


def detail_of(said: Mapping[str, Any], tag: Language) -> tuple[str, Language]:
    """What is wrong, and in which language that is told. ``said``: problem details."""
    detail, errors = said["detail"], [error["detail"] for error in said.get("errors", ())]
    # Sentence by sentence, where it is nothing but those of its errors: some have semicolons.
    if len(errors) > 1 and detail == "; ".join(errors):
        parts = [told(error, tag) for error in errors]
        is_whole = all(language == tag for _, language in parts)
        return "; ".join(part for part, _ in parts), tag if is_whole else "en"
    return told(detail, tag)


def localized(said: Mapping[str, Any], slug: str, tag: Language) -> dict[str, Any]:
    """The member that has a problem's title and sentences, those of its errors in their order, in
    ``tag``; what nobody has words for stays English. ``said``: problem details."""
    return {
        "localized": {
            "language": tag,
            "title": title_of(slug, said["title"], tag),
            "detail": detail_of(said, tag)[0],
            "errors": [told(error["detail"], tag)[0] for error in said.get("errors", ())],
        }
    }
