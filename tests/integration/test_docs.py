"""The Python in the documentation runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["docs/notebook.md"])
def test_the_code_on_a_page_runs_from_top_to_bottom(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)  # our own page, not input
    assert str(names["answer"].status) == "optimal"  # type: ignore[attr-defined]


def test_two_lines_give_a_first_answer() -> None:
    setting_up, first, *_ = BLOCK.findall((ROOT / "docs/notebook.md").read_text(encoding="utf-8"))
    assert len(first.split("\n\n")) == 2  # an import, and a call
    names: dict[str, object] = {}
    exec(setting_up, names)
    exec(first.replace("ifonly.explain", "found = ifonly.explain"), names)
    found: Any = names["found"]
    assert [each.status for each in found] == ["optimal"]
    assert "<svg" in found._repr_html_()
