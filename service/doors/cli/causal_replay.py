"""``ifonly causal replay``: past alarms under another policy, model or graph."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import numpy as np
import typer
from rich.table import Table

from ifonly.models.errors import SpecError
from ifonly.models.predictor import Rows
from ifonly.models.repository import load_folder
from ifonly.models.repository.reference import read_table
from ifonly.service.audit.recent_accesses import EXPORTED
from ifonly.service.doors.cli.causal import Folder
from ifonly.service.doors.cli.console import AsJson, Failure, content_of, out, print_json, settings
from ifonly.service.doors.cli.store import look
from ifonly.service.offline.policy_replay import PolicyReplay, replay_policy
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.store import archive
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import opened_by
from ifonly.service.wire.strict_json import read_json

Truth = list[bool | None]


PAST = (RecordKind.EXPLANATION, RecordKind.ROWS)
"""Kinds of record that tell of rows that were explained."""


def replay(
    folder: Folder,
    under: Annotated[
        Path, typer.Option("--under", help="The other version's folder: policy, model, graph.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="CSV with a column a feature, or JSONL of `ifonly audit export`. Default: the "
            "explanations of this model in the audit store.",
        ),
    ] = None,
    outcome: Annotated[
        str, typer.Option("--outcome", help="Column of the CSV: 1 where it really happened.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows.")] = 1_000,
    seconds: Annotated[float, typer.Option("--seconds", help="For each search.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Ask past rows of both folders; say which alarms, answers and true alarms change."""
    before, after = (prepare(load_folder(path.resolve())) for path in (folder, under))
    rows, truth = _past(before, data, outcome)
    if not len(rows):
        raise Failure("there is nothing to replay: no row, and no recorded explanation")
    found = replay_policy(before, after, rows[:limit], truth[:limit], seconds)
    if as_json:
        cases = [asdict(case) for case in found.cases]
        print_json({"summary": found.summary, "cases": cases})
    else:
        _show(found, after)


# --- what was asked -------------------------------------------------------------------------


def _past(model: ServedModel, data: Path | None, outcome: str) -> tuple[Rows, Truth]:
    if data is None:
        return _recorded(model, _payloads(model.name))
    content = content_of(data)
    if data.suffix == ".jsonl":
        return _recorded(model, _exported(content, model.name, data))
    table = read_table(content, model.schema, str(data))
    if not outcome:
        return table.rows, [None] * len(table.rows)
    if outcome not in table.others:
        raise SpecError(str(data), outcome, "is not a column beside the features")
    return table.rows, [_happened(cell) for cell in table.others[outcome]]


def _happened(cell: str) -> bool | None:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    # An empty cell means: not known. Any other word may be a misspelt truth.
    if cell and cell.lower() not in known:
        raise Failure(f"the outcome is {cell!r}, not 0 or 1")
    return known.get(cell.lower())


def _payloads(name: str) -> Iterator[bytes]:
    """What the audit store still holds of this model's explanations."""
    with opened_by(settings(), migrate=False) as store:
        # Reading what others asked leaves a record, also from a command.
        look(store, EXPORTED, "causal replay", urlencode({"model": name}))
        for kind in PAST:
            wanted = archive.Filter({"kind": kind.value, "model": name})
            for seen in archive.everything(store.database, wanted):
                # What was tampered with is no past to judge a policy by.
                if seen.payload is not None and not seen.findings:
                    yield seen.payload.content


def _exported(content: bytes, name: str, file: Path) -> Iterator[bytes]:
    for number, line in enumerate(content.splitlines(), 1):
        try:
            record = json.loads(line)
            ours = record["kind"] in PAST and record.get("model") == name
        except (ValueError, KeyError, TypeError):
            raise Failure(f"{file}, line {number}: is no record of `ifonly audit export`") from None
        if ours and "payload" in record:
            yield record["payload"].encode()


def _recorded(model: ServedModel, payloads: Iterable[bytes]) -> tuple[Rows, Truth]:
    """Each instance once: the same machine may have been asked about many times."""
    seen: dict[str, dict[str, Any]] = {}
    for payload in payloads:
        request: dict[str, Any] = read_json(payload)["request"]
        # Rows of a job that need nothing changed are recorded together.
        for instance in request.get("instances") or [request["instance"]]:
            # One reading that was asked about ten times counts once.
            seen.setdefault(json.dumps(instance, sort_keys=True), instance)
    rows = [model.schema.read(instance) for instance in seen.values()]
    empty = np.empty((0, len(model.schema)))
    return np.array(rows) if rows else empty, [None] * len(rows)


# --- what came out --------------------------------------------------------------------------


def _show(found: PolicyReplay, after: ServedModel) -> None:
    table = Table("", f"under {after.name} {after.version}", title=f"{len(found.cases)} rows")
    for name, value in found.summary.items():
        shown = str(value)
        if isinstance(value, dict):
            shown = ", ".join(f"{count} {status}" for status, count in value.items()) or "none"
        table.add_row(name.replace("_", " "), shown)
    out.print(table)
