"""How often effects by group, of rows like one, and values of policies hold the truth.

    python -m bench.advice [--draws 200] [--setting NAME] [--only advice,peers,panels]

Rows are drawn from settings whose truth is known (:mod:`bench.advice_settings`) and told as
``ifonly causal effect --group-by --row``, ``value`` and ``panel`` tell them, learners chosen anew
each time.
Truth is that of the population's rows whose propensity, as fitted, is within the limits. ``peers``:
the error of effects of single rows (PEHE) beside econml's defaults, on the same draws; run with an
interpreter that has econml. One process.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from bench.advice_settings import ADVICE_SETTINGS, AdviceSetting, KnownPopulation, panel_draw
from bench.effect_settings import Array
from bench.effects import WatchedLearner, header, line, percent
from ifonly.explainers.causal import panel as panels
from ifonly.explainers.causal.cate import by_group, effects_by_kind
from ifonly.explainers.causal.effect import TRIM, Learners, Observed, estimate_effect
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Z95, Estimate, Flags
from ifonly.explainers.causal.policy_value import (
    ActionLog,
    best_by_row,
    policy_values,
    score_actions,
)
from ifonly.service.offline.nuisance import learners_for

Held = dict[str, list[bool | float]]
PEERS: dict[str, Callable[[], Any]] = {
    "LinearDRLearner": lambda: import_module("econml.dr").LinearDRLearner(random_state=0),
    "ForestDRLearner": lambda: import_module("econml.dr").ForestDRLearner(random_state=0),
    "CausalForestDML": lambda: import_module("econml.dml").CausalForestDML(
        discrete_treatment=True, random_state=0
    ),
}


def watched(observed: Observed, known: KnownPopulation) -> tuple[Learners, WatchedLearner]:
    learners = learners_for(observed, 0)
    seen = WatchedLearner(learners.propensity, known.covariates)
    return Learners(seen, learners.outcome), seen


def kept_of(seen: WatchedLearner) -> Flags:
    e = np.mean(seen.seen, axis=0)
    return np.asarray((e >= TRIM) & (e <= 1.0 - TRIM))


def advice(setting: AdviceSetting, known: KnownPopulation, seed: int, held: Held) -> None:
    """Effects and values, by the same learners."""
    observed = Observed(*setting.draw(np.random.default_rng([1, seed]), setting.rows))
    learners, seen = watched(observed, known)
    _effects(setting, known, observed, (learners, seen), seed, held)
    seen.seen.clear()
    _values(setting, known, observed, (learners, seen), seed, held)


def _effects(
    setting: AdviceSetting,
    known: KnownPopulation,
    observed: Observed,
    by: tuple[Learners, WatchedLearner],
    seed: int,
    held: Held,
) -> None:
    found = estimate_effect(observed, by[0], np.random.default_rng(seed))
    kept, x = kept_of(by[1]), known.covariates
    held["trimmed"].append(found.overlap.trimmed)
    held["ate"].append(holds(found.estimate, known.effect[kept].mean()))
    own = observed.covariates[found.kept]
    kinds = effects_by_kind(own, found.scores, found.fold[0][found.kept], [])
    groups = by_group(found.scores, [(name, of(own)) for name, of in setting.groups])
    for (_, of), group in zip(setting.groups, groups, strict=True):
        if group.estimate is not None:
            held["groups"].append(holds(group.estimate, known.effect[kept & of(x)].mean()))
    off = np.abs(kinds.law(x[kept]) - known.effect[kept])
    held["rows"].append(float(np.mean(off <= Z95 * kinds.law.errors(x[kept]))))
    held["pehe"].append(float(np.sqrt(np.mean(off**2))))
    slope = kinds.calibration.slope_interval
    held["slope 1"].append(slope is None or slope[0] <= 1.0 <= slope[1])


def _values(
    setting: AdviceSetting,
    known: KnownPopulation,
    observed: Observed,
    by: tuple[Learners, WatchedLearner],
    seed: int,
    held: Held,
) -> None:
    x, done = observed.covariates, observed.treated.astype(np.int64)
    log = ActionLog(x, done, observed.outcome, ("no", "yes"))
    scores = score_actions(log, [by[0]], np.random.default_rng(seed))
    kept = kept_of(by[1])
    fixed = {
        "always no": np.zeros(len(log), dtype=np.int64),
        "always yes": np.ones(len(log), dtype=np.int64),
        "rule": setting.rule(x).astype(np.int64),
    }
    best = best_by_row(log, scores, is_higher_better=True)
    told = policy_values(log, scores, {**fixed, "by effect": best})
    y, e = known.outcomes[:, kept], known.propensity[kept]
    fresh = known.covariates[kept]
    learned = best_by_row(log, scores, is_higher_better=True, fresh=fresh)
    truths = {
        "always no": y[0].mean(),
        "always yes": y[1].mean(),
        "rule": np.where(setting.rule(fresh), y[1], y[0]).mean(),
        # Five policies were learned, each valued in the rows that it has not seen.
        "by effect": np.mean([np.where(chosen == 1, y[1], y[0]).mean() for chosen in learned]),
    }
    was = (e * y[1] + (1.0 - e) * y[0]).mean()
    for name, truth in truths.items():
        found = told.of(name)
        if found.value is not None and found.gain is not None:
            held[name].append(holds(found.value, truth))
            held["gains"].append(holds(found.gain, truth - was))


def peers(setting: AdviceSetting, known: KnownPopulation, seed: int, held: Held) -> None:
    x, treated, outcome = setting.draw(np.random.default_rng([1, seed]), setting.rows)
    observed = Observed(x, treated, outcome)
    start = time.process_time()
    learners, seen = watched(observed, known)
    found = estimate_effect(observed, learners, np.random.default_rng(seed))
    own = observed.covariates[found.kept]
    law = effects_by_kind(own, found.scores, found.fold[0][found.kept], []).law
    # The same rows for all: those that are comparable.
    kept = kept_of(seen)
    fresh, truth = known.covariates[kept], known.effect[kept]
    _beside(held, "ours", law(fresh), Z95 * law.errors(fresh), truth, start)
    for name, make in PEERS.items():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = make().fit(outcome, treated.astype(int), X=x)
            low, high = fitted.effect_interval(fresh, alpha=0.05)
            _beside(held, name, fitted.effect(fresh), (high - low) / 2.0, truth, start)


def _beside(held: Held, name: str, told: Array, width: Array, truth: Array, start: float) -> None:
    off = np.abs(told - truth)
    held[f"{name}: pehe"].append(float(np.sqrt(np.mean(off**2))))
    held[f"{name}: rows"].append(float(np.mean(off <= width)))
    held[f"{name}: s"].append(time.process_time() - start)


def panel(units: int, seed: int, held: Held) -> None:
    y, start, effect = panel_draw(np.random.default_rng([4, seed]), units)
    names = tuple(map(str, range(units))), tuple(map(str, range(y.shape[1])))
    try:
        found = panels.panel_effect(panels.UnitPanel(*names, y, start), np.random.default_rng(seed))
    except NotIdentified:
        held["refused"].append(True)
        return
    held["refused"].append(False)
    out = set(found.left_out)
    used = [i for i in range(units) if start[i] < y.shape[1] and str(i) not in out]
    # Each unit's mean over the times at which it has controls.
    told = {(g.start, g.time) for g in found.groups}
    since = [
        [effect[i, t] for t in range(start[i], y.shape[1]) if (str(start[i]), str(t)) in told]
        for i in used
    ]
    truth = np.mean([np.mean(each) for each in since])
    low, high = found.effect.interval
    held["ate"].append(bool(low <= truth <= high))
    held["bias"].append(found.effect.value - float(truth))
    held["two-way bias"].append(found.two_way - float(truth))
    events = [e for e in found.events if e.after >= 0]
    held["band"].append(all(e.band[0] <= 1.0 + 0.3 * e.after <= e.band[1] for e in events))
    if found.trend.p_value is not None:
        held["false pre-trend"].append(found.trend.p_value < 0.05)


def holds(found: Estimate, truth: float) -> bool:
    low, high = found.interval
    return bool(low <= truth <= high)


def shown(held: Held) -> Iterator[str]:
    for name, found in held.items():
        mean = float(np.mean(found))
        is_size = "pehe" in name or "bias" in name or name.endswith(": s")
        yield f"{name} {mean:.3f}" if is_size else f"{name} {percent(mean)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--only", default="advice,panels")
    parser.add_argument("--setting", default="", help="Default: all.")
    arguments = parser.parse_args()
    # One thread: the trees' own threads would get into each other's way.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    only, draws = arguments.only.split(","), range(arguments.draws)
    header("setting", "measured", f"of {arguments.draws} draws")
    for setting in ADVICE_SETTINGS:
        if arguments.setting not in ("", setting.name):
            continue
        known = setting.population()
        for name, tell in (("advice", advice), ("peers", peers)):
            if name in only:
                held: Held = defaultdict(list)
                for seed in draws:
                    tell(setting, known, seed, held)
                line([setting.name, name, "; ".join(shown(held))])
    if "panels" in only:
        panels.PERMUTATIONS = 1  # of no interest here, and the longest part
        for units in (12, 30, 100):
            held = defaultdict(list)
            for seed in draws:
                panel(units, seed, held)
            line([f"{units} machines", "panels", "; ".join(shown(held))])


if __name__ == "__main__":
    main()
