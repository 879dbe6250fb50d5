"""Recourse under learned mechanisms, judged by the truth: ``python -m bench.causal_recourse``.

Karimi et al. 2020 (NeurIPS), sections 5 and 6: mechanisms and classifier are learned from 250
balanced rows; each of 100 individuals with a score of at most 0.4 gets the cheapest action that
is believed to raise it to 0.5; then the action is carried out in the true model, with the
individual's true noise. Cost, of what is set, each by its range: the sum of the moves, as the
service counts (``--norm 1``), or Euclidean, as in the paper (``--norm 2``).

One search serves every line of the table, so that lines differ by what they believe alone. With
several ``--gammas`` the lines are a frontier of validity against cost; ``--processes`` puts their
Gaussian processes beside it (:mod:`bench.gaussian_process`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from bench.causal_scms import ANM, LINEAR, LOAN, NON_ADDITIVE, Array, ScmTruth, sigmoid
from bench.gaussian_process import learned_as_processes
from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.certainty import certainty
from ifonly.explainers.causal.learning import learn
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.consequences import Margin
from ifonly.models.onnx.export import export_onnx, to_bytes

ROWS = 250
LIMIT, ELIGIBLE = 0.5, 0.4
MEMBERS, FINAL_MEMBERS = 20, 100

SETTINGS: tuple[tuple[ScmTruth, str], ...] = (
    (LINEAR, "lr"),
    (ANM, "lr"),
    (NON_ADDITIVE, "lr"),
    (LOAN, "lr"),
    (LOAN, "mlp"),
    (LOAN, "rf"),
)

# --- the classifier -------------------------------------------------------------------------


def train(kind: str, rows: Array, labels: Array, seed: int) -> Margin:
    """Margin of the deployed (ONNX) classifier: chance of label 1, less 0.5."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "lr":
        model: Any = LogisticRegression().fit(rows, labels)
        weights, intercept = model.coef_[0], float(model.intercept_[0])
        return lambda x: sigmoid(x @ weights + intercept) - LIMIT
    if kind == "mlp":
        network = MLPClassifier((10, 10), max_iter=2000, random_state=seed)
        model, dtype = make_pipeline(StandardScaler(), network), "float64"
    else:
        model = RandomForestClassifier(100, random_state=seed, min_samples_leaf=5)
        dtype = "float32"
    model.fit(rows.astype(dtype), labels)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    data = to_bytes(export_onnx(model, rows.shape[1], name="recourse"))
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x.astype(dtype)})[0][:, 1].astype(float) - LIMIT


# --- what is believed -----------------------------------------------------------------------

Belief = Callable[[Array, tuple[int, ...], Array], Array]
"""Factual, columns and values ``(n, k)`` to a margin for each action: at least 0 is accepted."""


def believed_truth(truth: ScmTruth, noise: Array, margin: Margin) -> Belief:
    """The true model with the individual's true noise."""

    def belief(factual: Array, columns: tuple[int, ...], values: Array) -> Array:
        actions = {j: values[:, i] for i, j in enumerate(columns)}
        return margin(truth.carry_out(np.repeat(noise[None], len(values), axis=0), actions))

    return belief


def believed_mean(model: CausalModel, margin: Margin) -> Belief:
    """A learned model, taken at its word."""
    return lambda factual, columns, values: margin(model.counterfactual(factual, columns, values))


def believed_bound(model: CausalModel, margin: Margin, gamma: float, k: int, seed: int) -> Belief:
    """A learned model's lower confidence bound."""
    members = draw_members(model, np.random.default_rng(seed), k)
    return lambda factual, columns, values: (
        certainty(members, factual, columns, values, margin, gamma).lower
    )


def independent(truth: ScmTruth) -> CausalModel:
    """Nothing acts on anything: the non-causal nearest counterfactual."""
    d = len(truth.names)
    return CausalModel(truth.names, Graph(((),) * d), (None,) * d)


def learned(truth: ScmTruth, rows: Array, rng: np.random.Generator) -> CausalModel:
    mechanisms: list[Mechanism | None] = []
    for j, causes in enumerate(truth.parents):
        if not causes:
            mechanisms.append(None)
            continue
        found = learn(rows[:, list(causes)], rows[:, j], [False] * len(causes), rng)
        mechanisms.append(found.mechanism)
    return CausalModel(truth.names, Graph(truth.parents), tuple(mechanisms))


# --- the search -----------------------------------------------------------------------------


RADII = np.geomspace(0.01, 1.5, 30)
"""Of the first look, in ranges."""
RAYS = 80
ROUNDS, NEAR_RAYS, STEPS = 10, 16, 8
FINALISTS, WITHIN = 6, 1.5
"""Lever sets that are looked at closely: at most so many, none dearer than so many times the
cheapest."""


@dataclass(frozen=True)
class RecourseFound:
    columns: tuple[int, ...]
    values: Array
    cost: float
    direction: Array


