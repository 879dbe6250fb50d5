"""Is recourse as cheap and as possible for one group as for another, and for one's own twin?

Groups are compared as they are (Ustun et al. 2019): they differ in many ways. A *twin* is the same
individual, with its own noise, had the attribute been otherwise: what follows from it has moved
(von Kügelgen et al. 2022). If the twin's recourse costs something else, the attribute is why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explainers.answer import Recourse
from explainers.consequences import Consequences
from explainers.deadline import Deadline
from explainers.explain import explain as search
from models.predictor import Rows
from models.schema import Schema, plain
from service.ask.question import Question, problem_of
from service.audit.reports.statistics import Median, ShareEstimate, median, share
from service.errors import CannotReplay
from service.served.registry import ServedModel

Values = npt.NDArray[np.float64]
BOOTSTRAPS = 2_000


@dataclass(frozen=True)
class Asked:
    """What recourse one individual has."""

    alarm: bool
    cost: float | None
    """0 without an alarm; None: there is no recourse, or none that is sure enough."""


Ask = Callable[[Rows], Sequence[Asked]]


@dataclass(frozen=True)
class Level:
    """A group by the attribute, and the value that a twin in it has."""

    name: str
    value: float
    lower: float
    upper: float

    def holds(self, values: Values) -> npt.NDArray[np.bool_]:
        return np.asarray((values >= self.lower) & (values <= self.upper))


@dataclass(frozen=True)
class GroupRecourse:
    """What recourse the individuals of one group have."""

    name: str
    rows: int
    alarms: int
    feasible: ShareEstimate
    """Of the alarms: those with recourse."""
    cost: Median | None
    mean: float | None


@dataclass(frozen=True)
class Twins:
    """Individuals with an alarm, each beside itself in every other group."""

    pairs: int
    untold: int
    """Pairs left out: by the causal model it cannot be told what the twin would read."""
    other_decision: ShareEstimate
    """The twin has no alarm."""
    other_feasibility: ShareEstimate
    """One of the two has recourse, the other has none."""
    mean: float
    """Of the difference in cost, the twin's less the own, where both have recourse."""
    interval: tuple[float, float]
    """Of that mean, at 95 %, by drawing individuals anew."""
    largest: float
    """Of its size: the individual unfairness of recourse (von Kügelgen et al. 2022, eq. 5)."""


@dataclass(frozen=True)
class Fairness:
    attribute: str
    groups: tuple[GroupRecourse, ...]
    twins: Twins | None
    """None: no causal model says what a twin would read."""


def levels_of(schema: Schema, column: int, rows: Rows) -> tuple[Level, ...]:
    """Categories that occur; of a number the two halves around the median.

    Raises
    ------
    CannotReplay
        If there is but one.
    """
    feature, values = schema.features[column], rows[:, column]
    values = values[~np.isnan(values)]
    if feature.kind.is_categorical:
        codes = np.unique(values)
        found = [Level(feature.categories[int(k)].name, *(float(k),) * 3) for k in codes]
    else:
        found = _halves(values)
    if len(found) < 2:
        raise CannotReplay(f"{feature.name} is the same in all rows: there are no groups")
    return tuple(found)


def _halves(values: Values) -> list[Level]:
    distinct = np.unique(values)
    middle = float(np.median(values))
    low, high = distinct[distinct <= middle], distinct[distinct > middle]
    if not high.size:  # the median is the greatest value
        low, high = distinct[:-1], distinct[-1:]
    return [
        Level(
            f"{plain(float(side[0]))}..{plain(float(side[-1]))}",
            float(np.median(values[(values >= side[0]) & (values <= side[-1])])),
            float(side[0]),
            float(side[-1]),
        )
        for side in (low, high)
        if side.size
    ]


def by_group(
    asked: Sequence[Asked], values: Values, levels: Sequence[Level]
) -> tuple[GroupRecourse, ...]:
    groups = []
    for level in levels:
        own = [a for a, inside in zip(asked, level.holds(values), strict=True) if inside]
        alarms = [a for a in own if a.alarm]
        costs = [a.cost for a in alarms if a.cost is not None]
        groups.append(
            GroupRecourse(
                level.name,
                len(own),
                len(alarms),
                share(len(costs), len(alarms)),
                median(costs),
                float(np.mean(costs)) if costs else None,
            )
        )
    return tuple(groups)


