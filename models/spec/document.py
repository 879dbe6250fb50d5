"""``spec.toml`` as a document that its published JSON Schema accepts."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from ifonly.models.document import Document, Path, read_document, well_shaped


@cache
def json_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of ``spec.toml``."""
    text = (files("ifonly.models") / "spec.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def read_spec(text: bytes, file: str) -> Document:
    """Read ``spec.toml`` and check its shape.

    Raises
    ------
    SpecError
        With the line and column of a syntax error, or with every key that is wrong.
    """
    return read_document(text, file, json_schema(), _is_bound)


def rest_of_spec(text: bytes, file: str) -> Document:
    """What :func:`read_spec` finds nothing wrong with, of a file that it refuses.

    Raises
    ------
    SpecError
        If it is no TOML.
    """
    return well_shaped(text, file, json_schema(), _is_bound)


def _is_bound(path: Path) -> bool:
    # Only there "no limit" is meant; an infinite cost or weight would be a slip.
    return path[0] == "features" and "bounds" in path