class RecourseSearch:
    """Nearest accepted action over all lever sets: rays from the factual, then finer rays."""

    def __init__(
        self,
        truth: ScmTruth,
        lower: Array,
        upper: Array,
        rng: np.random.Generator,
        norm: int = 2,
    ) -> None:
        levers, self._norm = truth.actionable, norm
        self._sets = [s for k in range(1, len(levers) + 1) for s in combinations(levers, k)]
        self._lower, self._upper, self._rng = lower, upper, rng

    def coarse(self, factual: Array, belief: Belief) -> list[RecourseFound]:
        """The nearest accepted action of the lever sets in question, nearest first."""
        found = []
        for columns in self._sets:
            k = len(columns)
            directions = np.array([[1.0], [-1.0]]) if k == 1 else self._rays(RAYS * (k - 1), k)
            found += self._nearest(factual, belief, columns, directions, RADII)
        found.sort(key=lambda f: f.cost)
        return [f for f in found if f.cost <= WITHIN * found[0].cost][:FINALISTS]

    def refine(self, factual: Array, belief: Belief, start: RecourseFound) -> RecourseFound | None:
        """Shorter accepted actions about ``start``, which need not be accepted itself."""
        out = start.cost * np.linspace(0.8, 2.0, 49)
        accepted = self._nearest(factual, belief, start.columns, start.direction[None], out)
        if not accepted:
            return None
        (best,), k = accepted, len(start.columns)
        for step in range(ROUNDS if k > 1 else 0):
            near = best.direction + 0.5 * 0.6**step * self._rng.normal(size=(NEAR_RAYS, k))
            near = self._of_length_one(near)
            radii = best.cost * np.linspace(1.0 - 0.2 * 0.7**step, 0.999, STEPS)
            best = min([best, *self._nearest(factual, belief, best.columns, near, radii)],
                       key=lambda f: f.cost)  # fmt: skip
        closer = best.cost * np.linspace(0.96, 1.0, 41)
        return (
            self._nearest(factual, belief, best.columns, best.direction[None], closer) or [best]
        )[0]

    def _rays(self, n: int, k: int) -> Array:
        return self._of_length_one(self._rng.normal(size=(n, k)))

    def _of_length_one(self, rays: Array) -> Array:
        return np.asarray(rays / np.linalg.norm(rays, self._norm, axis=1, keepdims=True))

    def _nearest(
        self,
        factual: Array,
        belief: Belief,
        columns: tuple[int, ...],
        directions: Array,
        radii: Array,
    ) -> list[RecourseFound]:
        """The nearest accepted action on these rays; none where none is accepted."""
        at = list(columns)
        ranges = (self._upper - self._lower)[at]
        steps = directions[:, None, :] * radii[None, :, None] * ranges
        values = (factual[at] + steps).reshape(-1, len(at))
        inside = ((values >= self._lower[at]) & (values <= self._upper[at])).all(axis=1)
        if not inside.any():
            return []
        accepted = np.zeros(len(values), dtype=bool)
        accepted[inside] = belief(factual, columns, values[inside]) >= 0.0
        by_ray = accepted.reshape(len(directions), len(radii))
        hits = np.where(by_ray.any(axis=1), by_ray.argmax(axis=1), len(radii))
        ray = int(hits.argmin())
        if hits[ray] == len(radii):
            return []
        place = ray * len(radii) + int(hits[ray])
        return [RecourseFound(columns, values[place], float(radii[hits[ray]]), directions[ray])]


def cheapest(
    search: RecourseSearch, factual: Array, coarse: Belief, fine: Belief
) -> RecourseFound | None:
    """The cheapest action that ``fine`` accepts, looked for where ``coarse`` accepts some."""
    refined = [search.refine(factual, fine, f) for f in search.coarse(factual, coarse)]
    return min((f for f in refined if f), key=lambda f: f.cost, default=None)


def settle(
    search: RecourseSearch, factual: Array, belief: Belief, found: RecourseFound | None
) -> RecourseFound | None:
    """``found``, pushed outwards until a closer look accepts it."""
    if found is None:
        return None
    radii = found.cost * np.linspace(1.0, 1.3, 121)
    nearest = search._nearest(factual, belief, found.columns, found.direction[None], radii)
    return nearest[0] if nearest else None


# --- one seed -------------------------------------------------------------------------------


@dataclass
class RecourseLine:
    """One line of the table, over all individuals of all seeds."""

    asked: int = 0
    answered: int = 0
    valid: int = 0
    cost: float = 0.0
    ratio: float = 0.0
    """Sum of cost by true optimum over the answers."""
    optimum: float = 0.0
    """Sum of the true optimum over the answers."""

    def add(self, found: RecourseFound | None, valid: bool, optimum: float) -> None:
        self.asked += 1
        if found is None:
            return
        self.answered += 1
        self.valid += valid
        self.cost += found.cost
        self.optimum += optimum
        self.ratio += found.cost / optimum


@dataclass(frozen=True)
class Scene:
    """What one seed drew."""

    margin: Margin
    rows: Array
    people: Array
    """All who are asked about, with their true noise."""
    noise: Array


