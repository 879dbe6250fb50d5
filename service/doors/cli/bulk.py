"""``ifonly bulk IN OUT``: a file or table of rows answered; ``ifonly bulk verify OUT``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from ifonly.explainers.wording import LANGUAGES, Language, is_language
from ifonly.service.doors.cli.console import (
    AsJson,
    Model,
    Models,
    Version,
    complain,
    needs_pyarrow,
    pick,
    print_json,
    read_object,
    registry,
    settings,
)
from ifonly.service.doors.cli.option_values import read_target
from ifonly.service.doors.cli.question_options import (
    AskedSemantics,
    Constraints,
    Seed,
    Target,
)
from ifonly.service.errors import Fault, InvalidRequest, RequestPart

with needs_pyarrow("bulk"):
    from ifonly.service.bulk import BulkOptions, InvalidTable
    from ifonly.service.bulk_runs import durable
    from ifonly.service.bulk_runs.engines import BulkEngine
    from ifonly.service.bulk_runs.planning import SLICE, Plan
    from ifonly.service.bulk_runs.reading.source import InputFormat, ReadOptions
    from ifonly.service.bulk_runs.report import report_of
    from ifonly.service.bulk_runs.run import RunOutcome, run
    from ifonly.service.doors.cli.bulk_progress import RunProgress, called, span
    from ifonly.service.doors.cli.bulk_verify import ledger_of, tell_line, verify_run

INTERRUPTED = 130
"""Exit code, as shells have it."""
SOME_BAD = 3
"""Exit code: the answers are there, and some rows could not be answered."""


class BulkGroup(TyperGroup):
    """``ifonly bulk IN OUT`` is ``ifonly bulk run IN OUT``: what names no command is a run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=BulkGroup,
    help="Answer a file or table of rows: ifonly bulk IN OUT. Check its answers: ifonly bulk "
    "verify OUT.",
    epilog="Options of a run: ifonly bulk run --help. Exit codes: 0 every row was answered; 3 the "
    "answers are there, and some rows could not be answered (OUT.errors.jsonl); 1 it failed, and "
    "the same command goes on; 2 the command is wrong.",
    no_args_is_help=True,
)


app.command("verify")(verify_run)


