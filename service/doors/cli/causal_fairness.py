"""``ifonly causal fairness``: recourse by group, and beside one's own twin."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.wording.numerals import percentage
from ifonly.models.repository import load_folder
from ifonly.models.repository.reference import read_table
from ifonly.service.audit.recourse_by_group.statistics import Median, ShareEstimate
from ifonly.service.doors.cli.causal import Folder
from ifonly.service.doors.cli.console import AsJson, Failure, content_of, out, print_json
from ifonly.service.offline.twins import Fairness, Twins, fairness
from ifonly.service.served.registry import prepare


def command(
    folder: Folder,
    attribute: Annotated[str, typer.Option("--attribute", help="Feature that makes the groups.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="CSV with a column a feature. Default: the reference rows."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows.")] = 1_000,
    seconds: Annotated[float, typer.Option("--seconds", help="For each search.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Cost and feasibility of recourse by group, and of twins: oneself, had one been another."""
    model = prepare(load_folder(folder.resolve()))
    if attribute not in model.schema:
        raise Failure(f"{attribute} is not a feature ({', '.join(model.schema.names)})")
    rows = model.deployed.reference
    if data is not None:
        rows = read_table(content_of(data), model.schema, str(data)).rows
    # Reference rows are optional in a model's folder.
    if rows is None:
        raise Failure("there are no reference rows beside the model: give some with --data")
    found = fairness(model, attribute, rows[:limit], seconds)
    if as_json:
        print_json(_as_json(found))
    else:
        _show(found)


def _as_json(found: Fairness) -> dict[str, Any]:
    groups = [
        {
            "name": g.key,
            "rows": g.asked,
            "alarms": g.success.of,
            "feasible": asdict(g.success),
            "cost": None if g.cost is None else asdict(g.cost),
            "mean": g.mean_cost,
        }
        for g in found.groups
    ]
    twins = None if found.twins is None else asdict(found.twins)
    return {"attribute": found.attribute, "groups": groups, "twins": twins}


def _show(found: Fairness) -> None:
    table = Table(
        found.attribute, "rows", "alarms", "with recourse", "median cost", "mean",
        title="By group, as they are",
    )  # fmt: skip
    for g in found.groups:
        mean = "" if g.mean_cost is None else f"{g.mean_cost:.3f}"
        counts = (str(g.asked), str(g.success.of))
        table.add_row(Text(g.key), *counts, _share(g.success), _median(g.cost), mean)
    out.print(table)
    if found.twins is None:
        out.print("no accepted causal model: it cannot be told what a twin would read")
    else:
        _show_twins(found.twins, found.attribute)


def _show_twins(twins: Twins, attribute: str) -> None:
    table = Table("", "", show_header=False, title=f"The same individuals, {attribute} otherwise")
    low, high = twins.interval
    for name, value in (
        ("pairs (left out: cannot be told)", f"{twins.pairs} ({twins.untold})"),
        ("the twin has no alarm", _share(twins.other_decision)),
        ("only one of the two has recourse", _share(twins.other_feasibility)),
        ("difference in cost, mean", f"{twins.mean:+.3f} [{low:+.3f}, {high:+.3f}]"),
        ("difference in cost, largest", f"{twins.largest:.3f}"),
    ):
        table.add_row(name, Text(value))
    out.print(table)


def _median(median: Median | None) -> str:
    if median is None:
        return ""
    if median.low is None or median.high is None:
        return f"{median.value:.3f}"
    return f"{median.value:.3f} [{median.low:.3f}, {median.high:.3f}]"


def _share(share: ShareEstimate) -> str:
    if not share.of:
        return ""
    value, low, high = (percentage(x) for x in (share.count / share.of, share.low, share.high))
    return f"{value} [{low}, {high}]"
