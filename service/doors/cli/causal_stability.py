"""``ifonly causal stability``: how much of each node's own noise stays until a remedy is done."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.causal import CausalSpec, build_model, parse_causal
from ifonly.explainers.causal.errors import CausalError
from ifonly.explainers.causal.noise_stability import NoiseStability
from ifonly.explainers.causal.stability import LearnedStability, WhyNot, learn_stability
from ifonly.explainers.causal.timing import Duration
from ifonly.explainers.causal.writing import write_causal
from ifonly.explainers.wording.numerals import count, figure, percentage
from ifonly.models.repository import DeployedModel, load_folder
from ifonly.models.repository.folder import CAUSAL
from ifonly.models.repository.reference import read_table
from ifonly.models.window import window_of
from ifonly.service.audit.follow_up.reading import followed
from ifonly.service.audit.oversight import period_of
from ifonly.service.audit.recent_accesses import READ
from ifonly.service.doors.cli.causal import Folder, graph_of, write_graph
from ifonly.service.doors.cli.console import (
    AsJson,
    Failure,
    Models,
    content_of,
    out,
    print_json,
    registry,
    settings,
)
from ifonly.service.doors.cli.store import look
from ifonly.service.offline.before_after import BeforeAfter, of_follow_ups, of_pairs, of_readings
from ifonly.service.served.causal_graphs import graph_loader
from ifonly.service.store.opened import opened_by
from ifonly.service.wire import outcomes as wire

_MINUTE_US = 60_000_000
_WHY = {
    WhyNot.CATEGORY: "a category has no noise",
    WhyNot.NO_NOISE: "how its noise is distributed is not known, or it does not vary",
    WhyNot.FEW_PAIRS: "too few pairs",
}


def stability_command(
    folder: Folder,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="CSV with a column a feature: readings with --equipment and --time, or two rows "
            "for each --pair. Default: advice in the audit store that was carried out.",
        ),
    ] = None,
    equipment: Annotated[
        str, typer.Option("--equipment", help="Column that says which piece a row is of.")
    ] = "",
    time: Annotated[
        str, typer.Option("--time", help="Column with when it was read: RFC 3339, or seconds.")
    ] = "",
    after: Annotated[
        str,
        typer.Option(
            "--after",
            help="How long after a reading remedies are carried out, such as '30 minutes'. "
            "Default: by the next reading.",
        ),
    ] = "",
    pair: Annotated[
        str, typer.Option("--pair", help="Column that is alike in the two rows of a pair.")
    ] = "",
    set_: Annotated[
        str,
        typer.Option("--set", help="With --pair: column of features that were set in between."),
    ] = "",
    since: Annotated[
        str | None, typer.Option("--since", help="Of the store; default: 30 days before.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Of the store; default: now.")
    ] = None,
    window_minutes: Annotated[
        int,
        typer.Option("--window-minutes", help="Of the store: how long advice may be carried out."),
    ] = wire.WINDOW_MINUTES,
    models: Models = None,
    write: Annotated[
        bool,
        typer.Option("--write", help="Into causal.toml: answers must then be sure then, too."),
    ] = False,
    today: Annotated[str, typer.Option("--date", help="Default: today.")] = "",
    as_json: AsJson = False,
) -> None:
    """Learn how much of each node's own noise stays until a remedy is carried out."""
    model = load_folder(folder.resolve())
    if window_of(model.spec.schema) is not None:
        raise Failure(f"{model.name} reads a window: of it nothing is drawn anew")
    spec = graph_of(model, None)
    if data is None:
        found = _carried_out(model, models, since, until, window_minutes)
        source = f"advice of {model.name} that was carried out"
    else:
        found, source = _in_file(model, data, equipment, time, after, pair, set_), data.name
    built = build_model(spec, model.causal_files, CAUSAL, graph_loader(spec.schema))
    categorical = [j for j, f in enumerate(spec.schema.features) if f.kind.is_categorical]
    try:
        learned = learn_stability(built, found.pairs, categorical)
    except CausalError as error:
        raise Failure(str(error)) from error
    nodes = {each.name: each.found for each in learned if each.found is not None}
    if as_json:
        print_json(_told(learned, found))
    else:
        _show(learned, found)
    if not write:
        return
    if not nodes:
        raise Failure("nothing was learned, so nothing is written: see the table for why")
    day = today or datetime.date.today().isoformat()
    stability = NoiseStability(nodes, found.after, source, found.sha256, day)
    _write(folder, model, replace(spec, stability=stability))
    if not as_json:
        out.print(f"written: what stays of {len(nodes)} features; answers must be sure then, too")


