"""``ifonly models``: what is there, whether a folder would be served, and how one is made."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, ClassVar

import typer
from rich.table import Table
from rich.text import Text

from ifonly.models.repository import load_folder
from ifonly.service.ask import catalogue
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
from ifonly.service.doors.cli.lazy import LazyCommand, LazyGroup
from ifonly.service.served.registry import asking, prepare, remotes_of


class ModelCommands(LazyGroup):
    """The commands of ``ifonly models``."""

    table: ClassVar = {
        "add": LazyCommand(
            "models_add",
            "add",
            "Register a model with no code: read FILE, look at the rows of --data, write its "
            "folder.",
        ),
        "check": LazyCommand(
            "models",
            "check",
            "Load a model folder as the service would; print every reason if it would be refused.",
        ),
        "drift": LazyCommand(
            "models",
            "drift",
            "Ask the deployed model about reference rows, and compare what it says with the copy "
            "here.",
        ),
        "stage": LazyCommand(
            "models_versions",
            "stage",
            "Make a version and try it, without anybody being answered by it.",
        ),
        "staged": LazyCommand("models_versions", "list_staged", "Every version that is staged."),
        "set": LazyCommand(
            "models_versions",
            "set_fields",
            "Set fields of a staged version, check its guesses, answer its questions.",
        ),
        "compare": LazyCommand(
            "models_versions",
            "compare",
            "What a version would change of what the active one has decided, and what is otherwise "
            "in it.",
        ),
        "diff": LazyCommand(
            "models_diff",
            "diff",
            "What a version says otherwise than another: decision, features, policy, rules, causal "
            "graph.",
        ),
        "activate": LazyCommand(
            "models_versions",
            "activate",
            "Have a version asked where none is named. Later ones are taken back.",
        ),
        "rollback": LazyCommand(
            "models_versions", "rollback", "Have an earlier version asked again."
        ),
        "pull": LazyCommand(
            "models_pull",
            "models_pull",
            "Fetch the versions that SHA256SUMS names, check, try and place those that are not "
            "there yet.",
        ),
    }


app = typer.Typer(
    cls=ModelCommands,
    help="List the models, check a model folder, or make one.",
    invoke_without_command=True,
)


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


def drift(
    folder: Annotated[Path, typer.Argument(help="A version's folder: <name>/<version>.")],
) -> None:
    """Ask the deployed model about reference rows, and compare what it says with the copy here.

    Exit codes: 0 they are alike; 1 they differ; 2 it did not answer, or not in a form that can be
    read.
    """
    from ifonly.service.served.remote.comparing import compare

    model = prepare(load_folder(folder.resolve()))
    if not model.deployed.has_copy:
        raise Failure(f"{folder} has no model.onnx: there is nothing to compare")
    with closing(remotes_of(settings(log_level="ERROR"))) as remotes:
        predictor = asking(model, remotes).predictor
        if predictor is None:
            raise Failure(f"{folder} has no [predictor], and IFONLY_PREDICTOR_HOST names none")
        found = compare(model.deployed, predictor)
    if found.why:
        err.print(f"ifonly: {found.why}", markup=False)
        raise typer.Exit(2)
    told = f"{predictor.url}: {found.differing} of {found.rows} reference rows differ"
    out.print(told, markup=False)
    if found.row is not None:
        row, said = model.schema.write(found.row), json.dumps(found.said)
        out.print(f"first: {row}: it says {said}, the copy {list(found.ours)}", markup=False)
        raise typer.Exit(1)


def check(
    folder: Annotated[Path, typer.Argument(help="A version's folder: <name>/<version>.")],
) -> None:
    """Load a model folder as the service would; print every reason if it would be refused."""
    # Resolved: name and version are the last two parts of the path, and `.` has none.
    path = folder.resolve()
    if not path.is_dir():
        raise Failure(f"{folder} is no folder")
    model = prepare(load_folder(path))
    # As a service with these settings would: a server that they do not allow is a reason, too.
    with closing(remotes_of(settings(log_level="ERROR"))) as remotes:
        model = asking(model, remotes)
    deployed = model.deployed
    out.print(
        f"{deployed.name} {deployed.version} can be served: "
        f"{len(model.schema)} features, {len(model.policy.constraints)} constraints, "
        f"model sha256 {deployed.model_sha256[:16]}…",
        markup=False,
    )
    if (predictor := model.predictor) is not None:
        role = "confirms each answer" if deployed.has_copy else "has the model: nothing is proven"
        protocol, calls = predictor.remote.protocol, predictor.remote.calls
        most = "" if deployed.has_copy else f", {calls} calls a search"
        out.print(f"{predictor.url} ({protocol}) {role}{most}", markup=False)
