"""The benchmark's tables: one line a library, and all studies taken together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.judge import NOTHING, Weighed
from bench.peers.catalogue import USES
from bench.peers.contract import Reply
from bench.profiles import QUICK
from bench.report import _summary, write_report
from bench.results import Line, ResultQuestion, Results
from bench.study import Rules, StudyLever, StudySetup

LEVER = StudyLever("torque", "continuous", 0.0, 100.0, "0.1", 10.0, 0)
STUDY = StudySetup(
    "machine", "forest", "free", "forest", "binary", 0.5, True, (LEVER,), Rules(), "", "", ""
)


def question(row: float, cost: float | None, cpu: float, *, proven: bool = False) -> ResultQuestion:
    answered = cost is not None
    reply = Reply("answer", cpu, cpu, rows=[[row]] if answered else [], is_proven=proven)
    weighed = NOTHING if cost is None else Weighed(cost, True, ())
    return ResultQuestion((row,), reply, weighed, weighed)


def line(method: str, *questions: ResultQuestion, study: StudySetup = STUDY) -> Line:
    use = next(use for use in USES if use.method == method)
    status = "asked" if questions else "unsupported"
    return Line(study, use, status, questions)


@pytest.fixture
def results() -> Results:
    ours = question(1.0, 2.0, 0.001, proven=True), question(2.0, 1.0, 0.002, proven=True)
    other = replace(STUDY, model="boosted")
    found = Results("quick")
    found.add(line("ours", *ours))
    found.add(line("nice-proximity", question(1.0, 6.0, 0.003), question(2.0, None, 0.004)))
    found.add(line("ours", *ours, study=other))
    found.add(line("nice-proximity", study=other))
    return found


def test_all_studies_together_weigh_every_question_the_same(results: Results) -> None:
    ours, nice = _summary(results, "free")
    assert ours == ["ours", "2 of 2", "4", "100%", "100%", "100%", "0", "1.00 (1.00)", "1", "0"]
    assert nice[:3] == ["nice-proximity", "1 of 2", "2"]
    assert nice[3:6] == ["50%", "50%", "0%"]
    assert nice[7:] == ["3.00 (3.00)", "2.5", "0"]
    assert list(_summary(results, "rules")) == []


def test_a_claim_that_another_answer_contradicts_is_wrong_and_not_proven(results: Results) -> None:
    results.add(line("treecf-exact", question(1.0, 2.5, 0.1, proven=True)))
    treecf = list(_summary(results, "free"))[-1]
    assert treecf[5:7] == ["0%", "1"]


def test_the_report_is_a_table_a_file_of_figures_and_two_plots(
    results: Results, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")  # of the extra "bench"
    write_report(results, tmp_path, QUICK)
    text = (tmp_path / "quick.md").read_text()
    assert "## All studies without rules" in text
    assert "## machine, boosted, without rules" in text
    assert "All studies with rules" not in text
    assert len((tmp_path / "quick.csv").read_text().splitlines()) == 1 + 6
    assert {p.name for p in tmp_path.glob("*.png")} == {"quick-cost.png", "quick-proven.png"}
