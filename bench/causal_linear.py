"""How fast the linear engine proves recourse with effects: ``python -m bench.causal_linear DATA``.

German credit (DATA/german_credit), logistic regression; mechanisms are lines fitted to the
training rows, so that every answer is held against 64 plausible versions of them, as in service.
CPU milliseconds of one thread; beside it ``blackbox``, alone and with half a second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.datasets import datasets
from bench.models import RECIPES, deploy
from ifonly.explainers.answer import AlreadyTarget
from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.learning import learn
from ifonly.explainers.causal.mechanism import NoiseForm
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.linear import Linear
from ifonly.models.predictor import Predictor, Rows
from ifonly.models.repository import load_folder
from ifonly.models.schema import Kind, Schema

FIXED = ["Gender", "ForeignWorker", "Single", "NumberOfLiableIndividuals", "PurposeOfLoan", "Age"]
EDGES = (
    ("LoanAmount", "LoanDuration"),
    ("LoanAmount", "LoanRateAsPercentOfIncome"),
    ("LoanDuration", "LoanRateAsPercentOfIncome"),
    ("YearsAtCurrentHome", "OwnsHouse"),
    ("OwnsHouse", "SavingsAccountBalance_geq_100"),
)
POLICY = {
    "features": {name: {"actionable": False} for name in FIXED}
    | {"LoanRateAsPercentOfIncome": {"actionable": False}}
}


@dataclass
class SeenAnswer:
    spent: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


def consequences_of(schema: Schema, rows: Rows, gamma: float) -> CausalConsequences:
    rng = np.random.default_rng(0)
    graph = Graph.of(len(schema), [(schema.index(a), schema.index(b)) for a, b in EDGES])
    mechanisms = tuple(
        learn(
            rows[:, causes],
            rows[:, j],
            [False] * len(causes),
            rng,
            ["linear"],
            [NoiseForm.ADDITIVE],
        ).mechanism
        if causes
        else None
        for j, causes in enumerate(graph.parents)
    )
    model = CausalModel(schema.names, graph, mechanisms)
    whole = tuple(j for j, f in enumerate(schema.features) if f.kind is Kind.INTEGER)
    members = draw_members(model, rng, 64)
    return CausalConsequences(model, members, gamma, 0.9, np.zeros(len(schema)), whole=whole)


def ask(
    problem: Problem, predictor: Predictor, engine: Engine, seconds: float, seen: SeenAnswer
) -> None:
    deadline = Deadline.after(seconds)
    began = time.thread_time()
    answer = explain(problem, predictor, engine=engine, deadline=deadline)
    if isinstance(answer, AlreadyTarget):
        return
    seen.spent.append(1e3 * (time.thread_time() - began))
    seen.statuses[answer.status.value] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--rows", type=int, default=700, help="mechanisms are learned from so many")
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    data = datasets(options.data)["german-credit"]()
    with tempfile.TemporaryDirectory() as cache:
        study = deploy(data, RECIPES["linear"], Path(cache))
        model = load_folder(Path(study.folder))
    spec = model.spec
    policy = Policy.read(POLICY, spec.schema, spec.decision, reference=data.train)
    assert model.form is not None
    linear = Linear(model.form, spec.schema)
    people = [row for row in data.test if model.predictor.score(row[None])[0, 0] >= 0.5]
    table = Table(title=f"German credit, logistic regression, {len(EDGES)} edges")
    for column in ("engine", "gamma", "people", "answers", "median ms", "95 % ms", "most ms"):
        table.add_column(column)
    for gamma in (0.0, 2.5):
        consequences = consequences_of(spec.schema, data.train[: options.rows], gamma)
        for engine, seconds in ((linear, options.seconds), (Blackbox(), 0.5)):
            seen = SeenAnswer()
            for row in people[: options.people]:
                problem = replace(policy.problem(row), consequences=consequences)
                ask(problem, model.predictor, engine, seconds, seen)
            said = ", ".join(f"{n} {name}" for name, n in seen.statuses.most_common())
            spent = [f"{np.percentile(seen.spent, q):.1f}" for q in (50, 95, 100)]
            table.add_row(engine.name, f"{gamma}", str(len(seen.spent)), said, *spent)
    Console().print(table)


if __name__ == "__main__":
    main()
