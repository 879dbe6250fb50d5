"""How fast causal answers of the default model are proven, and whether they are the cheapest.

    python -m bench.causal_exact [--alarms 200] [--walked 20]

Interventional semantics with the policy's certainty, through the Python API, one thread: median
CPU time of whole answers. Then the same questions on a coarse grid, and beside each a walk over
every action of that grid, over all sets of levers.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.exact_speed import timed
from ifonly.explainers.answer import Answer, Recourse
from ifonly.explainers.constraints import OnlyTo, Origin, Source
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.portfolio import Portfolio, engines_for
from ifonly.explainers.verify import Asked
from ifonly.models.predictor import Predictor, Row
from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from ifonly.service.served.causal_model import ServedCausal, prepare_causal, read_graph_of
from ifonly.service.served.checking import rulebook_of

FOLDER = Path(__file__).resolve().parent.parent / "models/artifacts/milling-machine/1"
COARSE = {"process_temperature": 0.5, "rotational_speed": 20.0, "torque": 1.0}
BLOCK = 8_192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=200)
    parser.add_argument("--walked", type=int, default=20)
    options = parser.parse_args()
    model = load_folder(FOLDER)
    policy = Policy.read(
        model.spec.policy, model.spec.schema, model.spec.decision, reference=model.reference
    )
    served = prepare_causal(model, read_graph_of(model), policy)
    assert served is not None
    engine = engines_for(model.form, model.spec.schema)
    rows = list(held_out_alarms(options.alarms, 7, model.predictor, model.spec.decision).rows)
    engine.warm(_problem(policy, served, rows[0]), model.predictor)

    terms = rulebook_of(model).terms(Asked(semantics="interventional"))

    def answer(row: Row) -> Answer:
        problem = _problem(policy, served, row)
        return explain(problem, model.predictor, engine=engine, terms=terms)

    answers = [answer(row) for row in rows]
    spent = timed(answer, rows)
    alone = timed(lambda row: explain(policy.problem(row), model.predictor, engine=engine), rows)
    right = sum(
        _agrees(_problem(policy, served, row), model.predictor, engine)
        for row in rows[: options.walked]
    )
    table = Table(title=f"{len(rows)} alarms of {model.name} {model.version}, interventional")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for status, count in Counter(a.status.value for a in answers).most_common():
        table.add_row(status, str(count))
    moved = sum(isinstance(a, Recourse) and bool(a.counterfactuals[0].effects) for a in answers)
    table.add_row("something follows from the answer", str(moved))
    for name, figures in {"whole answer": spent, "features alone": alone}.items():
        median, p95, worst = np.quantile(figures, [0.5, 0.95, 1.0])
        table.add_row(f"{name}: CPU ms, median, p95, max", f"{median:.1f}, {p95:.1f}, {worst:.1f}")
    table.add_row("model rows, median", f"{np.median([a.work.rows for a in answers]):.0f}")
    table.add_row("coarse grid: as a walk over every action says", f"{right} of {options.walked}")
    Console(width=100).print(table)


def _problem(policy: Policy, served: ServedCausal, row: Row) -> Problem:
    problem = policy.problem(row)
    constraints = (*problem.constraints, *served.constraints)
    return replace(problem, consequences=served.consequences, constraints=constraints)


def _agrees(problem: Problem, predictor: Predictor, engine: Portfolio) -> bool:
    coarse = replace(problem, constraints=(*problem.constraints, *_coarse(problem)))
    answer = explain(coarse, predictor, engine=engine)
    found = answer.counterfactuals[0].cost if isinstance(answer, Recourse) else None
    return found == _walk(coarse, predictor)


def _coarse(problem: Problem) -> list[OnlyTo]:
    found = []
    for name, step in COARSE.items():
        j = problem.schema.index(name)
        feature = problem.schema.features[j]
        values = np.round(np.arange(feature.lower, feature.upper + step / 2, step), 6)
        found.append(
            OnlyTo(j, tuple(values.tolist()), origin=Origin(Source.REQUEST, f"coarse.{name}"))
        )
    return found


def _walk(problem: Problem, predictor: Predictor) -> float | None:
    """Least cost of an action that is allowed, flips and is trusted, by asking about each."""
    actions = np.array(list(itertools.product(*(a.values() for a in problem.axes_if_set))))
    costs = problem.cost_of(actions)
    order = np.argsort(costs, kind="stable")
    for start in range(0, len(order), BLOCK):
        some = actions[order[start : start + BLOCK]]
        rows = problem.rows_of(some)
        kept = problem.allowed(some, rows)
        some, rows = some[kept], rows[kept]
        for action in some[problem.target.met(predictor.score(rows))] if len(some) else some:
            if problem.trust(action[None, :], predictor.score).holds[0]:
                return float(problem.cost_of(action[None, :])[0])
    return None


if __name__ == "__main__":
    main()