def twins(
    consequences: Consequences,
    rows: Rows,
    column: int,
    levels: Sequence[Level],
    asked: Sequence[Asked],
    ask: Ask,
    bounds: tuple[Values, Values],
    seed: int = 0,
) -> Twins:
    """``asked`` is of ``rows``, ``(n, d)``; ``bounds`` ``2 * (d,)`` of what can be read."""
    found, own, who = [], [], []
    for k in [k for k, a in enumerate(asked) if a.alarm]:
        for level in levels:
            if not level.holds(rows[k : k + 1, column])[0]:
                found.append(consequences.rows(rows[k], [column], np.array([[level.value]]))[0])
                own.append(asked[k])
                who.append(k)
    table = np.array(found).reshape(len(found), rows.shape[1])
    lower, upper = bounds
    missing = np.isnan(rows[who]) if who else np.zeros(table.shape, dtype=np.bool_)
    told = ((table >= lower) & (table <= upper) | (missing & np.isnan(table))).all(axis=1)
    theirs = ask(table[told])
    ours = [a for a, is_told in zip(own, told, strict=True) if is_told]
    whose = np.array(who, dtype=np.int64)[told]
    both = [a.cost is not None and b.cost is not None for a, b in zip(ours, theirs, strict=True)]
    gaps = np.array(
        [
            float(b.cost or 0.0) - float(a.cost or 0.0)
            for a, b, has in zip(ours, theirs, both, strict=True)
            if has
        ]
    )
    apart = sum((a.cost is None) != (b.cost is None) for a, b in zip(ours, theirs, strict=True))
    return Twins(
        len(ours),
        int((~told).sum()),
        share(sum(not b.alarm for b in theirs), len(ours)),
        share(apart, len(ours)),
        float(gaps.mean()) if gaps.size else 0.0,
        _interval(gaps, whose[np.array(both, dtype=np.bool_)], seed),
        float(np.abs(gaps).max()) if gaps.size else 0.0,
    )


def _interval(gaps: Values, whose: npt.NDArray[np.int64], seed: int) -> tuple[float, float]:
    """Of the mean, by drawing individuals, each with all its twins."""
    if not gaps.size:
        return 0.0, 0.0
    _, of = np.unique(whose, return_inverse=True)
    sums, counts = np.bincount(of, gaps), np.bincount(of)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (BOOTSTRAPS, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def asking(model: ServedModel, seconds: float) -> Ask:
    """Recourse by the model's own policy and semantics; ``seconds`` for each search."""
    desired = model.decision.desired
    if desired is None:
        raise CannotReplay(f"{model.name} {model.version} desires no class: nothing is an alarm")
    target = model.policy.target()

    def ask(rows: Rows) -> list[Asked]:
        if not len(rows):
            return []
        decided = model.decision.decide(model.deployed.predictor.score(rows))
        found = []
        for row, k in zip(rows, decided, strict=True):
            if k == desired:
                found.append(Asked(False, 0.0))
                continue
            question = Question(row, target, target_is_named=False, semantics=model.semantics)
            answer = search(
                problem_of(model, question),
                model.deployed.predictor,
                engine=model.engine,
                deadline=Deadline.after(seconds),
                terms=model.rulebook.terms(question.asked),
            )
            cost = answer.counterfactuals[0].cost if isinstance(answer, Recourse) else None
            found.append(Asked(True, cost))
        return found

    return ask


def fairness(model: ServedModel, attribute: str, rows: Rows, seconds: float) -> Fairness:
    """Recourse by ``attribute`` among ``rows`` ``(n, d)``.

    Raises
    ------
    CannotReplay
        If there are no groups, or nothing is an alarm.
    GraphError
        If the model cannot score rows.
    """
    column = model.schema.index(attribute)
    levels = levels_of(model.schema, column, rows)
    ask = asking(model, seconds)
    asked = ask(rows)
    groups = by_group(asked, rows[:, column], levels)
    if model.causal is None:
        return Fairness(attribute, groups, None)
    features = model.schema.features
    bounds = np.array([f.lower for f in features]), np.array([f.upper for f in features])
    found = twins(model.causal.consequences, rows, column, levels, asked, ask, bounds)
    return Fairness(attribute, groups, found)
