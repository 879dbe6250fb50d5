"""``ifonly bulk verify OUT``: answers held against what is known of them."""

from __future__ import annotations

from typing import Annotated

import typer

from ifonly.service.audit.recent_accesses import READ
from ifonly.service.bulk_runs.discrepancies import SAMPLE, RowsToAsk
from ifonly.service.bulk_runs.records import StoreLedger
from ifonly.service.bulk_runs.verification import verify
from ifonly.service.doors.cli.console import AsJson, Models, out, print_json, registry, settings
from ifonly.service.doors.cli.store import by, look
from ifonly.service.settings import Settings
from ifonly.service.store.opened import opened_by


def verify_run(
    to: Annotated[str, typer.Argument(metavar="OUT", help="Answers of `ifonly bulk`.")],
    row: Annotated[
        list[str] | None,
        typer.Option("--row", help="Ask this row again, by its id or number; repeatable."),
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", min=0, help="Rows that are asked again, half of them alarms.")
    ] = SAMPLE,
    everything: Annotated[bool, typer.Option("--all", help="Ask every row again.")] = False,
    given: Annotated[
        str | None,
        typer.Option("--input", help="Where the rows are now. Default: where they were."),
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Not without a record: one that is missing is told.")
    ] = False,
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Hold answers against their digests, the run's record and the model; exit code 1 if
    something is not as it was written, or does not hold."""
    chosen = settings(models=models, log_level="ERROR")
    wanted = RowsToAsk(tuple(row or ()), sample, everything, given)
    ledger = ledger_of(chosen, None)
    report = verify(to, registry(chosen), ledger, wanted)
    if recorded and report.record is None:
        report.against(to, "has no record in a store that is set up here")
    if ledger is not None and report.record is not None:
        with opened_by(chosen, migrate=False) as store:
            look(store, READ, "bulk verify", about=report.record)
    if as_json:
        print_json(report.as_json())
    else:
        for each in report.found:
            tell_line(f"{each.where}: {each.says}")
        for note in report.notes:
            tell_line(f"note: {note}")
        against = f"; record {report.record} holds" if report.record and report.holds else ""
        tell_line(f"{report.asked:,} rows were asked again{against}")
        tell_line(
            "the answers hold" if report.holds else f"NOT as written: {len(report.found):,} places"
        )
    if not report.holds:
        raise typer.Exit(1)


def ledger_of(chosen: Settings, wanted: bool | None) -> StoreLedger | None:
    """Where the run is recorded; None: nowhere."""
    is_set_up = (
        bool({"database_url", "data"} & chosen.model_fields_set)
        or (chosen.data / "ifonly.sqlite3").exists()
    )
    if wanted is False or not (wanted or is_set_up):
        return None
    return StoreLedger(chosen, by())


def tell_line(text: str) -> None:
    out.print(text, markup=False)
