"""``ifonly outcomes``: what came of advice, told from a file, and followed up."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.table import Table
from rich.text import Text

from ifonly.models.adding.table import read_columns
from ifonly.models.errors import UnknownModel
from ifonly.service.audit.follow_up import outcomes, telling
from ifonly.service.audit.recent_accesses import EXPORTED, LISTED, READ
from ifonly.service.doors.cli.console import (
    AsJson,
    Models,
    Since,
    Until,
    complain,
    given_of,
    out,
    print_json,
    registry,
    settings,
)
from ifonly.service.doors.cli.store import by, look
from ifonly.service.errors import InvalidRequest, UnknownRecord
from ifonly.service.settings import ifonly_version
from ifonly.service.store.chain import Facts
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import opened_by
from ifonly.service.wire import outcomes as wire
from ifonly.service.wire import validation

app = typer.Typer(
    help="What came of advice: tell it from a file, see what became of each, count, export.",
    no_args_is_help=True,
)

Window = Annotated[
    int,
    typer.Option("--window-minutes", help="How long readings after the advice are of its course."),
]
OWN = frozenset(wire.OutcomeOf.model_fields)
"""Columns that are members of an outcome; all others say which equipment it is of."""


@app.command("tell")
def tell(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV (or Parquet): result (success, failure), and explanation (its id), or model "
            "and a column for each attribute of the equipment; happened, number, unit, comment."
        ),
    ],
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Record what came of advice, a row each. Exit code 1 if a row is refused: the others are
    recorded."""
    chosen = settings(models=models, log_level="ERROR")
    rows = [*_rows(read_columns(file))]
    known, actor = registry(chosen), by()
    recorded: list[dict[str, str]] = []
    refused: list[dict[str, Any]] = []
    with opened_by(chosen, migrate=False) as store:
        for number, row in enumerate(rows, 1):
            try:
                asked = validation.read(wire.OutcomeOf, row)
                identity = outcomes.explanation_of(store.database, known, asked)
                about, detail = outcomes.checked(store.database, identity, asked, actor)
            except (InvalidRequest, UnknownRecord, UnknownModel) as error:
                refused.append({"row": number, "problem": str(error)})
                continue
            facts = Facts(
                kind=RecordKind.OUTCOME,
                actor=actor,
                status=outcomes.word_of(asked),
                model=about.facts.model,
                version=about.facts.version,
                about=identity,
                detail=detail,
                engine_version=ifonly_version(),
            )
            receipt = store.journal.append(Draft(facts, outcomes.content(asked))).result()
            recorded.append({"id": receipt.id, "explanation": identity})
    if as_json:
        print_json({"recorded": recorded, "refused": refused})
    else:
        out.print(f"{len(recorded):,} outcomes recorded", markup=False)
    complain(*(f"row {each['row']}: {each['problem']}" for each in refused))
    if refused:
        raise typer.Exit(1)


def _rows(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Each row as the API has it."""
    for cells in zip(*columns.values(), strict=True):
        given = {n: c for n, c in zip(columns, cells, strict=True) if c is not None}
        row = {name: cell for name, cell in given.items() if name in OWN}
        said = {name: str(cell) for name, cell in given.items() if name not in OWN}
        if "number" in row:
            row["number"] = _number(row["number"])
        # An explanation that is named needs nothing else to be found by.
        if said and "explanation" not in row:
            row["attributes"] = said
        yield row


def _number(cell: Any) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell  # refused by name, as it stands


@app.command("show")
def show(
    explanation: Annotated[str, typer.Argument(help="An explanation's id.")],
    window_minutes: Window = wire.WINDOW_MINUTES,
    models: Models = None,
) -> None:
    """What became of one explanation's advice, as JSON."""
    chosen = settings(models=models, log_level="ERROR")
    query = validation.read(wire.WindowQuery, {"window_minutes": window_minutes})
    with opened_by(chosen, migrate=False) as store:
        look(store, READ, "outcomes show", about=explanation)
        found = telling.one(store.database, registry(chosen), explanation, query.window_minutes)
    print_json(found.as_mapping())


@app.command("report")
def report(
    model: Annotated[str, typer.Option("--model", help="Whose advice.")],
    since: Since = None,
    until: Until = None,
    group_by: Annotated[
        str | None, typer.Option("--by", help="lever, version, way or attribute:NAME.")
    ] = None,
    window_minutes: Window = wire.WINDOW_MINUTES,
    csv: Annotated[bool, typer.Option("--csv", help="On standard output.")] = False,
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """How much advice was followed, carried out as readings show, and successful."""
    asked = given_of({"model": model, "since": since, "until": until, "by": group_by})
    query = validation.read(wire.FollowUpQuery, {**asked, "window_minutes": window_minutes})
    chosen = settings(models=models, log_level="ERROR")
    with opened_by(chosen, migrate=False) as store:
        look(store, LISTED, "outcomes report")
        if csv:
            sys.stdout.buffer.write(telling.as_csv(store.database, registry(chosen), query))
            sys.stdout.buffer.flush()
            return
        found = telling.report(store.database, registry(chosen), query).reply
    if as_json:
        print_json(found.as_mapping())
        return
    out.print(_table(found))


@app.command("export")
def export(
    model: Annotated[str, typer.Option("--model", help="Whose advice.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="CSV. Default: on standard output.")
    ] = None,
    since: Since = None,
    until: Until = None,
    window_minutes: Window = wire.WINDOW_MINUTES,
    models: Models = None,
) -> None:
    """A row for each advice: its reading, what was advised, what was done, what came of it. It is
    what `ifonly causal effect` and `ifonly causal value` read (--action followed, or done)."""
    asked = given_of({"model": model, "since": since, "until": until})
    query = validation.read(wire.FollowUpQuery, {**asked, "window_minutes": window_minutes})
    chosen = settings(models=models, log_level="ERROR")
    with opened_by(chosen, migrate=False) as store:
        look(store, EXPORTED, "outcomes export", urlencode(asked))
        found = telling.rows_of(store.database, registry(chosen), query)
    if out_file is None:
        sys.stdout.buffer.write(found.csv)
        sys.stdout.buffer.flush()
    else:
        out_file.write_bytes(found.csv)
        out.print(f"{found.rows:,} rows: {out_file}", markup=False)


def _table(found: wire.FollowUpReport) -> Table:
    made = Table(
        found.by or "",
        "advised",
        "followed",
        "read back",
        "success, followed",
        "success, not followed",
        "success, unknown",
    )
    for group in (found.total, *found.groups):
        read = sum(group.seen.get(seen, 0) for seen in ("fully", "partly", "not_seen"))
        cells = (
            group.group or "all",
            f"{group.advised:,}",
            f"{group.followed.count:,} of {group.followed.of:,}",
            f"{group.seen.get('fully', 0):,} of {read:,}",
            *(
                f"{each.count:,} of {each.of:,}"
                for each in (
                    group.success_followed,
                    group.success_not_followed,
                    group.success_unknown,
                )
            ),
        )
        made.add_row(*map(Text, cells))
    return made
