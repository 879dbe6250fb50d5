"""Refusals in the language that a client asks for, beside the English that programs read."""

from __future__ import annotations

from typing import Any

from ifonly.explainers.wording import Language
from ifonly.service.words.catalogue import is_said, say
from ifonly.service.words.reasons import told


def title_of(slug: str, fallback: str, tag: Language) -> str:
    """What a kind of refusal is called."""
    key = f"problem.{slug}"
    return say(key, tag) if is_said(key, tag) else fallback


def localized(said: dict[str, Any], slug: str, tag: Language) -> dict[str, Any]:
    """The member that has a problem's title and sentences, those of its errors in their order, in
    ``tag``; what nobody has words for stays English. ``said``: the problem details."""
    return {
        "localized": {
            "language": tag,
            "title": title_of(slug, said["title"], tag),
            "detail": told(said["detail"], tag)[0],
            "errors": [told(error["detail"], tag)[0] for error in said.get("errors", ())],
        }
    }
