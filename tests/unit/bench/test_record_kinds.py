"""The documentation lists the kinds of record that there are."""

from __future__ import annotations

from bench.record_kinds import PAGE, page
from ifonly.service.store.kinds import KINDS


def test_the_table_is_as_the_kinds_are() -> None:
    """Else: ``python -m bench.record_kinds``."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
    assert all(f"| `{kind}` | {each.tells} |" in text for kind, each in KINDS.items())
