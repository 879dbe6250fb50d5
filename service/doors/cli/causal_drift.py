"""``ifonly causal drift``: which mechanism moved on new rows, and which is kept."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.causal import build_model
from ifonly.explainers.causal.drift import DriftVerdict, NodeDrift, drift
from ifonly.explainers.wording.numerals import count, percentage
from ifonly.models.repository import load_folder
from ifonly.models.repository.folder import CAUSAL
from ifonly.models.repository.reference import read_table
from ifonly.service.doors.cli.causal import Folder, Seed, graph_of, nominal_of
from ifonly.service.doors.cli.console import AsJson, Failure, out, print_json
from ifonly.service.served.causal_graphs import graph_loader

# Not 1: a scheduled job must tell drift from a failure.
MOVED = 3
"""Exit code: something moved."""


def drift_command(
    folder: Folder,
    data: Annotated[Path, typer.Option("--data", help="CSV of new rows, a column a feature.")],
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Test every mechanism, and every root's values, on new rows. Exit code 3: something moved."""
    model = load_folder(folder.resolve())
    spec = graph_of(model, None)
    # The number of rows that were fitted says how far a difference may be chance.
    if not spec.provenance.rows:
        raise Failure(f"{CAUSAL} says of no rows that it was fitted to: `ifonly causal fit` first")
    built = build_model(spec, model.causal_files, CAUSAL, graph_loader(spec.schema))
    rows = read_table(data.read_bytes(), spec.schema, str(data)).rows
    rng = np.random.default_rng(seed)
    nodes = drift(built, rows, nominal_of(spec.schema), spec.provenance.rows, rng)
    moved = [node.name for node in nodes if node.verdict is DriftVerdict.MOVED]
    if as_json:
        told = {"graph_version": spec.version, "rows": len(rows), "moved": moved}
        print_json({**told, "nodes": [_told(node) for node in nodes]})
    else:
        _show(nodes)
        out.print(f"moved: {', '.join(moved) or 'nothing'}", markup=False)
    if moved:
        raise typer.Exit(MOVED)


def _told(node: NodeDrift) -> dict[str, Any]:
    tests = [{**asdict(t), "limit": t.limit, "moved": t.moved} for t in node.tests]
    return {**asdict(node), "verdict": node.verdict.value, "tests": tests}


def _show(nodes: tuple[NodeDrift, ...]) -> None:
    table = Table("node", "module", "verdict", "rows", "outside", "effect (limit, p)")
    for node in nodes:
        effects = [f"{t.test} {t.effect:.2f} ({t.limit:g}, {t.p:.2g})" for t in node.tests]
        module = "values" if node.is_root else "mechanism"
        shown = Text(node.name), module, node.verdict, count(node.rows), percentage(node.outside)
        table.add_row(*shown, "\n".join(effects))
    out.print(table)
