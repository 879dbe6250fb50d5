"""Sufficient reasons: are they right, and how long do they take?

    python -m bench.reasons [--questions 1000] [--seed 0]

Generated models of every family (trees, linear models, networks; one score, two classes, three),
one or two kinds of constraint at random, every minimal reason asked for; a walk over every row and
then over every set of features says what they are. Wrong is an answer that has another set, lacks
one, calls one smallest that is not, or has no witness of a feature.

    python -m bench.reasons --speed [--rows 200]

CPU milliseconds of a question to the default model, held-out alarms and rows of its reference data
in turn: search, confirmation by the checker with the deployed model, and ranking. And of an
explanation of the same alarms, beside it.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.exact_speed import FOLDER
from bench.oracle_campaign import FAMILIES, MODELS, TASKS, _deployed
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.reasons.ask import ReasonQuestion, reasons
from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.predictor import Row
from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from tests.support.kinds import KINDS
from tests.support.minimal_reasons import asked, faults


def _campaign(questions: int, seed: int, console: Console) -> int:
    draw = np.random.default_rng(seed)
    right, wrong = Counter[str](), Counter[str]()
    while (right + wrong).total() < questions:
        family = FAMILIES[int(draw.integers(len(FAMILIES)))]
        task = TASKS[int(draw.integers(len(TASKS)))]
        deployed, engines = _deployed(family, task, int(draw.integers(MODELS)))
        count = int(draw.integers(0, 3))
        kinds = [KINDS[int(k)] for k in draw.choice(len(KINDS), count, replace=False)]
        at = int(draw.integers(2**31))
        answer, walk = asked(at, task, kinds, deployed.predictor, engines)
        told = faults(answer, walk)
        (wrong if told else right)[family] += 1
        if told:
            names = [kind.name for kind in kinds]
            console.print(f"WRONG: {family} {task} {names} seed {at}: {'; '.join(told)}")
    table = Table(title="minimal sufficient reasons against a walk over rows and sets")
    for column in ("engine", "right", "wrong"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for family in FAMILIES:
        table.add_row(family, str(right[family]), str(wrong[family]))
    console.print(table)
    return int(bool(wrong))


def _speed(count: int, console: Console) -> None:
    model = load_folder(FOLDER)
    spec = model.spec
    policy = Policy.read(spec.policy, spec.schema, spec.decision, reference=model.reference)
    engines = engines_for(model.form, spec.schema)
    alarms = held_out_alarms(count, 0, model.predictor, spec.decision).rows
    assert model.reference is not None
    rows = {"alarms": list(alarms), "reference rows": list(model.reference[:count])}

    def why(row: Row) -> object:
        return reasons(ReasonQuestion(policy, row), model.predictor, engine=engines)

    def one(row: Row) -> object:
        return reasons(ReasonQuestion(policy, row, sets=1), model.predictor, engine=engines)

    def every(row: Row) -> object:
        return reasons(ReasonQuestion(policy, row, sets=20), model.predictor, engine=engines)

    def flip(row: Row) -> object:
        return explain(policy.problem(row), model.predictor, engine=engines)

    table = Table(title=f"CPU ms of a question, {count} rows of each kind")
    for column in ("question", "rows", "median", "95 %", "most"):
        table.add_column(column, justify="left" if column in ("question", "rows") else "right")
    asks: dict[str, Callable[[Row], object]] = {
        "reasons, up to 3 sets": why,
        "reasons, the smallest set": one,
        "reasons, every set": every,
        "explanation": flip,
    }
    for name, ask in asks.items():
        for kind, some in rows.items():
            spent = [_timed(ask, row) for row in some]
            ends = np.quantile(spent, [0.5, 0.95, 1.0])
            table.add_row(name, kind, *(f"{end:.2f}" for end in ends))
    console.print(table)


def _timed(ask: Callable[[Row], object], row: Row) -> float:
    began = time.thread_time()
    ask(row)
    return 1e3 * (time.thread_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--rows", type=int, default=200)
    options = parser.parse_args()
    console = Console(width=110)
    if options.speed:
        _speed(options.rows, console)
        return
    raise SystemExit(_campaign(options.questions, options.seed, console))


if __name__ == "__main__":
    main()
