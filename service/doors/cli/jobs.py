"""``ifonly jobs``: what was asked to be answered later, from beside the service."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ifonly.service.audit.recent_accesses import EXPORTED
from ifonly.service.doors.cli.console import AsJson, Failure, out, print_json, settings
from ifonly.service.doors.cli.store import by, look
from ifonly.service.errors import JobNotFinished
from ifonly.service.jobs import submission
from ifonly.service.jobs.answers import answers
from ifonly.service.jobs.forms import TableForm
from ifonly.service.jobs.tables import written
from ifonly.service.store import jobs
from ifonly.service.store.database import connect
from ifonly.service.store.jobs import JobFilter
from ifonly.service.store.migrate import require_current
from ifonly.service.store.opened import opened_by
from ifonly.service.store.terms import State
from ifonly.service.wire import jobs as wire

app = typer.Typer(help="Jobs: list, show and cancel them, read results.", no_args_is_help=True)

Identity = Annotated[str, typer.Argument(help="As `jobs list` shows it.")]
SUFFIXES = {
    ".jsonl": TableForm.JSONL,
    ".csv": TableForm.CSV,
    ".arrow": TableForm.ARROW,
    ".parquet": TableForm.PARQUET,
}


@app.command("list")
def list_jobs(
    state: Annotated[State | None, typer.Option("--state")] = None,
    model: Annotated[str | None, typer.Option("--model")] = None,
    actor: Annotated[str | None, typer.Option("--by", help="Who asked: key:ID, …")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=wire.MAX_PAGE)] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest first, with how many rows were answered, and how."""
    with closing(connect(settings().store_url)) as database:
        require_current(database)
        page = jobs.page(database, JobFilter(actor, state, model), None, limit)
    found = [submission.shown(job, doubtful=job.id in page.doubtful) for job in page.jobs]
    if as_json:
        print_json([each.as_mapping() for each in found])
        return
    table = Table("id", "state", "rows", "answered", "by claim", "model", "by", "created")
    for job in found:
        # What its records do not vouch for is marked, not hidden.
        mark = " (not as sealed)" if job.doubtful else ""
        table.add_row(
            *(Text(each) for each in (job.id + mark, job.state.value)),
            f"{job.rows:,}",
            f"{job.answered:,}",
            Text(_claims(job)),
            *(Text(each) for each in (f"{job.model} {job.version}", job.by, job.created)),
        )
    out.print(table)
    if page.next is not None:
        out.print("There are more: --limit", markup=False)


def _claims(job: wire.Job) -> str:
    counted = dict(job.statuses or {}) | ({"refused": job.refused} if job.refused else {})
    return ", ".join(f"{count:,} {claim}" for claim, count in sorted(counted.items())) or "–"


@app.command("show")
def show(job: Identity, as_json: AsJson = False) -> None:
    """One job: how far it is."""
    with closing(connect(settings().store_url)) as database:
        require_current(database)
        found = submission.shown(jobs.find(database, job))
    if as_json:
        print_json(found.as_mapping())
        return
    table = Table(show_header=False)
    said = {
        "id": found.id,
        "state": found.state.value,
        "model": f"{found.model} {found.version}",
        "by": found.by,
        "rows": f"{found.answered:,} of {found.rows:,} answered",
        "of these": _claims(found),
        "created": found.created,
        "started": found.started or "–",
        "finished": found.finished or "–",
    }
    for name, value in said.items():
        table.add_row(name, Text(value))
    out.print(table)


@app.command("cancel")
def cancel(job: Identity) -> None:
    """No further row is answered; what was answered stays."""
    with opened_by(settings(), migrate=False) as store:
        store.journal.append(jobs.cancel(job, by())).result()
        found = jobs.find(store.database, job)
    out.print(f"{job} is cancelled: {found.answered:,} of {found.rows:,} rows were answered")


@app.command("results")
def results(
    job: Identity,
    to: Annotated[str, typer.Option("--out", help="File to write; - for standard output.")] = "-",
    form: Annotated[
        TableForm | None, typer.Option("--format", help="Default: by the file's suffix, or jsonl.")
    ] = None,
    is_flat: Annotated[
        bool, typer.Option("--flat", help="Of lines of JSON: few columns, as tables have them.")
    ] = False,
    first: Annotated[int, typer.Option("--first", min=0, help="Number of the first row.")] = 0,
    last: Annotated[int | None, typer.Option("--last", min=0, help="Of the last.")] = None,
) -> None:
    """What the rows of a job that has ended were answered."""
    chosen = form or SUFFIXES.get(Path(to).suffix, TableForm.JSONL)
    with opened_by(settings(), migrate=False) as store:
        found = jobs.find(store.database, job)
        if not found.state.is_final:
            raise JobNotFinished(job, found.answered, found.rows)
        look(store, EXPORTED, "jobs results", f"job={job}")
        rows = answers(jobs.results(store.database, job, first, last))
        pieces = written(rows, chosen, is_flat=is_flat)
        if to == "-":
            sys.stdout.buffer.writelines(pieces)
            return
        _put(Path(to), pieces)


def _put(to: Path, pieces: Iterable[bytes]) -> None:
    """Whole or not at all: a file of that name is never half a result."""
    try:
        with tempfile.NamedTemporaryFile(dir=to.parent, prefix=f".{to.name}.", delete=False) as new:
            try:
                new.writelines(pieces)
                new.flush()
                os.fsync(new.fileno())
                os.chmod(new.name, 0o600)
                os.replace(new.name, to)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise Failure(f"{to} cannot be written: {error.strerror}") from None
