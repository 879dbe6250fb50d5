"""Joint boxes and menus of levers of the default model's alarms: what is proven, and what it takes.

    python -m bench.boxes_and_menus [--alarms 100] [--seed 1]

Held-out alarms, asked as the policy has it (95 %, tolerances, what follows). A box is looked for
around each answer that sets several levers. *Tight*: faces beyond which a setting is shown that is
no answer; *edge*: nothing beyond may be set; *cut*: not proven further. Of a menu: sets by what is
known of them, how many were put to the engine, and CPU beside that of the answer alone.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from ifonly.explainers.answer import Recourse
from ifonly.explainers.beside import Beside
from ifonly.explainers.explain import explain
from ifonly.explainers.joint_box import with_joint_boxes
from ifonly.explainers.menu import menu
from ifonly.explainers.problem import Problem
from ifonly.explainers.terms import MOST_LEVERS, FaceEnd, Status
from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from ifonly.service.ask.question import Question, problem_of
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models

Asked = tuple[Problem, Recourse]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.boxes_and_menus", description=__doc__)
    parser.add_argument("--alarms", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model = prepare(load_folder(shipped_models() / "milling-machine" / "1"))
    predictor = model.deployed.predictor
    found = held_out_alarms(options.alarms, options.seed, predictor, model.decision)
    asked, alone = list[Asked](), []
    for row in found.rows:
        question = Question(row, model.policy.target(), False, semantics=model.semantics)
        problem = problem_of(model, question)
        began = time.process_time()
        answer = explain(problem, predictor, engine=model.engine)
        alone.append(time.process_time() - began)
        if isinstance(answer, Recourse):
            asked.append((problem, answer))
    console = Console()
    console.print(
        f"{len(asked)} answers, each in {told(alone)} ms of CPU (median, 95th percentile)"
    )
    console.print(boxes(model, asked))
    console.print(menus(model, asked))


def boxes(model: ServedModel, asked: Sequence[Asked]) -> Table:
    """Of answers from which nothing follows, and of those from which something does."""
    table = Table(title="Joint boxes of answers that set several levers")
    for head in ("", "answers", "boxes", "proven", *FaceEnd, "CPU ms", "model rows"):
        table.add_column(head, justify="right")
    for follows in (False, True):
        faces, spent, rows, proofs = Counter[str](), [], [], Counter[str]()
        some = [(p, a) for p, a in asked if len(a.counterfactuals[0].actions) > 1]
        some = [(p, a) for p, a in some if bool(a.counterfactuals[0].effects) is follows]
        for problem, answer in some:
            began = time.process_time()
            told_of = with_joint_boxes(_beside(model, problem, answer), answer)
            spent.append(time.process_time() - began)
            rows.append(told_of.work.rows - answer.work.rows)
            box = told_of.counterfactuals[0].joint_box
            if box is not None:
                proofs[box.proof] += 1
                faces.update(end for side in box.sides for end in (side.below, side.above))
        name = "something follows" if follows else "nothing follows"
        counts = [len(some), sum(proofs.values()), proofs["proven"], *(faces[e] for e in FaceEnd)]
        table.add_row(name, *map(str, counts), told(spent), f"{np.median(rows or [0]):.0f}")
    return table


def menus(model: ServedModel, asked: Sequence[Asked]) -> Table:
    """For each size of sets."""
    table = Table(title="Menus of levers")
    for head in ("sets of", "sets", "put to the engine", *Status, "CPU ms", "model rows"):
        if head not in (Status.ALREADY_TARGET, Status.ABSTAINED):
            table.add_column(head, justify="right")
    for most in range(1, MOST_LEVERS + 1):
        statuses, spent, rows, put = Counter[str](), [], [], 0
        for problem, answer in asked:
            began = time.process_time()
            found = menu(_beside(model, problem, answer), answer, most)
            spent.append(time.process_time() - began)
            rows.append(found.work.rows)
            put += found.asked
            statuses.update(entry.status for entry in found.entries)
        each = (Status.OPTIMAL, Status.FEASIBLE, Status.INFEASIBLE, Status.UNKNOWN)
        counts = [sum(statuses.values()), put, *(statuses[s] for s in each)]
        table.add_row(f"1 to {most}", *map(str, counts), told(spent), f"{np.median(rows):.0f}")
    return table


def _beside(model: ServedModel, problem: Problem, answer: Recourse) -> Beside:
    return Beside.of(problem, model.deployed.predictor, answer.work, engine=model.engine)


def told(seconds: Sequence[float]) -> str:
    """Median and 95th percentile, in milliseconds."""
    ms = 1e3 * np.array(seconds or [0.0])
    return f"{np.median(ms):.0f}, {np.percentile(ms, 95):.0f}"


if __name__ == "__main__":
    main()
