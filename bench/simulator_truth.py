"""Does what is answered prevent the failure? ``python -m bench.simulator_truth --alarms 1000``.

Held-out alarms of the default model are explained in several ways; each first answer is carried
out in the simulator that made the part, with that part's own noise, so that what follows, follows
as it truly would. Counted is the *real* outcome: whether the machine still fails, and how; and how
often it does if whoever sets a lever reaches it to within its tolerance (``DRAWS`` times each).

What is found is written line by line and not asked again, so that a run may be stopped, split
(``--skip``) and put together (``--found`` of several). The target is the model's own: the class
that it desires, as probable as its policy demands; ``--probability`` asks for another probability,
0 for the decision alone.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.dice.engine import Dice
from bench.dice.process import DiceProcess
from ifonly.explainers.answer import Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.policy import read_constraints
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.target import Target
from ifonly.models.training.alarms import held_out_alarms
from ifonly.models.training.milling import FEATURES, MODES, Simulation, carry_out
from ifonly.service.ask.explain import explain
from ifonly.service.ask.question import Question
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import shipped_models

SEED = 20_26
"""Of the alarms: those of ``bench.held_out_alarms``."""
DRAWS = 40
"""Of the error with which levers are set, uniform within their tolerances."""
COLUMNS = (
    "method", "probability", "alarm", "before", "status", "cost", "seconds", "set", "after", "held"
)  # fmt: skip
NOTHING = "-"
"""No failure; and what is set where there is no answer."""


@dataclass(frozen=True)
class TruthMethod:
    """A way to explain."""

    name: str
    says: str
    model: ServedModel
    semantics: Semantics
    survives: bool = False
    """Whether answers must survive the sensors."""


def methods(served: ServedModel) -> tuple[TruthMethod, ...]:
    assert served.causal is not None
    consequences = replace(served.causal.consequences, gamma=0.0, floor=0.0)
    # The checker reads for itself how sure an answer must be.
    laws = served.rulebook.laws
    assert laws is not None
    rulebook = replace(served.rulebook, laws=replace(laws, gamma=0.0, floor=0.0))
    causal = replace(served.causal, consequences=consequences)
    point = replace(served, causal=causal, rulebook=rulebook)
    dice = replace(served, own_engine=Portfolio((Dice(DiceProcess("genetic")),)))
    follow, alone = Semantics.INTERVENTIONAL, Semantics.INDEPENDENT
    return (
        TruthMethod("robust", "causal + certainty + tolerances", served, follow, survives=True),
        TruthMethod("causal", "causal + certainty", served, follow),
        TruthMethod("point", "causal, no certainty", point, follow),
        TruthMethod("independent", "independent, no certainty", served, alone),
        TruthMethod("dice", "DiCE (genetic)", dice, alone),
    )


def ask(method: TruthMethod, row: np.ndarray, probability: float) -> dict[str, str]:
    """The first answer: its status, what it sets, what it costs, how long it took."""
    model = method.model
    desired = model.decision.desired
    assert desired is not None
    target = Target(model.decision, desired, probability or -math.inf)
    asked = {"robust": method.survives}
    constraints = read_constraints(asked, model.schema, model.policy.tolerances)
    question = Question(
        row, target, target_is_named=False, semantics=method.semantics,
        constraints=constraints, constraints_as_asked=asked,
    )  # fmt: skip
    began = time.process_time()
    answer = explain(model, question, Deadline.never()).answer
    line = {"status": answer.status.value, "seconds": f"{time.process_time() - began:.3f}"}
    if not isinstance(answer, Recourse):
        return line | {"cost": "", "set": NOTHING}
    first = answer.counterfactuals[0]
    settings = (f"{FEATURES[a.column]}={a.counterfactual!r}" for a in first.actions)
    return line | {"cost": f"{first.cost:.6f}", "set": " ".join(settings)}


def modes_of(part: Simulation) -> str:
    found = [mode for mode, happened in zip(MODES, part.modes[0], strict=True) if happened]
    return "+".join(found) or NOTHING


def after(part: Simulation, settings: str) -> str:
    """How the machine fails once ``settings`` are carried out on it."""
    if settings == NOTHING:
        return modes_of(part)
    return modes_of(carry_out(part, _values(settings)))


def held(part: Simulation, settings: str, tolerances: Sequence[float], alarm: int) -> str:
    """Share of the settings' errors with which the machine does not fail."""
    if settings == NOTHING:
        return ""
    wanted, draw = _values(settings), np.random.default_rng([SEED, alarm])
    off = {name: tolerances[FEATURES.index(name)] for name in wanted}
    kept = 0
    for _ in range(DRAWS):
        reached = {name: v + off[name] * draw.uniform(-1.0, 1.0) for name, v in wanted.items()}
        kept += modes_of(carry_out(part, reached)) == NOTHING
    return f"{kept / DRAWS:.3f}"


def _values(settings: str) -> dict[str, float]:
    pairs = (pair.split("=") for pair in settings.split())
    return {name: float(value) for name, value in pairs}


