"""What equipment is in alarm."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ifonly.service.doors.cli.console import AsJson, out, print_json, settings
from ifonly.service.lifecycle import AlarmState
from ifonly.service.store import alarms as store_alarms
from ifonly.service.store.alarms import AlarmFilter
from ifonly.service.store.chain import now_us, timestamp
from ifonly.service.store.database import connect
from ifonly.service.store.migrate import require_current

MOST = 1_000


def alarms(
    state: Annotated[
        AlarmState | None, typer.Option("--state", help="Default: all that are open.")
    ] = None,
    search: Annotated[
        str, typer.Option("--search", help="Part of the equipment's name, or of an attribute.")
    ] = "",
    equipment: Annotated[str | None, typer.Option("--equipment", help="Its name, whole.")] = None,
    lever: Annotated[
        str | None, typer.Option("--lever", help="A feature that the smallest answer sets.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the equipment in alarm, the most urgent first."""
    now = now_us()
    with closing(connect(settings().store_url)) as database:
        require_current(database)
        wanted = AlarmFilter(state, None, search, equipment=equipment, lever=lever)
        page = store_alarms.page(database, wanted, {}, now, 1, MOST)
    rows = [
        {
            "equipment": episode.equipment,
            "state": episode.life.state(now).value,
            "raised": timestamp(episode.life.raised_us or 0),
            "readings": episode.life.count,
            "returns": episode.life.returns,
            "levers": ", ".join(episode.sets),
            "done": " ".join(filter(None, [episode.action, episode.way])),
            "model": episode.model,
            "id": episode.id,
        }
        for episode in page.episodes
    ]
    if as_json:
        print_json(rows)
        return
    columns = ("equipment", "state", "raised", "readings", "returns", "levers", "done", "model")
    table = Table(*columns, "id")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    out.print(table)
    if page.total > len(rows):
        out.print(f"{page.total - len(rows):,} more", markup=False)
