"""Discovery and effect together: from rows to answers, and what is true of them.

Karimi et al.'s chains of three (:mod:`bench.causal_scms`), logistic model. Nobody knows the graph:
it is what `ifonly causal propose` finds in the rows (edges in at least half of the graphs of rows
drawn again), accepted as it stands. Three lines: that graph alone; it and the set that `ifonly
causal alternatives --bootstrap` finds beside it; the true graph. Every answer is carried out in
the true model with the individual's own noise:
``python -m bench.discovered --python PYTHON_WITH_EXTRA_DISCOVERY``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bench.causal_recourse import Belief, RecourseFound, RecourseSearch, Scene, cheapest, scene
from bench.causal_scms import ANM, LINEAR, NON_ADDITIVE, Array
from bench.hidden_causes import believed_by
from bench.which_graphs import (
    GraphLine,
    GraphSetting,
    _add,
    calibration_error,
    declared_spec,
    first_look,
)
from bench.which_graphs import _random_actions as random_actions
from ifonly.explainers.causal import build_alternatives
from ifonly.explainers.causal.alternatives import EdgeRuns, edge_runs, find_alternatives
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.demands import consequences_of
from ifonly.explainers.causal.discovery import propose
from ifonly.explainers.causal.fit import Fitted, fit, fit_alternatives
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.spec import CausalEdge, CausalSpec, CheckResult
from ifonly.explainers.causal.validate import validate
from ifonly.explainers.causal.which_graphs import Edge
from ifonly.service.offline.discovery import DiscoveryFailed, discover

TRUTHS = (LINEAR, ANM, NON_ADDITIVE)
LINES = ("single", "set", "true graph")
HELD_OUT = 1_000
"""Seeds of rows for validation begin here."""


def lines_of(
    setting: GraphSetting, drawn: Scene, rng: np.random.Generator, algorithm: str, runs: int,
    seconds: float, seed: int, python: str,
) -> tuple[dict[str, CausalConsequences], str]:  # fmt: skip
    """What each line asks, and what was found, in words."""
    rows, names = drawn.rows, setting.truth.names
    d = len(names)
    none = np.zeros((d, d), dtype=np.bool_)
    found = discover(algorithm, rows, none, runs=runs, seconds=seconds, seed=seed, python=python)
    bare = declared_spec(setting)

    def accepted(*, open_edges: bool) -> CausalSpec:
        proposal = propose(found.graphs, none, open_edges=open_edges)
        edges = ((names[e.cause], names[e.effect]) for e in proposal.edges)
        return replace(bare, edges=tuple(CausalEdge(*pair, source="discovery") for pair in edges))

    single = fit(accepted(open_edges=False), rows, rng)
    main = fit(accepted(open_edges=True), rows, rng)
    seen = edge_runs(found.graphs, none, range(d))
    asked = {
        "single": consequences_of(single.spec, single.model, {}),
        "set": _set(main, rows, rng, seen),
    }
    true = fit(bare, rows, rng)
    asked["true graph"] = consequences_of(true.spec, true.model, {})
    # Accepted as it stands all the same: whoever accepts is told what failed.
    held = scene(setting.truth, "lr", seed + HELD_OUT, setting.rows)[0].rows
    each = {"single": single, "true graph": true}
    against = {name: _failed(fitted.model, held, rng) for name, fitted in each.items()}
    told = " ".join(f"{e.cause}->{e.effect}" for e in single.spec.edges)
    said = (f"{name}: {', '.join(what) or 'nothing'}" for name, what in against.items())
    told += f" | fails {'; '.join(said)}"
    graphs = ", ".join(f"{g.name} {g.weight:.2f}" for g in asked["set"].graphs)
    return asked, f"{told} | {graphs}"


def _failed(model: CausalModel, rows: Array, rng: np.random.Generator) -> list[str]:
    """What ``ifonly causal validate`` says against a model, on rows that it was not fitted to."""
    d = rows.shape[1]
    found = validate(model, rows, [False] * d, rng)
    checks = found.checks([f"x{j + 1}" for j in range(d)])
    failed = [check for check in checks if check.result is CheckResult.FAILED]
    return [f"{check.check} {check.node or ' '.join(check.between or ())}" for check in failed]


def _set(
    main: Fitted, rows: Array, rng: np.random.Generator, seen: Mapping[Edge, EdgeRuns]
) -> CausalConsequences:
    doubts = find_alternatives(main.spec, rows, rng, runs=seen)
    kept = tuple(doubt.alternative for doubt in doubts if doubt.weighed.kept)
    given, more = fit_alternatives(replace(main.spec, alternatives=kept), rows, rng)
    others = build_alternatives(given, {**main.files, **more}, main=main.model)
    return consequences_of(given, main.model, {}, others)


def run(
    setting: GraphSetting, seed: int, people: int, lines: dict[str, GraphLine], **how: object
) -> str:
    drawn, rng = scene(setting.truth, "lr", seed, setting.rows)
    asked, told = lines_of(setting, drawn, rng, seed=seed, **how)  # type: ignore[arg-type]
    lower, upper = drawn.rows.min(axis=0), drawn.rows.max(axis=0)
    for i in range(people):
        found = dict[str, RecourseFound | None]()
        for name, fine in asked.items():
            search = RecourseSearch(setting.truth, lower, upper, np.random.default_rng([seed, i]))
            beliefs: list[Belief] = [believed_by(c, drawn.margin) for c in (first_look(fine), fine)]
            found[name] = (
                cheapest(search, drawn.people[i], *beliefs)
                if _any(fine, drawn, i, search)
                else None
            )
        for name, answer in found.items():
            _add(lines[name], answer, all(found.values()), setting, drawn, i, asked[name])
    random_actions(setting, drawn, np.random.default_rng([seed, 11]), 4 * people, asked, lines)
    return told


def _any(fine: CausalConsequences, drawn: Scene, i: int, search: RecourseSearch) -> bool:
    """Whether anything is accepted at all by a first look, so that there is something to refine."""
    try:
        return bool(search.coarse(drawn.people[i], believed_by(first_look(fine), drawn.margin)))
    except IndexError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--algorithm", action="append", default=None)
    parser.add_argument("--only", default="")
    parser.add_argument("--python", default=sys.executable)
    arguments = parser.parse_args()
    print("| model | algorithm | line | answered | truly valid | said | cost | calibration error |")
    print("|---|---|---|---|---|---|---|---|")
    for truth in (t for t in TRUTHS if t.name.startswith(arguments.only)):
        for algorithm in arguments.algorithm or ("direct-lingam", "pc", "ges"):
            began = time.process_time()
            setting = GraphSetting(truth.name, truth, arguments.rows)
            lines = {name: GraphLine() for name in LINES}
            for seed in range(arguments.seeds):
                try:
                    told = run(
                        setting, seed, arguments.people, lines, algorithm=algorithm,
                        runs=arguments.runs, seconds=arguments.seconds, python=arguments.python,
                    )  # fmt: skip
                except DiscoveryFailed as error:
                    told = str(error)
                print(f"  seed {seed}: {told}", file=sys.stderr, flush=True)
            for name, line in lines.items():
                n = max(line.answered, 1)
                off = calibration_error(line.chances, line.right) if line.chances else np.nan
                print(
                    f"| {truth.name} | {algorithm} | {name} | {line.answered} of {line.asked} "
                    f"| {line.valid / n:.1%} | {line.said / n:.3f} | {100 * line.cost / n:.1f} "
                    f"| {off:.3f} |",
                    flush=True,
                )
            print(f"  ({time.process_time() - began:.0f} s of CPU)", file=sys.stderr)


if __name__ == "__main__":
    main()
