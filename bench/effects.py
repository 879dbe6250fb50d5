"""How often intervals of effects hold the truth: ``python -m bench.effects [--draws 200]``.

Rows are drawn from settings whose effects are known, and told as ``ifonly causal effect`` tells
them, learners chosen anew each time. Of trimmed rows the truth is that of all whose propensity, as
fitted, is within the limits. With a hidden cause: whether the robustness value that is printed is
below the cause's true strength, and what the bounds at that strength hold. Two processes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from bench.effect_settings import (
    HIDDEN,
    INSTRUMENTS,
    SETTINGS,
    Array,
)
from ifonly.explainers.causal.effect import (
    REPEATS,
    TRIM,
    Learner,
    Learners,
    Observed,
    estimate_effect,
)
from ifonly.explainers.causal.estimand import Estimand
from ifonly.explainers.causal.instrument import Moved, moved_effect
from ifonly.explainers.causal.sensitivity import Strength, robustness, sensitivity
from ifonly.service.offline.nuisance import learners_for, moved_learners

T = TypeVar("T")
ASKED = (Estimand.ATE, Estimand.OVERLAP, Estimand.ATT)


@dataclass(frozen=True)
class ToldEffect:
    """One effect that was told."""

    asked: str
    trimmed: float
    holds: bool
    """Whether the interval holds the truth of the estimand that was named."""
    holds_asked: bool
    """Whether it holds that of the estimand that was asked for."""
    miss: float
    se: float


@dataclass
class WatchedLearner:
    """A propensity learner that is asked of a population as well."""

    learner: Learner
    population: Array
    seen: list[Array] = field(default_factory=list)

    def __call__(self, rows: Array, values: Array, fresh: Array) -> Array:
        found = self.learner(rows, values, np.vstack([fresh, self.population]))
        self.seen.append(found[len(fresh) :])
        return found[: len(fresh)]


def tell(place: int, rows: int, seed: int) -> list[ToldEffect]:
    """The estimands of a setting, each asked for."""
    setting = SETTINGS[place]  # by its place: functions do not go to other processes
    observed = Observed(*setting.draw(np.random.default_rng([1, seed]), rows))
    learners, population = learners_for(observed, 0), setting.population()
    watched = WatchedLearner(learners.propensity, population.covariates)
    by = Learners(watched, learners.outcome)
    found = estimate_effect(observed, by, np.random.default_rng(seed))
    # As a row's own: one learner of each division, averaged.
    e = np.array(watched.seen).reshape(REPEATS, -1, len(population.effect)).mean(axis=0)
    everyone = np.ones_like(e, dtype=bool)
    told = []
    for named, scores in {found.estimand: found.scores, **found.others}.items():
        kept = {
            Estimand.ATE_COMPARABLE: (e >= TRIM) & (e <= 1.0 - TRIM),
            Estimand.ATT_COMPARABLE: e <= 1.0 - TRIM,
        }.get(named, everyone)
        asked = named.split("_")[0]
        truth, whole = (population.truth(asked, among) for among in (kept, everyone))
        low, high = scores.estimate.interval
        told.append(
            ToldEffect(
                asked,
                found.overlap.trimmed,
                low <= truth <= high,
                low <= whole <= high,
                scores.estimate.value - truth,
                scores.estimate.se,
            )
        )
    return told


@dataclass(frozen=True)
class Undone:
    """One effect beside a hidden cause."""

    asked: str
    holds: bool
    bounds_hold: bool
    """Whether the interval, widened by the bias that the true strength allows, holds the truth."""
    true: float
    """The strength that, the same on both sides, has the same bias."""
    robustness: float
    robustness_of_interval: float


def undo(place: int, rows: int, seed: int) -> list[Undone]:
    setting = HIDDEN[place]
    observed = Observed(*setting.draw(np.random.default_rng([2, seed]), rows))
    learners = learners_for(observed, 0)
    effect = estimate_effect(observed, learners, np.random.default_rng(seed))
    found = []
    for asked, scores in (
        (Estimand.ATE, effect.scores),
        (Estimand.OVERLAP, effect.others[Estimand.OVERLAP]),
    ):
        doubt = sensitivity(scores)
        factor = Strength(*setting.strength(asked)).factor
        low, high = scores.estimate.interval
        bias = doubt.scale * factor
        found.append(
            Undone(
                asked,
                low <= setting.effect <= high,
                low - bias <= setting.effect <= high + bias,
                robustness(factor, 1.0),
                doubt.robustness,
                doubt.robustness_of_interval,
            )
        )
    return found


@dataclass(frozen=True)
class Moves:
    """One effect told by an instrument."""

    holds: bool
    plain_holds: bool
    """Whether the estimate and 1.96 standard errors would."""
    is_endless: bool
    first_stage: float


def move(place: int, rows: int, seed: int) -> list[Moves]:
    setting = INSTRUMENTS[place]
    moved = Moved(*setting.draw(np.random.default_rng([3, seed]), rows))
    found = moved_effect(moved, moved_learners(moved, 0), np.random.default_rng(seed))
    return [
        Moves(
            any(low <= setting.effect <= high for low, high in found.intervals),
            abs(found.value - setting.effect) <= 1.96 * found.se,
            found.interval is None,
            found.first_stage,
        )
    ]


# --- tables -------------------------------------------------------------------------------


def coverage(told: Iterable[ToldEffect]) -> Iterator[str]:
    """A cell for each estimand asked for."""
    by = defaultdict(list)
    for one in told:
        by[one.asked].append(one)
    ates = by[Estimand.ATE]
    yield percent(np.mean([t.trimmed for t in ates]))
    for asked in ASKED:
        yield percent(np.mean([t.holds for t in by[asked]]))
    yield percent(np.mean([t.holds_asked for t in ates]))
    yield f"{np.mean([t.miss for t in ates]):+.3f}"
    yield f"{np.mean([t.se for t in ates]) / np.std([t.miss for t in ates]):.2f}"


def percent(share: float | np.floating) -> str:
    return f"{100.0 * share:.1f} %"


def line(cells: Iterable[object]) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def header(*cells: str) -> None:
    line(cells)
    line("---" for _ in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--only", default="coverage,hidden,instruments")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--setting", default="", help="Default: all.")
    arguments = parser.parse_args()
    # One thread a process: the trees' own threads would get into each other's way.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    context = multiprocessing.get_context("spawn")
    only = arguments.only.split(",")
    with ProcessPoolExecutor(arguments.workers, mp_context=context) as pool:

        def drawn(tell_one: Callable[[int], list[T]]) -> list[T]:
            found: Sequence[list[T]] = list(pool.map(tell_one, range(arguments.draws), chunksize=5))
            return [one for draw in found for one in draw]

        if "coverage" in only:
            header(
                "setting", "trimmed", "ate", "overlap", "att", "of all rows", "bias", "se ÷ sd"
            )  # fmt: skip
            for place, setting in enumerate(SETTINGS):
                if arguments.setting not in ("", setting.name):
                    continue
                line([setting.name, *coverage(drawn(partial(tell, place, arguments.rows)))])
        if "instruments" in only:
            header("setting", "interval", "estimate ± 1.96 se", "no end", "median F")
            for place, by in enumerate(INSTRUMENTS):
                if arguments.setting not in ("", by.name):
                    continue
                moves = drawn(partial(move, place, arguments.rows))
                shares = [
                    np.mean([getattr(m, name) for m in moves])
                    for name in ("holds", "plain_holds", "is_endless")
                ]
                middle = np.median([m.first_stage for m in moves])
                line([by.name, *map(percent, shares), f"{middle:.1f}"])
        if "hidden" in only:
            header(
                "setting", "asked", "interval holds", "bounds hold", "true strength",
                "median printed (interval)", "printed below", "interval's below",
            )  # fmt: skip
            for place, hidden in enumerate(HIDDEN):
                if arguments.setting not in ("", hidden.name):
                    continue
                found = drawn(partial(undo, place, arguments.rows))
                for asked in (Estimand.ATE, Estimand.OVERLAP):
                    line([hidden.name, asked, *strengths([u for u in found if u.asked == asked])])


def strengths(found: Sequence[Undone]) -> Iterator[str]:
    yield percent(np.mean([u.holds for u in found]))
    yield percent(np.mean([u.bounds_hold for u in found]))
    yield percent(found[0].true)
    middle = [
        float(np.median(values))
        for values in zip(*((u.robustness, u.robustness_of_interval) for u in found), strict=True)
    ]
    yield f"{percent(middle[0])} ({percent(middle[1])})"
    yield percent(np.mean([u.robustness < u.true for u in found]))
    yield percent(np.mean([u.robustness_of_interval < u.true for u in found]))


if __name__ == "__main__":
    main()
