"""Joint boxes and menus of levers, by a walk over all settings and all readings."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Answer, Counterfactual, JointBox, Recourse
from ifonly.explainers.beside import Beside
from ifonly.explainers.constraints import Origin, Source, Survives
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.joint_box import with_joint_boxes
from ifonly.explainers.menu import levers_of, menu
from ifonly.explainers.problem import Problem
from ifonly.explainers.search import counterexample as counterexamples
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.box_rules import part
from ifonly.explainers.search.boxes import every_row
from ifonly.explainers.search.counterexample import PROVEN, Held, counterexample
from ifonly.explainers.search.engine import Engine, Meter
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.search.trees import boxes as trees
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.space import Axis, Mask
from ifonly.explainers.terms import BoxProof, FaceEnd, Status
from ifonly.models.predictor import Predictor, Rows
from ifonly.models.rounding import rounding_of
from ifonly.models.schema import Kind, Task
from tests.support.bruteforce import settable
from tests.support.consequences import Slopes
from tests.support.deployed import Deployed, as_served, deployed_layers, deployed_trees
from tests.support.effects import DEMANDS, causal
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.pieces import TOLERANCES, Pieces
from tests.support.questions import question

TASKS, MODELS = tuple(Task), 6
TREES, LINEAR, LAYERS, ANY = range(4)


@cache
def deployed(kind: int, seed: int, task: Task) -> Deployed:
    if kind in (TREES, ANY):
        return deployed_trees(seed, task)
    return deployed_layers(seed, task, linear=kind == LINEAR)


@cache
def engine(kind: int, seed: int, task: Task) -> Engine:
    return Blackbox() if kind == ANY else engines_for(deployed(kind, seed, task).form, SCHEMA)


@cache
def pieces(seed: int, task: Task) -> Pieces:
    return Pieces.of(deployed(TREES, seed, task))


class Case:
    """A generated question, who answers it, and which settings are answers by a walk."""

    def __init__(self, seed: int, *, follows: bool = False) -> None:
        """``follows``: of trees, where something follows from what is set."""
        self.kind = TREES if follows else (TREES, TREES, TREES, LINEAR, LAYERS, ANY)[seed % 6]
        self.task, self.model = TASKS[seed % 3], seed % MODELS
        problem, _, _ = question((KINDS[seed % len(KINDS)],), seed, self.task)
        own = deployed(self.kind, self.model, self.task)
        # Answers of a third hold in every session of the model.
        self.predictor: Predictor = as_served(own) if seed % 3 == 0 else own.predictor
        if self.kind == TREES and seed % 4 == 1:
            survives = Survives(TOLERANCES, origin=Origin(Source.POLICY, "policy.robust"))
            problem = replace(problem, constraints=(*problem.constraints, survives))
        if follows or (self.kind in (TREES, ANY) and seed % 5 < 2):
            # Laws of every kind, more or less believed; or lines that are.
            _, doubted, _ = causal(seed, *DEMANDS[seed % len(DEMANDS)])
            known = Slopes.random(seed).consequences() if seed % 4 == 0 else doubted
            problem = replace(problem, consequences=known)
        self.problem, self.engine = problem, engine(self.kind, self.model, self.task)

    def beside(self, answer: Answer) -> Beside:
        return Beside.of(self.problem, self.predictor, answer.work, engine=self.engine)

    def answers(self, actions: Rows, problem: Problem) -> Mask:
        """Which of ``actions`` are answers, one by one."""
        rows = problem.rows_of(actions)
        keeps = problem.allowed(actions, rows)
        keeps[keeps] = problem.target.met(self.predictor.score(rows[keeps]))
        if problem.survives is not None:
            known = pieces(self.model, self.task)
            met = problem.target.met(known.scores.reshape(-1, known.scores.shape[-1]))
            met = met.reshape(known.scores.shape[:-1])
            keeps[keeps] = [known.survives(met, row, 1.0) for row in rows[keeps]]
        keeps[keeps] = problem.trust(actions[keeps], self.predictor.score).holds
        return keeps


def combined(case: Case, found: Counterfactual, values: dict[int, list[float]]) -> Rows:
    rows = []
    for choice in itertools.product(*values.values()):
        row = found.action_on(case.problem.factual)
        row[list(values)] = choice
        rows.append(row)
    return np.array(rows)


def held(case: Case, found: Counterfactual, box: JointBox, tally: Counter[str]) -> None:
    """Every setting of a box is an answer, and beyond each tight face one is not."""
    problem, before = case.problem, case.problem.factual
    firm = problem if found.rests_on_rounding else problem.firm(rounding_of(case.predictor))
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, before, strict=True)]
    values = {s.column: [v for v in axes[s.column] if s.low <= v <= s.high] for s in box.sides}
    for action in found.actions:
        assert action.counterfactual in values[action.column]
    assert case.answers(combined(case, found, values), firm).all()
    tally["settings"] += int(np.prod([len(v) for v in values.values()]))
    for side in box.sides:
        if SCHEMA.features[side.column].kind is Kind.NOMINAL:
            continue
        every = sorted(v for v in axes[side.column] if not np.isnan(v))
        beyond = {
            side.below: [v for v in every if v < side.low][-1:],
            side.above: [v for v in every if v > side.high][:1],
        }
        for end, after in beyond.items():
            tally[end] += 1
            if end is FaceEnd.TIGHT and side.below is not side.above:
                assert after
                slab = combined(case, found, values | {side.column: after})
                assert not case.answers(slab, firm).all()


MANY = pytest.param(range(120, 2120), marks=pytest.mark.long)


@pytest.mark.parametrize("seeds", [range(120), MANY], ids=["some", "many"])
def test_all_settings_of_a_joint_box_are_answers(seeds: range) -> None:
    tally: Counter[str] = Counter()
    cases = [(seed, False) for seed in seeds] + [(seed, True) for seed in seeds[: len(seeds) // 2]]
    for seed, follows in cases:
        case = Case(seed, follows=follows)
        answer = explain(case.problem, case.predictor, engine=case.engine)
        if not isinstance(answer, Recourse):
            continue
        told = with_joint_boxes(case.beside(answer), answer)
        assert not told.work.rejected
        (found,) = told.counterfactuals
        if len(found.actions) < 2:
            assert found.joint_box is None
            continue
        tally["several"] += 1
        tally["with effects"] += bool(found.effects)
        tally["robust"] += found.survives
        if found.joint_box is not None:
            held(case, found, found.joint_box, tally)
            tally["told"] += 1
            tally[found.joint_box.proof] += 1
    least = {"told": 20, BoxProof.PROVEN: 15, "robust": 3, "with effects": 5, FaceEnd.TIGHT: 30}
    assert not {k: tally[k] for k, n in least.items() if tally[k] < n}, tally
    # Hardly a box is lost.
    assert tally["told"] >= 0.9 * tally["several"], tally


@pytest.mark.parametrize("seeds", [range(40), MANY], ids=["some", "many"])
def test_each_entry_of_a_menu_is_what_its_levers_can(seeds: range) -> None:
    tally: Counter[str] = Counter()
    for seed in seeds:
        case, most = Case(seed), 1 + seed % 3
        answer = explain(case.problem, case.predictor, engine=case.engine)
        if isinstance(answer, AlreadyTarget):
            continue
        found = menu(case.beside(answer), answer, most)
        assert not found.work.rejected
        levers = levers_of(case.problem)
        sets = [s for k in range(1, most + 1) for s in itertools.combinations(levers, k)]
        assert [entry.levers for entry in found.entries] == sets
        walked(case, found.entries, tally)
    assert min(tally[s] for s in (Status.OPTIMAL, Status.INFEASIBLE)) > 25, tally
    assert tally["same"] > 15, tally


def walked(case: Case, entries: object, tally: Counter[str]) -> None:
    problem, before = case.problem, case.problem.factual
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, before, strict=True)]
    actions = np.array(list(itertools.product(*axes)))
    firm = problem.firm(rounding_of(case.predictor))
    actions = actions[case.answers(actions, firm)]
    sets = ~((actions == before) | (np.isnan(actions) & np.isnan(before)))
    costs = problem.cost_of(actions)
    by = {entry.levers: entry for entry in entries}  # type: ignore[attr-defined]
    for own, entry in by.items():
        others = [j for j in range(len(before)) if j not in own]
        within = ~sets[:, others].any(axis=1)
        tally[entry.status] += 1
        if entry.status is Status.INFEASIBLE:
            assert not within.any()
            continue
        found = entry.found
        if entry.same_as is not None:
            tally["same"] += 1
            assert set(entry.same_as) < set(own)
            inner = by.get(entry.same_as)
            found = inner.found if inner is not None else None
        if found is None or found.rests_on_rounding:
            continue
        if entry.status is Status.OPTIMAL:
            assert found.cost == pytest.approx(float(costs[within].min()))
        else:
            assert found.cost >= float(costs[within].min()) - 1e-9


def test_what_stands_against_a_box_is_found_or_proven_not_to_be_there() -> None:
    tally: Counter[object] = Counter()
    for seed in range(60):
        case = Case(seed)
        problem = replace(
            case.problem,
            consequences=None,
            constraints=tuple(c for c in case.problem.constraints if not isinstance(c, Survives)),
        ).firm(rounding_of(case.predictor))
        draw, box = np.random.default_rng(seed), {}
        for j in draw.permutation(len(SCHEMA))[: draw.integers(1, 4)].tolist():
            axis = Axis.of(SCHEMA.features[j], float(problem.factual[j]))
            low, high = sorted(draw.integers(0, len(axis), 2).tolist())
            box[j] = part(axis, low, high + 1)
        each = [box[j].values() if j in box else [v] for j, v in enumerate(problem.factual)]
        rows = np.array(list(itertools.product(*each)))
        meter, never = Meter(case.predictor, Deadline.never()), Deadline.never()
        for with_rules in (True, False):
            holds = problem.target.met(case.predictor.score(rows))
            holds &= problem.allowed(rows) | (not with_rules)
            told = counterexample(case.engine, problem, meter, never, box, with_rules=with_rules)
            tally[told.held] += 1
            assert told.held is Held.UNDECIDED or (told.held is Held.PROVEN) == holds.all()
            if told.row is not None:
                at = np.flatnonzero(((rows == told.row) | np.isnan(rows)).all(axis=1))
                assert not holds[at].any()
    assert tally[Held.UNDECIDED] <= 12, tally
    assert min(tally[Held.PROVEN], tally[Held.BROKEN]) > 12, tally


def proven_wrongly(seed: int, tally: Counter[str]) -> bool:
    """Whether the tables prove some box, drawn at random, of which a setting is no answer; boxes
    of settings from which something follows."""
    case = Case(seed, follows=True)
    problem = case.problem.firm(rounding_of(case.predictor))
    consequences, factual = problem.consequences, problem.factual
    assert consequences is not None
    trees_alone = engines_for(deployed(TREES, case.model, case.task).form, SCHEMA).engines[0]
    assert isinstance(trees_alone, Trees)
    draw, axes = np.random.default_rng(seed), problem.axes_if_set
    movable = [j for j in range(len(SCHEMA)) if len(axes[j]) - axes[j].has_missing > 1]
    for _ in range(6):
        columns = sorted(draw.permutation(movable)[: draw.integers(1, 3)].tolist())
        if not consequences.effects(columns):
            continue
        try:
            prover = trees_alone.boxes(problem, columns, lambda rows: np.ones(len(rows), bool))
        except NotEligible:
            continue
        box = [Axis(others=(float(v),)) for v in factual]
        for j in columns:
            count = len(axes[j]) - axes[j].has_missing
            low, high = sorted(draw.integers(0, count, 2).tolist())
            box[j] = part(axes[j], low, min(high, low + 2) + 1)
        told = prover.holds(tuple(box)).held
        holds = case.answers(every_row(tuple(box)), problem).all()
        tally[f"{told}, {'all' if holds else 'not all'} are"] += 1
        if told is Held.PROVEN and not holds:
            return True
    return False


def test_of_a_proven_box_from_which_something_follows_every_setting_is_an_answer() -> None:
    tally: Counter[str] = Counter()
    assert not any(proven_wrongly(seed, tally) for seed in range(120))
    assert tally["proven, all are"] >= 5, tally


def _nothing_relates(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trees, "relating", lambda *_: ())
    patch.setattr(counterexamples, "first_broken", lambda *_: None)


def _all_within(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trees, "within", lambda *_: PROVEN)


def _no_tolerances(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trees.ReadCells, "_off", (0.0,) * len(SCHEMA))


def _nothing_outside(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(counterexamples, "_outside", lambda *_: PROVEN)


def _nothing_follows(patch: pytest.MonkeyPatch) -> None:
    def stays(self: trees.TreeEffectBoxes, low: Rows, high: Rows) -> tuple[Rows, Rows]:
        rows = np.repeat(self.problem.factual[None, :], 2, axis=0)
        return rows[:1], rows[1:]

    patch.setattr(trees.TreeEffectBoxes, "_bounds", stays)


def _all_sure(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trees.TreeEffectBoxes, "_is_sure", lambda *_: True)


def is_seen(seed: int) -> bool:
    """Whether a box of one question is found wrong, by the checker or by the walk."""
    case = Case(seed)
    answer = explain(case.problem, case.predictor, engine=case.engine)
    if not isinstance(answer, Recourse):
        return False
    told = with_joint_boxes(case.beside(answer), answer)
    (found,) = told.counterfactuals
    try:
        if found.joint_box is not None:
            held(case, found, found.joint_box, Counter())
    except AssertionError:
        return True
    return bool(told.work.rejected)


@pytest.mark.parametrize(
    ("plant", "seeds"),
    [
        (_nothing_relates, (109, 181, 183)),
        (_all_within, (7, 25, 32)),
        (_no_tolerances, (25, 181)),
        (_nothing_outside, (129, 183, 285)),
    ],
)
def test_a_wrong_proof_of_a_box_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None],
    seeds: Sequence[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not any(map(is_seen, seeds))
    plant(monkeypatch)
    assert any(map(is_seen, seeds))


@pytest.mark.parametrize("plant", [_nothing_follows, _all_sure])
def test_a_wrong_bound_of_what_follows_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert any(proven_wrongly(seed, Counter()) for seed in (35, 58, 104))
