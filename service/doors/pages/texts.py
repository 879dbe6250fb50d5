"""What the pages say, in both languages: the files of ``words`` are the one place."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = ("ko", "en")


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """Text by language, by dotted key."""
    found: dict[str, Mapping[str, str]] = {}
    for file in files("service.doors.pages").joinpath("words").iterdir():
        for section, entries in tomllib.loads(file.read_text("utf-8")).items():
            found |= {f"{section}.{key}": text for key, text in entries.items()}
    return found


def say(key: str, language: Language, **values: object) -> str:
    """One text, its gaps filled in."""
    text = texts()[key][language]
    return text.format_map(values) if values else text


def preferred(accepted: str) -> Language:
    """Of a browser's ``Accept-Language``."""
    for part in accepted.lower().split(","):
        tag = part.partition(";")[0].strip().partition("-")[0]
        for language in LANGUAGES:
            if tag == language:
                return language
    return "en"
