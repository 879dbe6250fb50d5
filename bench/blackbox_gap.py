"""What asking alone gives away: the cost of ``blackbox``'s answers over the proven least.

    python -m bench.blackbox_gap [--rows 8] [--seconds 2 10] [--studies part …]

The questions are those of ``bench.compare``: public data, with the plant's rules and without; and
those of ``bench.autoencoders``: reconstruction errors of 6 and 12 readings. Each is first answered
by the portfolio; where its answer is proven, or that there is none, ``blackbox`` is asked alone, as
if the graph could not be read. Printed for each study: the ratio of the two costs (median, 95th
percentile, worst), where nothing was found though there is an answer, model rows, and CPU seconds.
Models and proofs are kept in the cache.
"""

from __future__ import annotations

import argparse
import os
import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.autoencoders import ERRORS, Autoencoder, autoencoder
from bench.datasets import datasets
from bench.judge import Judge
from bench.models import RECIPES, deploy
from bench.peers.ask_ours import blackbox, portfolio
from bench.study import Matrix, StudySetup
from ifonly.explainers.answer import Answer, Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.graph.reading import read_graph

ROOT = Path(__file__).resolve().parents[1]
STUDIES = tuple(
    (data, model)
    for data in ("ai4i-uci", "german-credit", "gas-turbine", "breast-cancer", "steel-plates")
    for model in ("xgboost-200x6", "forest-100x10", "mlp-16x16")
)


AUTOENCODERS = tuple((f"autoencoder/{error}/{n}", n, error) for n in (6, 12) for error in ERRORS)


@dataclass(frozen=True)
class Proof:
    """A question, and the least cost of an answer to it."""

    row: Matrix
    cost: float


@dataclass(frozen=True)
class Gap:
    """One question, asked of ``blackbox``."""

    ratio: float
    """Of costs; infinite: nothing was found."""
    rows: int
    cpu: float


def main() -> None:
    options = _options()
    everything: dict[float, list[Gap]] = {seconds: [] for seconds in options.seconds}
    for study in _studies(options):
        proofs = _proofs(study, options)
        for seconds in options.seconds:
            gaps = [*_gaps(study, proofs, seconds)]
            everything[seconds] += gaps
            print(f"{study.key:40} {_told(gaps, seconds)}", flush=True)
    for key, n, error in AUTOENCODERS:
        if options.studies and not any(part in key for part in options.studies):
            continue
        model, proofs = _proven_errors(n, error, options)
        for seconds in options.seconds:
            gaps = [*_gaps_of_errors(model, proofs, seconds)]
            everything[seconds] += gaps
            print(f"{key:40} {_told(gaps, seconds)}", flush=True)
    for seconds, gaps in everything.items():
        print(f"{'all':40} {_told(gaps, seconds)}")


def _options() -> argparse.Namespace:
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(prog="python -m bench.blackbox_gap")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, default=home / "ifonly-bench")
    parser.add_argument("--rows", type=int, default=8, help="questions a study")
    parser.add_argument("--seconds", type=float, nargs="+", default=[2.0, 10.0], help="deadlines")
    parser.add_argument("--proof-seconds", type=float, default=20.0)
    parser.add_argument(
        "--studies", nargs="*", default=[], help="only where the key has one of these"
    )
    return parser.parse_args()


def _studies(options: argparse.Namespace) -> Iterator[StudySetup]:
    loaders = datasets(options.data)
    for name, model in STUDIES:
        keys = [f"{name}/{model}/{setting}" for setting in ("free", "rules")]
        wanted = [k for k in keys if not options.studies or any(p in k for p in options.studies)]
        if name not in loaders or not wanted:
            continue
        data = loaders[name]()
        free = deploy(data, RECIPES[model], options.cache)
        rules = replace(free, setting="rules", rules=data.rules)
        for study in (free, rules):
            if study.key in wanted:
                _TESTS[study.key] = data.test[:20_000]
                yield study


_TESTS: dict[str, Matrix] = {}


def _proofs(study: StudySetup, options: argparse.Namespace) -> list[Proof]:
    kept = options.cache / "proofs" / f"{study.key}-{options.rows}.pickle"
    if kept.is_file():
        found: list[Proof] = pickle.loads(kept.read_bytes())
        return found
    judge, asker = Judge(study), portfolio(study)
    found = []
    for row in judge.questions(_TESTS[study.key], options.rows):
        answer = asker.ask(row, options.proof_seconds, 0)
        if answer.is_proven and len(answer.rows):
            found.append(Proof(row, judge.weigh(row, answer.rows.tolist()).cost))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pickle.dumps(found))
    return found


def _gaps(study: StudySetup, proofs: Sequence[Proof], seconds: float) -> Iterator[Gap]:
    judge, asker = Judge(study), blackbox(study)
    for proof in proofs:
        began = time.process_time()
        answer = asker.ask(proof.row, seconds, 0)
        cpu = time.process_time() - began
        cost = judge.weigh(proof.row, answer.rows.tolist()).cost if len(answer.rows) else np.inf
        yield Gap(cost / proof.cost, answer.model_rows or 0, cpu)


def _proven_errors(
    n: int, error: str, options: argparse.Namespace
) -> tuple[Autoencoder, list[Proof]]:
    """An autoencoder, and its questions that are proven."""
    model = autoencoder(n, error, options.rows)
    graph = read_graph(model.predictor.model, model.predictor.encoding, model.predictor.columns)
    engine, found = engines_for(graph, model.spec.schema), []
    for row in model.alarms:
        cost = _least(model, row, engine, options.proof_seconds)
        if cost is not None:
            found.append(Proof(row, cost))
    return model, found


def _gaps_of_errors(model: Autoencoder, proofs: Sequence[Proof], seconds: float) -> Iterator[Gap]:
    for proof in proofs:
        began = time.process_time()
        answer = _answer(model, proof.row, Blackbox(), seconds)
        cpu = time.process_time() - began
        cost = answer.counterfactuals[0].cost if isinstance(answer, Recourse) else np.inf
        yield Gap(cost / proof.cost, answer.work.rows, cpu)


def _least(model: Autoencoder, row: Matrix, engine: Engine, seconds: float) -> float | None:
    answer = _answer(model, row, engine, seconds)
    if not isinstance(answer, Recourse) or answer.counterfactuals[0].gap != 0.0:
        return None
    return answer.counterfactuals[0].cost


def _answer(model: Autoencoder, row: Matrix, engine: Engine, seconds: float) -> Answer:
    policy = Policy.read(model.spec.policy, model.spec.schema, model.spec.decision)
    deadline = Deadline.after(seconds)
    return explain(policy.problem(row), model.predictor, engine=engine, deadline=deadline)


def _told(gaps: Sequence[Gap], seconds: float) -> str:
    if not gaps:
        return "no question has a proof"
    ratios = np.array([gap.ratio for gap in gaps])
    middle, high = np.percentile(ratios, [50, 95], method="higher")
    rows, cpu = np.median([gap.rows for gap in gaps]), np.median([gap.cpu for gap in gaps])
    return (
        f"{seconds:4g} s: {len(gaps):3} questions, ratio {middle:.3f} (p95 {high:.3f}, worst "
        f"{ratios.max():.3f}), {np.isinf(ratios).sum()} without; rows {rows:,.0f}, CPU {cpu:.2f} s"
    )


if __name__ == "__main__":
    main()
