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

from ifonly.service.audit import inspection, records, trust_root
from ifonly.service.audit.bundle import Keepers, bundle
from ifonly.service.audit.recent_accesses import EXPORTED, READ
from ifonly.service.audit.recheck import Recheck
from ifonly.service.audit.replay import replay as ask_again
from ifonly.service.doors.cli import audit_check, audit_samples
from ifonly.service.doors.cli.console import (
    AsJson,
    Failure,
    Models,
    err,
    out,
    print_json,
    registry,
    settings,
)
from ifonly.service.doors.cli.store import by, look
from ifonly.service.errors import NoLogKey
from ifonly.service.settings import Settings
from ifonly.service.store import archive, erasure, holds, log_appending, translog
from ifonly.service.store.chain import (
    DAY_US,
    IntegrityFinding,
    Trouble,
    microseconds,
    now_us,
    timestamp,
)
from ifonly.service.store.database import Database, connect
from ifonly.service.store.export import export as write_out
from ifonly.service.store.logcheck import KeptHead, check_export
from ifonly.service.store.migrate import require_current
from ifonly.service.store.opened import opened_by
from ifonly.service.store.sequencer import Sequencer, SequencerOptions
from ifonly.service.store.terms import Format
from ifonly.service.store.translog import LogBroken
from ifonly.service.store.verification import VerificationReport
from ifonly.service.transparency.signing import LocalSigner, NoKey
from ifonly.service.transparency.verifier import NotProven, VerifierKey

app = typer.Typer(
    help="Verify, replay, sample, export and erase what was recorded.", no_args_is_help=True
)

Identity = Annotated[str, typer.Argument(help="Id of the record: of an explanation, its own.")]


app.command("check")(audit_check.check)
app.command("groups")(audit_samples.groups)
app.add_typer(audit_samples.app, name="sample")


