"""How tests are handed out."""

from __future__ import annotations

from pathlib import Path

from tests.support import order


def test_files_that_are_handed_out_first_are_there() -> None:
    tests = Path(__file__).resolve().parents[1]
    assert [name for name in order.LONGEST if not (tests / name).is_file()] == []
