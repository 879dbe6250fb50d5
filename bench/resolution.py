"""What a question costs on grids of a hundred and of a million values, side by side.

    python -m bench.resolution [--questions 40] [--rules 0] [--as-they-are]

The same generated models and questions, asked in turns: rows that the model was asked about, in how
many calls, CPU, and the peak of what Python and numpy hold. Ratios of sums over questions that have
something to be looked for; the aim is 1.5 at most. Answers hold in every session of the model, as
those of a served one do; ``--as-they-are``: in this one. ``--rules``: so many kinds of constraint
a question, drawn at random. Where both are few, their ratio says little, and how many more there
are is told beside it: a linear model is asked about every grid value within float32's rounding of
its limit, of which a coarse grid has none and a fine one some.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from explainers.answer import AlreadyTarget, Answer
from explainers.explain import explain
from explainers.search.blackbox import Blackbox
from explainers.search.engine import Engine
from explainers.search.portfolio import engines_for
from models.predictor import Predictor
from models.schema import Schema, Task
from tests.support.deployed import Deployed, as_served, deployed_layers, deployed_trees
from tests.support.fine import with_counts
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import question

COUNTS = (100, 1_000_000)
FEW = {"rows": 16.0, "calls": 4.0, "CPU ms": 2.0, "peak KiB": 64.0}
"""A question, below which a ratio is told with the difference."""
FAMILIES = ("trees", "linear", "relu", "blackbox")


@dataclass
class Spent:
    rows: int = 0
    calls: int = 0
    seconds: float = 0.0
    peak: int = 0
    asked: int = 0


@dataclass(frozen=True)
class Asking:
    """One question of one model."""

    engine: Engine
    predictor: Predictor
    schema: Schema
    kinds: Sequence[ConstraintKind]
    seed: int

    def answer(self) -> Answer:
        """As of a question that was never asked before."""
        problem, _, _ = question(self.kinds, self.seed, Task.BINARY, self.schema)
        return explain(problem, self.predictor, engine=self.engine)

    def measure(self, spent: Spent) -> None:
        if isinstance(self.answer(), AlreadyTarget):  # what is made once for a model is made
            return
        tracemalloc.start()
        self.answer()
        spent.peak += tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        start = time.process_time()
        work = self.answer().work
        spent.seconds += time.process_time() - start
        spent.rows += work.rows
        spent.calls += work.runs
        spent.asked += 1


def _deployed(family: str, seed: int) -> Deployed:
    if family in ("trees", "blackbox"):
        return deployed_trees(seed, Task.BINARY)
    return deployed_layers(seed, Task.BINARY, linear=family == "linear")


def _engine(family: str, deployed: Deployed, schema: Schema) -> Engine:
    return Blackbox() if family == "blackbox" else engines_for(deployed.form, schema)


def _measured(family: str, options: argparse.Namespace) -> tuple[Spent, Spent]:
    coarse, fine = Spent(), Spent()
    schemas = [with_counts((count,) * 3) for count in COUNTS]
    for seed in range(options.questions):
        deployed = _deployed(family, seed)
        predictor = deployed.predictor if options.as_they_are else as_served(deployed)
        draw = np.random.default_rng(seed)
        kinds = [KINDS[int(k)] for k in draw.choice(len(KINDS), options.rules, replace=False)]
        for spent, schema in zip((coarse, fine), schemas, strict=True):
            engine = _engine(family, deployed, schema)
            Asking(engine, predictor, schema, kinds, seed).measure(spent)
    return coarse, fine


def _ratio(coarse: float, fine: float, few: float) -> str:
    ratio = f"{fine / max(coarse, 1e-9):.2f}"
    return f"{ratio} ({fine - coarse:+.1f})" if abs(fine - coarse) < few else ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--rules", type=int, default=0)
    parser.add_argument("--as-they-are", action="store_true")
    options = parser.parse_args()
    table = Table(title=f"{COUNTS[1]:,} values of each number against {COUNTS[0]:,}, a question")
    columns = ("engine", "asked", "rows", "ratio", "calls", "ratio", "CPU ms", "ratio", "peak KiB")
    for column in (*columns, "ratio"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for family in FAMILIES:
        coarse, fine = _measured(family, options)
        cells = [family, str(fine.asked)]
        for name, a, b, unit in (
            ("rows", coarse.rows, fine.rows, 1.0),
            ("calls", coarse.calls, fine.calls, 1.0),
            ("CPU ms", coarse.seconds, fine.seconds, 1e-3),
            ("peak KiB", coarse.peak, fine.peak, 2.0**10),
        ):
            each = unit * max(1, fine.asked)
            cells += [f"{a / each:.1f} {b / each:.1f}", _ratio(a / each, b / each, FEW[name])]
        table.add_row(*cells)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
