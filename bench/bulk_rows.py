"""What a row of a table costs: one that is no alarm, and an alarm, beside other ways to ask.

    python -m bench.bulk_rows [--rows 20000] [--alarms 100] [--without-jobs]

CPU seconds of this process (of the service's, for jobs), each way on the same rows in the same run,
so that ratios mean something on a busy machine. *Search* is the engine alone: what is proposed and
proven, with no word of the checker, no range and no line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

import ifonly
from bench.load import ServiceUnderLoad, service, store
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.search.engine import Meter
from ifonly.models.predictor import Predictor, Rows, Scores
from ifonly.models.repository import load_folder
from ifonly.models.rounding import rounding_of
from ifonly.models.training.milling import simulate
from ifonly.service.ask.question import problem_of
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models

NAME = "milling-machine"
SEED = 20_261
QUESTIONS: dict[str, dict[str, Any]] = {
    "as the policy has it": {},
    "effects, decision alone": {"constraints": {"robust": False}},
    "features alone, robust": {"semantics": "independent"},
    "features alone": {"semantics": "independent", "constraints": {"robust": False}},
}


@dataclass
class Counting:
    """A predictor that counts the rows that it is asked about, and the calls."""

    inner: Predictor
    rows: int = 0
    runs: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def score(self, rows: Rows) -> Scores:
        self.rows, self.runs = self.rows + len(rows), self.runs + 1
        return self.inner.score(rows)


@dataclass(frozen=True)
class CpuCost:
    """CPU of one way to ask."""

    seconds: float
    rows: int

    @property
    def us(self) -> float:
        return 1e6 * self.seconds / max(1, self.rows)


def measured(rows: int, work: Callable[[], object]) -> CpuCost:
    began = time.process_time()
    work()
    return CpuCost(time.process_time() - began, rows)


def counted() -> tuple[ServedModel, Counting]:
    model = prepare(load_folder((shipped_models() / NAME / "1").resolve()))
    counting = Counting(model.deployed.predictor)
    return replace(model, deployed=replace(model.deployed, predictor=counting)), counting


def table(model: ServedModel, rows: Rows) -> pa.RecordBatch:
    written = [model.schema.write(row) for row in rows]
    return pa.RecordBatch.from_pylist(written)


def searched(model: ServedModel, explain: BulkExplainer, rows: Rows) -> None:
    """The engine alone."""
    question = explain.asking.question
    for row in rows:
        problem = problem_of(model, replace(question, factual=row))
        firm = problem.firm(rounding_of(model.deployed.predictor))
        model.engine.search(
            firm, Meter(model.deployed.predictor, Deadline.never()), Deadline.never()
        )


def as_job(of: ServiceUnderLoad, lines: list[str]) -> float:
    """CPU seconds that the service takes for a job of some lines."""
    headers = {"Authorization": f"Bearer {of.key}", "Content-Type": "application/x-ndjson"}
    with httpx.Client(base_url=of.base, headers=headers, trust_env=False, timeout=60) as client:
        began = of.cpu_seconds()
        path = f"/api/v1/models/{NAME}/explanations/bulk"
        job = client.post(path, content="\n".join(lines)).raise_for_status().json()
        while client.get(job["links"]["self"]).json().get("finished") is None:
            time.sleep(0.5)
        return of.cpu_seconds() - began


def jobs(model: ServedModel, asked: Mapping[str, Any], lots: Sequence[Rows]) -> list[CpuCost]:
    """The same rows as jobs of a service with a store of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        store("sqlite", Path(folder)) as url,
        service(url, 1) as of,
    ):
        found = []
        for rows in lots:
            lines = [json.dumps({"instance": model.schema.write(row), **asked}) for row in rows]
            found.append(CpuCost(as_job(of, lines), len(rows)))
        return found


def one_by_one(rows: Rows, asked: Mapping[str, Any]) -> CpuCost:
    """``ifonly.explain``, which loads the folder for each call: here once for all rows."""
    folder = shipped_models() / NAME / "1"
    constraints = asked.get("constraints")
    schema = load_folder(folder.resolve()).spec.schema
    named = [schema.write(row) for row in rows]
    return measured(
        len(rows),
        lambda: ifonly.explain(
            folder, named, constraints=constraints, seconds=None, progress=False
        ),
    )


def drifting(rows: Rows, each: int) -> Rows:
    """Levers that stand still, while the air of the hall drifts by hundredths of a kelvin."""
    many = np.repeat(rows, each, axis=0)
    many[:, 0] += np.tile(np.linspace(0.0, 0.04, each), len(rows))
    return many


