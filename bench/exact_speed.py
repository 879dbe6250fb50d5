"""How fast the exact engine proves the default model's alarms, and how it scales with threads.

    python -m bench.exact_speed [--alarms 500] [--probability 0]

Features move alone (independent semantics). What is demanded of the desired class is what the
policy says, or ``--probability``: 0 is the decision alone. CPU seconds, medians; one question
after the other through the Python API, then the same questions shared by two threads: whole
answers, and the search alone with the trees merged from the first box, which is a search of
several milliseconds without Python's lock. What was there before is left alone by the garbage
collector, as in a process that serves. On a machine with other work only what is said of CPU
seconds can be relied upon.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ifonly.explainers.answer import Answer, Status
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.portfolio import Portfolio, engines_for
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.verify import Asked
from ifonly.models.predictor import Row
from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from ifonly.service.served.checking import rulebook_of

HARD = 100
"""Questions whose search alone is shared by threads."""
FOLDER = Path(__file__).resolve().parent.parent / "models/artifacts/milling-machine/1"


def timed(ask: Callable[[Row], object], rows: list[Row]) -> list[float]:
    """Thread CPU milliseconds of each call."""
    spent = []
    for row in rows:
        began = time.thread_time()
        ask(row)
        spent.append(1e3 * (time.thread_time() - began))
    return spent


def _shared(
    ask: Callable[[Any], object], questions: Sequence[Any], threads: int
) -> tuple[float, float]:
    """Questions a second and a CPU-second, shared by threads."""
    with ThreadPoolExecutor(threads) as pool:
        began, used = time.perf_counter(), time.process_time()
        list(pool.map(ask, questions))
        wall, cpu = time.perf_counter() - began, time.process_time() - used
    return len(questions) / wall, len(questions) / cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=500)
    parser.add_argument("--probability", type=float)
    parser.add_argument("--robust", action="store_true", help="answers survive the tolerances")
    options = parser.parse_args()
    model = load_folder(FOLDER)
    spec = model.spec
    policy = Policy.read(spec.policy, spec.schema, spec.decision, reference=model.reference)
    book = rulebook_of(model)
    if options.probability is not None:
        policy = replace(policy, probability=options.probability)
        demanded = {"probability": {"min": options.probability}}
        book = replace(book, policy={**book.policy, "target": demanded})
    # The policy demands it unless a request says otherwise.
    policy = replace(policy, is_robust=policy.is_robust and options.robust)
    terms = book.terms(Asked(constraints={} if options.robust else {"robust": False}))
    portfolio = engines_for(model.form, spec.schema)
    trees = portfolio.engines[0]
    assert isinstance(trees, Trees)
    alarms = held_out_alarms(options.alarms, 7, model.predictor, spec.decision)
    rows = list(alarms.rows)
    portfolio.warm(policy.problem(rows[0]), model.predictor)
    never = Deadline.never()

    def search(row: Row) -> object:
        return trees.search(policy.problem(row), Meter(model.predictor, never), never)

    def answer(row: Row) -> Answer:
        return explain(policy.problem(row), model.predictor, engine=portfolio, terms=terms)

    answers = [answer(row) for row in rows]
    gc.collect()
    gc.freeze()
    proven = sum(a.status in (Status.OPTIMAL, Status.INFEASIBLE) for a in answers)
    engine, whole = timed(search, rows), timed(answer, rows)
    assert model.form is not None  # the exact engine was made of it
    merging = Trees(model.form, spec.schema, patience=0)
    Portfolio([merging]).warm(policy.problem(rows[0]), model.predictor)
    hard = [policy.problem(row) for row in rows[:HARD]]

    def search_hard(problem: Problem) -> object:
        return merging.search(problem, Meter(model.predictor, never), never)

    speeds = {
        "answers": [_shared(answer, rows, threads) for threads in (1, 2)],
        "searches, merging": [_shared(search_hard, hard, threads) for threads in (1, 2)],
    }
    table = Table(title=f"{len(rows)} alarms of {model.name} {model.version}, engine trees")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row("proven", f"{proven} of {len(rows)}")
    for name, spent in {"search": engine, "search, verify, ranges": whole}.items():
        median, p95, worst = np.quantile(spent, [0.5, 0.95, 1.0])
        table.add_row(f"{name}: CPU ms, median, p95, max", f"{median:.2f}, {p95:.2f}, {worst:.2f}")
    table.add_row("explanations per CPU-second", f"{1e3 * len(rows) / sum(whole):.0f}")
    for name, (one, two) in speeds.items():
        table.add_row(
            f"{name} per second, per CPU-second: one thread", f"{one[0]:.0f}, {one[1]:.0f}"
        )
        table.add_row(
            f"{name} per second, per CPU-second: two threads", f"{two[0]:.0f}, {two[1]:.0f}"
        )
    table.add_row("tables", f"{trees.table_bytes / 1e6:.1f} MB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    table.add_row("peak memory of this process", f"{peak:.0f} MB")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
