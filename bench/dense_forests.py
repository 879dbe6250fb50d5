"""Where proofs are hardest: isolation forests, deep trees, 500 trees, questions without an answer.

    python -m bench.dense_forests [--questions 20] [--seconds 1] [--treecf] [--before FILE]
        [--keep FILE] [--out FILE]

What is proven within so many seconds of CPU, which other work on the machine does not change: the
deadline itself reads that clock. ``--keep`` writes what was found of every question, ``--before``
puts what another version kept beside it, and holds its claims against these; ``--treecf`` asks that
library the same questions, with the same time (it counts wall time, and is told less of the rules).
Of a question without an answer it says that there is none; ours says besides what blocks it, what
lifting each of these would bring, and how near anything comes: the proof alone is told apart.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from bench.datasets import Data, datasets
from bench.judge import Judge
from bench.models import ISOLATION, RECIPES, deploy
from bench.peers.ask_ours import policy_of
from bench.peers.catalogue import USES
from bench.peers.client import Library
from bench.peers.environments import interpreter
from bench.study import Matrix, StudySetup
from ifonly.explainers.answer import Answer, Infeasible, Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.portfolio import Portfolio, engines_for
from ifonly.models.repository import load_folder

ROOT = Path(__file__).resolve().parent.parent
DATASETS = ("ai4i-uci", "gas-turbine", "steel-plates", "breast-cancer")
STUDIES = (
    *((data, "isolation-100x256", setting) for data in DATASETS for setting in ("free", "rules")),
    ("steel-plates", "forest-100x10", "free"),
    ("steel-plates", "forest-100x10", "rules"),
    ("steel-plates", "xgboost-500x6", "free"),
    ("steel-plates", "xgboost-500x6", "rules"),
    ("gas-turbine", "xgboost-500x6", "free"),
    ("gas-turbine", "xgboost-500x6", "rules"),
    ("gas-turbine", "xgboost-200x6", "rules"),
    ("gas-turbine", "forest-100x10", "rules"),
)
NEAR = 1e-6
"""Relative difference of costs that rounding explains."""
Known = dict[str, list["DenseQuestion"]]


@dataclass(frozen=True)
class DenseQuestion:
    """One question, and what was said of it."""

    claim: str
    """``optimal``, ``infeasible``, ``feasible`` or another status."""
    cpu: float
    cost: float | None = None
    bound: float | None = None
    boxes: int = 0
    proof: float = 0.0
    """CPU seconds of the search until the claim was settled."""

    @property
    def is_proven(self) -> bool:
        return self.claim in ("optimal", "infeasible")


def _studies(options: argparse.Namespace) -> Iterator[tuple[StudySetup, Matrix]]:
    loaders, loaded = datasets(options.data), dict[str, Data]()
    for dataset, model, setting in STUDIES:
        key = f"{dataset}/{model}/{setting}"
        if options.studies and not any(part in key for part in options.studies):
            continue
        if dataset not in loaders:
            continue
        data = loaded.setdefault(dataset, loaders[dataset]())
        study = deploy(data, RECIPES.get(model, ISOLATION), options.cache)
        if setting == "rules":
            study = replace(study, setting="rules", rules=data.rules)
        yield study, Judge(study).questions(data.test[:20_000], options.questions)


class _Proof:
    """Engines of which the time is noted until the first claim is settled."""

    def __init__(self, engines: Portfolio) -> None:
        self._engines = engines
        self.cpu = 0.0
        self._left = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engines, name)

    def begin(self) -> None:
        self.cpu, self._left = 0.0, 2

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        began = time.process_time()
        found = self._engines.search(problem, meter, deadline)
        if self._left:
            self.cpu += time.process_time() - began
            # That there is none is asked twice: in every session of the model, and in this one.
            self._left = self._left - 1 if found.is_infeasible else 0
        return found


def _ours(study: StudySetup, rows: Matrix, seconds: float) -> list[DenseQuestion]:
    model = load_folder(Path(study.folder))
    policy = policy_of(study, model)
    engines = _Proof(engines_for(model.form, model.spec.schema))
    engines.warm(policy.problem(rows[0]), model.predictor)
    found = []
    for seed, row in enumerate(rows):
        engines.begin()
        began = time.process_time()
        until = Deadline.after(seconds, time.process_time)
        problem = policy.problem(row, seed=seed)
        answer = explain(problem, model.predictor, engine=engines, deadline=until)
        spent = time.process_time() - began
        found.append(replace(_asked(answer, spent), proof=engines.cpu))
    return found


def _asked(answer: Answer, cpu: float) -> DenseQuestion:
    match answer:
        case Recourse():
            best = answer.counterfactuals[0]
            claim = "optimal" if best.gap == 0.0 else "feasible"
            return DenseQuestion(claim, cpu, best.cost, best.lower_bound, answer.work.nodes)
        case Infeasible():
            return DenseQuestion("infeasible", cpu, boxes=answer.work.nodes)
        case _:
            return DenseQuestion(str(answer.status), cpu)


def _treecf(study: StudySetup, rows: Matrix, options: argparse.Namespace) -> list[DenseQuestion]:
    use = next(u for u in USES if u.method == "treecf-exact")
    use = replace(use, seconds=options.seconds)
    python = interpreter(use.environment, options.cache, [])
    library, found, judge = (
        Library(use, python, study, options.cache / "treecf.log"),
        [],
        Judge(study),
    )
    try:
        if library.prepared.status != "ready":
            return []
        for seed, row in enumerate(rows):
            reply = library.ask(row, seed)
            claim = "optimal" if reply.rows else "infeasible"
            claim = claim if reply.is_proven else "feasible"
            best = judge.weigh(row, reply.rows)
            found.append(DenseQuestion(claim, reply.cpu, best.cost if best.holds else None))
    finally:
        library.close()
    return found


def _contradicts(one: DenseQuestion, other: DenseQuestion) -> bool:
    """Whether two claims about one question cannot both be true."""
    if "infeasible" in (one.claim, other.claim):
        return math.isfinite(min(_cost(one), _cost(other)))
    both = one.claim == other.claim == "optimal"
    # A proven cost is no higher than any row that holds.
    proven = min((_cost(a) for a in (one, other) if a.claim == "optimal"), default=0.0)
    dearer = max((_cost(a) for a in (one, other) if a.claim == "optimal"), default=0.0)
    known = min(_cost(one), _cost(other))
    return (both and dearer - proven > NEAR * dearer) or dearer > known * (1.0 + NEAR)


def _cost(asked: DenseQuestion) -> float:
    return math.inf if asked.cost is None else asked.cost


def _milliseconds(some: Sequence[float]) -> str:
    if not some:
        return "–"
    spent = sorted(1e3 * each for each in some)
    return f"{median(spent):.3g} ({spent[math.ceil(0.95 * len(spent)) - 1]:.3g})"


def _spent(some: Sequence[DenseQuestion]) -> str:
    return _milliseconds([a.cpu for a in some])


def _share(some: Sequence[DenseQuestion]) -> str:
    return f"{sum(a.is_proven for a in some)} of {len(some)}" if some else "–"


def _row(key: str, cells: Sequence[object]) -> str:
    return f"| {' | '.join((key.replace('/', ', '), *map(str, cells)))} |"


def _table(now: Known, before: Known, peers: Known) -> str:
    lines = _head(
        "model and setting", "proven before", "proven", "treecf", "CPU ms before, median (p95)",
        "CPU ms", "treecf", "contradictions",
    )  # fmt: skip
    for key, asked in now.items():
        old, peer = before.get(key, []), peers.get(key, [])
        wrong = sum(_contradicts(a, b) for a, b in zip(asked, old, strict=False))
        shares = [_share(some) for some in (old, asked, peer)]
        lines.append(_row(key, [*shares, *map(_spent, (old, asked, peer)), wrong]))
    lines += ["", *_head(
        "model and setting", "without an answer", "proof, CPU ms before", "proof", "treecf",
        "whole answer before", "whole answer",
    )]  # fmt: skip
    for key, asked in now.items():
        none = [k for k, a in enumerate(asked) if a.claim == "infeasible"]
        if none:
            own = [asked[k] for k in none]
            old, peer = (
                [some[k] for k in none if k < len(some)]
                for some in (before.get(key, []), peers.get(key, []))
            )
            proofs = [_milliseconds([a.proof for a in some]) for some in (old, own)]
            lines.append(_row(key, [len(none), *proofs, *map(_spent, (peer, old, own))]))
    return "\n".join(lines) + "\n"


def _head(*names: str) -> list[str]:
    return [_row(names[0], names[1:]), "|---" * len(names) + "|"]


def main(arguments: Sequence[str] | None = None) -> None:
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--studies", nargs="*", default=[],
                        help="only where dataset/model/setting contains one of these")  # fmt: skip
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, default=home / "ifonly-bench")
    parser.add_argument("--treecf", action="store_true")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    before = _kept(options.before) if options.before else {}
    now, peers = Known(), Known()
    console = Console(stderr=True, width=200)
    for study, rows in _studies(options):
        if not len(rows):
            continue
        now[study.key] = _ours(study, rows, options.seconds)
        if options.treecf:
            peers[study.key] = _treecf(study, rows, options)
        asked = now[study.key]
        console.print(f"{study.key}: {_share(asked)} proven, {_spent(asked)} ms")
    if options.keep:
        kept: dict[str, Any] = {key: [asdict(a) for a in asked] for key, asked in now.items()}
        options.keep.write_text(json.dumps(kept, indent=0))
    table = _table(now, before, peers)
    print(table)
    if options.out:
        options.out.write_text(table, encoding="utf-8")


def _kept(file: Path) -> Known:
    known = json.loads(file.read_text())
    return {key: [DenseQuestion(**each) for each in asked] for key, asked in known.items()}


if __name__ == "__main__":
    main()
