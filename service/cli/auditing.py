"""``ifonly audit``: verify, replay, export and erase what was recorded."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO
from urllib.parse import urlencode

import typer

from service.api import inspection, trail
from service.api.looking import EXPORTED, READ
from service.api.rechecking import Recheck
from service.api.replay import replay as ask_again
from service.app import opened_by
from service.cli.console import AsJson, Failure, Models, err, out, print_json, registry, settings
from service.cli.keeping import DAY_US, by, look
from service.settings import Settings
from service.store import archive, erasure, holds
from service.store.chain import microseconds, now_us, timestamp
from service.store.database import Database, connect
from service.store.export import Format
from service.store.export import export as write_out
from service.store.migrate import require_current
from service.store.verification import Report
from service.store.verification import verify as check

app = typer.Typer(help="Verify, replay, export and erase what was recorded.", no_args_is_help=True)

Identity = Annotated[str, typer.Argument(help="Id of the record: of an explanation, its own.")]


@contextmanager
def _reading(chosen: Settings) -> Iterator[Database]:
    database = connect(chosen.store_url)
    try:
        require_current(database)
        yield database
    finally:
        database.close()


@app.command("verify")
def verify(
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", help="Check against this file of anchors too."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every chain and see whether it holds; exit code 1 and the places if it does not."""
    chosen = settings(audit_anchor_file=anchors)
    with _reading(chosen) as database:
        try:
            report = check(database, chosen.audit_anchor_file, _progress)
        except OSError as error:
            raise Failure(f"the file of anchors cannot be read: {error}") from None
    if as_json:
        print_json(trail.verification(report).model_dump(mode="json"))
    else:
        _show(report)
    if not report.holds:
        raise typer.Exit(1)


def _progress(report: Report) -> None:
    err.print(f"{report.records:,} records…", markup=False)


def _show(report: Report) -> None:
    out.print(
        f"{report.records:,} records in {report.writers:,} chains, {report.anchors:,} of them "
        f"anchors; {report.payloads:,} payloads, {report.erased:,} erased",
        markup=False,
    )
    for finding in report.findings:
        at = f"writer {finding.writer or '–'}, record {finding.sequence}, {finding.where}"
        out.print(f"{at}: {finding.text} ({finding.trouble})", markup=False)
    for note in report.notes:
        out.print(f"note: {note}", markup=False)
    if report.holds:
        out.print("every chain holds", markup=False)
    else:
        out.print(f"NOT as it was written: {report.troubles:,} places", markup=False)


@app.command("replay")
def replay(record: Identity, models: Models = None, as_json: AsJson = False) -> None:
    """Ask a recorded question again of the same model, and check the recorded answer; exit code
    1 if the answer changed or does not hold."""
    chosen = settings(models=models, log_level="ERROR")
    with opened_by(chosen, migrate=False) as store:
        came = ask_again(store.database, registry(chosen), record)
        look(store, READ, "audit replay", about=came.record.facts.id)
    if as_json:
        print_json(inspection.replayed(came).model_dump(mode="json"))
    else:
        for change in (*came.versions, *came.changes):
            was, now = json.dumps(change.was), json.dumps(change.now)
            out.print(f"{change.pointer}: {was} → {now}", markup=False)
        if came.was_cut:
            out.print("the first answer was cut by its deadline", markup=False)
        for finding in came.findings:
            out.print(f"{finding.text} ({finding.where})", markup=False)
        out.print("the same answer" if came.is_same else "the answer CHANGED", markup=False)
        _show_recheck(came.recheck)
    holds = came.recheck is None or came.recheck.holds
    if not (came.is_same and holds):
        raise typer.Exit(1)


def _show_recheck(found: Recheck | None) -> None:
    """What the checker says of the recorded answer."""
    if found is None:
        return
    for part, each in found.checks:
        if not each.holds:
            out.print(f"{part}: {each.name} FAILS: {each.says}", markup=False)
    count = len(found.checks)
    told = found.problem or f"{count} checks, {'all hold' if found.holds else 'NOT all hold'}"
    out.print(f"the recorded answer, recomputed: {told}", markup=False)


