"""Other graphs that may be the true one, drawn at random beside a causal model, and a walk over all
actions that holds each against all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.consequences import CausalConsequences, OtherGraph
from ifonly.explainers.causal.errors import CausalError
from ifonly.explainers.causal.hidden import HiddenCause, HiddenCauses
from ifonly.explainers.causal.mechanism import Noise
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import changed
from ifonly.models.predictor import Predictor, Row, Rows
from tests.support.bruteforce import settable
from tests.support.effects import MECHANISMS, NUMBERS, mechanism
from tests.support.generated import SCHEMA
from tests.support.questions import price

KINDS = ("reversed", "absent", "hidden", "added", "untold")
"""An edge the other way round; none; one whose noises share a cause; one more; one of which nobody
knows how its effect follows."""
LIGHT = 0.05
Edge = tuple[int, int]


@dataclass(frozen=True)
class Drawn:
    """Graphs beside a causal model."""

    consequences: CausalConsequences
    kinds: tuple[str, ...]


def with_others(alone: CausalConsequences, seed: int) -> Drawn:
    """The same with one or two other graphs; none where an edge to doubt is wanting."""
    draw, others, kinds = np.random.default_rng([seed, 16]), list[OtherGraph](), list[str]()
    for place in range(int(draw.integers(1, 3))):
        kind = str(draw.choice(KINDS, p=[0.35, 0.25, 0.2, 0.1, 0.1]))
        found = _other(alone, kind, draw)
        if found is None:
            continue
        # Some are so improbable that they count in the mixture alone.
        weight = round(float(draw.choice([0.02, 0.04, 0.1, 0.3, 0.45])), 2)
        others.append(OtherGraph(f"{kind}-{place}", weight, weight >= LIGHT, found))
        kinds.append(kind if weight >= LIGHT else f"{kind}, light")
    return Drawn(replace(alone, others=tuple(others)), tuple(kinds))


def _other(
    alone: CausalConsequences, kind: str, draw: np.random.Generator
) -> CausalConsequences | None:
    model, edges = alone.model, set(alone.model.graph.edges)
    numbers = [edge for edge in sorted(edges) if set(edge) <= set(NUMBERS)]
    if not numbers:
        return None
    i, j = numbers[int(draw.integers(len(numbers)))]
    if kind == "hidden":
        return _hidden(alone, (i, j), draw)
    removed, added = {(i, j)}, set[Edge]()
    if kind == "reversed":
        added = {(j, i)}
    elif kind == "added":
        missing = [(a, b) for a in NUMBERS for b in NUMBERS
                   if a != b and not {(a, b), (b, a)} & edges]  # fmt: skip
        if not missing:
            return None
        removed, added = set(), {missing[int(draw.integers(len(missing)))]}
    elif kind == "untold":
        removed = set()
    try:
        graph = Graph.of(len(SCHEMA), sorted(edges - removed | added))
    except ValueError:  # a loop
        return None
    own = {effect for _, effect in removed | added} if kind != "untold" else {j}
    mechanisms = list(model.mechanisms)
    for effect in own:
        causes = graph.parents[effect]
        drawn = mechanism(draw, str(draw.choice(MECHANISMS)), effect, causes) if causes else None
        mechanisms[effect] = None if kind == "untold" else drawn
    return _of(alone, replace(model, graph=graph, mechanisms=tuple(mechanisms)), draw)


def _hidden(alone: CausalConsequences, edge: Edge, draw: np.random.Generator) -> CausalConsequences:
    model = replace(alone.model, roots=(Noise(1.0),) * len(SCHEMA))
    found = _of(alone, model, draw)
    size = float(draw.choice([0.2, 0.5]))
    return replace(found, hidden=(HiddenCause(*edge, -size, size),))


def _of(
    alone: CausalConsequences, model: CausalModel, draw: np.random.Generator
) -> CausalConsequences:
    rng = np.random.default_rng(int(draw.integers(1_000)))
    return replace(alone, model=model, members=draw_members(model, rng, alone.members.k,
                                                            alone.members))  # fmt: skip


# --- the walk ---------------------------------------------------------------------------------


def cheapest_over_graphs(problem: Problem, predictor: Predictor) -> tuple[float | None, bool]:
    """By asking about every action there is: the least cost of one that holds over all graphs, and
    and, where there is none, whether one leads into the target."""
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)]
    actions = np.array(list(itertools.product(*axes)))
    rows = problem.rows_of(actions)
    actions = actions[problem.allowed(actions, rows)]
    hit = actions[problem.target.met(predictor.score(problem.rows_of(actions)))]
    costs = np.array([price(action, problem.factual.tolist()) for action in hit.tolist()])
    # The cheapest first: what is dearer than one that holds need not be looked at.
    for n in np.argsort(costs, kind="stable"):
        if is_sure(problem, predictor, hit[n]):
            return float(costs[n]), False
    return None, bool(len(hit))


def is_sure(problem: Problem, predictor: Predictor, action: Row) -> bool:
    """Whether an action that leads into the target holds over all graphs, by the words of
    docs/causal.md."""
    main = problem.consequences
    assert isinstance(main, CausalConsequences)
    weights = [1.0 - sum(o.weight for o in main.others), *(o.weight for o in main.others)]
    graphs = [main, *(o.consequences for o in main.others)]
    held = [weight >= LIGHT or k == 0 for k, weight in enumerate(weights)]
    columns = np.flatnonzero(changed(action[None], problem.factual)[0]).tolist()
    if not any(g.model.graph.affected(columns) for g in graphs):
        return True
    each = [_chance(problem, predictor, g, columns, action) for g in graphs]
    if not all(ok for (_, ok), asked in zip(each, held, strict=True) if asked):
        return False
    mixed = sum(w * chance for w, (chance, _) in zip(weights, each, strict=True))
    return all(held) or mixed >= main.floor - 1e-12


def _chance(
    problem: Problem,
    predictor: Predictor,
    graph: CausalConsequences,
    columns: Sequence[int],
    action: Row,
) -> tuple[float, bool]:
    """The share of one graph's versions that flip, and whether the action holds under it."""
    least, holds = 1.0, True
    for rows in _versions(problem, graph, columns, action):
        lost = (np.isnan(rows) & ~np.isnan(problem.factual)).any(axis=1) | np.isinf(rows).any(
            axis=1
        )
        margins = np.full(len(rows), -np.inf)
        if not lost.all():
            read = graph.read(rows[~lost].copy())
            margins[~lost] = problem.target.margin(predictor.score(read))
        chance = float((margins >= 0.0).mean())
        least = min(least, chance)
        if lost.any():
            holds = False
        else:
            spread = margins.std(ddof=1) if len(margins) > 1 else 0.0
            holds &= bool(margins.mean() - graph.gamma * spread >= 0.0) and chance >= graph.floor
    return least, holds


def _versions(
    problem: Problem, graph: CausalConsequences, columns: Sequence[int], action: Row
) -> Iterator[Rows]:
    values = action[None, columns]
    if not graph.model.graph.affected(columns):
        yield action[None, :]
        return
    try:
        for tilts in HiddenCauses(graph.model, graph.hidden).tilts(columns):
            rows = graph.members.counterfactual(problem.factual, columns, values, tilts=tilts)
            yield rows[:, 0]
    except CausalError:
        yield np.full((1, len(action)), np.inf)
