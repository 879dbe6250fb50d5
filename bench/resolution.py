"""What a question costs on grids of a hundred and of a million values, side by side.

    python -m bench.resolution [--questions 40]

The same generated models and questions, asked in turns: model rows, CPU and the peak of what Python
and numpy hold. Ratios of sums; the aim is 1.5 at most.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from explainers.answer import AlreadyTarget
from explainers.explain import explain
from explainers.search.blackbox import Blackbox
from explainers.search.engine import Engine
from explainers.search.portfolio import engines_for
from models.schema import Schema, Task
from tests.support.deployed import Deployed, deployed_layers, deployed_trees
from tests.support.fine import with_counts
from tests.support.questions import question

COUNTS = (100, 1_000_000)
FAMILIES = ("trees", "linear", "relu", "blackbox")


@dataclass
class Spent:
    rows: int = 0
    seconds: float = 0.0
    peak: int = 0
    proven: int = 0


def _deployed(family: str, seed: int) -> Deployed:
    if family in ("trees", "blackbox"):
        return deployed_trees(seed, Task.BINARY)
    return deployed_layers(seed, Task.BINARY, linear=family == "linear")


def _engine(family: str, deployed: Deployed, schema: Schema) -> Engine:
    return Blackbox() if family == "blackbox" else engines_for(deployed.form, schema)


def _ask(family: str, seed: int, schema: Schema, spent: Spent, *, traced: bool) -> None:
    deployed = _deployed(family, seed)
    engine = _engine(family, deployed, schema)
    problem, _, _ = question((), seed, Task.BINARY, schema)
    explain(problem, deployed.predictor, engine=engine)  # what is made once for a model
    problem, _, _ = question((), seed, Task.BINARY, schema)
    if traced:
        tracemalloc.start()
    start = time.process_time()
    answer = explain(problem, deployed.predictor, engine=engine)
    if traced:
        spent.peak = max(spent.peak, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        return
    spent.seconds += time.process_time() - start
    spent.rows += answer.work.rows
    spent.proven += not isinstance(answer, AlreadyTarget)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=40)
    questions = parser.parse_args().questions
    table = Table(title=f"{COUNTS[1]:,} values of each number against {COUNTS[0]:,}")
    for column in ("engine", "asked", "rows", "ratio", "CPU ms", "ratio", "peak MiB", "ratio"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    schemas = [with_counts((count,) * 3) for count in COUNTS]
    for family in FAMILIES:
        both = [Spent(), Spent()]
        for seed in range(questions):
            for spent, schema in zip(both, schemas, strict=True):
                for traced in (False, True):
                    _ask(family, seed, schema, spent, traced=traced)
        coarse, fine = both
        cells = [family, str(fine.proven)]
        for a, b, unit in (
            (coarse.rows, fine.rows, 1.0),
            (coarse.seconds, fine.seconds, 1e-3),
            (coarse.peak, fine.peak, 2.0**20),
        ):
            cells += [f"{a / unit:.1f} {b / unit:.1f}", f"{b / np.maximum(a, 1e-9):.2f}"]
        table.add_row(*cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