def scene(
    truth: ScmTruth, kind: str, seed: int, n_rows: int = ROWS
) -> tuple[Scene, np.random.Generator]:
    """With the generator, for whatever is learned from the rows."""
    rng = np.random.default_rng([seed, 7])
    pool, _ = truth.sample(rng, 20_000)
    labels = rng.random(len(pool)) < truth.probability(pool)
    chosen = np.concatenate([np.flatnonzero(labels == y)[: n_rows // 2] for y in (False, True)])
    margin = train(kind, pool[chosen], labels[chosen], seed)
    people, noise = truth.sample(rng, 5000)
    eligible = margin(people) <= ELIGIBLE - LIMIT
    return Scene(margin, pool[chosen], people[eligible], noise[eligible]), rng


def run(
    truth: ScmTruth,
    kind: str,
    seed: int,
    people: int,
    gammas: Sequence[float],
    norm: int = 2,
    processes: bool = False,
) -> dict[str, RecourseLine]:
    s, rng = scene(truth, kind, seed)
    own = learned(truth, s.rows, rng)
    lower, upper = s.rows.min(axis=0), s.rows.max(axis=0)
    lines: dict[str, RecourseLine] = {}
    models = {"bound": own}
    if processes:
        models["GP"] = learned_as_processes(truth, s.rows)
    bounds = {
        f"{name} {g}": [
            believed_mean(model, s.margin),
            *(believed_bound(model, s.margin, g, k, seed) for k in (MEMBERS, FINAL_MEMBERS)),
        ]
        for name, model in models.items()
        for g in gammas
    }
    mean, alone = believed_mean(own, s.margin), believed_mean(independent(truth), s.margin)
    for i, (factual, noise) in enumerate(zip(s.people[:people], s.noise[:people], strict=True)):
        true = believed_truth(truth, noise, s.margin)
        search = RecourseSearch(truth, lower, upper, np.random.default_rng([seed, i]), norm)
        answers = {
            "independent": cheapest(search, factual, alone, alone),
            "point": cheapest(search, factual, mean, mean),
        }
        for name, (coarse, fine, final) in bounds.items():
            found = cheapest(search, factual, coarse, fine)
            answers[name] = settle(search, factual, final, found)
        best = cheapest(search, factual, true, true)
        valid = {
            name: found is not None
            and bool(true(factual, found.columns, found.values[None])[0] >= 0.0)
            for name, found in answers.items()
        }
        # Whatever turned out valid is no cheaper than the optimum.
        costs = [f.cost for n, f in answers.items() if f and valid[n]]
        optimum = min([*costs, best.cost if best else np.inf])
        if not np.isfinite(optimum):
            continue
        for name, found in answers.items():
            lines.setdefault(name, RecourseLine()).add(found, valid[name], optimum)
        lines.setdefault("truth", RecourseLine()).add(best, True, optimum)
    return lines


def _merged(parts: Sequence[dict[str, RecourseLine]]) -> dict[str, RecourseLine]:
    total: dict[str, RecourseLine] = {}
    for part in parts:
        for name, line in part.items():
            now = asdict(total.get(name, RecourseLine()))
            total[name] = RecourseLine(
                **{key: now[key] + value for key, value in asdict(line).items()}
            )
    return total


def table(name: str, lines: dict[str, RecourseLine]) -> Iterator[str]:
    for key, line in lines.items():
        n = max(line.answered, 1)
        yield (
            f"{name:18s} {key:12s} asked {line.asked:5d} answered {line.answered:5d} "
            f"valid {100 * line.valid / n:6.2f} % cost {100 * line.cost / n:6.2f} % "
            f"cost/optimum {line.cost / max(line.optimum, 1e-12):6.4f} "
            f"mean ratio {line.ratio / n:6.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--only", default="", help="settings by name, e.g. anm/lr,loan/rf")
    parser.add_argument("--gammas", default="", help="instead of each setting's own")
    parser.add_argument("--norm", type=int, choices=(1, 2), default=2, help="of the cost")
    parser.add_argument("--processes", action="store_true", help="Gaussian processes as well")
    parser.add_argument("--out", type=Path, default=None, help="JSON with every sum")
    arguments = parser.parse_args()
    results = {}
    for truth, kind in SETTINGS:
        name = f"{truth.name}/{kind}"
        if arguments.only and name not in arguments.only.split(","):
            continue
        began = time.process_time()
        gammas = (
            [float(g) for g in arguments.gammas.split(",")] if arguments.gammas else [truth.gamma]
        )
        parts = [
            run(
                truth,
                kind,
                seed,
                arguments.people,
                gammas,
                arguments.norm,
                arguments.processes,
            )
            for seed in range(arguments.seeds)
        ]
        lines = _merged(parts)
        print(
            *table(name, lines),
            f"({time.process_time() - began:.0f} s of CPU)",
            sep="\n",
            flush=True,
        )
        results[name] = {key: asdict(line) for key, line in lines.items()}
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