@app.command("export")
def export(
    to: Annotated[str, typer.Option("--out", help="File to write; - for standard output.")] = "-",
    form: Annotated[Format, typer.Option("--format")] = Format.JSONL,
    since: Annotated[str | None, typer.Option("--since", help="RFC 3339, included.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="RFC 3339, excluded.")] = None,
) -> None:
    """The trail as a file, with salts and payloads: enough to verify it elsewhere."""
    wanted = archive.Filter({}, since_us=_time(since), until_us=_time(until))
    with opened_by(settings(), migrate=False) as store:
        period = {"since": since, "until": until}
        look(store, EXPORTED, "audit export", urlencode({k: v for k, v in period.items() if v}))
        pieces = write_out(archive.everything(store.database, wanted), form)
        try:
            with _output(to) as file:
                file.writelines(pieces)
        except OSError as error:
            raise Failure(f"{to} cannot be written: {error.strerror}") from None


@contextmanager
def _output(to: str) -> Iterator[BinaryIO]:
    if to == "-":
        yield sys.stdout.buffer
        return
    with open(to, "wb") as file:
        yield file


@app.command("erase")
def erase(
    record: Identity,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the trail: name nobody.")],
) -> None:
    """Erase what one record tells of, unless it is on hold. The chain still holds, and says that
    it was erased."""
    with opened_by(settings(), migrate=False) as store:
        store.journal.append(erasure.erase(record, by(), reason)).result()
    out.print(f"the content of {record} is erased", markup=False)


@app.command("prune")
def prune(
    older: Annotated[
        str, typer.Option("--older-than", help="Days, as in 365d, or an RFC 3339 time.")
    ],
) -> None:
    """Erase what all older records tell of, but what is on hold. Nothing that must be kept for
    longer (IFONLY_AUDIT_KEEP_DAYS). The chain still holds, and says so."""
    before, chosen = _age(older), settings()
    with opened_by(chosen, migrate=False) as store:
        count = sum(erasure.prune(store.journal, before, by(), chosen.audit_keep_days))
    out.print(f"erased {count:,} payloads from before {timestamp(before)}", markup=False)


@app.command("hold")
def hold(
    reason: Annotated[str, typer.Option("--reason", help="Kept in the trail: name nobody.")],
    record: Annotated[str | None, typer.Option("--record", help="One record, by its id.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="All about one model.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="All that is recorded.")] = False,
) -> None:
    """Put a legal hold: nothing under it is erased, by age or by wish, until `audit lift`."""
    if [record is not None, model is not None, everything].count(True) != 1:
        raise Failure("a hold is on one of --record, --model and --everything")
    with opened_by(settings(), migrate=False) as store:
        put = holds.put(by(), reason, record=record, model=model)
        identity = store.journal.append(put).result().id
    out.print(f"hold {identity} is put", markup=False)


@app.command("lift")
def lift(
    identity: Annotated[str, typer.Argument(help="Id of the hold.")],
    reason: Annotated[str, typer.Option("--reason", help="Kept in the trail: name nobody.")],
) -> None:
    """End a legal hold."""
    with opened_by(settings(), migrate=False) as store:
        store.journal.append(holds.lift(identity, by(), reason)).result()
    out.print(f"hold {identity} is lifted", markup=False)


@app.command("holds")
def list_holds(as_json: AsJson = False) -> None:
    """Legal holds in force, the oldest first."""
    with _reading(settings()) as database:
        found = [_told(each) for each in holds.listing(database)]
    if as_json:
        print_json(found)
        return
    for each in found:
        out.print("  ".join(f"{name}: {value}" for name, value in each.items()), markup=False)


def _told(found: holds.Hold) -> dict[str, str]:
    over = f"model {found.model}" if found.model is not None else "everything"
    return {
        "hold": found.id,
        "on": over if found.record is None else f"record {found.record}",
        "since": timestamp(found.time_us),
        "by": found.by,
        "reason": found.reason,
    }


def _age(text: str) -> int:
    days = re.fullmatch(r"(\d{1,6})d", text)
    if days is not None:
        return now_us() - int(days[1]) * DAY_US
    moment = _time(text)
    assert moment is not None
    return moment


def _time(text: str | None) -> int | None:
    try:
        return None if text is None else microseconds(text)
    except (ValueError, OverflowError):
        raise Failure(f"{text!r} is no time such as 2026-01-31T08:00:00Z") from None
