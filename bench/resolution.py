"""What a question costs on grids of a hundred and of a million values, side by side.

    python -m bench.resolution [--questions 40] [--rules 0] [--as-they-are] [--seconds 20]

The same generated models and questions, asked in turns: rows that the model was asked about, in how
many calls, CPU, and the peak of what Python and numpy hold. Ratios of sums over questions that have
something to be looked for; the aim is 1.5 at most. Answers hold in every session of the model, as
those of a served one do; ``--as-they-are``: in this one. ``--rules``: so many kinds of constraint
a question, drawn at random. Trees are asked four times: as the others; with a rule that relates two
numbers that can move; for answers that survive the sensors; where features follow from others.

Where both are few, their ratio says little, and how many more there are is told beside it: a linear
model is asked about every grid value within float32's rounding of its limit, of which a coarse grid
has none and a fine one some.
"""

from __future__ import annotations

import argparse
import math
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.table import Table

from ifonly.explainers.answer import AlreadyTarget, Answer, Infeasible, Recourse, Status
from ifonly.explainers.constraints import Origin, Source, Survives
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.predictor import Predictor
from ifonly.models.schema import Schema, Task
from tests.support.consequences import Slopes
from tests.support.deployed import Deployed, as_served, deployed_layers, deployed_trees
from tests.support.fine import with_counts
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import question

COUNTS = (100, 1_000_000)
REPEATS, SHORT = 5, 0.1
"""Of a question that takes less CPU seconds than that."""
FEW = {"nodes": 64.0, "rows": 16.0, "calls": 4.0, "CPU ms": 2.0, "KiB": 64.0}
"""A question, below which a ratio is told with the difference."""
RELATED = [kind for kind in KINDS if kind.name in ("linear of two", "linear of three", "cyclic")]
SURVIVES = Survives((0.15, 8.0, 0.0, 0.0, 0.06), origin=Origin(Source.REQUEST, "robust"))

Asked = Callable[[Problem, int], Problem]
"""What becomes of a generated question with some seed."""


def _robust(problem: Problem, seed: int) -> Problem:
    return replace(problem, constraints=(*problem.constraints, SURVIVES))


def _with_effects(problem: Problem, seed: int) -> Problem:
    return replace(problem, consequences=Slopes.random(seed).consequences(whole=()))


@dataclass(frozen=True)
class ResolutionRow:
    """A row of the table."""

    name: str
    family: str
    related: bool = False
    becomes: Asked = lambda problem, seed: problem


ROWS = (
    ResolutionRow("trees", "trees"),
    ResolutionRow("trees, related", "trees", related=True),
    ResolutionRow("trees, robust", "trees", becomes=_robust),
    ResolutionRow("trees, effects", "trees", becomes=_with_effects),
    ResolutionRow("linear", "linear"),
    ResolutionRow("relu", "relu"),
    ResolutionRow("blackbox", "blackbox"),
)


@dataclass
class Spent:
    rows: int = 0
    calls: int = 0
    seconds: float = 0.0
    peak: int = 0
    asked: int = 0
    proven: int = 0
    nodes: int = 0


@dataclass(frozen=True)
class TimedAsking:
    """One question of one model."""

    engine: Engine
    predictor: Predictor
    schema: Schema
    kinds: Sequence[ConstraintKind]
    seed: int
    becomes: Asked
    seconds: float

    def answer(self) -> Answer:
        """As of a question that was never asked before."""
        problem, _, _ = question(self.kinds, self.seed, Task.BINARY, self.schema)
        problem = self.becomes(problem, self.seed)
        deadline = Deadline.after(self.seconds)
        return explain(problem, self.predictor, engine=self.engine, deadline=deadline)

    def _timed(self) -> tuple[Answer, float]:
        """An answer, and the least CPU of some, if it takes little."""
        least = math.inf
        for _ in range(REPEATS):
            start = time.process_time()
            answer = self.answer()
            least = min(least, time.process_time() - start)
            if least > SHORT:
                break
        return answer, least

    def measure(self, spent: Spent) -> None:
        try:
            if isinstance(self.answer(), AlreadyTarget):  # what is made once for a model is made
                return
        except NotEligible:
            return
        tracemalloc.start()
        self.answer()
        spent.peak += tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        answer, seconds = self._timed()
        spent.seconds += seconds
        spent.proven += _is_proven(answer)
        work = answer.work
        spent.nodes += work.nodes
        spent.rows += work.rows
        spent.calls += work.runs
        spent.asked += 1