def without_rules_on_air(root: Path) -> ServedModel:
    """The shipped model under a policy that reads the hall's air nowhere."""
    folder = root / NAME / "1"
    shutil.copytree(shipped_models() / NAME / "1", folder)
    spec = folder / "spec.toml"
    head, *rules = spec.read_text(encoding="utf-8").split("[[policy.rules]]")
    kept = [rule for rule in rules if "air_temperature" not in rule.split("why")[0]]
    spec.write_text("[[policy.rules]]".join([head, *kept]), encoding="utf-8")
    return prepare(load_folder(folder))


def told_of(
    model: ServedModel, counting: Counting, asked: Mapping[str, Any], none: Rows, flagged: Rows
) -> Iterator[str]:
    """One question's line."""
    explain = BulkExplainer(model, BulkOptions(deadline_ms=None, **asked))
    explain(table(model, flagged[:3]))
    batch, alarms = table(model, none), table(model, flagged)
    a_row = measured(len(none), lambda: explain(batch))
    alone = measured(len(none), lambda: model.deployed.predictor.score(none))
    counting.rows = counting.runs = 0
    an_alarm = measured(len(flagged), lambda: explain(alarms))
    rows, runs = counting.rows / len(flagged), counting.runs / len(flagged)
    search = measured(len(flagged), lambda: searched(model, explain, flagged))
    yield from (f"{a_row.us:.1f}", f"{alone.us:.1f}")
    yield from (f"{an_alarm.us / 1e3:.2f}", f"{search.us / 1e3:.2f}")
    yield from (f"{an_alarm.us / search.us:.2f}", f"{rows:.0f}", f"{runs:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bulk_rows", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--alarms", type=int, default=100)
    parser.add_argument("--without-jobs", action="store_true")
    options = parser.parse_args()
    console, (model, counting) = Console(), counted()
    rows = simulate(max(options.rows, 60 * options.alarms), SEED).rows
    said = model.decision.decide(model.deployed.predictor.score(rows))
    none, flagged = rows[said == model.decision.desired], rows[said != model.decision.desired]
    none, flagged = none[: options.rows], flagged[: options.alarms]

    shown = Table(title=f"CPU of {len(none):,} rows that are none and {len(flagged)} alarms")
    heads = ["question", "µs a row", "model alone", "ms an alarm", "search alone", "ratio"]
    for head in [*heads, "model rows an alarm", "calls"]:
        shown.add_column(head, justify="right")
    for name, asked in QUESTIONS.items():
        shown.add_row(name, *told_of(model, counting, asked, none, flagged))
    console.print(shown)

    asked = QUESTIONS["as the policy has it"]
    few = none[: 10 * len(flagged)]
    tables = [table(model, lot) for lot in (few, flagged)]
    fresh = BulkExplainer(model, BulkOptions(deadline_ms=None, **asked))
    fresh(tables[0])
    ways = {"in bulk": [measured(t.num_rows, partial(fresh, t)) for t in tables]}
    ways["ifonly.explain, one by one"] = [one_by_one(r, asked) for r in (few, flagged)]
    if not options.without_jobs:
        ways["as a job"] = jobs(model, asked, (few, flagged))
    shown = Table(title="The same rows, asked otherwise (their texts and records included)")
    for head in ("way", "µs a row that is none", "ms an alarm", "ratio", "ratio"):
        shown.add_column(head, justify="right")
    for name, (a_row, an_alarm) in ways.items():
        ratios = (
            cost.us / own.us for cost, own in zip((a_row, an_alarm), ways["in bulk"], strict=True)
        )
        told = f"{a_row.us:.0f}", f"{an_alarm.us / 1e3:.1f}"
        shown.add_row(name, *told, *(f"{ratio:.1f}" for ratio in ratios))
    console.print(shown)

    shown = Table(title="Levers stand still, the hall's air drifts; no rule reads it")
    for head in ("alarms", "searches shared", "CPU against all searched"):
        shown.add_column(head, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        free = without_rules_on_air(Path(folder))
        many = drifting(flagged[: max(1, len(flagged) // 10)], 10)
        question = BulkOptions(semantics="independent", deadline_ms=None)
        sharing, batch = BulkExplainer(free, question), table(free, many)
        found = sharing(batch)
        again = BulkExplainer(free, question)
        together = measured(len(many), lambda: again(batch))
        # A batch of its own for each, so that nothing is known of any other.
        each = [BulkExplainer(free, question) for _ in many[::10]]

        def asked_apart() -> None:
            for k, one in enumerate(each):
                one(batch.slice(10 * k, 1))

        apart = measured(len(each), asked_apart)
        share = found.proofs.shared / len(many)
        shown.add_row(str(len(many)), f"{share:.0%}", f"{together.us / apart.us:.2f}")
    console.print(shown)


if __name__ == "__main__":
    main()
