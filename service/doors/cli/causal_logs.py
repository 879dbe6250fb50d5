"""Logged rows, as ``ifonly causal effect`` and ``value`` read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ifonly.explainers.causal.spec import ApprovalStatus, CausalSpec
from ifonly.models.repository import load_folder
from ifonly.models.repository import reference as files
from ifonly.models.schema import Schema
from ifonly.service.doors.cli.causal import graph_of
from ifonly.service.doors.cli.console import Failure, content_of
from ifonly.service.offline.compared_rows import UnreadableRows
from ifonly.service.offline.logged_rows import csv_of, with_action

LogFile = Annotated[
    Path,
    typer.Option(
        "--data",
        help="CSV or Parquet: a column a feature, the outcome, what else there is. "
        "`ifonly outcomes export` writes such a file.",
    ),
]
Outcome = Annotated[str, typer.Option("--outcome", help="Column: 0 or 1, or a number.")]
MovedFeature = Annotated[str, typer.Option("--feature", help="What people moved.")]
ActionColumn = Annotated[
    str,
    typer.Option(
        "--action",
        help="Instead: a column beside the features that says what was done once they were read.",
    ),
]
Causes = Annotated[
    str,
    typer.Option("--causes", help="Features that act on the outcome directly. Default: all."),
]
Also = Annotated[
    str, typer.Option("--also", help="Columns of other readings that act on all of it.")
]
Hidden = Annotated[
    str, typer.Option("--hidden", help="Features that share an unread cause with the outcome.")
]
NO_SKLEARN = "needs scikit-learn, not installed: pip install 'ifonly[effect]'"


@dataclass(frozen=True, eq=False)
class ReadLog:
    """A table, and the graph by which it is read. What was done is a feature of both."""

    features: Schema
    """Of the model: readings alone."""
    graph: CausalSpec
    """The accepted one, as its folder has it."""
    spec: CausalSpec
    """With what was done, where that is a column of its own."""
    table: files.Table
    moved: str
    content: bytes
    """Of the file."""
    causes: Sequence[str]
    also: Sequence[str]
    hidden: Sequence[str]


def read_log(
    folder: Path,
    data: Path,
    outcome: str,
    feature: str,
    action: str,
    *,
    causes: str = "",
    also: str = "",
    hidden: str = "",
    beside: Sequence[str] = (),
) -> ReadLog:
    """``beside``: further columns that must be there, features or not.

    Raises
    ------
    Failure
        If something that is named is not there, or the graph is not accepted.
    """
    if bool(feature) is bool(action):
        raise Failure("name what was done: --feature or --action, one of the two")
    model = load_folder(folder.resolve())
    spec, schema = graph_of(model, None), model.spec.schema
    # What has to be held fixed follows from the graph: a wrong one makes any number.
    if spec.status is not ApprovalStatus.ACCEPTED:
        raise Failure(f"the graph is {spec.status}: an effect is identified by an accepted one")
    known([feature] if feature else [], schema.names, "a feature")
    content = content_of(data)
    table = files.read_table(csv_of(content, data), schema, str(data))
    others = list(table.others)
    named = [listed(option) for option in (causes, also, hidden)]
    known(
        [outcome, *named[1], *([action] if action else [])], others, "a column beside the features"
    )
    known([*named[0], *named[2]], [*schema.names, *([action] if action else [])], "a feature")
    known(beside, [*schema.names, *others], "a column")
    twice = {outcome, *([action] if action else [])} & {*named[1], *beside}
    if twice or outcome == action:
        raise Failure(f"{', '.join(sorted(twice)) or outcome} is named as two things at once")
    graph = spec
    if action:
        # What was done acts on the outcome, or there was nothing to ask.
        named[0] = [*named[0], action] if named[0] and action not in named[0] else named[0]
        try:
            spec, table = with_action(spec, table, action)
        except UnreadableRows as error:
            raise Failure(str(error)) from None
    return ReadLog(schema, graph, spec, table, feature or action, content, *named)


def listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def known(names: Sequence[str], those: Sequence[str], what: str) -> None:
    for name in names:
        if name not in those:
            raise Failure(f"{name} is not {what} ({', '.join(those)})")
