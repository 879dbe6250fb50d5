"""``ifonly report FILE``: the auditors' report, of what ``ifonly bulk`` wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ifonly.explainers.wording import LANGUAGES, is_language
from ifonly.service.audit.recent_accesses import READ
from ifonly.service.doors.cli.console import (
    Models,
    complain,
    needs_pyarrow,
    print_json,
    registry,
    settings,
)
from ifonly.service.doors.cli.store import look
from ifonly.service.store.opened import opened_by
from ifonly.service.wire.common import MAX_COMMON_LEVERS
from ifonly.service.wire.fairness import LEAST

with needs_pyarrow("report"):
    from ifonly.service.bulk_runs import durable
    from ifonly.service.bulk_runs.common_change import SECONDS, CohortQuestion
    from ifonly.service.bulk_runs.recourse import FileQuestion, FileRecourse, recourse
    from ifonly.service.doors.cli.bulk_verify import ledger_of, tell_line


def report(
    given: Annotated[str, typer.Argument(metavar="FILE", help="Answers of `ifonly bulk`.")],
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            help="Column that makes groups: kept in FILE (--keep), or of what was read. Again: "
            "another, and what they have in common.",
        ),
    ] = None,
    least: Annotated[
        int, typer.Option("--least", min=2, help="Rows in a group and outside to be tested.")
    ] = LEAST,
    common: Annotated[
        int | None,
        typer.Option(
            "--common",
            min=1,
            max=MAX_COMMON_LEVERS,
            help="Also the one change, of so many levers at most, for its alarms.",
        ),
    ] = None,
    deadline_ms: Annotated[
        int, typer.Option("--deadline-ms", min=1, help="Milliseconds to search for that change.")
    ] = 1_000 * SECONDS,
    html: Annotated[
        Path | None, typer.Option("--html", help="The page: one file. Default: FILE.report.html.")
    ] = None,
    csv: Annotated[
        bool, typer.Option("--csv", help="On standard output, as the auditors' page has it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="On standard output, as the API has it.")
    ] = False,
    language: Annotated[
        str, typer.Option("--language", help=f"Of the page and the CSV: {', '.join(LANGUAGES)}.")
    ] = "en",
    now_at: Annotated[
        str | None,
        typer.Option("--input", help="Where the rows are now. Default: where they were."),
    ] = None,
    models: Models = None,
) -> None:
    """Recourse of a whole file: by group with exact tests, cost, sparsity, what blocks. Exit code
    1 if FILE is not as it was written; the report is made, and says so."""
    if not is_language(language):
        raise typer.BadParameter(
            f"{language!r} is not one of {', '.join(LANGUAGES)}", param_hint="--language"
        )
    if csv and as_json:
        raise typer.BadParameter("--csv and --json both write to standard output: choose one")
    chosen = settings(models=models, log_level="ERROR")
    ledger = ledger_of(chosen, None)
    many = None if common is None else CohortQuestion(common, chosen, deadline_ms)
    found = recourse(
        given, registry(chosen), ledger, FileQuestion(tuple(by or ()), now_at, many, least)
    )
    record = found.verification.record
    if ledger is not None and record is not None:
        with opened_by(chosen, migrate=False) as store:
            look(store, READ, "report", about=record)
    if html is not None or not (csv or as_json):
        # Imported here: who wants numbers needs no templates.
        from ifonly.service.doors.pages.auditor.file_report import file_report

        to = html or _beside(given)
        durable.write(to, file_report(found, given, language).encode())
        if not (csv or as_json):
            _tell(found, to)
    if csv:
        sys.stdout.buffer.write(found.as_csv(language))
        sys.stdout.buffer.flush()
    elif as_json:
        print_json(found.as_json())
    if not found.verification.holds:
        complain(*(f"{each.where}: {each.says}" for each in found.verification.found))
        raise typer.Exit(1)


def _beside(given: str) -> Path:
    if "://" in given:
        raise typer.BadParameter(f"say where the page of {given} is to be", param_hint="--html")
    return Path(f"{given.rstrip('/')}.report.html")


def _tell(found: FileRecourse, to: Path) -> None:
    total, comparison = found.reply.total, found.reply.comparison
    tell_line(f"  {total.asked:,} explanations, {total.already:,} of rows that need nothing")
    for name in ("success", "infeasible", "proven"):
        part = getattr(total, name)
        if part.share is not None:
            spans = f"{100 * part.low:.3g} to {100 * part.high:.3g} %"
            tell_line(
                f"  {name:<12}{100 * part.share:.3g} % ({part.count:,} of {part.of:,}; {spans})"
            )
    differ = [pair for pair in comparison.pairs if pair.shown]
    if found.reply.groups:
        tell_line(f"  {len(found.reply.groups)} groups, {len(differ)} pairs shown to differ")
    if found.fairness is not None:
        shown = sum(d.tested is not None and d.tested.shown for d in found.fairness.differences)
        tests = found.fairness.tests
        tell_line(f"  {shown} differences shown between groups, in {tests} corrected tests")
    for each in found.reply.common:
        tell_line(
            f"  one change clears {each.cleared:,} of {each.alarms:,}; none over {each.bound:,}"
        )
    seen = found.verification
    if seen.holds:
        vouched = f"; record {seen.record} holds" if seen.record else ""
        tell_line(f"the file is as it was written{vouched}")
    for note in seen.notes:
        tell_line(f"note: {note}")
    tell_line(f"{to} is the report")
