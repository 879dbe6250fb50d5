"""``ifonly audit groups`` and ``audit sample``: what waits by kind, samples, what they show."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ifonly.service.audit import review_groups
from ifonly.service.audit.recent_accesses import LISTED, READ
from ifonly.service.audit.sampling import plans, samples
from ifonly.service.doors.cli.console import (
    AsJson,
    Failure,
    Since,
    Until,
    given_of,
    out,
    print_json,
    settings,
)
from ifonly.service.doors.cli.store import by, look
from ifonly.service.errors import UnknownRecord
from ifonly.service.settings import ifonly_version
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import connect
from ifonly.service.store.journal import Draft
from ifonly.service.store.migrate import require_current
from ifonly.service.store.opened import opened_by
from ifonly.service.wire import samples as wire
from ifonly.service.wire import validation

app = typer.Typer(
    help="Samples of explanations for review: draw, list, show, draw again.", no_args_is_help=True
)

Identity = Annotated[str, typer.Argument(help="Id of the sample.")]
OfModel = Annotated[str | None, typer.Option("--model", help="Default: of every model.")]
Claim = Annotated[
    str | None, typer.Option("--status", help="The claim; default: each with something to change.")
]


@app.command("draw")
def draw(
    size: Annotated[int | None, typer.Option("--size", help="How many.")] = None,
    tolerable: Annotated[
        float | None,
        typer.Option(
            "--tolerable", help="Percent that may be wrong: the size that shows it is computed."
        ),
    ] = None,
    accept: Annotated[
        int, typer.Option("--accept", help="With --tolerable: rejections that are accepted.")
    ] = 0,
    confidence: Annotated[float, typer.Option("--confidence", help="Percent.")] = 95.0,
    seed: Annotated[
        str | None, typer.Option("--seed", help="Default: one drawn at random, and told.")
    ] = None,
    model: OfModel = None,
    status: Claim = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Kind of suggestion (`audit groups`).")
    ] = None,
    since: Since = None,
    until: Until = None,
    comment: Annotated[str | None, typer.Option("--comment", help="What it is for.")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Say what it would show; draw and record nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a sample of explanations for review, and record population, seed and sample."""
    given: dict[str, Any] = {
        "size": size,
        "rule": None
        if tolerable is None
        else {"tolerable_rate": _share(tolerable), "accept": accept},
        "confidence": _share(confidence),
        "seed": seed,
        "model": model,
        "status": status,
        "group": group,
        "since": since,
        "until": until,
        "comment": comment,
    }
    request = validation.read(wire.SampleRequest, given_of(given))
    with opened_by(settings(), migrate=False) as store:
        if preview:
            planned = samples.preview(store.database, request)
            _tell(planned.model_dump(mode="json"), planned.text["en"], as_json)
            return
        made = plans.plan(store.database, request)
        facts = Facts(
            actor=by(), engine_version=ifonly_version(), **samples.recorded(made, request)
        )
        identity = store.journal.append(Draft(facts, samples.content(request))).result().id
        found = samples.read(store.database, identity)
    if as_json:
        print_json(found.as_mapping())
        return
    out.print(f"sample {found.id}, seed {found.seed}", markup=False)
    out.print(found.planned.text["en"], markup=False)
    for item in found.items:
        out.print(item.id, markup=False)


def _share(percent: float) -> float:
    # By the decimal that was typed: 5 % is 0.05, and not what a binary division leaves.
    return float(plans.exact(percent) / 100)


