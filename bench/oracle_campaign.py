"""Ten thousand generated questions against a walk over every row.

    python -m bench.oracle_campaign [--questions 10000] [--seed 0] [--families trees,units]

Random tree ensembles (binary, multi-class, regression; every branch mode, missing values, one-hot
columns), isolation forests, linear models, ReLU networks, graphs that are read as networks of units
(autoencoders, skips, windows, curves) and estimators of scikit-learn of many kinds that are read
node by node, exported to ONNX and loaded as any deployed model is; one or two kinds of constraint
at random; the engines that the service would make. A claim is wrong if its cost is not that of the
cheapest row of a walk over all of them, written apart, or if it calls impossible what is not. Trees
are asked twice, the second time with merging from the first box.

    python -m bench.oracle_campaign --fine [--questions 5000] [--seconds 5]

The same on grids of 10 to 10,000,000 values, how fine: log-uniform for each number. Nothing
can walk them, so an oracle looks for cheaper rows along levers and pairs of them, where decisions
change (`tests/support/fine.py`). `blackbox` is asked alone as well.

    python -m bench.oracle_campaign --windows [--questions 2000]

Windows of 4 steps and 3 channels, two of which are moved by profiles, with rules and a delayed
cause at random, against a walk over every action (`tests/support/windows.py`).

    python -m bench.oracle_campaign --followed [--questions 1000]

Networks where numbers follow from what is set, by drawn affine mechanisms of which plausible others
are drawn as well; whose answers must survive three sensors; and both, against a walk over every
action and its readings (`tests/support/followed.py`). The engines that the service would make.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from ifonly.explainers.answer import AlreadyTarget, Answer, Infeasible, Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.portfolio import Portfolio, engines_for
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.predictor import Row
from ifonly.models.schema import Task
from ifonly.service.ask.explain import explain as explain_window
from tests.support import windows
from tests.support.bruteforce import cheapest
from tests.support.checks import normal
from tests.support.deployed import (
    Deployed,
    deployed_isolation,
    deployed_layers,
    deployed_trees,
    deployed_units,
)
from tests.support.fine import Refuter, fine_schema, thresholds_of
from tests.support.followed import Followed
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.onnx_estimators import KINDS as ESTIMATORS
from tests.support.onnx_estimators import deployed_estimator, tasks_of
from tests.support.onnx_units import CURVED, STRAIGHT
from tests.support.questions import price, question

COMPOSITIONS = "compositions"
ISOLATION = "isolation forests"
FAMILIES = (
    "trees", "trees, merging", ISOLATION, "linear", "relu", "networks", "units", "units, curved",
    COMPOSITIONS,
)  # fmt: skip
FINE_FAMILIES = ("trees", "linear", "relu", "blackbox")
TASKS = tuple(Task)
MODELS = 60
"""Of each family and task."""


@dataclass
class Tally:
    """What was claimed, and what the walk says of it."""

    proven: int = 0
    impossible: int = 0
    unproven: int = 0
    already: int = 0
    wrong: int = 0


def _composition(task: Task, seed: int) -> Deployed:
    kinds = [kind for kind in ESTIMATORS if task in tasks_of(kind)]
    return deployed_estimator(kinds[seed % len(kinds)], seed // len(kinds), task)


@cache
def _deployed(family: str, task: Task, seed: int) -> tuple[Deployed, Portfolio]:
    if family == ISOLATION:
        deployed = deployed_isolation(seed)
        return deployed, engines_for(deployed.form, SCHEMA)
    if family.startswith("trees"):
        deployed = deployed_trees(seed, task)
        engines = engines_for(deployed.form, SCHEMA)
        if family.endswith("merging"):
            engines = Portfolio((Trees(deployed.form, SCHEMA, patience=0), *engines.engines[1:]))
        return deployed, engines
    if family == COMPOSITIONS:
        deployed = _composition(task, seed)
    elif family.startswith("units"):
        shapes = CURVED if family.endswith("curved") else STRAIGHT
        deployed = deployed_units(seed, task, shapes[seed % len(shapes)])
    else:
        deployed = deployed_layers(seed, task, linear=family == "linear")
    engines = engines_for(deployed.form, SCHEMA)
    if family == "relu":
        # HiGHS alone, which otherwise is asked for what `networks` leaves.
        engines = Portfolio([each for each in engines.engines if each.name != "networks"])
    return deployed, engines


def _judge(answer: Answer, best: float, tally: Tally) -> bool:
    """Count the claim; whether it holds."""
    match answer:
        case AlreadyTarget():
            tally.already += 1
            return True
        case Infeasible():
            tally.impossible += 1
            return best == np.inf
        case Recourse():
            found = answer.counterfactuals[0]
            if found.gap != 0.0:
                tally.unproven += 1
                return found.cost >= best - 1e-9
            tally.proven += 1
            return abs(found.cost - best) <= 1e-9 * max(1.0, best)
        case _:
            tally.unproven += 1
            return True


def _row(answer: Answer, factual: Row) -> Row | None:
    return answer.counterfactuals[0].action_on(factual) if isinstance(answer, Recourse) else None


def _refuted(answer: Answer, refuter: Refuter, factual: Row, tally: Tally) -> bool:
    """Count the claim; whether a cheaper row than it allows is known."""
    match answer:
        case AlreadyTarget():
            tally.already += 1
            return False
        case Infeasible():
            tally.impossible += 1
            return refuter.cheapest(np.inf, None) is not None
        case Recourse():
            first = answer.counterfactuals[0]
            proven = first.gap == 0.0
            tally.proven += proven
            tally.unproven += not proven
            bound = first.cost if proven else (first.lower_bound or 0.0)
            return refuter.cheapest(bound, _row(answer, factual)) is not None
        case _:
            tally.unproven += 1
            return False


def _fine(options: argparse.Namespace, console: Console) -> dict[str, Tally]:
    draw = np.random.default_rng(options.seed)
    tallies = {family: Tally() for family in FINE_FAMILIES}
    while sum(t.proven + t.impossible + t.unproven for t in tallies.values()) < options.questions:
        family = FINE_FAMILIES[int(draw.integers(len(FINE_FAMILIES)))]
        task, number = TASKS[int(draw.integers(len(TASKS)))], int(draw.integers(MODELS))
        model = ("trees", "linear", "relu")[number % 3] if family == "blackbox" else family
        deployed, _ = _deployed(model, task, number)
        schema = fine_schema(draw)
        engine = Blackbox() if family == "blackbox" else engines_for(deployed.form, schema)
        count = int(draw.integers(0, 3))
        kinds = [KINDS[int(k)] for k in draw.choice(len(KINDS), count, replace=False)]
        seed = int(draw.integers(2**31))
        problem, _, kept = question(kinds, seed, task, schema)
        until = Deadline.after(options.seconds)
        answer = explain(problem, deployed.predictor, engine=engine, deadline=until)
        places = thresholds_of(deployed.form)
        refuter = Refuter(
            schema, problem.factual, deployed.predictor, normal(task), kept, price, places
        )
        if _refuted(answer, refuter, problem.factual, tallies[family]):
            tallies[family].wrong += 1
            names = [kind.name for kind in kinds]
            console.print(f"WRONG: {family} {task} {number} {names} seed {seed}: {answer}")
    return tallies


def _windows(options: argparse.Namespace, console: Console) -> dict[str, Tally]:
    draw = np.random.default_rng(options.seed)
    tallies = {kind: Tally() for kind in windows.KINDS}
    with TemporaryDirectory() as root:
        asked = 0
        while asked < options.questions:
            kind = windows.KINDS[asked // 10 % len(windows.KINDS)]
            limits, seed = windows.Limits.drawn(draw), int(draw.integers(2**31))
            layout = ("steps-channels", "channels-steps")[seed % 2]
            model = windows.served(Path(root, str(asked)), seed, kind, limits, layout)
            model = windows.by_exact_engine(model) if seed // 2 % 2 else model
            for _ in range(10):
                values = windows.instance(draw)
                question, _ = windows.asked(model, values)
                until = Deadline.after(options.seconds)
                answer = explain_window(model, question, until).answer
                best = windows.cheapest(model, question.factual, limits)
                asked += 1
                if not _judge(answer, best, tallies[kind]) or answer.work.rejected:
                    tallies[kind].wrong += 1
                    told = f"WRONG: {kind} {layout} {seed} {limits} {values}: walk {best}, {answer}"
                    console.print(told)
    return tallies


FOLLOWED = {"followed": (True, False), "sensors": (False, True), "followed, sensors": (True, True)}


def _followed(options: argparse.Namespace, console: Console) -> dict[str, Tally]:
    tallies = {family: Tally() for family in FOLLOWED}
    seed, engines = 100_000 * (options.seed + 1), Counter[str]()
    while sum(t.proven + t.impossible + t.unproven for t in tallies.values()) < options.questions:
        seed += 1
        family = list(FOLLOWED)[seed % len(FOLLOWED)]
        follows, survives = FOLLOWED[family]
        asked, tally = Followed.of(seed, follows=follows, survives=survives), tallies[family]
        until = Deadline.after(options.seconds)
        answer = explain(
            asked.problem, asked.deployed.predictor, engine=asked.engine, deadline=until
        )
        match answer:
            case AlreadyTarget():
                tally.already += 1
                continue
            case Infeasible():
                tally.impossible += 1
            case Recourse() if answer.counterfactuals[0].gap == 0.0:
                tally.proven += 1
            case _:
                tally.unproven += 1
        engines[answer.work.engine] += 1
        wrong = asked.told_wrong(answer)
        if wrong is not None:
            tally.wrong += 1
            console.print(f"WRONG: {family} {asked.kind.name} seed {seed}: {wrong}, {answer}")
    console.print(", ".join(f"{name} {n}" for name, n in engines.most_common()))
    return tallies


def _listed(families: str) -> list[str]:
    """``"trees,units"``: those, and what is asked of the same models in another way."""
    names = [name.strip() for name in families.split(",")]
    return [f for f in FAMILIES if f in names or f.split(",")[0] in names]


def _print(tallies: dict[str, Tally], console: Console, title: str) -> None:
    table = Table(title=title)
    for column in ("engine", "proven optimal", "impossible", "not proven", "already", "wrong"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for family, t in tallies.items():
        numbers = (t.proven, t.impossible, t.unproven, t.already, t.wrong)
        table.add_row(family, *(str(n) for n in numbers))
    console.print(table)
    if any(t.wrong for t in tallies.values()):
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fine", action="store_true")
    parser.add_argument("--windows", action="store_true")
    parser.add_argument("--followed", action="store_true")
    parser.add_argument("--families", default=",".join(FAMILIES), help="some of them, by comma")
    parser.add_argument("--seconds", type=float, default=5.0, help="deadline on fine grids")
    options = parser.parse_args()
    console = Console(width=100)
    if options.windows:
        _print(_windows(options, console), console, "claims on windows against a walk")
        return
    if options.fine:
        _print(_fine(options, console), console, "claims on grids of 10 to 10,000,000 values")
        return
    if options.followed:
        title = "claims on networks with what follows, and with sensors, against a walk"
        _print(_followed(options, console), console, title)
        return
    draw = np.random.default_rng(options.seed)
    families = [f for f in FAMILIES if f in _listed(options.families)]
    tallies = {family: Tally() for family in families}
    asked: Counter[str] = Counter()
    while sum(t.proven + t.impossible + t.unproven for t in tallies.values()) < options.questions:
        family = families[int(draw.integers(len(families)))]
        task = TASKS[int(draw.integers(len(TASKS)))]
        task = Task.REGRESSION if family == ISOLATION else task
        deployed, engines = _deployed(family, task, int(draw.integers(MODELS)))
        count = int(draw.integers(0, 3))
        kinds = [KINDS[int(k)] for k in draw.choice(len(KINDS), count, replace=False)]
        seed = int(draw.integers(2**31))
        problem, _, kept = question(kinds, seed, task)
        answer = explain(problem, deployed.predictor, engine=engines)
        walked = None
        if not isinstance(answer, AlreadyTarget):
            met = normal(task)
            walked = cheapest(SCHEMA, problem.factual, deployed.predictor, met, kept, price)
        best = np.inf if walked is None else walked[0]
        asked.update(kind.name for kind in kinds)
        if not _judge(answer, best, tallies[family]):
            tallies[family].wrong += 1
            names = [kind.name for kind in kinds]
            console.print(f"WRONG: {family} {task} {names} seed {seed}: walk {best}, {answer}")
    least = min(asked[kind.name] for kind in KINDS)
    console.print(f"{len(KINDS)} kinds of constraint, each in at least {least} questions")
    _print(tallies, console, "claims against a walk over every row")


if __name__ == "__main__":
    main()
