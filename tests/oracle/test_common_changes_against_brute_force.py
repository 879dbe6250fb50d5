"""One change for many: what clears the most, and the least, by a walk over every common change."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.common import boxes, truths
from ifonly.explainers.common.ask import CommonQuestion, common
from ifonly.explainers.common.judge import ChangeJudge
from ifonly.explainers.common.search import Best
from ifonly.explainers.constraints import OnlyTo, Origin, Source, Survives
from ifonly.explainers.policy import read_constraints
from ifonly.explainers.problem import Problem
from ifonly.explainers.remedy import CommonAnswer, CommonKind, Remedy, SettingKind
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.reach import TreeReach
from ifonly.explainers.space import Mask
from ifonly.explainers.terms import Status
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Task
from tests.support.bruteforce import settable
from tests.support.checks import Tally
from tests.support.consequences import Slopes
from tests.support.deployed import Deployed, deployed_trees
from tests.support.generated import SCHEMA, factual
from tests.support.kinds import KINDS
from tests.support.pieces import TOLERANCES, Pieces
from tests.support.questions import policy, request_table

ALARMS = 5
MODELS = 6
AT_LEAST = {
    "asked": 80, "with effects": 20, "robust": 12, "nothing clears any": 2, "not all": 30,
    "two levers clear more": 10, "two levers cost less": 3, "by rows alone": 10,
}  # fmt: skip

Change = tuple[tuple[int, SettingKind, float], ...]
"""Column, kind and value of each setting."""


@cache
def model(seed: int) -> Deployed:
    return deployed_trees(seed, tuple(Task)[seed % 3])


@cache
def engine(seed: int) -> Portfolio:
    return Portfolio((Trees(model(seed).form, SCHEMA), Blackbox()))


@cache
def pieces(seed: int) -> Pieces:
    return Pieces.of(model(seed))


def asked(seed: int) -> CommonQuestion:
    """Some alarms of one model under one policy."""
    kinds = (KINDS[seed % len(KINDS)],)
    task = tuple(Task)[seed % MODELS % 3]
    own = policy(kinds, task)
    limits = read_constraints(request_table(kinds), SCHEMA)
    if seed % 4 == 1:
        limits += (Survives(TOLERANCES, origin=Origin(Source.POLICY, "policy.robust")),)
    rows = [factual(100 * seed + i, missing=i == 0 and seed % 5 == 0) for i in range(ALARMS)]
    problems = [own.problem(row, constraints=limits) for row in rows]
    if seed % 3 == 2:
        follows = Slopes.random(seed).consequences()
        problems = [replace(p, consequences=follows) for p in problems]
    change = tuple(CommonKind)[seed % 7 % 3]
    return CommonQuestion(problems, change, 2, levers=[0, 1, 2, 4] if seed % 2 else None)


# --- the walk ---------------------------------------------------------------------------------


def amounts(column: int) -> list[float]:
    feature = SCHEMA.features[column]
    assert feature.resolution is not None
    most = int((Decimal(str(feature.upper)) - Decimal(str(feature.lower))) / feature.resolution)
    return [float(feature.resolution * k) for k in range(-most - 1, most + 2) if k]


def values(column: int) -> list[float]:
    return settable(SCHEMA.features[column], settable_anyhow(column))


def settable_anyhow(column: int) -> float:
    feature = SCHEMA.features[column]
    return 0.0 if feature.kind.is_categorical else float(feature.resolution or 0) * 2


def changes(question: CommonQuestion, count: int) -> Iterator[Change]:
    """Every common change of so many levers."""
    each: list[list[tuple[int, SettingKind, float]]] = []
    for j, feature in enumerate(SCHEMA.features):
        if question.levers is not None and j not in question.levers:
            continue
        listed = feature.kind.is_categorical or any(
            isinstance(c, OnlyTo) and c.column == j for c in question.problems[0].constraints
        )
        own: list[tuple[int, SettingKind, float]] = []
        if listed or question.change is not CommonKind.RELATIVE:
            own += [(j, SettingKind.ABSOLUTE, v) for v in values(j)]
        if not listed and question.change is not CommonKind.ABSOLUTE:
            own += [(j, SettingKind.RELATIVE, v) for v in amounts(j)]
        each.append(own)
    for chosen in itertools.combinations(each, count):
        yield from itertools.product(*chosen)


def become(column: int, kind: SettingKind, value: float, before: float) -> float:
    """What a reading becomes; NaN: it cannot be told."""
    if kind is SettingKind.ABSOLUTE:
        return value
    step = SCHEMA.features[column].resolution
    if step is None or before != before:
        return np.nan
    # The nearest value of the grid, of two the lower; then moved.
    exact = Decimal(repr(before)) / step
    below = exact.to_integral_value(rounding="ROUND_FLOOR")
    nearest = below if exact - below <= Decimal("0.5") else below + 1
    return float(step * (nearest + round(Decimal(repr(value)) / step)))


@dataclass(frozen=True)
class Walk:
    """Every change, how many alarms each clears, and what it costs on average."""

    changes: list[Change]
    cleared: Mask
    """``(n_changes, n_alarms)``"""
    costs: Row

    @classmethod
    def over(cls, question: CommonQuestion, seed: int, count: int) -> Walk:
        every = list(changes(question, count))
        own = [walk_one(p, every, seed) for p in question.problems]
        alarms = [one for one in own if one is not None]
        cleared = np.array([mask for mask, _ in alarms]).T
        costs = np.array([cost for _, cost in alarms]).T.mean(axis=1)
        return cls(every, cleared, costs)

    def joined(self, other: Walk) -> Walk:
        return Walk(
            self.changes + other.changes,
            np.concatenate([self.cleared, other.cleared]),
            np.concatenate([self.costs, other.costs]),
        )

    @property
    def most(self) -> int:
        return int(self.cleared.sum(axis=1).max(initial=0))

    def least(self, coverage: int) -> float:
        enough = self.cleared.sum(axis=1) >= coverage
        return float(self.costs[enough].min())


def walk_one(problem: Problem, every: Sequence[Change], seed: int) -> tuple[Mask, Row] | None:
    """Which changes clear one alarm, and what each costs there; None: it is no alarm."""
    deployed, before = model(seed % MODELS), problem.factual
    score = deployed.predictor.score
    if problem.target.needs_nothing(score(before[None]))[0]:
        return None
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, before, strict=True)]
    actions = np.repeat(before[None], len(every), axis=0)
    keeps = np.ones(len(every), dtype=bool)
    for k, change in enumerate(every):
        for j, kind, value in change:
            to = become(j, kind, value, float(before[j]))
            keeps[k] &= to in axes[j]
            actions[k, j] = to
    costs = np.zeros(len(every))
    for j in range(len(SCHEMA)):
        own = problem.cost.of_feature(j, actions[:, j], float(before[j]))
        # What is missing cannot be moved by an amount, and costs nothing then.
        costs += np.nan_to_num(np.where(np.isnan(actions[:, j]), 0.0, own))
    rows = problem.rows_of(actions[keeps])
    allowed = problem.allowed(actions[keeps], rows)
    allowed[allowed] = problem.target.met(score(rows[allowed]))
    allowed[allowed] = problem.trust(actions[keeps][allowed], score).holds
    if problem.survives is not None:
        known = pieces(seed % MODELS)
        met = problem.target.met(known.scores.reshape(-1, known.scores.shape[-1]))
        met = met.reshape(known.scores.shape[:-1])
        for k in np.flatnonzero(allowed):
            allowed[k] = known.survives(met, rows[k], 1.0)
    keeps[keeps] = allowed
    return keeps, costs


# --- the claims -------------------------------------------------------------------------------


def named(remedy: Remedy) -> Change:
    return tuple((s.column, s.kind, s.value) for s in remedy.settings)


def held(walk: Walk, answer: CommonAnswer, place: int) -> None:
    curve = answer.curves[place]
    assert curve.most == walk.most
    assert curve.is_most
    n_alarms = len(answer.alarms)
    for level in Best.of(n_alarms).levels:
        if level <= curve.most:
            first = next(p for p in curve.points if p.coverage >= level)
            assert first.cost == pytest.approx(walk.least(level))
    for point in curve.points:
        assert point.status is Status.OPTIMAL
        assert point.cost == pytest.approx(walk.least(point.coverage))
        at = next(k for k, c in enumerate(walk.changes) if same(c, named(point)))
        places = [answer.alarms[i] for i in np.flatnonzero(walk.cleared[at])]
        assert list(point.cleared) == places


def same(one: Change, other: Change) -> bool:
    return [(j, k) for j, k, _ in one] == [(j, k) for j, k, _ in other] and np.allclose(
        [v for *_, v in one], [v for *_, v in other]
    )


def told(seed: int) -> CommonAnswer | None:
    """The answer, held to the walk; None where there is no alarm, or one lever alone."""
    question = asked(seed)
    by_rows = is_by_rows(seed, question)
    asks = Blackbox() if by_rows else engine(seed % MODELS)
    answer = common(question, model(seed % MODELS).predictor, engine=asks)
    assert not answer.work.rejected
    # With one lever there is no second curve.
    if len(answer.curves) < 2:
        return None
    one, two = (Walk.over(question, seed, count) for count in (1, 2))
    held(one, answer, 0)
    held(one.joined(two), answer, 1)
    return answer


def is_by_rows(seed: int, question: CommonQuestion) -> bool:
    """Whether nobody knows the model, so that it is asked of every change."""
    return seed % 6 == 0 and question.problems[0].survives is None


@pytest.mark.parametrize(
    "seeds",
    [range(120), pytest.param(range(120, 2_000), marks=pytest.mark.long)],
    ids=["some", "many"],
)
def test_a_common_change_clears_the_most_and_costs_the_least(seeds: range, tally: Tally) -> None:
    for seed in seeds:
        answer, question = told(seed), asked(seed)
        if answer is None:
            continue
        tally["asked"] += 1
        tally["with effects"] += question.problems[0].consequences is not None
        tally["robust"] += question.problems[0].survives is not None
        tally["by rows alone"] += is_by_rows(seed, question)
        first, second = answer.curves
        tally["nothing clears any"] += first.most == 0
        tally["not all"] += second.most < len(answer.alarms)
        tally["two levers clear more"] += second.most > first.most
        if first.best is not None and second.best is not None and first.most == second.most:
            tally["two levers cost less"] += second.best.cost < first.best.cost - 1e-9


# --- planted faults ---------------------------------------------------------------------------


def losing(what: Callable[..., Any]) -> Callable[..., Any]:
    """A mask that loses every fifth of those that hold."""

    def lossy(*given: Any) -> Any:
        mask = np.array(what(*given))
        mask[np.flatnonzero(mask)[::5]] = False
        return mask

    return lossy


def all_hold(self: ChangeJudge, alarms: Row, actions: Rows, rows: Rows) -> Mask:
    return np.ones(len(alarms), dtype=np.bool_)


FAULTS: dict[str, tuple[object, str, Any]] = {
    "boxes of the tables are lost": (TreeReach, "may", losing(TreeReach.may)),
    "boxes of rules are lost": (boxes, "may_keep", losing(truths.may_keep)),
    "rows that survive are not known to": (
        TreeReach, "survive", lambda self, rows, off: (np.zeros(len(rows), bool),) * 2
    ),
    "a box costs what its dearest change does": (
        boxes.LeverSet, "least_cost",
        lambda self, low, high: float(
            sum(x.costs[a : b + 1].max() for x, a, b in zip(self.levers, low, high, strict=True))
        ),
    ),
    "the first level is enough": (
        Best, "is_cheaper", lambda self, coverage, cost: not self.holders
    ),
    "what is not allowed is": (ChangeJudge, "_allowed", all_hold),
    "what is not in the target is": (ChangeJudge, "_met", all_hold),
    "what does not survive does": (ChangeJudge, "_survive", all_hold),
    "a lever that stays does not follow": (boxes.LeverSet, "_may_stay", property(lambda self: ())),
}  # fmt: skip
# One of them is no fault: it says less, and what it leaves open is asked row by row.
HARMLESS = {"rows that survive are not known to"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, instead = FAULTS[fault]
    monkeypatch.setattr(where, name, instead)

    def is_seen(seed: int) -> bool:
        try:
            told(seed)
        except (AssertionError, StopIteration):
            return True
        return False

    assert any(map(is_seen, (122, *range(1, 50)))) is (fault not in HARMLESS)
