"""What discovery finds of graphs that are known: ``python -m bench.causal_discovery``.

The machine of the tests (eight readings, ten edges) and random models of ten nodes, each with and
without tiers. Falsification: how often an edge that was removed, added or turned round is named.
``--python`` is an interpreter with the extra ``discovery``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal import CausalModel, Graph
from ifonly.explainers.causal.discovery import Arcs, forbidden_by_tiers, propose
from ifonly.explainers.causal.falsify import falsify
from ifonly.explainers.causal.learning import learn
from ifonly.explainers.causal.mechanism import Mechanism, NoiseForm
from ifonly.explainers.causal.validate import validate
from ifonly.service.offline.discovery import ALGORITHMS, DiscoveryFailed, discover
from tests.support.equipment import EDGES, GRAPH, NAMES, equipment_rows

Array = npt.NDArray[np.float64]
ROWS = 2000
TIERS = (0, 0, 0, 1, 2, 2, 3, 3)
"""Of the machine: what is outside, torque, what it does at once, what is felt."""


@dataclass(frozen=True, eq=False)
class DiscoveryWorld:
    name: str
    graph: Graph
    rows: Array
    tiers: tuple[int, ...]


def equipment(seed: int) -> DiscoveryWorld:
    return DiscoveryWorld("machine", GRAPH, equipment_rows(ROWS, seed), TIERS)


def random_world(seed: int, d: int = 10) -> DiscoveryWorld:
    """Each pair joined with chance 0.3; half of the mechanisms bent, noises of several shapes;
    units drawn, so that variances tell nothing. Tiers: thirds of a causal order."""
    rng = np.random.default_rng([seed, 11])
    order = rng.permutation(d)
    pairs = [(int(order[a]), int(order[b])) for a in range(d) for b in range(a + 1, d)]
    graph = Graph.of(d, [pair for pair in pairs if rng.random() < 0.3])
    rows = np.zeros((ROWS, d))
    shapes = (rng.standard_normal, lambda n: rng.laplace(size=n), lambda n: rng.uniform(-2, 2, n))
    for j in graph.order:
        value = 0.8 * shapes[int(rng.integers(3))](ROWS)
        for i in graph.parents[j]:
            cause = rows[:, i] / (rows[:, i].std() or 1.0)
            bent = np.tanh(1.5 * cause) + 0.3 * cause**2
            weight = rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 1.4)
            value += weight * (bent if rng.random() < 0.5 else cause)
        rows[:, j] = value
    rows *= np.exp(rng.normal(0, 1.5, d)) / rows.std(axis=0)
    place = {int(j): k * 3 // d for k, j in enumerate(order)}
    return DiscoveryWorld(f"random {seed}", graph, rows, tuple(place[j] for j in range(d)))


def distance(found: Graph, undecided: Arcs, truth: Graph) -> tuple[int, float]:
    """Structural Hamming distance (a wrong, missing, superfluous or undirected pair counts 1) and
    F1 of directed edges."""
    ours, theirs = set(found.edges), set(truth.edges)
    opened = {frozenset(pair) for pair in undecided}
    pairs = {frozenset(e) for e in ours | theirs} | opened
    right = {frozenset(e) for e in ours & theirs}
    claimed = len(ours) + len(opened)
    f1 = 2 * len(right) / (claimed + len(theirs)) if claimed + len(theirs) else 1.0
    return len(pairs - right), f1


def table(worlds: Sequence[DiscoveryWorld], python: str, seconds: float) -> Iterator[str]:
    yield "| algorithm | tiers | SHD | F1 | seconds |"
    yield "|---|---|---|---|---|"
    for algorithm in ALGORITHMS:
        for known in (False, True):
            scores = []
            for world in worlds:
                d = len(world.graph)
                none = np.zeros((d, d), dtype=np.bool_)
                forbidden = forbidden_by_tiers(world.tiers) if known else none
                began = time.perf_counter()
                try:
                    found = discover(
                        algorithm, world.rows, forbidden,
                        runs=1, seconds=seconds, seed=0, python=python,
                    )  # fmt: skip
                except DiscoveryFailed as error:
                    print(world.name, error, file=sys.stderr)
                    continue
                took = time.perf_counter() - began
                proposal = propose(found.graphs, forbidden)
                graph = Graph.of(d, [(e.cause, e.effect) for e in proposal.edges])
                scores.append((*distance(graph, proposal.undecided, world.graph), took))
            shd, f1, took = np.mean(scores, axis=0) if scores else (np.nan,) * 3
            yield (
                f"| {algorithm} | {'yes' if known else 'no'} | {shd:.1f} | {f1:.2f} | {took:.1f} |"
            )


# --- falsification --------------------------------------------------------------------------


def learned(graph: Graph, rows: Array, rng: np.random.Generator) -> CausalModel:
    mechanisms: list[Mechanism | None] = []
    for j, causes in enumerate(graph.parents):
        x, flags = rows[:, list(causes)], [False] * len(causes)
        forms = (NoiseForm.ADDITIVE,)
        found = learn(x, rows[:, j], flags, rng, ("basis",), forms) if causes else None
        mechanisms.append(found.mechanism if found else None)
    return CausalModel(NAMES, graph, tuple(mechanisms))


def graph_with(change: Callable[[list[tuple[int, int]]], None]) -> Graph | None:
    edges = list(EDGES)
    change(edges)
    try:
        return Graph.of(8, edges)
    except ValueError:
        return None  # a loop


def falsification(seeds: int, turned_seeds: int) -> Iterator[str]:
    numbers = [False] * 8
    yield "| fault | graphs | named | effect: least removed, largest added | right graph accused |"
    yield "|---|---|---|---|---|"
    effects: dict[str, list[float]] = {"removed": [], "added": []}
    tried = {"removed": 0, "added": 0}
    accused = 0
    spare = [p for p in permutations(range(8), 2) if p not in EDGES and p[::-1] not in EDGES]
    for seed in range(seeds):
        rows, rng = equipment_rows(ROWS, 100 + seed), np.random.default_rng(seed)
        accused += not falsify(GRAPH, rows, numbers, rng, 0).agrees
        for edge in EDGES:
            graph = Graph.of(8, [e for e in EDGES if e != edge])
            found = falsify(graph, rows, numbers, rng, 0).missing
            effects["removed"] += [f.effect for f in found if {f.a, f.b} == set(edge)]
            tried["removed"] += 1
        for edge in spare:
            wider = graph_with(lambda edges, edge=edge: edges.append(edge))  # type: ignore[misc]
            if wider is None:
                continue
            idle = falsify(wider, rows, numbers, rng, 0).superfluous
            effects["added"] += [f.effect for f in idle if (f.a, f.b) == edge]
            tried["added"] += 1
    for fault, found_effects in effects.items():
        extreme = min(found_effects) if fault == "removed" else max(found_effects)
        yield (
            f"| {fault} | {tried[fault]} | {len(found_effects) / tried[fault]:.1%} | "
            f"{extreme:.2f} | {accused} of {seeds} |"
        )
    named = count = by_graph = 0
    for seed in range(turned_seeds):
        train, test = equipment_rows(1500, 300 + seed), equipment_rows(3000, 200 + seed)
        rng = np.random.default_rng(seed)
        for i, j in EDGES:
            edges = [e for e in EDGES if e != (i, j)] + [(j, i)]
            try:
                graph = Graph.of(8, edges)
            except ValueError:
                continue
            found_all = validate(learned(graph, train, rng), test, numbers, rng, 0)
            count += 1
            by_noise = (j, i) in [(t.cause, t.effect) for t in found_all.reversed]
            about = [*found_all.graph.missing, *found_all.graph.superfluous]
            named += by_noise
            by_graph += (
                by_noise or bool(about) or not all(n.noise_is_independent for n in found_all.nodes)
            )
    if count:
        yield f"| turned round: named | {count} | {named / count:.1%} | | |"
        yield f"| turned round: graph refused | {count} | {by_graph / count:.1%} | | |"


def show(lines: Iterator[str]) -> None:
    """Line by line, so that a run that is stopped has shown what it found."""
    for line in lines:
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--worlds", type=int, default=10, help="random models")
    parser.add_argument("--seconds", type=float, default=120.0, help="a graph")
    parser.add_argument("--seeds", type=int, default=5, help="of falsification")
    parser.add_argument("--turned-seeds", type=int, default=2)
    parser.add_argument("--only", default="machine,random,falsification")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    if "machine" in only:
        show(table([equipment(0)], arguments.python, arguments.seconds))
    if "random" in only:
        worlds = [random_world(seed) for seed in range(arguments.worlds)]
        show(table(worlds, arguments.python, arguments.seconds))
    if "falsification" in only:
        show(falsification(arguments.seeds, arguments.turned_seeds))


if __name__ == "__main__":
    main()
