"""The published schema of tables is that of the code."""

from __future__ import annotations

from bench.bulk_schema import FILE, written


def test_the_file_is_as_the_schemas_are() -> None:
    """Else: ``python -m bench.bulk_schema``."""
    assert FILE.read_text(encoding="utf-8") == written()
