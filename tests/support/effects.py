"""Causal models drawn at random over the generated schema, of every kind of mechanism that compiled
code evaluates, and questions about them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import Basis, Coordinates, Expansion, linear, polynomial
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.flattening import FlatLaws, flatten
from ifonly.explainers.causal.function import Function
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.regressor import TreeRegressor
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.trees.effects import Effects, margin_of
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.tables import Tables
from ifonly.explainers.target import Target
from ifonly.models.onnx import OnnxPredictor
from ifonly.models.onnx.export import export_onnx, to_bytes
from ifonly.models.predictor import Predictor, Row
from ifonly.models.rounding import rounding_of
from ifonly.models.schema import Decision, Feature, Kind, Schema, Task
from ifonly.service.served.causal_graphs import graph_loader
from tests.support.bruteforce import settable
from tests.support.consequences import FLOW, GRADE, MODE, PRESSURE, SPEED
from tests.support.deployed import Deployed, as_served, deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.native import SURVIVES
from tests.support.questions import price, question

MECHANISMS = ("linear", "polynomial", "expression", "condition", "reciprocal", "basis",
              "trees", "ensembles")  # fmt: skip
SIZE = np.array([2.0, 90.0, 2.0, 2.0, 0.7])
"""Of what is between the bounds of each feature."""
MIDDLE = np.array([1.0, 55.0, 1.0, 1.0, 0.05])
NUMBERS = (PRESSURE, SPEED, FLOW)
CATEGORIES = {MODE: (1.0, 2.0)}
"""Indicators of what is no number."""
DEMANDS = ((0.0, 0.0), (0.0, 0.6), (0.5, 0.5), (2.5, 0.8), (6.0, 0.95), (40.0, 1.0))
"""Standard deviations and shares: from none at all to hardly ever."""
OF_ROWS = (
    ConstraintKind("flow within", lambda row, before: -0.2 <= row[FLOW] <= 0.3,
                   request={"ranges": {"flow": [-0.2, 0.3]}}),
    ConstraintKind("of what follows", lambda row, before: True, rule="speed + 100 * flow <= 80"),
    ConstraintKind("if what follows", lambda row, before: True,
                   rule='if flow > 0.1 then speed <= 60 and mode != "boost"'),
    ConstraintKind("by what it was", lambda row, before: True, rule="flow' <= flow + 0.2"),
    ConstraintKind("a whole number", lambda row, before: True, rule="speed >= 30 and speed <= 75"),
)  # fmt: skip
"""Rules that read what follows."""


@cache
def forest(seed: int, p: int) -> TreeRegressor:
    """Trees of ``p`` standardised causes, as they are deployed."""
    draw, names = np.random.default_rng(seed), tuple("abcde"[:p])
    x = draw.uniform(-1.5, 1.5, (200, p)) * 10.0
    y = np.sin(x[:, 0] / 4.0) + (np.sign(x[:, -1]) if p > 1 else 0.0)
    model = GradientBoostingRegressor(n_estimators=8, max_depth=2, random_state=seed)
    data = to_bytes(export_onnx(model.fit(x.astype(np.float32), y), p, name="trees"))
    schema = Schema(tuple(Feature(n, Kind.CONTINUOUS) for n in names))
    function = graph_loader(schema)(data, names, True)
    assert isinstance(function, TreeRegressor)
    return function


def mechanism(draw: np.random.Generator, kind: str, j: int, causes: Sequence[int]) -> Mechanism:
    """How ``j`` follows from its causes: as far as its own bounds, more or less."""
    scale = None
    if draw.random() < 0.3:
        scale = _formula(f"tanh({draw.normal():.2f} * c0) / 3", causes)
    part = float(draw.choice([0.2, 0.5, 1.0])) * SIZE[j]
    return Mechanism(_location(draw, kind, part, causes), scale, Noise(1.0))


def _location(draw: np.random.Generator, kind: str, part: float, causes: Sequence[int]) -> Function:
    p, sizes = len(causes), SIZE[list(causes)]
    if kind == "linear":
        return linear(1.0, part * draw.normal(size=p) / sizes)
    if kind == "polynomial":
        exponents = draw.integers(0, 3, size=(4, p))
        weights = part * draw.normal(size=4) / np.prod(sizes**exponents, axis=1)
        return polynomial(exponents, weights)
    a, b, c = draw.normal(size=3).round(2)
    last = f"c{p - 1}"
    if kind == "expression":
        return _formula(f"{part} * ({a} * tanh(c0) + {b} * sqrt(1 + {last} ** 2))", causes)
    if kind == "condition":
        text = f"{part} * ({a} * {last} if c0 > {c / 4:.3f} else {b} * max(c0, {last} ** 2))"
        return _formula(text, causes)
    if kind == "reciprocal":  # somewhere it has a pole
        return _formula(f"{part / 4} / (c0 + {a}) + {part * b} * {last}", causes)
    if kind == "basis":
        return _bumps(draw, part, causes)
    function = forest(int(draw.integers(4)), p)
    return _scaled(function, part, 4 if kind == "ensembles" else 0)


def _formula(text: str, causes: Sequence[int]) -> Expression:
    """Of ``c0``, ``c1``, ...: causes less their middles, by their sizes."""
    names = tuple(SCHEMA.names[j] for j in causes)
    for k, j in reversed(list(enumerate(causes))):
        text = text.replace(f"c{k}", f"(({names[k]} - {MIDDLE[j]}) / {SIZE[j] / 2})")
    return Expression(text, names)


def _bumps(draw: np.random.Generator, part: float, causes: Sequence[int]) -> Basis:
    """Monomials and bumps; categories by indicators; uncertain weights."""
    parent, level = list[int](), list[float]()
    for k, j in enumerate(causes):
        each = CATEGORIES.get(j, (np.nan,))
        parent += [k] * len(each)
        level += each
    columns, n = np.array(causes)[parent], len(parent)
    coordinates = Coordinates(
        np.array(parent), np.array(level), MIDDLE[columns], SIZE[columns] / 2, len(causes)
    )
    exponents = np.vstack([np.eye(n, dtype=np.int64), draw.integers(0, 2, size=(1, n))])
    centres, precisions = draw.normal(size=(2, n)), draw.uniform(0.0, 2.0, size=(2, n))
    size = n + 3
    expansion = Expansion(coordinates, exponents, centres, precisions)
    root = float(draw.choice([0.02, 0.2])) * draw.normal(size=(size, size))
    return Basis(expansion, draw.normal(size=size) / 2, root, 0.0, part / 2)


def _scaled(function: TreeRegressor, part: float, n_members: int) -> TreeRegressor:
    """The same trees, whose leaves are sized as what follows."""
    core = replace(function.trees, values=(function.trees.values * part).astype(np.float32))
    return replace(function, form=replace(function.form, core=core), n_members=n_members)


@dataclass(frozen=True, eq=False)
class Asked:
    """A question where something follows, and whom it is asked of."""

    problem: Problem
    deployed: Deployed
    predictor: OnnxPredictor
    mechanisms: tuple[str, ...]
    """Their kinds."""

    @property
    def firm(self) -> Problem:
        """As it is asked: answers hold in every session of the model."""
        return self.problem.firm(rounding_of(self.predictor))


def causal(
    seed: int, gamma: float, floor: float, schema: Schema = SCHEMA, k: int = 9
) -> tuple[CausalModel, CausalConsequences, tuple[str, ...]]:
    """Numbers in a random order, each following from some of those before it and of categories."""
    draw = np.random.default_rng([seed, 7])
    edges, told = list[tuple[int, int]](), list[str]()
    order = [int(j) for j in draw.permutation(NUMBERS)]
    for place, j in enumerate(order):
        before = [*order[:place], MODE, GRADE]
        if place or draw.random() < 0.3:
            edges += [(i, j) for i in before if draw.random() < (0.8 if i in NUMBERS else 0.3)]
    graph = Graph.of(len(SCHEMA), edges)
    mechanisms = list[Mechanism | None]()
    # Most models have mechanisms of a few kinds, so that affine ones are met as well.
    few = draw.choice(MECHANISMS, size=int(draw.integers(1, 4)))
    for j, causes in enumerate(graph.parents):
        kind = str(draw.choice(few))
        told += [kind] * bool(causes)
        mechanisms.append(mechanism(draw, kind, j, causes) if causes else None)
    model = CausalModel(SCHEMA.names, graph, tuple(mechanisms))
    members = draw_members(model, np.random.default_rng(seed), k)
    whole = (SPEED,) if schema.features[SPEED].kind is Kind.INTEGER else ()
    found = CausalConsequences(model, members, gamma, floor, np.zeros(len(SCHEMA)), whole=whole)
    return model, found, tuple(told)


def not_set(name: str) -> ConstraintKind:
    """It only follows."""
    return ConstraintKind(
        "not set", lambda row, before: True, feature={name: {"actionable": False}}
    )


def ask(seed: int, schema: Schema = SCHEMA) -> Asked:
    """A random question: its model and task, constraints, demands and causes."""
    draw = np.random.default_rng([seed, 8])
    task = tuple(Task)[int(draw.choice(3, p=[0.5, 0.2, 0.3]))]
    deployed = deployed_trees(seed % 40, task)
    several = [k for k in (*KINDS, *OF_ROWS, *OF_ROWS) if k.name != "may be filled"]
    picked = [several[i] for i in draw.permutation(len(several))[: draw.integers(0, 3)]]
    kinds = list({k.name: k for k in picked}.values())
    if sum("ranges" in k.request for k in kinds) > 1:
        kinds = kinds[:1]
    gamma, floor = DEMANDS[int(draw.integers(len(DEMANDS)))]
    model, consequences, told = causal(seed, gamma, floor, schema)
    for j in NUMBERS:
        # Else there is nearly always an answer from which nothing follows.
        if model.graph.parents[j] and draw.random() < 0.7:
            kinds.append(not_set(SCHEMA.names[j]))
    # Every third reading lacks its flow.
    problem, _, _ = question(kinds, 3 * seed + int(draw.random() > 0.1), task, schema)
    problem = replace(problem, consequences=consequences)
    if draw.random() < 0.15:
        problem = replace(problem, constraints=(*problem.constraints, SURVIVES))
    predictor = as_served(deployed) if draw.random() < 0.5 else deployed.predictor
    (scores,) = predictor.score(problem.factual[None, :])
    target = _target(problem.target.decision, task, scores, draw)
    return Asked(replace(problem, target=target), deployed, predictor, told)


def _target(decision: Decision, task: Task, scores: Row, draw: np.random.Generator) -> Target:
    """One that the factual is not in."""
    if task is Task.REGRESSION:
        further = float(draw.choice([0.01, 0.3, 1.0, 2.0]))
        sides = (float(scores[0]) + further, np.inf), (-np.inf, float(scores[0]) - further)
        return Target(decision, None, *sides[int(draw.integers(2))])
    if task is Task.MULTICLASS:
        others = [k for k in range(3) if k != int(scores.argmax())]
        return Target(decision, int(draw.choice(others)))
    wanted = 1 - int(scores[0] >= 0.5)
    if draw.random() < 0.5:
        return Target(decision, wanted)
    return Target(decision, wanted, lower=float(draw.uniform(0.3, 0.9)))


@dataclass(frozen=True, eq=False)
class Parts:
    """What compiled code is given of one mode of a question."""

    tables: Tables
    question: Question
    effects: Effects
    laws: FlatLaws
    factual: Row


@cache
def parts(seed: int) -> Parts | None:
    """Of the last mode of a question; None if it has none."""
    asked = ask(seed)
    problem, form = asked.firm, asked.deployed.form
    trees, consequences = Trees(form, problem.schema), problem.consequences
    assert isinstance(consequences, CausalConsequences)
    assert consequences.compiled is not None
    own = trees._targets.of(problem.target)
    try:
        modes = trees._modes(problem, consequences, own.limits)
    except NotEligible:
        return None
    if not modes:
        return None
    margin = margin_of(problem.target, form, own.goals, trees._targets.base, own.limits.band)
    last = modes[-1]
    effects = Effects.of(
        last.mode, last.lower, last.upper, consequences, consequences.compiled, margin, problem
    )
    laws = flatten(consequences.model, consequences.members, consequences.whole)
    return Parts(own.tables, last.question, effects, laws, problem.factual)


def cheapest_trusted(problem: Problem, predictor: Predictor) -> tuple[float | None, bool, float]:
    """By asking about every action there is: the least cost of one that is trusted, whether one
    leads into the target that is not, and how near any comes to it."""
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)]
    actions = np.array(list(itertools.product(*axes)))
    rows = problem.rows_of(actions)
    actions = actions[problem.allowed(actions, rows)]
    scores = predictor.score(problem.rows_of(actions))
    hit = actions[problem.target.met(scores)]
    trusted = problem.trust(hit, predictor.score).holds
    costs = [price(action, problem.factual.tolist()) for action in hit[trusted].tolist()]
    shortfall = float(problem.target.shortfall(scores).min(initial=np.inf))
    return min(costs, default=None), bool(len(hit) and not trusted.all()), shortfall