@contextmanager
def _reading(chosen: Settings) -> Iterator[Database]:
    database = connect(chosen.store_url)
    try:
        # Checked, not migrated: an auditor's look must not change the store.
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
    heads: Annotated[
        list[Path] | None,
        typer.Option("--head", help="Check against a head that was kept (`audit heads`)."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Verifier key of the log. Default: what the trail says."),
    ] = None,
    exported: Annotated[
        Path | None,
        typer.Option("--export", help="Check this export (JSONL, whole) and not the store."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every chain and the log and see whether they hold; exit code 1 and the places if they
    do not."""
    kept = [_kept(file, key) for file in heads or ()]
    # An export is checked without any store: that is what it is for.
    if exported is not None:
        _verify_export(exported, kept)
        return
    chosen = settings(audit_anchor_file=anchors)
    with _reading(chosen) as database:
        try:
            report = trust_root.verified(chosen, database, _progress, kept)
        except OSError as error:
            raise Failure(f"the file of anchors cannot be read: {error}") from None
        except NoLogKey as problem:
            raise Failure(str(problem)) from None
    if as_json:
        print_json(records.verification(report).model_dump(mode="json"))
    else:
        _show(report)
    if not report.holds:
        raise typer.Exit(1)


def _kept(file: Path, key: str | None) -> KeptHead:
    try:
        return KeptHead.read(file, None if key is None else VerifierKey.parse(key))
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None
    except NotProven as problem:
        raise Failure(f"{file}: {problem}") from None


def _verify_export(file: Path, kept: list[KeptHead]) -> None:
    try:
        with file.open("rb") as lines:
            problems = list(check_export(lines, kept))
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None
    except NotProven as problem:
        raise Failure(f"{file}: {problem}") from None
    for text in problems:
        out.print(text, markup=False)
    if problems:
        raise typer.Exit(1)
    out.print(f"{file.name} holds against {len(kept)} heads", markup=False)


@app.command("heads")
def show_heads(
    every: Annotated[
        bool, typer.Option("--all", help="A line for each that is kept, not the newest whole.")
    ] = False,
) -> None:
    """The newest signed head of the log: keep it, and `audit verify --head FILE` finds whatever
    is rewritten before it."""
    with _reading(settings()) as database:
        found = translog.heads(database) if every else [translog.latest(database)]
    if found in ([], [None]):
        raise Failure("no head is signed yet: a service that runs signs them")
    for head in found:
        assert head is not None
        if every:
            cosigned = len(head.cosignatures.splitlines())
            stamped = "stamped" if head.stamp else "not stamped"
            told = f"{head.size:,} leaves, {timestamp(head.time_us)}, {stamped}, "
            out.print(f"{told}{cosigned} cosignatures", markup=False)
        else:
            # Byte for byte: what is signed must not pass through a console that wraps lines.
            sys.stdout.write(head.whole)


@app.command("key")
def show_key(
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Have the key of the settings sign from now on.")
    ] = False,
    witness: Annotated[
        bool, typer.Option("--witness", help="The key by which this service cosigns other logs.")
    ] = False,
    new: Annotated[
        str | None,
        typer.Option("--new", help="Print a new private key of this name, and touch nothing."),
    ] = None,
) -> None:
    """The verifier key of the log's signed heads: whoever has it trusts nothing else."""
    if witness:
        _show_witness(settings())
        return
    if new is not None:
        made = _new_key(new)
        # To stderr: stdout is the private key alone, to be piped into a secret.
        err.print(f"verifier key: {made.key}", markup=False)
        out.print(made.text, markup=False)
        return
    chosen = settings()
    with opened_by(chosen, migrate=False) as store:
        known = translog.state(store.database)
        if adopt:
            signer, _ = trust_root.signer_of(chosen, store.database)
            if signer is None:
                raise Failure("no key is here; IFONLY_AUDIT_LOG_KEY_FILE names one")
            # A record for each change of the key: verifiers accept only keys that a record names.
            if known is None or known.key != str(signer.key):
                store.journal.append(log_appending.begin(signer.key, by())).result()
            known = translog.state(store.database)
    if known is None:
        raise Failure("the log has no key yet: the first start of a service makes it")
    out.print(known.key, markup=False)


def _show_witness(chosen: Settings) -> None:
    signer, _ = trust_root.witness_of(chosen)
    if signer is None:
        raise Failure("this service is no witness: IFONLY_WITNESS_LOGS names the logs")
    out.print(str(signer.key.timed), markup=False)


def _new_key(name: str) -> LocalSigner:
    try:
        return LocalSigner.new(name)
    except NoKey as problem:
        raise Failure(str(problem)) from None


def _progress(report: VerificationReport) -> None:
    err.print(f"{report.records:,} records…", markup=False)


def _place(finding: IntegrityFinding) -> str:
    """Of no record: the table; what is in no table is of the log, or of the store's file."""
    if not finding.writer:
        outside = "the store" if finding.trouble == Trouble.UNREADABLE else "the log"
        return finding.where or outside
    whose = f"writer {finding.writer}, record {finding.sequence}"
    return f"{whose}, {finding.where}" if finding.where else whose


def _show(report: VerificationReport) -> None:
    out.print(
        f"{report.records:,} records in {report.writers:,} chains, {report.anchors:,} of them "
        f"anchors; {report.payloads:,} payloads, {report.erased:,} erased; "
        f"{report.logged:,} in the log",
        markup=False,
    )
    for finding in report.findings:
        out.print(f"{_place(finding)}: {finding.text} ({finding.trouble})", markup=False)
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


@app.command("bundle")
def write_bundle(
    record: Identity,
    to: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    models: Models = None,
) -> None:
    """Everything that there is about a record, in one file that proves itself."""
    chosen = settings(models=models, log_level="ERROR")
    loaded = registry(chosen)
    with opened_by(chosen, migrate=False) as store:
        signer = trust_root.ready_signer(chosen, store.database, store.journal)
        if signer is None:
            raise Failure("the key that signs the log is not here: ask the service for the bundle")
        keys = tuple(trust_root.witness_keys(chosen).values())
        keepers = Keepers(signer, keys, trust_root.roots_of(chosen))
        try:
            # A round at once: the record may be younger than the last head.
            Sequencer(store.database, store.journal, signer, SequencerOptions()).round(force=True)
            made = bundle(store.database, loaded, keepers, record)
        except (LogBroken, NoKey) as error:
            raise Failure(str(error)) from None
    try:
        to.write_bytes(made)
    except OSError as error:
        raise Failure(f"{to} cannot be written: {error.strerror}") from None
    out.print(f"{to} has the evidence of {record}: {len(made):,} bytes", markup=False)


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
        # The record of the look says which period was taken.
        period = {"since": since, "until": until}
        look(store, EXPORTED, "audit export", urlencode({k: v for k, v in period.items() if v}))
        prover = translog.prover(store.database)
        pieces = write_out(archive.everything(store.database, wanted), form, prover)
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