def _is_proven(answer: Answer) -> bool:
    """As the cheapest, or as none."""
    if isinstance(answer, Recourse):
        return answer.status is Status.OPTIMAL
    return isinstance(answer, Infeasible)


def _deployed(family: str, seed: int) -> Deployed:
    if family in ("trees", "blackbox"):
        return deployed_trees(seed, Task.BINARY)
    return deployed_layers(seed, Task.BINARY, linear=family == "linear")


def _engine(family: str, deployed: Deployed, schema: Schema) -> Engine:
    if family == "trees":
        return Trees(deployed.form, schema)
    return Blackbox() if family == "blackbox" else engines_for(deployed.form, schema)


def _kinds(row: ResolutionRow, rules: int, seed: int) -> list[ConstraintKind]:
    draw = np.random.default_rng(seed)
    kinds = [KINDS[int(k)] for k in draw.choice(len(KINDS), rules, replace=False)]
    return [*kinds, RELATED[seed % len(RELATED)]] if row.related else kinds


def _measured(row: ResolutionRow, options: argparse.Namespace) -> tuple[Spent, Spent]:
    coarse, fine = Spent(), Spent()
    schemas = [with_counts((count,) * 3) for count in COUNTS]
    for seed in range(options.questions):
        deployed = _deployed(row.family, seed)
        predictor = deployed.predictor if options.as_they_are else as_served(deployed)
        kinds = _kinds(row, options.rules, seed)
        for spent, schema in zip((coarse, fine), schemas, strict=True):
            engine = _engine(row.family, deployed, schema)
            asking = TimedAsking(
                engine, predictor, schema, kinds, seed, row.becomes, options.seconds
            )
            asking.measure(spent)
    return coarse, fine


def _ratio(coarse: float, fine: float, few: float) -> str:
    ratio = f"{fine / max(coarse, 1e-9):.2f}"
    return f"{ratio} ({fine - coarse:+.1f})" if abs(fine - coarse) < few else ratio


def _cells(row: ResolutionRow, coarse: Spent, fine: Spent) -> list[str]:
    proven = [f"{spent.proven}/{spent.asked}" for spent in (coarse, fine)]
    cells = [row.name, " ".join(proven)]
    for name, coarsely, finely, unit in (
        ("nodes", coarse.nodes, fine.nodes, 1.0),
        ("rows", coarse.rows, fine.rows, 1.0),
        ("calls", coarse.calls, fine.calls, 1.0),
        ("CPU ms", coarse.seconds, fine.seconds, 1e-3),
        ("KiB", coarse.peak, fine.peak, 2.0**10),
    ):
        a, b = coarsely / max(1, coarse.asked) / unit, finely / max(1, fine.asked) / unit
        cells += [f"{a:.1f} {b:.1f}", _ratio(a, b, FEW[name])]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--rules", type=int, default=0)
    parser.add_argument("--as-they-are", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", default="", help="rows whose names begin so")
    options = parser.parse_args()
    table = Table(title=f"{COUNTS[1]:,} values of each number against {COUNTS[0]:,}, a question")
    for column in ("engine", "proven", "nodes", "", "rows", "", "calls", "", "CPU ms", "", "KiB"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    table.add_column("", justify="right")
    for row in ROWS:
        if row.name.startswith(options.only):
            table.add_row(*_cells(row, *_measured(row, options)))
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