def _write(folder: Path, model: DeployedModel, spec: CausalSpec) -> None:
    # What could not be read again must not be written: a node below that cannot move, say.
    parse_causal(write_causal(spec), f"{model.name}/{model.version}/{CAUSAL}", spec.schema)
    write_graph(folder, spec, "Stability of the noise by `ifonly causal stability`.")


def _in_file(
    model: DeployedModel, data: Path, equipment: str, time: str, after: str, pair: str, set_: str
) -> BeforeAfter:
    table = read_table(content_of(data), model.spec.schema, str(data))
    if pair:
        if time or after:
            raise Failure("--pair says which rows belong together: leave out --time and --after")
        return of_pairs(table, model.spec.schema, str(data), pair, equipment, set_)
    if set_:
        raise Failure("--set needs --pair: of single readings nobody says between which")
    if not (equipment and time):
        raise Failure("give --equipment and --time of readings, or --pair of pairs")
    return of_readings(table, str(data), equipment, time, _duration(after))


def _duration(text: str) -> Duration | None:
    if not text:
        return None
    amount, _, unit = text.strip().partition(" ")
    unit = unit.strip()
    try:
        found = Duration.of(float(amount), unit if unit.endswith("s") else f"{unit}s")
    except ValueError:
        raise Failure(f"--after is {text!r}, not such as '30 minutes'") from None
    if not found.amount:
        raise Failure(f"--after is {text!r}: nothing changes in no time")
    return found


def _carried_out(
    model: DeployedModel,
    models: Path | None,
    since: str | None,
    until: str | None,
    window_minutes: int,
) -> BeforeAfter:
    chosen = settings(models=models, log_level="ERROR")
    start, end = period_of(since, until)
    with opened_by(chosen, migrate=False) as store:
        # Reading what others asked leaves a record, also from a command.
        look(store, READ, "causal stability", f"model={model.name}")
        window = window_minutes * _MINUTE_US
        known = followed(store.database, registry(chosen), model.name, start, end, window)
    return of_follow_ups(known.advised, model.spec.schema)


def _told(learned: Sequence[LearnedStability], found: BeforeAfter) -> dict[str, Any]:
    after = found.after
    nodes = [
        {
            "name": each.name,
            "pairs": each.pairs,
            "why_not": None if each.why_not is None else each.why_not.value,
            "stability": None if each.found is None else asdict(each.found),
            "own_rho": None if each.found is None else each.own_rho,
            "level": each.level,
            "spread": each.spread,
            "as_fitted": each.is_as_fitted,
            "clustered": each.is_clustered,
        }
        for each in learned
    ]
    return {
        "pairs": len(found.pairs),
        "passed_over": found.passed_over,
        "after": None if after is None else {after.unit.value: float(after.amount)},
        "data_sha256": found.sha256,
        "nodes": nodes,
    }


def _show(learned: Sequence[LearnedStability], found: BeforeAfter) -> None:
    after = "" if found.after is None else f", in the median {found.after} apart"
    out.print(f"{count(len(found.pairs))} pairs{after}; {count(found.passed_over)} passed over")
    table = Table("node", "stays (95 %)", "drawn anew", "pairs", "equipment", "outliers", "note")
    for each in learned:
        own = each.found
        if own is None:
            why = "" if each.why_not is None else _WHY[each.why_not]
            table.add_row(Text(each.name), "", "", count(each.pairs), "", "", why)
            continue
        low, high = own.interval or (own.rho, own.rho)
        note = "" if each.is_as_fitted else "what is drawn anew is not as fitted: fit again"
        if not each.is_clustered and not note:
            note = "few pieces: pairs taken as independent"
        table.add_row(
            Text(each.name),
            f"{figure(own.rho)} ({figure(low)} to {figure(high)})",
            percentage(own.redrawn) if own.redrawn else "",
            *(count(n) for n in (own.pairs, own.equipment, own.outliers)),
            note,
        )
    out.print(table)
