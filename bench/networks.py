"""How many questions about networks are proven within a second, and within ten, beside HiGHS alone.

    python -m bench.networks [--questions 20] [--seconds 10] [--studies breast-cancer,curves]

Deployed models of the benchmark's data (`bench/models.py`: MLP 16x16 and 64x32 with ReLU, 20 to 30
features), with the plant's rules and without; and MLP 16x16 of tanh and logistic units on 6 and 12
readings. Engines are asked alone, one after the other, the same questions; no other engine helps.
Autoencoders: `bench/autoencoders.py`. Seconds are of CPU.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from bench.autoencoders import readings
from bench.datasets import datasets
from bench.judge import Judge
from bench.models import RECIPES, deploy
from bench.peers.ask_ours import policy_of
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Engine, Meter, SearchOutcome
from ifonly.explainers.search.networks.engine import Networks
from ifonly.explainers.search.relu import Relu
from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.reading import read_graph
from ifonly.models.onnx import load_predictor
from ifonly.models.predictor import Predictor
from ifonly.models.repository import load_folder
from ifonly.models.rounding import rounding_of
from ifonly.models.schema import Schema
from ifonly.models.spec import parse_spec

Floats = npt.NDArray[np.float64]

DATA = ("breast-cancer", "steel-plates", "german-credit")
MODELS = ("mlp-16x16", "mlp-64x32")
CURVES = ("tanh", "logistic")
ENGINES: dict[str, Callable[[GraphForm, Schema], Engine]] = {"networks": Networks, "relu": Relu}
SHORT = 1.0


@dataclass(frozen=True, eq=False)
class NetworkQuestions:
    """One model and the questions about it."""

    name: str
    form: GraphForm
    predictor: Predictor
    policy: Policy
    rows: Floats


def deployed(questions: int, cache: Path, wanted: Sequence[str]) -> Iterator[NetworkQuestions]:
    found = datasets(Path(__file__).resolve().parents[2] / "shared" / "data")
    for name in DATA:
        if name not in found or name not in wanted:
            continue
        data = found[name]()
        for kind in MODELS:
            free = deploy(data, RECIPES[kind], cache)
            for study in (free, replace(free, setting="rules", rules=data.rules)):
                model = load_folder(Path(study.folder))
                assert model.form is not None
                rows = Judge(study).questions(data.test, questions)
                policy = policy_of(study, model)
                yield NetworkQuestions(study.key, model.form, model.predictor, policy, rows)


def curved(questions: int) -> Iterator[NetworkQuestions]:
    """Whether the sum of squares of readings is large, by networks without kinks."""
    for curve in CURVES:
        for n in (6, 12):
            seen = readings(n, 2_000, 0)
            spec, model, alarms = _curved(curve, seen)
            predictor = load_predictor(model, spec)
            form = read_graph(predictor.model, predictor.encoding, predictor.columns)
            policy = Policy.read(spec.policy, spec.schema, spec.decision, reference=seen)
            raised = alarms[predictor.score(alarms)[:, 0] >= 0.5]
            yield NetworkQuestions(
                f"{curve} 16x16, {n} readings", form, predictor, policy, raised[:questions]
            )


def _curved(curve: str, seen: Floats) -> tuple[Any, bytes, Floats]:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from ifonly.models.onnx.export import export_onnx, to_bytes

    scaled = (seen - seen.mean(axis=0)) / seen.std(axis=0)
    size = (scaled**2).sum(axis=1) + scaled[:, 0] * scaled[:, 1]
    estimator = MLPClassifier((16, 16), activation=curve, max_iter=400, random_state=0)
    model = make_pipeline(StandardScaler(), estimator).fit(seen, size > np.quantile(size, 0.8))
    text = 'format = 1\nname = "curved"\nversion = "1"\ntask = "binary"\n[decision]\n'
    text += 'classes = ["normal", "alarm"]\npositive = "alarm"\ndesired = "normal"\n'
    text += "threshold = 0.5\n"
    for k, (low, high) in enumerate(zip(seen.min(axis=0), seen.max(axis=0), strict=True)):
        step = float(f"{(high - low) / 200.0:.2g}")
        first, last = np.floor(low / step) * step, np.ceil(high / step) * step
        text += f'[[features]]\nname = "reading_{k}"\nkind = "continuous"\n'
        text += f"bounds = [{first:.12g}, {last:.12g}]\nresolution = {step}\n"
    exported = to_bytes(export_onnx(model, seen.shape[1], name="curved"))
    return parse_spec(text.encode(), "spec.toml"), exported, seen[:500]


def ask(asked: NetworkQuestions, engine: Engine, seconds: float) -> tuple[Floats, float]:
    """CPU seconds of each question, infinite where nothing is proven; and its boxes."""
    spent, nodes = [], []
    for row in asked.rows:
        problem = asked.policy.problem(row).firm(rounding_of(asked.predictor))
        _, taken, boxes = searched(problem, asked.predictor, engine, seconds)
        spent.append(taken)
        nodes.append(boxes)
    return np.array(spent), float(np.median(nodes))


def searched(
    problem: Problem, predictor: Predictor, engine: Engine, seconds: float
) -> tuple[SearchOutcome, float, int]:
    """What an engine finds, its CPU seconds, infinite where nothing is proven, and its boxes."""
    deadline = Deadline.after(seconds, time.process_time)
    meter = Meter(predictor, deadline)
    began = time.process_time()
    found = engine.search(problem, meter, deadline)
    taken = time.process_time() - began
    return found, taken if found.is_proven(problem) else np.inf, meter.nodes


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--studies", default=",".join([*DATA, "curves"]))
    parser.add_argument("--engines", default="networks,relu")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "ifonly-bench")
    options = parser.parse_args(arguments)
    wanted = options.studies.split(",")
    table = Table("study", "engine", "asked", f"proven in {SHORT:g} s",
                  f"in {options.seconds:g} s", "median s", "median boxes")  # fmt: skip
    studies = [*deployed(options.questions, options.cache, wanted)]
    studies += curved(options.questions) if "curves" in wanted else []
    for asked in studies:
        for name in options.engines.split(","):
            try:
                engine = ENGINES[name](asked.form, asked.policy.schema)
                spent, nodes = ask(asked, engine, options.seconds)
            except NotEligible as reason:
                table.add_row(asked.name, name, "", "", "", "", str(reason))
                continue
            share = [f"{np.mean(spent <= limit):.0%}" for limit in (SHORT, options.seconds)]
            median = f"{np.median(spent):.3f}" if np.isfinite(np.median(spent)) else ""
            table.add_row(asked.name, name, str(len(spent)), *share, median, f"{nodes:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
