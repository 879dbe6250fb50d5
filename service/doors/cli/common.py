"""``ifonly common``: one change for many alarms, from a file or from what was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ifonly.explainers.terms import CommonKind
from ifonly.models.adding.table import read_columns
from ifonly.models.errors import DataError
from ifonly.service.doors.cli import in_process, rendering_common
from ifonly.service.doors.cli.console import (
    AsJson,
    Failure,
    Model,
    Models,
    Version,
    complain,
    content_of,
    given_of,
    out,
    pick,
    print_json,
    registry,
    settings,
)
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.doors.cli.question_options import (
    Constraints,
    DeadlineMs,
    Target,
    asked,
)
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import Settings
from ifonly.service.wire.common import CommonRequest
from ifonly.service.wire.strict_json import read_json

Body = dict[str, Any]


def common(
    rows: Annotated[
        Path | None,
        typer.Option("--rows", help="Rows of alarms: a CSV file, or a JSON list or lines."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Recorded alarms from then on: 2026-01-31T22:00:00Z."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Recorded alarms before then. Default: now.")
    ] = None,
    equipment: Annotated[
        list[str] | None,
        typer.Option(
            "--equipment", help="Recorded alarms of one machine: its name, or name=value."
        ),
    ] = None,
    most: Annotated[
        int | None, typer.Option("--most", help="Recorded alarms: the newest so many.")
    ] = None,
    model: Model = None,
    version: Version = None,
    models: Models = None,
    lever: Annotated[
        list[str] | None, typer.Option("--lever", help="Feature that may be set; repeatable.")
    ] = None,
    change: Annotated[
        CommonKind,
        typer.Option("--change", help="By one amount (relative), to one value (absolute)."),
    ] = CommonKind.RELATIVE,
    max_levers: Annotated[
        int, typer.Option("--max-levers", help="How many features may be set in common.")
    ] = 2,
    target: Target = None,
    constraints: Constraints = None,
    semantics: Annotated[
        Literal["interventional", "independent"] | None,
        typer.Option("--semantics", help="As of `ifonly explain`."),
    ] = None,
    deadline_ms: DeadlineMs = None,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """Which one change of a few levers would have cleared the most of these alarms?"""
    chosen = settings(models=models)
    served = pick(registry(chosen), model, version)
    body: Body = {
        "change": change.value,
        "max_levers": max_levers,
        "languages": languages_of(lang),
        **asked(target, constraints, deadline_ms),
    }
    body |= given_of({"levers": lever, "semantics": semantics})
    if rows is not None:
        if since or until or equipment or most is not None:
            raise typer.BadParameter("rows are of a file: nothing recorded is read beside it")
        body["instances"] = list(read_rows(rows, served))
        request = in_process.read_common(body)
    else:
        body["recorded"] = given_of({"since": since, "until": until, "most": most})
        body["recorded"]["attributes"] = dict(_said(each, served) for each in equipment or ())
        request = _recorded(in_process.read_common(body), served, chosen)
    reply = in_process.common_of(served, request, chosen)
    if as_json:
        print_json(reply)
    else:
        rendering_common.common(out, reply, body["languages"])


def _recorded(request: CommonRequest, served: ServedModel, chosen: Settings) -> CommonRequest:
    # Imported here: who asks about a file needs no store.
    from ifonly.service.audit.alarm_rows import with_rows
    from ifonly.service.store.database import connect
    from ifonly.service.store.migrate import require_current

    with closing(connect(chosen.store_url)) as database:
        require_current(database)
        return with_rows(database, served, request)


def _said(text: str, served: ServedModel) -> tuple[str, str]:
    """``equipment=mill-7``; without a name, of the attribute that says which equipment it is."""
    name, is_told, value = text.partition("=")
    if is_told:
        return name.strip(), value.strip()
    identity = served.deployed.spec.attributes.identity
    if identity is None:
        raise typer.BadParameter(
            f"{text!r}: {served.name} has no attribute that says which equipment it is",
            param_hint="--equipment",
        )
    return identity.name, text


def read_rows(path: Path, served: ServedModel) -> Iterator[dict[str, Any]]:
    """Instances of a CSV file, or of JSON: a list of them, or one a line. Columns of a CSV file
    that are no features are left out, and named.

    Raises
    ------
    Failure
        If the file cannot be read, or has no rows.
    """
    if path.suffix.lower() == ".csv":
        yield from _csv(path, served)
        return
    data = content_of(path, "the rows")
    if data.lstrip()[:1] == b"[":
        found = read_json(data)
    else:
        found = [read_json(line) for line in data.splitlines() if line.strip()]
    if not isinstance(found, list) or not found:
        raise Failure(f"{path}: no list of instances")
    yield from found


def _csv(path: Path, served: ServedModel) -> Iterator[dict[str, Any]]:
    try:
        columns = read_columns(path)
    except DataError as error:
        raise Failure(f"{path}: {error}") from None
    names = [name for name in served.schema.names if name in columns]
    others = [name for name in columns if name not in served.schema]
    if others:
        complain(f"no features of {served.name}, and not read: {', '.join(others)}")
    for cells in zip(*(columns[name] for name in names), strict=True):
        yield dict(zip(names, _typed(names, cells, served), strict=True))


def _typed(names: Sequence[str], cells: Sequence[Any], served: ServedModel) -> Iterator[Any]:
    """Numbers of what is one; what is not is refused with the row, by its name."""
    for name, cell in zip(names, cells, strict=True):
        if served.schema[name].kind.is_categorical or not isinstance(cell, str):
            yield cell
            continue
        try:
            yield json.loads(cell)
        except ValueError:
            yield cell