@app.command("run")
def run_file(
    given: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="Rows: Parquet, Arrow, CSV or JSON lines (.gz, .zst), a folder or glob of them, "
            "a Delta table, iceberg:CATALOG/NAMESPACE.TABLE; a path, or s3://, gs://, abfs://, …",
        ),
    ],
    to: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="Answers: .parquet, .arrow, .csv, .jsonl (these two also .gz, .zst); without an "
            "end a folder of Parquet files.",
        ),
    ],
    model: Model = None,
    version: Version = None,
    models: Models = None,
    target: Target = None,
    constraints: Constraints = None,
    semantics: AskedSemantics = None,
    robust: Annotated[
        bool | None,
        typer.Option(
            "--robust/--no-robust",
            help="Whether answers must hold whatever the sensors' tolerances make of the readings. "
            "Default: the policy's.",
        ),
    ] = None,
    alternatives: Annotated[int, typer.Option("--alternatives", help="Answers a row.")] = 1,
    ways: Annotated[bool, typer.Option("--ways", help="Also named ways, each proven.")] = False,
    seed: Seed = 0,
    deadline_ms: Annotated[
        int | None,
        typer.Option("--deadline-ms", help="Milliseconds to search for one row; 0: to the end."),
    ] = None,
    languages: Annotated[
        str, typer.Option("--languages", help="A column of sentences for each: ko,en,ja.")
    ] = "",
    only: Annotated[
        Literal["all", "alarms"], typer.Option("--only", help="Rows that are written.")
    ] = "all",
    columns: Annotated[
        str, typer.Option("--columns", help="Of the answers: status,cost,actions. Default: all.")
    ] = "",
    keep: Annotated[
        str, typer.Option("--keep", help="Columns of IN to take along: machine,time.")
    ] = "",
    id_: Annotated[
        str | None, typer.Option("--id", help="Column of IN by which its rows are known.")
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="feature=column, where IN calls one otherwise; repeatable."),
    ] = None,
    form: Annotated[
        InputFormat | None, typer.Option("--format", help="Of IN, if its name does not say.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="Of CSV. Default: a comma; of .tsv a tab.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Of CSV, as in cp949.")] = "utf-8",
    table_version: Annotated[
        str | None,
        typer.Option("--table-version", help="Of a Delta table; an Iceberg table's snapshot."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, help="Processes. Default: one a core. 0: this one."),
    ] = None,
    engine: Annotated[
        BulkEngine,
        typer.Option("--engine", help="Who answers: this machine, or a Ray cluster (ifonly[ray])."),
    ] = BulkEngine.LOCAL,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            help="Of the Ray cluster. Default: RAY_ADDRESS, else the one on this machine, which is "
            "begun if there is none.",
        ),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option("--batch-rows", min=1, max=1_048_576, help="Rows answered as one.")
    ] = SLICE,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what a run that ended has done.")
    ] = False,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Folder of the work. Default: .NAME.bulk beside OUT."),
    ] = None,
    record: Annotated[
        bool | None,
        typer.Option(
            "--record/--no-record",
            help="Whether the run is sealed in the audit trail. Default: if a store is set up.",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="A page about the run: an HTML file.")
    ] = None,
    report_language: Annotated[
        str | None, typer.Option("--report-language", help="Default: the first of --languages.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer every row of IN. A run that was ended goes on where it was."""
    chosen = settings(models=models, log_level="WARNING")
    limits = read_object(constraints, "the constraints") if constraints else {}
    if robust is not None:
        limits["robust"] = robust
    options = BulkOptions(
        target=None if target is None else read_target(target),
        constraints=limits,
        semantics=None if semantics is None else semantics.value,
        alternatives=alternatives,
        ways=ways,
        seed=seed,
        deadline_ms=(deadline_ms or None) if deadline_ms is not None else BulkOptions.deadline_ms,
        languages=tuple(listed(languages)),
        id=id_,
        columns=_pairs(names),
    )
    plan = Plan(
        given,
        to,
        pick(registry(chosen), model, version),
        options,
        ReadOptions(form, delimiter, encoding, table_version),
        is_alarms_only=only == "alarms",
        columns=tuple(listed(columns)),
        kept=tuple(listed(keep)),
        workers=workers,
        engine=engine,
        address=address,
        slice_rows=batch_rows,
        overwrite=overwrite,
        restart=restart,
        work=work,
    )
    ledger = ledger_of(chosen, record)
    language = _language(report_language or next(iter(options.languages), "en"))
    with RunProgress(is_quiet=quiet) as progress:
        try:
            outcome = run(plan, progress, ledger)
        except InvalidTable as error:
            # Told as a request that is wrong: no row of it was asked.
            faults = [Fault((each.column,), f"{given}: {each.problem}") for each in error.faults]
            raise InvalidRequest(RequestPart.REQUEST, faults) from None
        except KeyboardInterrupt:
            complain("stopped: what is done is kept, and the same command goes on")
            raise typer.Exit(INTERRUPTED) from None
    if report is not None:
        page = report_of(outcome.manifest, plan.model.schema, language)
        durable.write(report, page.encode())
    if as_json:
        print_json({**outcome.manifest, "was_there": outcome.was_there})
    elif not quiet:
        _tell(outcome, to, is_recorded=ledger is not None)
    if outcome.manifest["bad"]:
        raise typer.Exit(SOME_BAD)


def listed(text: str) -> list[str]:
    """Names with commas between."""
    return [name for part in text.split(",") if (name := part.strip())]


def _language(tag: str) -> Language:
    if not is_language(tag):
        raise typer.BadParameter(f"{tag!r} is not one of {', '.join(LANGUAGES)}")
    return tag


def _pairs(texts: Sequence[str] | None) -> dict[str, str]:
    found = {}
    for text in texts or ():
        feature, is_told, column = text.partition("=")
        if not is_told:
            raise typer.BadParameter(f"{text!r} is not feature=column", param_hint="--name")
        found[feature.strip()] = column.strip()
    return found


def _tell(outcome: RunOutcome, to: str, *, is_recorded: bool) -> None:
    said = outcome.manifest
    rows = max(said["rows"], 1)
    if outcome.was_there:
        tell_line(f"{to} has these answers already: nothing was done")
    for status, count in sorted(said["counts"].items(), key=lambda each: -each[1]):
        tell_line(f"  {called(status):<16}{count:>12,}  {100 * count / rows:.3g} %")
    written = said["output"]
    spent = "" if outcome.was_there else f", in {span(outcome.seconds)}"
    tell_line(f"{to}: {written['rows']:,} rows, {written['bytes']:,} bytes{spent}")
    if said["deadline_hit"]:
        tell_line(f"{said['deadline_hit']:,} searches were cut by the deadline: --deadline-ms")
    if said["errors"] is not None:
        tell_line(f"{said['bad']:,} rows could not be answered: see the errors beside {to}")
    if outcome.replaced:
        tell_line(f"{outcome.replaced} workers ended and were replaced")
    if outcome.receipt is not None:
        at = outcome.receipt
        tell_line(f"recorded: {at.id} (writer {at.writer}, record {at.sequence})")
    elif not is_recorded and not outcome.was_there:
        tell_line("not recorded: IFONLY_DATA or IFONLY_DATABASE_URL names no store")
