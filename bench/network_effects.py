"""How many questions about networks are proven where something follows, or answers must survive.

    python -m bench.network_effects [--questions 12] [--seconds 1] [--studies declared,fitted,...]

A classifier (MLP 16x16) and an autoencoder (largest absolute error) on 12 readings. Studies:

- ``declared``: six edges of lines that are taken as known; what follows cannot be set.
- ``fitted``: the same edges, lines fitted to 300 rows; answers keep a gamma of 2.5, a floor of 0.9.
- ``set or follow``: as declared, and what follows can be set as well.
- ``whole``: as declared; readings are counts, of which what follows is rounded.
- ``rules``: as declared; two rules and a range on what follows.
- ``tolerances``: nothing follows; answers survive the tolerances of three sensors.
- ``both``: as declared, and answers survive.

Each engine is asked alone, the same questions. Seconds are of CPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from bench.autoencoders import autoencoder, readings
from bench.networks import searched
from ifonly.explainers.causal import CausalMembers, CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.learning import learn
from ifonly.explainers.causal.mechanism import Mechanism, NoiseForm
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.networks.engine import Networks
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.search.relu import Relu
from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.reading import read_graph
from ifonly.models.onnx import OnnxPredictor, load_predictor
from ifonly.models.rounding import rounding_of
from ifonly.models.spec import Spec, parse_spec

Floats = npt.NDArray[np.float64]

N = 12
EDGES = ((0, 3), (1, 3), (2, 5), (3, 5), (4, 8), (6, 8))
"""Causes before effects."""
EFFECTS = (3, 5, 8)
SENSORS = (1, 3, 7)
STUDIES = ("declared", "fitted", "set or follow", "whole", "rules", "tolerances", "both")
ENGINES = ("networks", "relu", "portfolio")
STEPS = 50.0
"""Counts in a standard deviation of a reading, where readings are counts."""


@dataclass(frozen=True, eq=False)
class FollowedModel:
    """One model, and the rows that are asked about."""

    name: str
    spec: Spec
    predictor: OnnxPredictor
    seen: Floats
    alarms: Floats

    @property
    def form(self) -> GraphForm:
        return read_graph(self.predictor.model, self.predictor.encoding, self.predictor.columns)


def classifier(questions: int, is_whole: bool) -> FollowedModel:
    """Whether the readings are large together."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from ifonly.models.onnx.export import export_onnx, to_bytes

    seen = readings(N, 2_000, 0)
    if is_whole:
        seen = np.rint(STEPS * seen / seen.std(axis=0))
    scaled = (seen - seen.mean(axis=0)) / seen.std(axis=0)
    size = (scaled**2).sum(axis=1) + scaled[:, 0] * scaled[:, 1]
    network = MLPClassifier((16, 16), max_iter=400, random_state=0)
    model = make_pipeline(StandardScaler(), network).fit(seen, size > np.quantile(size, 0.8))
    text = 'format = 1\nname = "followed"\nversion = "1"\ntask = "binary"\n[decision]\n'
    text += 'classes = ["normal", "alarm"]\npositive = "alarm"\ndesired = "normal"\n'
    text += "threshold = 0.5\n"
    for k, (low, high) in enumerate(zip(seen.min(axis=0), seen.max(axis=0), strict=True)):
        step = 1 if is_whole else float(f"{(high - low) / 200.0:.2g}")
        first, last = np.floor(low / step) * step, np.ceil(high / step) * step
        kind = "integer" if is_whole else "continuous"
        text += f'[[features]]\nname = "reading_{k}"\nkind = "{kind}"\n'
        text += f"bounds = [{first:.12g}, {last:.12g}]\nresolution = {step}\n"
    exported: Any = to_bytes(export_onnx(model, N, name="followed"))
    spec = parse_spec(text.encode(), "spec.toml")
    predictor = load_predictor(exported, spec)
    raised = seen[predictor.score(seen)[:, 0] >= 0.5]
    return FollowedModel("MLP 16x16", spec, predictor, seen, raised[:questions])


def errors(questions: int) -> FollowedModel:
    model = autoencoder(N, "max absolute", questions)
    return FollowedModel(
        "autoencoder", model.spec, model.predictor, readings(N, 3_000, 0), model.alarms
    )


