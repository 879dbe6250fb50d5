"""What came out: questions, lines of the table, and what is best known of each question."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bench.judge import Weighed
from bench.peers.catalogue import Use
from bench.peers.contract import Reply
from bench.study import StudySetup

LATE = 1.25
"""A proof that takes this many times the time allowed comes too late to count (treecf's warm
start is added to its limit)."""

NEAR = 1e-6
"""Relative difference of costs that rounding explains."""


@dataclass(frozen=True)
class ResultQuestion:
    """One row, what a library said of it, and what that is worth."""

    row: tuple[float, ...]
    reply: Reply
    best: Weighed
    snapped: Weighed


@dataclass(frozen=True)
class Line:
    """One use of one library for one study."""

    study: StudySetup
    use: Use
    status: str
    """``asked``, or why not: ``unsupported``, ``not installed``, ``error``, ``timeout``."""
    questions: tuple[ResultQuestion, ...] = ()
    cannot: tuple[str, ...] = ()
    version: str = ""
    seconds_to_prepare: float = 0.0
    note: str = ""

    def share(self, counted: list[bool]) -> float:
        return float(np.mean(counted)) if counted else math.nan

    @property
    def flips(self) -> float:
        return self.share([q.best.flips for q in self.questions])

    @property
    def holds(self) -> float:
        return self.share([q.best.holds for q in self.questions])

    @property
    def holds_snapped(self) -> float:
        return self.share([q.snapped.holds for q in self.questions])

    @property
    def broken(self) -> dict[str, int]:
        """Kind of rule to the number of flipping answers that break it."""
        kinds = [k for q in self.questions if q.best.flips for k in q.best.broken]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    @property
    def timeouts(self) -> int:
        return sum(q.reply.status == "timeout" for q in self.questions)

    @property
    def errors(self) -> int:
        return sum(q.reply.status == "error" for q in self.questions)

    def cpu(self, quantile: float) -> float:
        """Milliseconds of CPU a question."""
        spent = [q.reply.cpu for q in self.questions]
        return 1e3 * float(np.quantile(spent, quantile)) if spent else math.nan

    def engine_cpu(self, quantile: float) -> float | None:
        """Milliseconds of CPU in the search alone; None where that is not told apart."""
        spent = [q.reply.engine_cpu for q in self.questions if q.reply.engine_cpu is not None]
        return 1e3 * float(np.quantile(spent, quantile)) if spent else None

    def wall(self, quantile: float) -> float:
        """Milliseconds a question."""
        spent = [q.reply.wall for q in self.questions]
        return 1e3 * float(np.quantile(spent, quantile)) if spent else math.nan

    @property
    def model_rows(self) -> float | None:
        rows = [q.reply.model_rows for q in self.questions if q.reply.model_rows is not None]
        return float(np.median(rows)) if rows else None

    def summary(self) -> str:
        if self.status != "asked":
            return f"{self.use.method:17} {self.status}: {self.note}"
        proven = self.share([q.reply.is_proven for q in self.questions])
        costs = [q.best.cost for q in self.questions if q.best.holds]
        cost = float(np.median(costs)) if costs else math.nan
        notes = [q.reply.note for q in self.questions if q.reply.status != "answer"]
        return (
            f"{self.use.method:17} flips {self.flips:4.0%} holds {self.holds:4.0%} "
            f"(snapped {self.holds_snapped:4.0%}) says proven {proven:4.0%} cost {cost:7.3f} "
            f"cpu {self.cpu(0.5):8.1f} p95 {self.cpu(0.95):8.1f} ms {_search(self)}"
            f"rows {self.model_rows} {self.broken or ''} {set(notes) or ''}"
        )


def _search(line: Line) -> str:
    median, p95 = line.engine_cpu(0.5), line.engine_cpu(0.95)
    return "" if median is None else f"(search {median:.2f}, {p95:.2f}) "


@dataclass
class Results:
    """All lines of a run."""

    profile: str
    lines: list[Line] = field(default_factory=list)

    def add(self, line: Line) -> None:
        self.lines.append(line)

    @property
    def studies(self) -> list[StudySetup]:
        return list({line.study.key: line.study for line in self.lines}.values())

    def of(self, study: StudySetup) -> list[Line]:
        return [line for line in self.lines if line.study.key == study.key]

    def best_known(self, study: StudySetup) -> dict[tuple[float, ...], float]:
        """The least cost of an answer that holds, whoever found it, by question."""
        best: dict[tuple[float, ...], float] = {}
        for line in self.of(study):
            for question in line.questions:
                for weighed in (question.best, question.snapped):
                    if weighed.holds:
                        known = best.get(question.row, math.inf)
                        best[question.row] = min(known, weighed.cost)
        return best

    def reference(self, study: StudySetup) -> dict[tuple[float, ...], float]:
        """What costs are divided by: our optimum where it is proven, else the best known."""
        known = dict(self.best_known(study))
        for line in self.of(study):
            if line.use.method != "ours":
                continue
            for question in line.questions:
                if question.reply.is_proven and question.best.holds:
                    known[question.row] = question.best.cost
        return known

    def ratios(self, line: Line) -> list[float]:
        """Cost over the reference of every answer that holds."""
        reference = self.reference(line.study)
        return [
            q.best.cost / reference[q.row] if reference[q.row] > 0 else 1.0
            for q in line.questions
            if q.best.holds
        ]

    def proven(self, line: Line) -> float:
        """Share of questions answered with a proof that nobody's answer contradicts."""
        reference = self.reference(line.study)
        return line.share([self._is_proven(q, reference, line) for q in line.questions])

    def wrong_claims(self, line: Line) -> int:
        """Claims of an optimum (or of no answer) that an answer that holds contradicts."""
        reference = self.reference(line.study)
        claims = [q for q in line.questions if q.reply.is_proven]
        if line.cannot:  # it proved the answer to an easier question, and says so
            claims = [q for q in claims if not q.best.flips]
        return sum(not self._is_true(q, reference, line.study) for q in claims)

    def _is_proven(
        self, question: ResultQuestion, reference: dict[tuple[float, ...], float], line: Line
    ) -> bool:
        in_time = question.reply.wall <= LATE * line.use.seconds
        return (
            question.reply.is_proven and in_time and self._is_true(question, reference, line.study)
        )

    def _is_true(
        self, question: ResultQuestion, reference: dict[tuple[float, ...], float], study: StudySetup
    ) -> bool:
        """Whether a claim is not contradicted by anybody's answer."""
        best = self._on_grid(study).get(question.row, math.inf)
        if not question.reply.rows:
            return best == math.inf
        cheapest = min(best, reference.get(question.row, math.inf))
        return question.best.holds and question.best.cost <= cheapest * (1 + NEAR)

    def _on_grid(self, study: StudySetup) -> dict[tuple[float, ...], float]:
        """Least cost of an answer that holds on the grid, by question: off it, ours has no say."""
        best: dict[tuple[float, ...], float] = {}
        for line in self.of(study):
            for question in line.questions:
                if question.snapped.holds:
                    known = best.get(question.row, math.inf)
                    best[question.row] = min(known, question.snapped.cost)
        return best
