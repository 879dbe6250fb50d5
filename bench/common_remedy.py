"""One change for many alarms, against baselines of the literature, on the same alarms.

    python -m bench.common_remedy --alarms 50 --seeds 3

*GLOBE-CE-like* (Ley et al. 2023, "GLOBE-CE: A Translation Based Approach for Global Counterfactual
Explanations"): random directions over at most so many features, each scaled step by step; one
translation for all rows. *AReS-like* (Rawal & Lakkaraju 2020, "Beyond Individualized Recourse"):
settings that are frequent itemsets of rows without an alarm, in quantile bins; one rule for all
rows. Both are given what the methods themselves leave open: the plant's grid, every rule, and the
same judge of what is cleared (95 %, tolerances, causal model), so that only the search differs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from ifonly.explainers.common.ask import CommonQuestion, common
from ifonly.explainers.common.boxes import Alarms, LeverSet
from ifonly.explainers.common.judge import CLEARED, ChangeJudge
from ifonly.explainers.common.levers import CommonLever, levers_of
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.problem import Problem
from ifonly.explainers.remedy import CommonKind, SettingKind
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.portfolio import reach_of
from ifonly.models.predictor import Rows
from ifonly.models.repository import load_folder
from ifonly.models.rounding import rounding_of
from ifonly.models.training.alarms import held_out_alarms
from ifonly.service.ask.question import Question, problem_of
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models

DIRECTIONS, SCALES = 100, 25
"""Of the translations: directions for each number of features, and how many lengths of each."""
BINS, SUPPORT = 10, 0.005
"""Of the itemsets: quantile bins of a feature, and the least share of rows that an itemset has."""


@dataclass(frozen=True)
class TriedChange:
    """A common change that a method has tried."""

    coverage: int
    cost: float


@dataclass(frozen=True)
class MethodOutcome:
    """What a method found, and what it took."""

    name: str
    points: tuple[TriedChange, ...]
    """Cheapest first, each clearing more."""
    rows: int
    seconds: float
    """Of CPU."""

    def coverage(self, cost: float) -> int:
        """The most alarms that it clears at that cost."""
        return max((p.coverage for p in self.points if p.cost <= cost + 1e-9), default=0)

    def cost(self, coverage: int) -> float:
        """What it takes to clear so many; infinity: it does not."""
        return min((p.cost for p in self.points if p.coverage >= coverage), default=np.inf)


@dataclass(frozen=True, eq=False)
class Bench:
    """One set of alarms of the default model."""

    model: ServedModel
    problems: tuple[Problem, ...]
    max_levers: int

    @classmethod
    def of(cls, model: ServedModel, n_alarms: int, seed: int, max_levers: int) -> Bench:
        predictor = model.deployed.predictor
        found = held_out_alarms(n_alarms, seed, predictor, model.decision)
        asked = (
            Question(row, model.policy.target(), False, semantics=model.semantics)
            for row in found.rows
        )
        return cls(model, tuple(problem_of(model, question) for question in asked), max_levers)

    def ours(self, change: CommonKind) -> MethodOutcome:
        began = time.process_time()
        answer = common(
            CommonQuestion(self.problems, change, self.max_levers),
            self.model.deployed.predictor,
            engine=self.model.engine,
            deadline=Deadline.after(120.0),
        )
        found = [TriedChange(p.coverage, p.cost) for curve in answer.curves for p in curve.points]
        seconds = time.process_time() - began
        name = "ours, proven" if answer.curves[-1].is_most else "ours, cut"
        return MethodOutcome(name, _pareto(found), answer.work.rows, seconds)

    def _judge(self, change: CommonKind) -> tuple[ChangeJudge, tuple[CommonLever, ...]]:
        predictor = self.model.deployed.predictor
        firm = tuple(p.firm(rounding_of(predictor)) for p in self.problems)
        alarms = Alarms(firm, np.array([p.factual for p in firm]))
        reach = reach_of(self.model.engine, firm[0].target)
        judge = ChangeJudge(alarms, Meter(predictor, Deadline.never()), reach)
        return judge, levers_of(firm, alarms.factuals, change, None)

    def _measured(
        self, name: str, change: CommonKind, tried: Iterator[tuple[LeverSet, Rows]],
        judge: ChangeJudge, began: float,
    ) -> MethodOutcome:  # fmt: skip
        found: list[TriedChange] = []
        every = np.arange(len(self.problems))
        for levers, at in tried:
            positions = np.unique(at.astype(np.int64), axis=0)
            where = np.repeat(positions, len(every), axis=0)
            alarms = np.tile(every, len(positions))
            cleared = judge.verdicts(levers, where, alarms) == CLEARED
            counts = cleared.reshape(len(positions), -1).sum(axis=1)
            costs = levers.costs(positions)
            found += [TriedChange(int(c), float(x)) for c, x in zip(counts, costs, strict=True)]
        return MethodOutcome(name, _pareto(found), judge.meter.rows, time.process_time() - began)

    def translations(self, seed: int) -> MethodOutcome:
        """GLOBE-CE-like."""
        began = time.process_time()
        judge, levers = self._judge(CommonKind.RELATIVE)
        draw = np.random.default_rng(seed)

        def tried() -> Iterator[tuple[LeverSet, Rows]]:
            for count in range(1, self.max_levers + 1):
                for _ in range(DIRECTIONS):
                    chosen = sorted(draw.choice(len(levers), count, replace=False))
                    own = tuple(levers[k] for k in chosen)
                    # By scales, as costs are: a step of each is as dear.
                    direction = draw.normal(size=count)
                    direction /= np.abs(direction).sum()
                    yield LeverSet(judge.alarms, own, judge.reach), self._steps(own, direction)

        return self._measured("GLOBE-CE-like", CommonKind.RELATIVE, tried(), judge, began)

    def _steps(self, levers: Sequence[CommonLever], direction: Rows) -> Rows:
        """Positions of the translation, scaled step by step to 5 units of cost."""
        at = []
        for lever, share in zip(levers, direction, strict=True):
            if lever.kind is SettingKind.ABSOLUTE:
                # A tool is replaced, or a category chosen, whatever the length.
                at.append(np.zeros(SCALES))
                continue
            scale = self.problems[0].cost.features[lever.column].scale
            amounts = share * scale * np.linspace(0.0, 5.0, SCALES + 1)[1:]
            at.append(np.abs(lever.values[None, :] - amounts[:, None]).argmin(axis=1))
        return np.stack(at, axis=1)

    def itemsets(self) -> MethodOutcome:
        """AReS-like."""
        began = time.process_time()
        judge, levers = self._judge(CommonKind.ABSOLUTE)
        rows = self.model.policy.references
        assert rows is not None
        target = self.problems[0].target
        calm = rows[target.needs_nothing(judge.meter.score(rows))]

        def tried() -> Iterator[tuple[LeverSet, Rows]]:
            for count in range(1, self.max_levers + 1):
                for own in combinations(levers, count):
                    at = np.array(list(self._frequent(own, calm)))
                    if len(at):
                        yield LeverSet(judge.alarms, own, judge.reach), at

        return self._measured("AReS-like", CommonKind.ABSOLUTE, tried(), judge, began)

    def _frequent(self, levers: Sequence[CommonLever], rows: Rows) -> Iterator[tuple[int, ...]]:
        """Positions of itemsets that enough of ``rows`` have: of a bin its middle."""
        bins, middles = [], []
        for lever in levers:
            values = rows[:, lever.column]
            if len(lever) <= BINS:
                bins.append(np.abs(lever.values[None, :] - values[:, None]).argmin(axis=1))
                middles.append(np.arange(len(lever)))
                continue
            edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, BINS + 1)))
            bins.append(np.clip(edges.searchsorted(values, "right") - 1, 0, len(edges) - 2))
            centre = (edges[1:] + edges[:-1]) / 2
            middles.append(np.abs(lever.values[None, :] - centre[:, None]).argmin(axis=1))
        for items in product(*(range(len(m)) for m in middles)):
            has = np.all([b == item for b, item in zip(bins, items, strict=True)], axis=0)
            # A worn tool is replaced by none that was seen: a setting out of a list is frequent.
            if has.mean() >= SUPPORT or any(len(lever) == 1 for lever in levers):
                yield tuple(int(m[item]) for m, item in zip(middles, items, strict=True))


def _pareto(points: Sequence[TriedChange]) -> tuple[TriedChange, ...]:
    kept: list[TriedChange] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.coverage)):
        if point.coverage > (kept[-1].coverage if kept else 0):
            kept.append(point)
    return tuple(kept)


def lines(ours: MethodOutcome, theirs: MethodOutcome) -> Iterator[str]:
    """A line of the table for each point that ours tells: what the other has at that cost, and what
    it takes it to clear as many."""
    for point in ours.points:
        cost = theirs.cost(point.coverage)
        dearer = "never" if np.isinf(cost) else f"{cost:.3f}"
        yield (
            f"| {theirs.name} | {point.coverage} | {point.cost:.3f} "
            f"| {theirs.coverage(point.cost)} | {dearer} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.common_remedy")
    parser.add_argument("--alarms", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-levers", type=int, default=2)
    options = parser.parse_args()
    model = prepare(load_folder(shipped_models() / "milling-machine" / "1"))
    for seed in range(options.seeds):
        bench = Bench.of(model, options.alarms, seed, options.max_levers)
        pairs = (
            (bench.ours(CommonKind.RELATIVE), bench.translations(seed)),
            (bench.ours(CommonKind.ABSOLUTE), bench.itemsets()),
        )
        print(f"\nseed {seed}: {options.alarms} alarms, at most {options.max_levers} levers\n")
        print(
            "| method | most cleared | at a cost of | model rows | CPU s |\n|---|---|---|---|---|"
        )
        for method in (m for pair in pairs for m in pair):
            last = method.points[-1] if method.points else TriedChange(0, 0.0)
            print(
                f"| {method.name} | {last.coverage} | {last.cost:.3f} | {method.rows:,} "
                f"| {method.seconds:.1f} |"
            )
        print("\n| beside | we clear | at a cost of | it, at that cost | its cost for as many |")
        print("|---|---|---|---|---|")
        for pair in pairs:
            for line in lines(*pair):
                print(line)


if __name__ == "__main__":
    main()
