"""Recourse where something hidden acts on a cause and its effect.

Karimi et al.'s chains of three (:mod:`bench.causal_scms`), but that something that is not read
makes a share of the variance of the noises of x1 and x2, and so correlates them by as much.
Mechanisms and classifier are learned from rows as ever; each action is carried out in the true
model, with the individual's true noise. Lines differ by what the graph declares:
``python -m bench.hidden_causes --seeds 8 --people 5``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bench.causal_recourse import (
    Belief,
    RecourseFound,
    RecourseSearch,
    cheapest,
    independent,
    learned,
    scene,
)
from bench.causal_scms import ANM, LINEAR, Array, ScmTruth
from ifonly.explainers.causal import CausalModel, draw_members
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.demands import MEMBERS, Demands
from ifonly.explainers.causal.hidden import HiddenCause
from ifonly.explainers.causal.mechanism import Noise
from ifonly.explainers.causal.members import believed
from ifonly.explainers.causal.spec import DEFAULT_STRENGTH
from ifonly.explainers.consequences import Margin

X1, X2 = 0, 1
CORRELATIONS = (0.0, 0.1, 0.3, 0.5, -0.3)
"""Of the noises of x1 and x2: their size is the share of each one's variance that the hidden cause
makes."""
SETTINGS = (
    LINEAR,
    ANM,
    *(replace(t, name=f"{t.name}, x1 the only lever", actionable=(0,)) for t in (LINEAR, ANM)),
)


def with_hidden_cause(truth: ScmTruth, correlation: float) -> ScmTruth:
    """The same, but that the noises of x1 and x2 share a normal cause."""
    share = abs(correlation)
    own = truth.noise(np.random.default_rng(0), 100_000).std(axis=0)
    load = own * np.sqrt(share / (1.0 - share))
    load[X2] *= np.sign(correlation)

    def noise(rng: np.random.Generator, n: int) -> Array:
        found, hidden = truth.noise(rng, n), rng.normal(size=n)
        for j in (X1, X2):
            found[:, j] += load[j] * hidden
        return found

    return replace(truth, noise=noise)


@dataclass
class HiddenLine:
    """One line of the table."""

    asked: int = 0
    answered: int = 0
    valid: int = 0
    with_effects: int = 0
    """Answers after which something follows."""
    valid_with_effects: int = 0
    doubted: int = 0
    """Answers by which x1 is set and x2 is not: the edge whose law is in doubt carries them."""
    cost: float = 0.0
    chance: float = 0.0
    """Sum of what was said of the answers."""

    def add(
        self, found: RecourseFound | None, valid: bool, chance: float, model: CausalModel
    ) -> None:
        self.asked += 1
        if found is None:
            return
        moves = bool(model.graph.affected(found.columns))
        self.answered += 1
        self.valid += valid
        self.with_effects += moves
        self.valid_with_effects += moves and valid
        self.doubted += X1 in found.columns and X2 not in found.columns
        self.cost += found.cost
        self.chance += chance


def believed_by(consequences: CausalConsequences, margin: Margin) -> Belief:
    """By how much an action may be answered with, at least 0; the share counts too."""

    def belief(factual: Array, columns: tuple[int, ...], values: Array) -> Array:
        found = consequences.trust(factual, columns, values, margin)
        return np.where(found.holds, 1.0, -1.0)

    return belief


def declared(model: CausalModel, strength: float) -> CausalConsequences:
    """What the service would ask, for a graph that declares a hidden cause of x1 and x2; none at a
    strength of 0."""
    demands, size = Demands(), len(model.names)
    ties = (HiddenCause(X1, X2, -strength, strength),) if strength else ()
    members = draw_members(model, np.random.default_rng(0), MEMBERS)
    return CausalConsequences(model, members, demands.gamma, demands.floor, np.zeros(size), ties)


def run(
    truth: ScmTruth,
    correlation: float,
    rows: int,
    seed: int,
    people: int,
    strengths: Sequence[float],
) -> dict[str, HiddenLine]:
    real = with_hidden_cause(truth, correlation)
    drawn, rng = scene(real, "lr", seed, rows)
    data, margin = drawn.rows, drawn.margin
    roots = tuple(Noise(float(s)) if not p else None
                  for s, p in zip(data.std(axis=0), real.parents, strict=True))  # fmt: skip
    model = replace(learned(real, data, rng), roots=roots)
    lines: dict[str, HiddenLine] = {}
    asked = {f"declared, {s}": declared(model, s) for s in strengths if s}
    asked = {
        "undeclared": declared(model, 0.0),
        **asked,
        "no graph": declared(independent(real), 0),
    }
    for i, factual in enumerate(drawn.people[:people]):
        search = RecourseSearch(
            real, data.min(axis=0), data.max(axis=0), np.random.default_rng([seed, i])
        )
        for name, fine in asked.items():
            # The first look is by what is believed, at every correlation.
            alone = replace(fine, members=believed(fine.model, 1))
            found = cheapest(search, factual, believed_by(alone, margin), believed_by(fine, margin))
            valid, chance = False, 0.0
            if found is not None:
                settings = {j: found.values[[k]] for k, j in enumerate(found.columns)}
                true = margin(real.carry_out(drawn.noise[i][None], settings))
                valid = bool(true[0] >= 0.0)
                trust = fine.trust(factual, found.columns, found.values[None], margin)
                chance = float(trust.chance[0])
            lines.setdefault(name, HiddenLine()).add(found, valid, chance, fine.model)
    return lines


def _share(part: float, of: int) -> str:
    return f"{100.0 * part / of:5.1f} %" if of else "     – "


def told(name: str, line: HiddenLine) -> str:
    n = line.answered
    return (
        f"{name:15s} asked {line.asked:4d} answered {n:4d} valid {_share(line.valid, n)} "
        f"with effects {line.with_effects:4d} "
        f"valid {_share(line.valid_with_effects, line.with_effects)} "
        f"by x1 alone {line.doubted:4d} said {line.chance / max(n, 1):.3f} "
        f"cost {_share(line.cost, n)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--only", default="", help="settings whose name begins so")
    parser.add_argument("--out", type=Path, default=None, help="JSON with every sum")
    arguments = parser.parse_args()
    results = {}
    for truth in (t for t in SETTINGS if t.name.startswith(arguments.only)):
        for correlation in CORRELATIONS:
            began = time.process_time()
            # What is declared is what is true, or nothing said of it.
            strengths = sorted({abs(correlation) or 0.3, DEFAULT_STRENGTH})
            total: dict[str, HiddenLine] = {}
            for seed in range(arguments.seeds):
                part = run(truth, correlation, arguments.rows, seed, arguments.people, strengths)
                for name, line in part.items():
                    now = asdict(total.get(name, HiddenLine()))
                    total[name] = HiddenLine(**{k: now[k] + v for k, v in asdict(line).items()})
            print(f"{truth.name}, the noises of x1 and x2 correlated by {correlation}")
            print(*(told(name, line) for name, line in total.items()), sep="\n")
            print(f"({time.process_time() - began:.0f} s of CPU)", flush=True)
            results[f"{truth.name}/{correlation}"] = {k: asdict(v) for k, v in total.items()}
            if arguments.out:
                arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
