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
    as_json: AsJson = False,
) -> None:
    """List the equipment in alarm, the most urgent first."""
    now = now_us()
    with closing(connect(settings().store_url)) as database:
        require_current(database)
        page = store_alarms.page(database, AlarmFilter(state, None, search), {}, now, 1, MOST)
    rows = [
        {
            "equipment": episode.equipment,
            "state": episode.life.state(now).value,
            "raised": timestamp(episode.life.raised_us or 0),
            "readings": episode.life.count,
            "returns": episode.life.returns,
            "model": episode.model,
            "id": episode.id,
        }
        for episode in page.episodes
    ]
    if as_json:
        print_json(rows)
        return
    table = Table(*("equipment", "state", "raised", "readings", "returns", "model", "id"))
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    out.print(table)
    if page.total > len(rows):
        out.print(f"{page.total - len(rows):,} more", markup=False)
