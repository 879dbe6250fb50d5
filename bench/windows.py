"""Windows of 10 steps and 3 channels, two of which are moved by profiles: how many are proven.

    python -m bench.windows [--questions 20] [--seconds 10]

Random networks: Conv1d and ReLU, dense and ReLU, LSTM, and tree ensembles over the flattened
window. Side by side in one run: the engines that the service makes, the exact engine of the graph
alone where there is one, and `blackbox` alone.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from ifonly.explainers.answer import AlreadyTarget, Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.models.repository import load_folder
from ifonly.service.ask import read_request
from ifonly.service.ask.explain import explain
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.wire import requests, validation
from tests.support import windows

STEPS = 10
PROFILES = (
    ('[{shape = "constant"}, {shape = "ramp", from = ["2 min", "4 min"]}]',
     '[{shape = "constant"}]'),
    ('[{shape = "step", from = ["1 min", "3 min"]}]', '[{shape = "step", from = ["5 min"]}]'),
)  # fmt: skip
"""Two levers, as the issue has it."""
KINDS = {"conv1d": "conv", "dense": "gemm", "lstm": "lstm", "trees": "trees"}


@dataclass
class Counted:
    asked: int = 0
    proven: int = 0
    found: int = 0
    seconds: list[float] = field(default_factory=list)


def served(root: Path, kind: str, seed: int) -> ServedModel:
    folder = root / "window" / "1"
    folder.mkdir(parents=True)
    spec = windows.SPEC.format(
        steps=STEPS, layout="steps-channels", flow="continuous", coolant="", policy=""
    )
    for before, after in PROFILES:
        spec = spec.replace(before, after)
    # Finer grids: 400 values of either.
    spec = spec.replace("resolution = 0.5", "resolution = 0.05")
    spec = spec.replace("resolution = 1\n", "resolution = 0.05\n")
    (folder / "spec.toml").write_text(spec, encoding="utf-8")
    model = (
        windows.forest(seed, "steps-channels", STEPS, trees=100)
        if kind == "trees"
        else windows.network(seed, kind, "steps-channels", STEPS, hidden=8)
    )
    (folder / "model.onnx").write_bytes(model)
    return prepare(load_folder(folder))


def alone(model: ServedModel, which: str) -> ServedModel | None:
    """The model, answered by one engine; None where its graph has none."""
    if which == "service":
        return model
    if which == "blackbox":
        return replace(model, own_engine=Portfolio((Blackbox(),)))
    exact = windows.by_exact_engine(model)
    return None if exact is model else replace(exact, own_engine=exact.engine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = Table(title=f"proven within {options.seconds:g} s, windows {STEPS}x3, two levers")
    for name in ("model", "engines", "asked", "proven", "an answer", "median s"):
        table.add_column(name, justify="left" if name in ("model", "engines") else "right")
    draw = np.random.default_rng(options.seed)
    for told, kind in KINDS.items():
        counts = {which: Counted() for which in ("service", "exact engine", "blackbox")}
        while counts["service"].asked < options.questions:
            with TemporaryDirectory() as root:
                model = served(Path(root), kind, int(draw.integers(2**31)))
                level = draw.uniform(2, 8, (3, 1))
                series = np.clip(level + draw.normal(size=(3, STEPS)), 0, 10).round(1)
                values = dict(zip(windows.NAMES, series.tolist(), strict=True))
                for which, count in counts.items():
                    asked = alone(model, which)
                    if asked is not None and not _ask(asked, values, options.seconds, count):
                        break
        for which, count in counts.items():
            if count.asked:
                share = f"{100 * count.proven / count.asked:.0f} %"
                median = f"{np.median(count.seconds):.2f}"
                table.add_row(told, which, str(count.asked), share, str(count.found), median)
    Console(width=90).print(table)


def _ask(model: ServedModel, values: object, seconds: float, count: Counted) -> bool:
    """Whether there was something to ask."""
    request = validation.read(requests.ExplanationRequest, {"instance": values})
    question = read_request.question(request, model)
    began = time.perf_counter()
    answer = explain(model, question, Deadline.after(seconds)).answer
    if isinstance(answer, AlreadyTarget):
        return False
    count.seconds.append(time.perf_counter() - began)
    count.asked += 1
    count.found += isinstance(answer, Recourse)
    proven = answer.counterfactuals[0].gap == 0.0 if isinstance(answer, Recourse) else False
    count.proven += proven or answer.status == "infeasible"
    return True


if __name__ == "__main__":
    main()