def run(options: argparse.Namespace, file: Path) -> None:
    """Ask what was not asked yet, in the order of alarms."""
    registry = Registry(shipped_models())
    registry.load()
    served = registry.get("milling-machine")
    predictor, decision = served.deployed.predictor, served.decision
    probability = options.probability
    if probability is None:
        probability = served.policy.probability or 0.0
    alarms = held_out_alarms(options.skip + options.alarms, SEED, predictor, decision)
    wanted = [m for m in methods(served) if not options.methods or m.name in options.methods]
    known = {(line["method"], line["probability"], line["alarm"]) for line in read([file])}
    with file.open("a", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        if not file.stat().st_size:
            writer.writeheader()
        for k in range(options.skip, options.skip + options.alarms):
            part = alarms[k : k + 1]
            for method in wanted:
                key = {"method": method.name, "probability": f"{probability:g}"}
                key["alarm"] = str(k)
                if tuple(key.values()) in known:
                    continue
                said = ask(method, part.rows[0], probability)
                truth = {
                    "before": modes_of(part),
                    "after": after(part, said["set"]),
                    "held": held(part, said["set"], served.policy.tolerances, k),
                }
                writer.writerow(key | said | truth)
                out.flush()


def read(files: Sequence[Path]) -> list[dict[str, str]]:
    lines = []
    for file in files:
        if file.exists():
            with file.open(newline="") as text:
                lines += list(csv.DictReader(text))
    return lines


# --- what came out --------------------------------------------------------------------------


def report(lines: Sequence[Mapping[str, str]]) -> Iterator[Table]:
    for probability in sorted({line["probability"] for line in lines}, key=float):
        asked = [line for line in lines if line["probability"] == probability]
        goal = f"normal with a probability of {probability}" if float(probability) else "normal"
        yield _summary(asked, f"target: {goal}")
        yield _by_kind(asked, f"target: {goal}; failures prevented by kind")


def _summary(lines: Sequence[Mapping[str, str]], title: str) -> Table:
    table = Table("", *_names(lines), title=title)
    rows = {name: _figures(own) for name, own in _by(lines, "method").items()}
    for figure in next(iter(rows.values())):
        table.add_row(figure, *(rows[name][figure] for name in rows))
    return table


def _figures(lines: Sequence[Mapping[str, str]]) -> dict[str, str]:
    right = [x for x in lines if x["before"] != NOTHING]
    acted = [x for x in right if x["set"] != NOTHING]
    saved = [x for x in acted if x["after"] == NOTHING]
    false = [x for x in lines if x["before"] == NOTHING and x["set"] != NOTHING]
    harmed = [x for x in false if x["after"] != NOTHING]
    new = [x for x in acted if set(x["after"].split("+")) - {*x["before"].split("+"), NOTHING}]
    costs = [float(x["cost"]) for x in lines if x["cost"]]
    figures = {
        "alarms (with a failure)": f"{len(lines)} ({len(right)})",
        "answered, of those with a failure": _share(acted, right),
        "failure prevented, of the answered": _share(saved, acted),
        "  ± 95 %": f"{_half_width(len(saved), len(acted)):.1%}",
        "failure prevented, of all": _share(saved, right),
        "  levers set to within tolerance": f"{_mean_held(right):.1%}",
        "another failure caused instead": _share(new, acted),
        "false alarms: action causes a failure": _share(harmed, false),
        "median cost": f"{np.median(costs):.3f}" if costs else "",
        "median s of CPU here": f"{np.median([float(x['seconds']) for x in lines]):.3f}",
    }
    for status, own in sorted(_by(lines, "status").items()):
        figures[f"status: {status}"] = str(len(own))
    return {**{f"status: {s}": "0" for s in _STATUSES}, **figures}


_STATUSES = ("abstained", "feasible", "infeasible", "optimal", "unknown")


def _mean_held(lines: Sequence[Mapping[str, str]]) -> float:
    """Of all failures; what is not answered prevents none."""
    return float(np.mean([float(line["held"] or 0.0) for line in lines])) if lines else math.nan


def _by_kind(lines: Sequence[Mapping[str, str]], title: str) -> Table:
    table = Table("kind (alarms)", *_names(lines), title=title)
    failures = [x for x in lines if x["before"] != NOTHING]
    for kind, own in sorted(_by(failures, "before").items(), key=lambda item: -len(item[1])):
        by_method = _by(own, "method")
        saved = {m: [x for x in v if x["after"] == NOTHING] for m, v in by_method.items()}
        count = max(len(v) for v in by_method.values())
        shares = [_share(saved.get(m, []), by_method.get(m, [])) for m in _by(lines, "method")]
        table.add_row(f"{kind} ({count})", *shares)
    return table


def _names(lines: Sequence[Mapping[str, str]]) -> list[str]:
    return list(_by(lines, "method"))


def _by(lines: Sequence[Mapping[str, str]], key: str) -> dict[str, list[Mapping[str, str]]]:
    found: dict[str, list[Mapping[str, str]]] = {}
    for line in lines:
        found.setdefault(line[key], []).append(line)
    return found


def _share(part: Sequence[object], whole: Sequence[object]) -> str:
    return f"{len(part) / len(whole):.1%} ({len(part)})" if whole else "–"


def _half_width(hits: int, n: int) -> float:
    """Of Wilson's interval."""
    if not n:
        return 0.0
    z, p = 1.96, hits / n
    return float(z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=1000)
    parser.add_argument("--skip", type=int, default=0, help="alarms before the first one asked")
    parser.add_argument("--probability", type=float, help="default: what the policy demands")
    parser.add_argument("--methods", nargs="*", help="robust, causal, point, independent, dice")
    parser.add_argument("--found", type=Path, nargs="+", default=[Path("simulator-truth.csv")],
                        help="the first is written to; all are reported")  # fmt: skip
    parser.add_argument("--report", action="store_true", help="ask nothing more")
    options = parser.parse_args(arguments)
    if not options.report:
        run(options, options.found[0])
    console = Console(width=150)
    for table in report(read(options.found)):
        console.print(table)


if __name__ == "__main__":
    main()
