"""The Python in the documentation runs as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import Page

ROOT = Path(__file__).resolve().parents[2]


def test_the_code_of_the_notebook_runs_from_top_to_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = Page("notebook.md")
    page.run()
    assert str(page.names["answer"].status) == "optimal"


def test_the_code_about_tables_runs_and_says_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    page = Page("bulk.md")
    (block,) = page.of("python")
    exec(compile(block, page.name, "exec"), {})
    counts, actions, problem = capsys.readouterr().out.splitlines()
    assert f"print(found.counts)  # {counts.removeprefix('Counter(').removesuffix(')')}" in block
    assert "'feature':" in actions
    assert f"# {problem}" in block


def test_the_code_of_the_client_runs_from_top_to_bottom(
    service_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IFONLY_URL", service_url)
    monkeypatch.setenv("NO_PROXY", "*")
    page = Page("python-client.md")
    page.run()
    said = capsys.readouterr().out.splitlines()
    assert "토크" in said[0]
    assert said[1].startswith("optimal torque ")
    statuses = [line.partition(" ")[2] for line in said[2:22]]
    assert statuses[:10] + statuses[11:] == ["optimal"] * 19
    assert statuses[10].startswith("422 Not an instance of this model")
    job, table, refused, awaited, verified = said[22:]
    assert job.endswith(" done 19")
    assert table == "20 19 ['0', '1']" or table == "20 19 [0, 1]"
    assert refused.startswith("invalid-instance /instance/torque ")
    assert (awaited, verified) == (str(["optimal"] * 3), "True True")
    page.names["client"].close()


def test_two_lines_give_a_first_answer() -> None:
    setting_up, first, *_ = Page("notebook.md").of("python")
    assert len(first.split("\n\n")) == 2  # an import, and a call
    names: dict[str, object] = {}
    exec(setting_up, names)
    exec(first.replace("ifonly.explain", "found = ifonly.explain"), names)
    found: Any = names["found"]
    assert [each.status for each in found] == ["optimal"]
    assert "<svg" in found._repr_html_()