def _tell(as_mapping: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        print_json(as_mapping)
    else:
        out.print(text, markup=False)


@app.command("list")
def list_samples(as_json: AsJson = False) -> None:
    """Samples that were drawn, the newest fifty first, and how far each is."""
    with opened_by(settings(), migrate=False) as store:
        look(store, LISTED, "audit sample list")
        reply = samples.listing(store.database, wire.SamplesQuery(limit=50))
    if as_json:
        print_json(reply.as_mapping())
        return
    table = _table("sample", "drawn", "population", "judged", "rejected", "wrong, of all")
    for each in reply.samples:
        found, of = each.result, each.population
        table.add_row(
            *map(
                Text,
                (
                    each.id,
                    each.time[:10],
                    f"{of.size:,} {of.model or 'of every model'}",
                    f"{found.judged} of {each.size}",
                    str(found.rejected),
                    f"{found.wrong.low:,} to {found.wrong.high:,}",
                ),
            )
        )
    out.print(table)


@app.command("show")
def show(sample: Identity, as_json: AsJson = False) -> None:
    """A sample, each verdict, and what they show of all."""
    with opened_by(settings(), migrate=False) as store:
        look(store, READ, "audit sample show", about=sample)
        found = samples.read(store.database, sample)
    if as_json:
        print_json(found.as_mapping())
        return
    out.print(found.result.text["en"], markup=False)
    for item in found.items:
        out.print(f"{item.id}  {item.verdict or 'open'}", markup=False)


@app.command("redraw")
def redraw(
    sample: Identity,
    exported: Annotated[
        Path | None,
        typer.Option(
            "--export",
            help="Draw from this export (JSONL, whole) and not from the store; `audit verify "
            "--export` says whether it holds.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw it again from what is recorded now; exit code 1 if it is another."""
    if exported is not None:
        found = _from_export(sample, exported)
    else:
        with closing(connect(settings().store_url)) as database:
            require_current(database)
            found = samples.redrawn(database, sample)
    if as_json:
        print_json(found.as_mapping())
    else:
        counts = f"population {found.population:,}, then {found.population_was:,}"
        same = "the same population, the same sample" if found.holds else "NOT as it was drawn"
        out.print(f"{same}: {counts}", markup=False)
        for told, ids in (("missing", found.missing), ("new", found.added)):
            for each in ids:
                out.print(f"{told}: {each}", markup=False)
    if not found.holds:
        raise typer.Exit(1)


def _from_export(identity: str, file: Path) -> wire.RedrawReply:
    try:
        with file.open("rb") as lines:
            plan = next((p for p in map(json.loads, lines) if p["id"] == identity), None)
        made = None if plan is None else samples.plan_said(plans.facts_of(plan))
        if made is None:
            raise UnknownRecord(identity, "sample")
        with file.open("rb") as lines:
            return plans.redrawn_from(made, lines)
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{file} is no export of the trail (JSONL): {error}") from None


def groups(
    model: OfModel = None,
    status: Claim = None,
    since: Annotated[str | None, typer.Option("--since", help="RFC 3339, included.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="RFC 3339, excluded.")] = None,
    as_json: AsJson = False,
) -> None:
    """Explanations that wait for review, by kind of suggestion, the greatest group first."""
    given = {"model": model, "status": status, "since": since, "until": until}
    query = validation.read(wire.GroupsQuery, given_of(given))
    with opened_by(settings(), migrate=False) as store:
        look(store, LISTED, "audit groups")
        reply = review_groups.groups(store.database, query)
    if as_json:
        print_json(reply.as_mapping())
        return
    table = _table("group", "model", "claim", "suggests", "survives", "waiting")
    for each in reply.groups:
        survives = {True: "yes", False: "no", None: "–"}[each.robust]
        row = (each.key, each.model, each.status, _suggested(each), survives, f"{each.count:,}")
        table.add_row(*map(Text, row))
    out.print(table)
    if not reply.are_all:
        out.print(f"of the newest {reply.looked_at:,} that wait; there are more", markup=False)


def _table(*names: str) -> Table:
    """The first column is copied from: never cut short."""
    table = Table()
    for k, name in enumerate(names):
        table.add_column(name, no_wrap=k == 0)
    return table


def _suggested(group: wire.SuggestionGroup) -> str:
    if group.sets:
        return ", ".join(f"{name} {direction}" for name, direction in group.sets)
    return f"nothing: {', '.join(group.blocked)}" if group.blocked else "nothing"
