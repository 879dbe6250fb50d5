"""``ifonly causal``: fit and test the causal model that lies beside a model."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.causal import CausalSpec, build_alternatives, build_model, parse_causal
from ifonly.explainers.causal.doubts import failed_parts
from ifonly.explainers.causal.fit import Fitted, Grow, fit, fit_alternatives
from ifonly.explainers.causal.spec import ApprovalStatus, CheckResult, ProvenanceCheck
from ifonly.explainers.causal.validate import validate
from ifonly.explainers.causal.writing import write_causal
from ifonly.explainers.wording.numerals import count, figure
from ifonly.models.predictor import Rows
from ifonly.models.repository import DeployedModel, load_folder
from ifonly.models.repository.folder import CAUSAL, MECHANISMS
from ifonly.models.repository.reference import read_table
from ifonly.models.schema import Kind, Schema
from ifonly.models.window import document_schema, window_of
from ifonly.service.doors.cli import graph_doubts
from ifonly.service.doors.cli.console import Failure, out
from ifonly.service.doors.cli.languages import languages_of
from ifonly.service.served.causal_graphs import graph_loader

Folder = Annotated[Path, typer.Argument(help="A version's folder: <name>/<version>.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="CSV in the order of time with a column a feature; others are not read. "
        "Default: simulated.",
    ),
]
Seed = Annotated[int, typer.Option("--seed")]

Alternatives = Annotated[
    bool,
    typer.Option(
        "--alternatives",
        help="Find the other graphs that the rows cannot exclude, too, and write them.",
    ),
]

SIMULATED_ROWS = 20_000
HELD_OUT = 0.3
"""Share of the rows, the latest, that mechanisms of the rows before are tested on."""


def fit_command(
    folder: Folder,
    data: Data = None,
    graph: Annotated[
        Path | None,
        typer.Option(
            "--graph", help="Take the graph from this file, not the folder's causal.toml."
        ),
    ] = None,
    trees: Annotated[
        bool, typer.Option("--trees", help="Try boosted trees too (extra `train`).")
    ] = False,
    alternatives: Alternatives = False,
    seed: Seed = 0,
    today: Annotated[str, typer.Option("--date", help="Default: today.")] = "",
) -> None:
    """Learn the mechanisms of causal.toml, test them on later rows, learn them from all, write."""
    model = load_folder(folder.resolve())
    spec = graph_of(model, graph)
    rows = rows_for(model, data, seed)
    # The earlier rows: machines change, so a test on later ones is the honest one.
    first = rows[: round(len(rows) * (1 - HELD_OUT))]
    files, load = model.causal_files, graph_loader(spec.schema)
    grow = _grower() if trees else None
    fit_to = partial(fit, spec, files=files, load_graph=load, grow=grow)
    rng = np.random.default_rng(seed)
    found = validate(fit_to(first, rng).model, rows[len(first) :], nominal_of(spec.schema), rng)
    # Once tested, from all rows: 30 % fewer leave effects a fifth less sure.
    fitted = fit_to(rows, np.random.default_rng(seed))
    provenance = replace(
        spec.provenance,
        data=f"{data.name if data else 'simulated'}: {len(rows):,} rows; the first {len(first):,} "
        f"tested on the {len(rows) - len(first):,} after them, then all fitted",
        # Digest of the numbers, little-endian: it does not depend on how the file spells them.
        data_sha256=hashlib.sha256(np.ascontiguousarray(rows, "<f8").tobytes()).hexdigest(),
        rows=len(rows),
        fitted_at=today or datetime.date.today().isoformat(),
        seed=seed,
        checks=found.checks(spec.schema.names),
    )
    doubts = spec.doubts
    # Whoever accepted the graph answers for these mechanisms from now on, and for what failed.
    if spec.status is ApprovalStatus.ACCEPTED:
        doubts = failed_parts(provenance.checks)
    spec = replace(fitted.spec, provenance=provenance, doubts=doubts)
    spec, others = _alternatives(model, spec, rows, seed, alternatives)
    comment = "Written by `ifonly causal fit`: the graph as given, the mechanisms as fitted."
    write_mechanisms(folder, {**fitted.files, **others}, spec, comment)
    _show_fit(fitted)
    _show_checks(provenance.checks)


def validate_command(folder: Folder, data: Data = None, seed: Seed = 0) -> None:
    """Test the causal model of a folder on rows; nothing is written."""
    model = load_folder(folder.resolve())
    _show_checks(_checked(model, graph_of(model, None), data, seed))


def _checked(
    model: DeployedModel, spec: CausalSpec, data: Path | None, seed: int
) -> tuple[ProvenanceCheck, ...]:
    built = build_model(spec, model.causal_files, CAUSAL, graph_loader(spec.schema))
    rows = rows_for(model, data, seed)
    rng = np.random.default_rng(seed)
    return validate(built, rows, nominal_of(spec.schema), rng).checks(spec.schema.names)


def accept_command(
    folder: Folder,
    by: Annotated[str, typer.Option("--by", help="Who answers for the graph.")],
    today: Annotated[str, typer.Option("--date", help="Default: today.")] = "",
    data: Annotated[
        Path | None,
        typer.Option("--data", help="CSV to test it on first. Default: the checks in the file."),
    ] = None,
    alternatives: Alternatives = False,
    seed: Seed = 0,
) -> None:
    """Accept a proposed causal model: from then on it is used, in that person's name. What had
    failed by then is kept, part by part: answers that rest on it say so."""
    model = load_folder(folder.resolve())
    spec = graph_of(model, None)
    # What was accepted or retired has somebody's name on it already.
    if spec.status is not ApprovalStatus.PROPOSED:
        by_whom = f" by {spec.accepted_by}" if spec.accepted_by else ""
        raise Failure(f"version {spec.version} is {spec.status}{by_whom}, not proposed")
    if not by.strip():
        raise Failure("--by is empty: a person answers for a graph")
    # A graph that cannot be built cannot be accepted.
    load = graph_loader(spec.schema)
    built = build_model(spec, model.causal_files, CAUSAL, load)
    build_alternatives(spec, model.causal_files, CAUSAL, load, built)
    checks = spec.provenance.checks if data is None else _checked(model, spec, data, seed)
    accepted = replace(
        spec,
        status=ApprovalStatus.ACCEPTED,
        provenance=replace(spec.provenance, checks=checks),
        doubts=failed_parts(checks),
        accepted_by=by.strip(),
        accepted_at=today or datetime.date.today().isoformat(),
    )
    files: Mapping[str, bytes] = {}
    if alternatives:
        if data is None:
            raise Failure("--alternatives needs rows: give them with --data")
        rows = rows_for(model, data, seed)
        accepted, files = _alternatives(model, accepted, rows, seed, True)
    write_mechanisms(folder, files, accepted, "Accepted by `ifonly causal accept`.")
    _show_checks(checks)
    out.print(f"accepted by {accepted.accepted_by}: version {spec.version} is used from now on")
    if accepted.doubts is None:
        out.print("nothing was tested: `ifonly causal fit` tests, and so does --data")
    elif accepted.doubts:
        failed = len(accepted.doubts)
        out.print(f"{failed} parts failed: answers whose effects rest on one of them say so")


def _alternatives(
    model: DeployedModel, spec: CausalSpec, rows: Rows, seed: int, find: bool
) -> tuple[CausalSpec, Mapping[str, bytes]]:
    """``spec`` with alternatives whose mechanisms are fitted, and their files: those that it has,
    or, to ``find`` them, those that the rows cannot exclude."""
    if find:
        found = graph_doubts.find(spec, rows, seed)
        graph_doubts.show_alternatives(spec, found, languages_of(None))
        spec = graph_doubts.with_alternatives(spec, found)
    rng = np.random.default_rng(seed)
    load = graph_loader(spec.schema)
    return fit_alternatives(spec, rows, rng, files=model.causal_files, load_graph=load)


def graph_of(model: DeployedModel, given: Path | None) -> CausalSpec:
    text = model.causal if given is None else given.read_bytes()
    if text is None:
        raise Failure(f"{model.name} {model.version} has no {CAUSAL}; name one with --graph")
    name = f"{model.name}/{model.version}/{CAUSAL}" if given is None else str(given)
    return parse_causal(text, name, document_schema(model.spec.schema))


def rows_for(model: DeployedModel, data: Path | None, seed: int) -> Rows:
    if window_of(model.spec.schema) is not None:
        # Rows of one moment do not tell what follows later.
        raise Failure(f"{model.name} reads a window: its {CAUSAL} is written by hand")
    if data is not None:
        return read_table(data.read_bytes(), model.spec.schema, str(data)).rows
    from ifonly.models.training.milling import FEATURES
    from ifonly.models.training.observed import observed_rows

    # Simulated rows of another machine would fit without complaint.
    if model.spec.schema.names != FEATURES:
        raise Failure(f"{model.name} is not the simulated machine: give its rows with --data")
    return observed_rows(SIMULATED_ROWS, seed)


def _grower() -> Grow:
    if find_spec("xgboost") is None or find_spec("onnxmltools") is None:
        raise Failure("--trees needs xgboost and onnxmltools: install the extra `train`")
    from ifonly.models.training.mechanism import grow_mechanism

    return grow_mechanism


def nominal_of(schema: Schema) -> list[bool]:
    return [feature.kind is Kind.NOMINAL for feature in schema.features]


def write_mechanisms(
    folder: Path, files: Mapping[str, bytes], spec: CausalSpec, comment: str
) -> None:
    """Mechanisms first: until causal.toml names them, nobody reads them."""
    (folder / MECHANISMS).mkdir(exist_ok=True)
    for name, data in files.items():
        # Mechanisms before the graph that names them, as digests there must fit.
        (folder / name).write_bytes(data)
    write_graph(folder, spec, comment)


def write_graph(folder: Path, spec: CausalSpec, comment: str) -> None:
    # Written beside it and renamed: a running service reads the old file or the new one.
    draft = folder / f".{CAUSAL}"
    draft.write_bytes(write_causal(spec, comment))
    draft.replace(folder / CAUSAL)


def _show_fit(fitted: Fitted) -> None:
    table = Table("node", "mechanism", "noise", "sd of noise", "rows")
    for node in fitted.nodes:
        form = "" if node.noise is None else node.noise.value
        table.add_row(Text(node.name), node.kind, form, figure(node.sd), count(node.rows))
    out.print(table)


def _show_checks(checks: Sequence[ProvenanceCheck]) -> None:
    table = Table("check", "part", "value", "limit", "result", "note")
    for c in checks:
        shown = ["" if v is None else figure(v) for v in (c.value, c.limit)]
        part = Text(" - ".join(c.between) if c.between else c.node)
        table.add_row(c.check, part, *shown, _RESULTS[c.standing], Text(c.note))
    out.print(table)


_RESULTS = {
    CheckResult.TESTED: "tested",
    CheckResult.NOT_REJECTED: "not rejected (too few rows to tell)",
    CheckResult.FAILED: "FAILED",
}
