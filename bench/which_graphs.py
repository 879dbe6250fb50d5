"""Recourse and stated chances where the graph may be wrong, with the other graphs that rows leave.

Karimi et al.'s chains of three (:mod:`bench.causal_scms`), logistic model: the graph as it is true,
with an edge turned round, and with a hidden cause of x1 and x2 that is declared or is not. Each
line of a setting answers by the main graph alone, or over it and what `ifonly causal alternatives`
finds in the rows that the mechanisms were learned from. Every action is carried out in the true
model, with the individual's true noise: the cheapest one that is answered with, and random ones, by
which what is said of an action's chance is held against how often it is right (expected calibration
error, ten bins). ``python -m bench.which_graphs --seeds 8 --people 5``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.causal_recourse import (
    Belief,
    RecourseFound,
    RecourseSearch,
    Scene,
    cheapest,
    scene,
)
from bench.causal_scms import ANM, LINEAR, Array, ScmTruth
from bench.hidden_causes import X1, X2, believed_by, with_hidden_cause
from ifonly.explainers.causal import build_alternatives
from ifonly.explainers.causal.alternatives import find_alternatives
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.demands import consequences_of
from ifonly.explainers.causal.fit import fit, fit_alternatives
from ifonly.explainers.causal.members import believed
from ifonly.explainers.causal.spec import (
    ApprovalStatus,
    CausalEdge,
    CausalNode,
    CausalSpec,
    Confounder,
    GraphProvenance,
    NodeKind,
    NodeRole,
)
from ifonly.models.schema import Feature, Kind, Schema

CORRELATION = 0.5
"""Of the noises of x1 and x2, where something hidden acts on both."""
BINS = 10


@dataclass(frozen=True)
class GraphSetting:
    """What is true, and what is declared."""

    name: str
    truth: ScmTruth
    rows: int
    parents: tuple[tuple[int, ...], ...] = ((), (0,), (0, 1))
    """Of the declared graph."""
    strength: float = 0.0
    """Declared of a hidden cause of x1 and x2; 0: nothing is."""

    @property
    def is_true(self) -> bool:
        """Whether all edges are true, and nothing hidden acts."""
        return self.parents == self.truth.parents and "hidden" not in self.name


TURNED = ((1,), (), (0, 1))
HIDDEN = with_hidden_cause(ANM, CORRELATION)
SETTINGS = (
    GraphSetting("ANM, true graph", ANM, 250),
    GraphSetting("ANM, true graph", ANM, 2000),
    GraphSetting("linear, true graph", LINEAR, 250),
    GraphSetting("linear, true graph", LINEAR, 2000),
    GraphSetting("ANM, x1 -> x2 turned round", ANM, 2000, TURNED),
    GraphSetting("ANM, hidden cause undeclared", HIDDEN, 2000),
    GraphSetting("ANM, hidden cause declared", HIDDEN, 2000, strength=CORRELATION),
)


@dataclass
class GraphLine:
    """One line of a setting, over all seeds."""

    asked: int = 0
    answered: int = 0
    valid: int = 0
    cost: float = 0.0
    said: float = 0.0
    """Sum of the chances that were said of the answers."""
    shared: float = 0.0
    """Cost of the questions that both lines answer."""
    chances: list[float] = field(default_factory=list)
    """That were said of random actions."""
    right: list[bool] = field(default_factory=list)
    """Whether those truly met the target."""


def calibration_error(chances: Sequence[float], right: Sequence[bool]) -> float:
    """Mean distance of what is said from how often it is right, over bins of equal width."""
    said, met = np.array(chances), np.array(right, dtype=float)
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    sizes = np.bincount(bins, minlength=BINS)
    gaps = np.abs(np.bincount(bins, said - met, BINS))
    return float(gaps.sum() / max(sizes.sum(), 1))


def declared_spec(setting: GraphSetting) -> CausalSpec:
    """As a person would declare it: no source, no mechanisms yet."""
    names = setting.truth.names
    schema = Schema(tuple(Feature(name, Kind.CONTINUOUS) for name in names))
    edges = ((i, j) for j, causes in enumerate(setting.parents) for i in causes)
    hidden = (Confounder((names[X1], names[X2]), strength=setting.strength),)
    return CausalSpec(
        version="1",
        status=ApprovalStatus.PROPOSED,
        schema=schema,
        nodes={name: CausalNode(name, NodeKind.FEATURE, NodeRole.ACTIONABLE) for name in names},
        edges=tuple(CausalEdge(names[i], names[j]) for i, j in edges),
        confounders=hidden if setting.strength else (),
        mechanisms={},
        provenance=GraphProvenance(),
    )


def lines_of(
    setting: GraphSetting, rows: Array, rng: np.random.Generator
) -> dict[str, CausalConsequences]:
    """What the service would ask: the main graph alone, and with what the rows leave."""
    fitted = fit(declared_spec(setting), rows, rng)
    found = find_alternatives(fitted.spec, rows, rng)
    kept = tuple(doubt.alternative for doubt in found if doubt.weighed.kept)
    spec, files = fit_alternatives(replace(fitted.spec, alternatives=kept), rows, rng)
    others = build_alternatives(spec, {**fitted.files, **files}, main=fitted.model)
    return {
        "alone": consequences_of(fitted.spec, fitted.model, {}),
        "mixture": consequences_of(spec, fitted.model, {}, others),
    }


def first_look(fine: CausalConsequences) -> CausalConsequences:
    """By what is believed of each graph, without its plausible versions."""
    others = (replace(o, consequences=first_look(o.consequences)) for o in fine.others)
    return replace(fine, members=believed(fine.model, 1), others=tuple(others))


def run(setting: GraphSetting, seed: int, people: int, lines: dict[str, GraphLine]) -> list[str]:
    """One seed, added to ``lines``; the graphs that were found, with their weights."""
    drawn, rng = scene(setting.truth, "lr", seed, setting.rows)
    asked = lines_of(setting, drawn.rows, rng)
    lower, upper = drawn.rows.min(axis=0), drawn.rows.max(axis=0)
    for i in range(people):
        found = dict[str, RecourseFound | None]()
        for name, fine in asked.items():
            search = RecourseSearch(setting.truth, lower, upper, np.random.default_rng([seed, i]))
            beliefs: list[Belief] = [believed_by(c, drawn.margin) for c in (first_look(fine), fine)]
            found[name] = cheapest(search, drawn.people[i], *beliefs)
        for name, answer in found.items():
            _add(lines[name], answer, all(found.values()), setting, drawn, i, asked[name])
    _random_actions(setting, drawn, np.random.default_rng([seed, 11]), 4 * people, asked, lines)
    return [f"{g.name} {g.weight:.2f}" for g in asked["mixture"].graphs]


def _add(
    line: GraphLine,
    found: RecourseFound | None,
    is_shared: bool,
    setting: GraphSetting,
    drawn: Scene,
    i: int,
    asked: CausalConsequences,
) -> None:
    line.asked += 1
    if found is None:
        return
    values = found.values[None]
    line.answered += 1
    line.valid += int(_truly(setting, drawn, i, found.columns, values)[0])
    line.cost += found.cost
    line.shared += found.cost if is_shared else 0.0
    line.said += float(asked.trust(drawn.people[i], found.columns, values, drawn.margin).chance[0])


def _truly(
    setting: GraphSetting, drawn: Scene, i: int, columns: Sequence[int], values: Array
) -> Array:
    """Whether each action on an individual meets the target in truth, ``(n,)``."""
    noise = np.repeat(drawn.noise[i][None], len(values), axis=0)
    after = setting.truth.carry_out(noise, {j: values[:, k] for k, j in enumerate(columns)})
    return np.asarray(drawn.margin(after) >= 0.0)


def _random_actions(
    setting: GraphSetting,
    drawn: Scene,
    rng: np.random.Generator,
    people: int,
    asked: dict[str, CausalConsequences],
    lines: dict[str, GraphLine],
) -> None:
    """Anywhere within the ranges that were seen, by any levers."""
    lower, upper, d = drawn.rows.min(axis=0), drawn.rows.max(axis=0), drawn.rows.shape[1]
    for i in (i for i in range(people) for _ in range(2)):
        size = int(rng.integers(1, d + 1))
        columns = sorted(int(j) for j in rng.choice(d, size=size, replace=False))
        values = rng.uniform(lower[columns], upper[columns], (15, len(columns)))
        right = _truly(setting, drawn, i, columns, values)
        for name, each in asked.items():
            trust = each.trust(drawn.people[i], columns, values, drawn.margin)
            lines[name].chances += trust.chance.tolist()
            lines[name].right += right.tolist()


def told(name: str, line: GraphLine, alone: GraphLine) -> str:
    n = max(line.answered, 1)
    return (
        f"  {name:8s} asked {line.asked} answered {line.answered} valid {line.valid / n:.1%} "
        f"said {line.said / n:.3f} cost {line.cost / n:.4f} "
        f"by that alone {line.shared / max(alone.shared, 1e-12):.3f} "
        f"calibration error {calibration_error(line.chances, line.right):.4f} "
        f"of {len(line.chances)} actions"
    )


def pooled(results: dict[GraphSetting, dict[str, GraphLine]]) -> None:
    for group, wanted in (("all", (True, False)), ("true", (True,)), ("wrong", (False,))):
        for name in ("alone", "mixture"):
            chosen = [lines[name] for s, lines in results.items() if s.is_true in wanted]
            chances = [c for line in chosen for c in line.chances]
            right = [r for line in chosen for r in line.right]
            if not chances:
                continue
            error = calibration_error(chances, right)
            print(f"calibration error, {group} graphs, {name}: {error:.4f} of {len(chances)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--only", default="", help="settings whose name begins so")
    parser.add_argument("--out", type=Path, default=None, help="JSON with every sum")
    arguments = parser.parse_args()
    results = dict[GraphSetting, dict[str, GraphLine]]()
    for setting in (s for s in SETTINGS if s.name.startswith(arguments.only)):
        began = time.process_time()
        lines = results[setting] = {name: GraphLine() for name in ("alone", "mixture")}
        print(f"{setting.name}, {setting.rows} rows")
        for seed in range(arguments.seeds):
            print("   ", ", ".join(run(setting, seed, arguments.people, lines)))
        print(*(told(name, line, lines["alone"]) for name, line in lines.items()), sep="\n")
        print(f"  ({time.process_time() - began:.0f} s of CPU)", flush=True)
        if arguments.out:
            kept = {
                f"{s.name}, {s.rows}": {n: vars(x) for n, x in lines.items()}
                for s, lines in results.items()
            }
            arguments.out.write_text(json.dumps(kept) + "\n")
    pooled(results)


if __name__ == "__main__":
    main()
