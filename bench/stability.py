"""What does not stay: is its stability learned, and is what is said of "when carried out" true?

Karimi et al.'s chains (:mod:`bench.causal_scms`), but that each machine's own noise is a series in
time, autoregressive in normal scores, with a correlation of its own for each node. Mechanisms are
fitted to rows of other machines; the stability of the noise is learned from readings of a few.

*Intervals*: how often the 95 % interval of a node's correlation holds the true one, where readings
were chosen as they came, where half of the pairs begin with an alarm, where levers were set in
between, and where the regime changes between some.

*Answers*: each individual is answered as if its noise stayed, and as it is learned not to; every
answer is carried out later in the true model, its own noise drawn onwards 400 times.
``python -m bench.stability --draws 40 --people 30``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from bench.causal_recourse import LIMIT, Scene, scene
from bench.causal_scms import ANM, LINEAR, Array, ScmTruth
from ifonly.explainers.answer import Abstained, Recourse
from ifonly.explainers.causal.demands import consequences_of
from ifonly.explainers.causal.fit import Fitted, fit
from ifonly.explainers.causal.marginal import Marginal
from ifonly.explainers.causal.mechanism import Noise
from ifonly.explainers.causal.noise_stability import NodeStability, NoiseStability
from ifonly.explainers.causal.spec import (
    ApprovalStatus,
    CausalEdge,
    CausalNode,
    CausalSpec,
    GraphProvenance,
    NodeKind,
    NodeRole,
)
from ifonly.explainers.causal.stability import Pairs, learn_stability
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

MACHINES, FITTED = 24, 1_000
LATER = 400
"""Draws of what an individual's noise becomes."""
FLOOR = 0.9


@dataclass(frozen=True)
class Series:
    """Noise of one model in time."""

    truth: ScmTruth
    marginals: tuple[Marginal | None, ...]
    rho: Array
    redrawn: float = 0.0

    @classmethod
    def of(cls, truth: ScmTruth, rho: Array, redrawn: float = 0.0) -> Series:
        drawn = truth.noise(np.random.default_rng(0), 20_000)
        made = (Noise(float(x.std()), x) for x in drawn.T)
        marginals = (Marginal.of(n) for n in made)
        return cls(truth, tuple(marginals), rho, redrawn)

    def onwards(self, noise: Array, rng: np.random.Generator) -> Array:
        """One step later, ``(n, d)``."""
        found = noise.copy()
        anew = rng.random(len(noise)) < self.redrawn
        for j, marginal in enumerate(self.marginals):
            if marginal is not None:
                fresh, rho = rng.normal(size=len(noise)), self.rho[j]
                kept = rho * marginal.score(noise[:, j]) + np.sqrt(1.0 - rho**2) * fresh
                found[:, j] = marginal.noise(np.where(anew, fresh, kept))
        return found


def declared(truth: ScmTruth, lower: Array, upper: Array) -> CausalSpec:
    """As a person would declare it."""
    names = truth.names
    steps = [Decimal(repr(float(f"{(b - a) / 60:.1g}"))) for a, b in zip(lower, upper, strict=True)]
    features = (
        Feature(name, Kind.CONTINUOUS, "", float(a), float(b), step)
        for name, a, b, step in zip(names, lower, upper, steps, strict=True)
    )
    roles = (NodeRole.ACTIONABLE if j in truth.actionable else NodeRole.CONSEQUENCE
             if truth.parents[j] else NodeRole.FIXED for j in range(len(names)))  # fmt: skip
    edges = ((i, j) for j, causes in enumerate(truth.parents) for i in causes)
    return CausalSpec(
        version="1",
        status=ApprovalStatus.ACCEPTED,
        schema=Schema(tuple(features)),
        nodes={n: CausalNode(n, NodeKind.FEATURE, r) for n, r in zip(names, roles, strict=True)},
        edges=tuple(CausalEdge(names[i], names[j]) for i, j in edges),
        confounders=(),
        mechanisms={},
        provenance=GraphProvenance(),
    )


