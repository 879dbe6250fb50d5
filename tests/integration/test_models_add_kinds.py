"""Kinds of models, each registered from its file and a table alone; its first answer is held
against a session of its own, and what ``docs/kinds.md`` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import kinds
from ifonly.models.adding.confinement import is_possible
from ifonly.service.doors.cli import in_process


def test_the_page_has_a_row_of_each() -> None:
    assert len(kinds.KINDS) >= 40
    assert list(kinds.written()) == [kind.name for kind in kinds.KINDS]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_a_kind_of_model_from_its_file_and_a_table_alone(
    kind: kinds.ModelKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind.options and not is_possible():
        pytest.skip("needs Landlock and seccomp, of Linux from 5.13 on")
    monkeypatch.setenv("IFONLY_DATA", str(tmp_path / "data"))
    found = kinds.explain(kinds.register(kind, tmp_path), tmp_path, 1)
    assert found.statuses
    _, suffix, reading, engines, *_ = kinds.written()[kind.name]
    assert suffix == f"`.{kind.file.partition('.')[2]}`"
    assert reading == found.reading
    assert set(found.engines) <= set(engines.split(", "))


def test_an_answer_that_does_not_hold_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFONLY_DATA", str(tmp_path / "data"))
    served = kinds.register(kinds.KINDS[0], tmp_path)
    answered = in_process.explain

    def unchanged(*asked: object) -> in_process.Reply:
        reply = answered(*asked)  # type: ignore[arg-type]
        for found in reply["counterfactuals"]:
            found["instance"] = asked[1]["instance"]  # type: ignore[index]
        return reply

    monkeypatch.setattr(in_process, "explain", unchanged)
    with pytest.raises(AssertionError):
        kinds.explain(served, tmp_path, 1)
