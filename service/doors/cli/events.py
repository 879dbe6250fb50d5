"""``ifonly events``: what could not be read, and what could not be sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ifonly.service.doors.cli.console import AsJson, Failure, out, print_json, settings
from ifonly.service.store import dead_letters
from ifonly.service.store.chain import timestamp
from ifonly.service.store.database import connect
from ifonly.service.store.dead_letters import DeadLetter
from ifonly.service.store.journal import UnrecordedWrite
from ifonly.service.store.migrate import require_current
from ifonly.service.store.opened import opened_by

app = typer.Typer(help="Dead letters of events and webhooks.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(help="As `events list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Every one of them.")]


@app.command("list")
def list_letters(as_json: AsJson = False) -> None:
    """What could not be read, and what could not be sent, the oldest first."""
    rows = [
        {
            "id": letter.id,
            "kind": letter.kind.value,
            "time": timestamp(letter.time_us),
            "attempts": str(letter.attempts),
            "about": letter.about,
            "reason": letter.reason,
        }
        for letter in _letters()
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("id", "kind", "time", "attempts", "about", "reason")
    for row in rows:
        table.add_row(*(Text(value or "–") for value in row.values()))
    out.print(table)


@app.command("retry")
def retry(ids: Ids = None, every: All = False) -> None:
    """Have them read, or sent, once more, by services that use the store."""
    _each(ids, every, dead_letters.retry, "tried again")


@app.command("discard")
def discard(ids: Ids = None, every: All = False) -> None:
    """Remove them; what was explained stays in the audit trail."""
    _each(ids, every, dead_letters.discard, "removed")


def _letters() -> list[DeadLetter]:
    with closing(connect(settings().store_url)) as database:
        require_current(database)
        return dead_letters.listing(database)


def _each(
    ids: list[str] | None, every: bool, change: Callable[[str], UnrecordedWrite[None]], done: str
) -> None:
    if bool(ids) == every:
        raise Failure("name dead letters, or --all, and not both")
    chosen = [letter.id for letter in _letters()] if every else ids or []
    with opened_by(settings(), migrate=False) as store:
        for identity in chosen:
            store.journal.change(change(identity)).result()
    out.print(f"{len(chosen)} {done}", markup=False)
