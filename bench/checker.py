"""What the checker costs: CPU of one check of the shipped model's usual answer, and model rows.

``python -m bench.checker`` prints milliseconds of CPU of :meth:`Checker.check` with and without
effects, the rows that it has scored, and the share of one whole answer. No test asserts them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.verify import Checker, Proposal
from ifonly.models.predictor import Rows, Scores
from ifonly.models.repository import load_folder
from ifonly.service.ask.explain import explain
from ifonly.service.ask.question import Question, checker_of
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models

REPEATS = 300
LIMITS = {Semantics.INDEPENDENT: 0.3, Semantics.INTERVENTIONAL: 2.0}
"""Milliseconds that a check may take (issue 12)."""


def main() -> None:
    model = prepare(load_folder(shipped_models() / "milling-machine" / "1"))
    for semantics, limit in LIMITS.items():
        print(_line(model, semantics, limit))


def _line(model: ServedModel, semantics: Semantics, limit: float) -> str:
    row = model.deployed.examples[0].row
    question = Question(row, model.policy.target(), target_is_named=False, semantics=semantics)
    found = explain(model, question, Deadline.never()).answer.counterfactuals[0]  # type: ignore[union-attr]
    action = row.copy()
    for done in found.actions:
        action[done.column] = done.counterfactual
    proposal = Proposal(action.tolist(), found.row, found.cost)
    checker, rows = _counting(checker_of(model, question))
    assert checker.check(proposal).holds
    n_rows = sum(rows)
    each = 1e3 * _seconds(lambda: checker.check(proposal), REPEATS)
    whole = 1e3 * _seconds(lambda: explain(model, question, Deadline.never()), 20)
    effects = f"{len(found.effects)} effects"
    return (
        f"{semantics.value:15} {effects}: {each:.3f} ms of CPU a check (limit {limit}), "
        f"{n_rows} model rows; {100 * each / whole:.1f} % of a whole answer ({whole:.2f} ms)"
    )


def _counting(checker: Checker) -> tuple[Checker, list[int]]:
    """The same checker, and the sizes of what it asks the model."""
    sizes: list[int] = []
    score = checker.score

    def counted(rows: Rows) -> Scores:
        sizes.append(len(rows))
        return score(rows)

    return replace(checker, score=counted), sizes


def _seconds(task: Callable[[], object], repeats: int) -> float:
    """CPU of one ``task``, by the mean of many."""
    task()
    began = time.process_time()
    for _ in range(repeats):
        task()
    return (time.process_time() - began) / repeats


if __name__ == "__main__":
    main()
