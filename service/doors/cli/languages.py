"""In which languages a command speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ifonly.explainers.wording import DEFAULT_LANGUAGES, LANGUAGES, Language, is_language


def _language(tag: str) -> str:
    if not is_language(tag):
        raise typer.BadParameter(f"{tag!r} is not one of {', '.join(map(repr, LANGUAGES))}.")
    return tag


Languages = Annotated[
    list[str] | None,
    typer.Option(
        "--lang",
        parser=_language,
        metavar=f"[{'|'.join(LANGUAGES)}]",
        help=f"{' or '.join(LANGUAGES)}; repeatable. Default: {' and '.join(DEFAULT_LANGUAGES)}.",
    ),
]


def languages_of(given: Sequence[str] | None) -> list[Language]:
    """Those of ``--lang``, each once; without any the defaults."""
    return [tag for tag in dict.fromkeys(given or DEFAULT_LANGUAGES) if is_language(tag)]