def consequences_of(asked: FollowedModel, study: str) -> CausalConsequences:
    rng = np.random.default_rng(0)
    graph = Graph.of(N, EDGES)
    mechanisms: list[Mechanism | None] = []
    for j, causes in enumerate(graph.parents):
        if not causes:
            mechanisms.append(None)
        elif study == "fitted":
            x, y = asked.seen[:300, causes], asked.seen[:300, j]
            forms = ["linear"], [NoiseForm.ADDITIVE]
            mechanisms.append(learn(x, y, [False] * len(causes), rng, *forms).mechanism)
        else:
            x, y = asked.seen[:, causes], asked.seen[:, j]
            slopes = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(), rcond=None)[0]
            mechanisms.append(Mechanism(linear(0.0, slopes)))
    model = CausalModel(asked.spec.schema.names, graph, tuple(mechanisms))
    members: CausalMembers = draw_members(model, rng, 64)
    whole = tuple(range(N)) if study == "whole" else ()
    return CausalConsequences(model, members, 2.5, 0.9, np.zeros(N), whole=whole)


def policy_of(asked: FollowedModel, study: str) -> Policy:
    names, seen = asked.spec.schema.names, asked.seen
    features: dict[str, dict[str, Any]] = {name: {} for name in names}
    table: dict[str, Any] = {"features": features}
    if study not in ("set or follow", "tolerances"):
        for j in EFFECTS:
            features[names[j]]["actionable"] = False
    if study in ("tolerances", "both"):
        for j in SENSORS:
            features[names[j]]["tolerance"] = float(f"{0.02 * seen[:, j].std():.2g}")
        table["robust"] = True
    if study == "rules":
        low, high = np.quantile(seen, [0.02, 0.98], axis=0)
        table["rules"] = [
            f"{names[3]} + {names[0]} <= {high[3] + high[0]:.6g}",
            f"{names[5]} - {names[2]} >= {low[5] - high[2]:.6g}",
        ]
    return Policy.read(table, asked.spec.schema, asked.spec.decision, reference=seen)


def problems_of(asked: FollowedModel, study: str) -> list[Problem]:
    policy, rounding = policy_of(asked, study), rounding_of(asked.predictor)
    given = None if study == "tolerances" else consequences_of(asked, study)
    found = (policy.problem(row) for row in asked.alarms)
    return [replace(each, consequences=given).firm(rounding) for each in found]


def engine_of(name: str, asked: FollowedModel) -> Engine:
    if name == "portfolio":
        return engines_for(asked.form, asked.spec.schema)
    made: type[Networks] | type[Relu] = Networks if name == "networks" else Relu
    return made(asked.form, asked.spec.schema)


def ask(
    asked: FollowedModel, engine: Engine, study: str, seconds: float
) -> tuple[Floats, Floats, float]:
    """CPU seconds of each question, infinite where nothing is proven; the gap of each; and the
    median of boxes.

    Raises
    ------
    NotEligible
        If the questions are not for the engine.
    """
    spent, gaps, nodes = [], [], []
    for problem in problems_of(asked, study):
        found, taken, boxes = searched(problem, asked.predictor, engine, seconds)
        spent.append(taken)
        cost = problem.cost_of(found.candidates[:1])[0] if len(found.candidates) else np.inf
        bound = found.lower_bound or 0.0
        gaps.append(0.0 if found.is_proven(problem) else 1.0 - bound / cost)
        nodes.append(boxes)
    return np.array(spent), np.array(gaps), float(np.median(nodes))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--studies", default=",".join(STUDIES))
    parser.add_argument("--engines", default=",".join(ENGINES))
    options = parser.parse_args(arguments)
    table = Table("study", "model", "engine", "asked", f"proven in {options.seconds:g} s",
                  "median s", "median gap of others", "median boxes")  # fmt: skip
    models = {False: [classifier(options.questions, False), errors(options.questions)],
              True: [classifier(options.questions, True)]}  # fmt: skip
    for study in options.studies.split(","):
        for asked in models[study == "whole"]:
            for name in options.engines.split(","):
                try:
                    engine = engine_of(name, asked)
                    spent, gaps, nodes = ask(asked, engine, study, options.seconds)
                except NotEligible as reason:
                    told = [study, asked.name, name, "", "", "", "", str(reason)]
                else:
                    done = int((spent <= options.seconds).sum())
                    open_ = gaps[~np.isfinite(spent)]
                    gap = f"{np.median(open_):.2%}" if len(open_) else ""
                    told = [study, asked.name, name, str(len(spent)), f"{done}",
                            f"{np.median(spent):.3f}", gap, f"{nodes:.0f}"]  # fmt: skip
                table.add_row(*told)
                print(*told, flush=True)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