def fitted_to(truth: ScmTruth, rng: np.random.Generator) -> Fitted:
    """To rows as they come: those of a scene are balanced by their labels."""
    rows, _ = truth.sample(rng, FITTED)
    return fit(declared(truth, rows.min(axis=0), rows.max(axis=0)), rows, rng)


def pairs_of(
    series: Series,
    n: int,
    rng: np.random.Generator,
    *,
    how: str = "as they come",
    drawn: Scene | None = None,
) -> Pairs:
    """``n`` pairs of :data:`MACHINES` machines."""
    truth, d = series.truth, len(series.truth.names)
    groups = np.arange(n) % MACHINES
    noise = truth.noise(rng, n)
    if how == "alarms" and drawn is not None:
        # Half of them begin with an alarm, as records of advice do.
        pool = truth.noise(rng, 20 * n)
        margins = np.asarray(drawn.margin(truth.carry_out(pool, {})))
        alarms = pool[margins < 0.0][: n // 2]
        noise[: len(alarms)] = alarms
    if how == "as they come":
        # Each machine a series, so that one reading ends a pair and begins the next.
        first = truth.noise(rng, MACHINES)
        each = [first]
        for _ in range(n // MACHINES):
            each.append(series.onwards(each[-1], rng))
        noise, later = np.concatenate(each[:-1]), np.concatenate(each[1:])
        groups = np.tile(np.arange(MACHINES), len(each) - 1)
    else:
        later = series.onwards(noise, rng)
    is_set, after = np.zeros((len(noise), d), dtype=np.bool_), truth.carry_out(later, {})
    if how == "levers set":
        j = truth.actionable[0]
        is_set[::2, j] = True
        to = rng.permutation(after[:, j])
        acted = truth.carry_out(later, {j: to})
        after[is_set.any(axis=1)] = acted[is_set.any(axis=1)]
    return Pairs(truth.carry_out(noise, {}), after, is_set, groups)


# --- intervals ------------------------------------------------------------------------------


def intervals(draws: int) -> Iterator[str]:
    yield "| model | pairs | how | intervals | hold the truth | mean width | mean error |"
    yield "|---|---|---|---|---|---|---|"
    for truth in (LINEAR, ANM):
        fits = {seed: scene(truth, "lr", seed, 1_000) for seed in range(4)}
        models = {seed: fitted_to(truth, rng) for seed, (s, rng) in fits.items()}
        for n, how in ((48, "as they come"), (240, "as they come"), (240, "alarms"),
                       (240, "levers set"), (240, "regime changes")):  # fmt: skip
            held, widths, errors = [], [], []
            for draw in range(draws):
                rng = np.random.default_rng([draw, n, len(how)])
                rho = rng.uniform(0.0, 0.95, len(truth.names))
                series = Series.of(truth, rho, 0.15 if how == "regime changes" else 0.0)
                drawn, model = fits[draw % 4][0], models[draw % 4].model
                pairs = pairs_of(series, n, rng, how=how, drawn=drawn)
                for j, learned in enumerate(learn_stability(model, pairs)):
                    found = learned.found
                    if found is None or found.interval is None or series.marginals[j] is None:
                        continue
                    # Where no change of regime was seen, what stays on the whole is learned.
                    true = rho[j] * (1.0 - series.redrawn * (found.redrawn == 0.0))
                    held.append(found.interval[0] <= true <= found.interval[1])
                    widths.append(found.interval[1] - found.interval[0])
                    errors.append(found.rho - true)
            yield (
                f"| {truth.name} | {n} | {how} | {len(held)} | {np.mean(held):.1%} "
                f"| {np.mean(widths):.2f} | {np.mean(errors):+.3f} |"
            )


# --- answers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Margins:
    drawn: Scene

    def score(self, rows: Array) -> Array:
        return (self.drawn.margin(rows) + LIMIT)[:, None]


@dataclass
class LaterLine:
    """One line of the table."""

    asked: int = 0
    answered: int = 0
    abstained: int = 0
    cost: float = 0.0
    valid_now: int = 0
    later: float = 0.0
    """Sum of true shares."""
    kept: int = 0
    """Answers whose true share is at least the floor."""
    said: float = 0.0
    rejected: int = 0


def answers(people: int, seeds: int, n_pairs: int) -> Iterator[str]:
    yield (
        "| model | stays | line | answered | abstained | cost | truly valid at once "
        "| when carried out: said | true | true share at least 0.9 |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for truth in (LINEAR, ANM):
        for rho, redrawn in ((0.9, 0.0), (0.6, 0.0), (0.2, 0.0), (0.8, 0.15)):
            lines = {"as if it stayed": LaterLine(), "as learned": LaterLine()}
            for seed in range(seeds):
                _answer(truth, rho, redrawn, seed, people // seeds, n_pairs, lines)
            for name, line in lines.items():
                n = max(1, line.answered)
                said = f"{line.said / n:.3f}" if name == "as learned" else "-"
                yield (
                    f"| {truth.name} | {rho}{f', anew {redrawn}' if redrawn else ''} | {name} "
                    f"| {line.answered} of {line.asked} | {line.abstained} | {line.cost / n:.2f} "
                    f"| {line.valid_now / n:.1%} | {said} | {line.later / n:.3f} "
                    f"| {line.kept / n:.1%} |"
                )


def _answer(
    truth: ScmTruth, rho: float, redrawn: float, seed: int, people: int, n_pairs: int,
    lines: dict[str, LaterLine],
) -> None:  # fmt: skip
    drawn, rng = scene(truth, "lr", seed, 1_000)
    fitted = fitted_to(truth, rng)
    series = Series.of(truth, np.full(len(truth.names), rho), redrawn)
    learned = learn_stability(fitted.model, pairs_of(series, n_pairs, rng))
    nodes: dict[str, NodeStability] = {e.name: e.found for e in learned if e.found is not None}
    spec = replace(fitted.spec, stability=NoiseStability(nodes))
    schema = spec.schema
    decision = Decision(Task.BINARY, (Category("no"), Category("yes")), 1, LIMIT, desired=1)
    policy = Policy.read({}, schema, decision)
    engine, predictor = Portfolio((Blackbox(),)), _Margins(drawn)
    for name, line in lines.items():
        asked = consequences_of(spec, fitted.model, {})
        asked = asked if name == "as learned" else asked.now
        for i in range(people):
            problem = replace(policy.problem(drawn.people[i]), consequences=asked)
            answer = explain(problem, predictor, engine=engine)
            line.asked += 1
            line.abstained += isinstance(answer, Abstained)
            line.rejected += len(answer.work.rejected)
            if not isinstance(answer, Recourse):
                continue
            best = answer.counterfactuals[0]
            line.answered += 1
            line.cost += best.cost
            line.said += best.chance_later or 0.0
            done = {a.column: np.full(LATER, a.counterfactual) for a in best.actions}
            noise = np.repeat(drawn.noise[i][None], LATER, axis=0)
            line.valid_now += bool((drawn.margin(truth.carry_out(noise, done)) >= 0.0).all())
            noise = series.onwards(noise, np.random.default_rng([seed, i]))
            share = float((drawn.margin(truth.carry_out(noise, done)) >= 0.0).mean())
            line.later += share
            line.kept += share >= FLOOR
    if rejected := sum(line.rejected for line in lines.values()):
        print(f"rejected by the checker: {rejected}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=240)
    parser.add_argument("--only", choices=("intervals", "answers"), default=None)
    arguments = parser.parse_args()
    began = time.process_time()
    if arguments.only != "answers":
        for line in intervals(arguments.draws):
            print(line, flush=True)
    if arguments.only != "intervals":
        for line in answers(arguments.people, arguments.seeds, arguments.pairs):
            print(line, flush=True)
    print(f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
