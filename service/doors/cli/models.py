"""``ifonly models``: what is there, whether a folder would be served, and how one is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ifonly.models.repository import load_folder
from ifonly.service.ask import catalogue
from ifonly.service.doors.cli import models_add, models_pull
from ifonly.service.doors.cli.console import (
    AsJson,
    Failure,
    Models,
    out,
    print_json,
    registry,
    settings,
)
from ifonly.service.served.registry import prepare

app = typer.Typer(
    help="List the models, check a model folder, or make one.", invoke_without_command=True
)
app.command("add")(models_add.add)
app.command("pull")(models_pull.models_pull)


@app.callback()
def list_models(context: typer.Context, models: Models = None, as_json: AsJson = False) -> None:
    """Every model that would be served, and every folder that would not, with the reason."""
    # Typer runs the callback before a subcommand, too.
    if context.invoked_subcommand is not None:
        return
    loaded = registry(settings(models=models, log_level="ERROR"))
    listing = catalogue.listing(loaded).as_mapping()
    if as_json:
        print_json(listing)
        return
    table = Table("model", "versions", "title")
    for model in listing["models"]:
        title = " / ".join(model["title"].values())
        table.add_row(Text(model["name"]), Text(", ".join(model["versions"])), Text(title))
    out.print(table)
    for refused in listing["refused"]:
        out.print(f"refused: {refused['folder']}\n{refused['reason']}", markup=False)


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="A version's folder: <name>/<version>.")],
) -> None:
    """Load a model folder as the service would; print every reason if it would be refused."""
    # Resolved: name and version are the last two parts of the path, and `.` has none.
    path = folder.resolve()
    if not path.is_dir():
        raise Failure(f"{folder} is no folder")
    model = prepare(load_folder(path))
    deployed = model.deployed
    out.print(
        f"{deployed.name} {deployed.version} can be served: "
        f"{len(model.schema)} features, {len(model.policy.constraints)} constraints, "
        f"model sha256 {deployed.model_sha256[:16]}…",
        markup=False,
    )
