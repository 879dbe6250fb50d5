"""``ifonly fairness``: groups compared, and twins, by rows that are asked anew."""

from __future__ import annotations

import csv as csv_files
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.wording import LANGUAGES, Language, is_language
from ifonly.models.repository import load_folder
from ifonly.models.repository.reference import read_table
from ifonly.service.audit.fairness.measuring import FairnessQuestion
from ifonly.service.audit.fairness.table import csv_of
from ifonly.service.audit.recourse_by_group.table import harmless
from ifonly.service.doors.cli.causal import Folder
from ifonly.service.doors.cli.console import AsJson, Failure, content_of, err, out, print_json
from ifonly.service.offline.fairness import Edge, FairnessAnew, TwinOptions
from ifonly.service.offline.fairness import fairness as compare
from ifonly.service.offline.twins import TwinsOfLevel
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.wire.fairness import DEEPEST, LEAST, MAX_BY
from ifonly.service.words.catalogue import say

if TYPE_CHECKING:  # pages are imported once something is shown
    from ifonly.service.doors.pages.auditor.fairness_shown import (
        FairnessPage,
        FairnessTable,
        TwinTable,
    )

PERSONS = (
    "attribute",
    "row",
    "value",
    "twin",
    "against",
    "twin_against",
    "chance_twin_against",
    "cost",
    "twin_cost",
)
"""Header of the table of individuals."""


def fairness(
    folder: Folder,
    by: Annotated[
        list[str],
        typer.Option(
            "--by",
            "--attribute",
            help="Feature, or other column of the rows, that makes groups; again: another, and "
            "what they have in common.",
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="CSV with a column a feature, and others. Default: the reference rows."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows, the first.")] = 1_000,
    seconds: Annotated[float, typer.Option("--seconds", help="For each search.")] = 10.0,
    least: Annotated[
        int, typer.Option("--least", min=2, help="Rows in a group and outside to be tested.")
    ] = LEAST,
    depth: Annotated[
        int, typer.Option("--depth", min=1, max=MAX_BY, help="Attributes of a group, at most.")
    ] = DEEPEST,
    budget: Annotated[
        float | None,
        typer.Option("--budget", min=0.0, help="Cost that is tested. Default: median."),
    ] = None,
    twins: Annotated[
        bool, typer.Option("--twins/--no-twins", help="Also twins, by the causal model.")
    ] = True,
    worlds: Annotated[
        int, typer.Option("--worlds", min=1, help="Draws of graph and mechanisms.")
    ] = 200,
    cost_worlds: Annotated[
        int, typer.Option("--cost-worlds", min=0, help="Of these, in which recourse is asked for.")
    ] = 8,
    most: Annotated[
        int, typer.Option("--most", min=1, help="Individuals of a value so asked.")
    ] = 200,
    allowed: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed",
            metavar="A:CAUSE->EFFECT",
            help="An edge along which an effect of attribute A is allowed, beside the graph's own.",
        ),
    ] = None,
    persons: Annotated[
        Path | None, typer.Option("--persons", help="A CSV to write: each individual and twin.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="A page to write: one file.")] = None,
    csv: Annotated[
        bool, typer.Option("--csv", help="On standard output, as the API has it.")
    ] = False,
    as_json: AsJson = False,
    language: Annotated[
        str, typer.Option("--language", help=f"Of page, table and CSV: {', '.join(LANGUAGES)}.")
    ] = "en",
) -> None:
    """Is recourse fair? Groups by several attributes, tested, and twins: oneself, had one been
    another.

    Compared are decision, cost, feasibility, sparsity and certainty, each group with everybody
    else, corrected for the number of tests."""
    if not is_language(language):
        raise typer.BadParameter(
            f"{language!r} is not one of {', '.join(LANGUAGES)}", param_hint="--language"
        )
    if csv and as_json:
        raise typer.BadParameter("--csv and --json both write to standard output: choose one")
    if len(by) > MAX_BY:
        raise typer.BadParameter(f"{len(by)} are given, {MAX_BY} at most", param_hint="--by")
    model = prepare(load_folder(folder.resolve()))
    rows, others = model.deployed.reference, dict[str, tuple[str, ...]]()
    if data is not None:
        table = read_table(content_of(data), model.schema, str(data))
        rows, others = table.rows, dict(table.others)
    # Reference rows are optional in a model's folder.
    if rows is None:
        raise Failure("there are no reference rows beside the model: give some with --data")
    question = FairnessQuestion(_hows(model, others, by), least, depth, budget)
    options = TwinOptions(twins, worlds, cost_worlds, most, _edges(allowed or ()))
    others = {name: values[:limit] for name, values in others.items()}
    asked = 0
    # Seen in a terminal alone: searches of many rows take their time.
    with err.status("0 rows asked") as status:

        def tick(more: int) -> None:
            nonlocal asked
            asked += more
            status.update(f"{asked:,} rows and twins asked")

        found = compare(model, rows[:limit], others, question, seconds, options, tick)
    if persons is not None:
        _write_persons(found.twins, persons)
    if html is not None:
        # Imported here: who wants numbers needs no templates.
        from ifonly.service.doors.pages.auditor.fairness_file import fairness_file

        html.write_text(fairness_file(found.reply, language), encoding="utf-8")
    if csv:
        sys.stdout.buffer.write(csv_of(found.reply, language))
        sys.stdout.buffer.flush()
    elif as_json:
        print_json(found.reply.as_mapping())
    else:
        _show(found, language)


def _hows(model: ServedModel, others: Mapping[str, object], by: Sequence[str]) -> tuple[str, ...]:
    """As the API has it.

    Raises
    ------
    Failure
        If one is neither feature nor column.
    """
    for name in by:
        if name not in model.schema and name not in others:
            known = ", ".join((*model.schema.names, *others))
            raise Failure(f"{name} is not a feature, and no column of the rows ({known})")
    return tuple(f"feature:{n}" if n in model.schema else f"attribute:{n}" for n in by)


def _edges(allowed: Sequence[str]) -> dict[str, tuple[Edge, ...]]:
    found: defaultdict[str, tuple[Edge, ...]] = defaultdict(tuple)
    for text in allowed:
        name, colon, edge = text.partition(":")
        cause, arrow, effect = edge.partition("->")
        if not (colon and arrow and name and cause and effect):
            raise typer.BadParameter(
                f"{text!r} is not ATTRIBUTE:CAUSE->EFFECT", param_hint="--allowed"
            )
        found[name.strip()] += ((cause.strip(), effect.strip()),)
    return dict(found)


def _write_persons(twins: Mapping[str, Sequence[TwinsOfLevel]], to: Path) -> None:
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv_files.writer(file)
        writer.writerow(PERSONS)
        for by, pairs in twins.items():
            for pair in pairs:
                for each in pair.persons:
                    row = (
                        by.partition(":")[2],
                        each.row + 1,
                        pair.own.group.key,
                        pair.other.group.key,
                        int(each.is_alarm),
                        int(each.twin_is_alarm),
                        each.chance,
                        each.cost,
                        each.twin_cost,
                    )
                    writer.writerow([harmless(cell) for cell in row])


# --- shown --------------------------------------------------------------------------------------


def _show(found: FairnessAnew, tag: Language) -> None:
    from ifonly.service.doors.pages.auditor.fairness_shown import shown

    page = shown(found.reply, tag, _title(found, tag))
    out.print(page.title, markup=False)
    if not page.tables:
        out.print(say("fairness.no_groups", tag))
    key = "differ" if page.shown else "not_shown"
    if page.tables:
        out.print(say(f"fairness.{key}", tag, count=page.shown, tests=page.tests), markup=False)
    for finding in page.findings:
        out.print("  ", finding, markup=False)
    for table in page.tables:
        _show_measure(table, tag)
    if page.ratios:
        out.print(say("fairness.ratio", tag, ratios=page.ratios), markup=False)
    if page.reach:
        _show_reach(page, tag)
    for twins in page.twins:
        _show_twins(twins, tag)
    if page.small:
        out.print(say("fairness.small", tag, count=page.small, least=page.least))
    for note in page.notes:
        out.print("-", note, markup=False)


def _show_measure(each: FairnessTable, tag: Language) -> None:
    heads = [say(f"fairness.{name}", tag) for name in ("group", "own", "others")]
    table = Table(*heads, each.unit, "95 %", say("fairness.p", tag), title=each.measure)
    # Of the many that are made of several attributes, what is shown; the rest is in the CSV.
    kept = [line for line in each.lines if line.is_single or line.is_shown]
    left_out = each.more + len(each.lines) - len(kept)
    for line in kept:
        cells = (line.group, line.own, line.others, line.gap.text, line.gap.range)
        mark = " *" if line.is_shown else ""
        table.add_row(*map(Text, cells), Text(line.p.removeprefix("= ") + mark))
    out.print(table)
    if left_out:
        out.print(say("fairness.more_lines", tag, count=left_out), markup=False)


def _show_reach(page: FairnessPage, tag: Language) -> None:
    budgets = [say("fairness.reach_of", tag, budget=budget) for budget in page.budgets]
    table = Table(say("fairness.group", tag), "n", *budgets, title=say("fairness.reach", tag))
    for bought in page.reach:
        table.add_row(*map(Text, (bought.group, bought.of, *bought.cells)))
    out.print(table)


def _show_twins(twins: TwinTable, tag: Language) -> None:
    names = ("twin_better", "twin_worse", "twin_net", "twin_cost", "twin_only")
    heads = [say(f"fairness.{name}", tag) for name in names]
    table = Table(say("fairness.pair", tag), "n", *heads, title=twins.title)
    for pair in twins.lines:
        shares = [f"{x.text} [{x.range}]" for x in (pair.better, pair.worse)]
        texts = (pair.pair, pair.of, *shares, pair.net, pair.cost, pair.only)
        table.add_row(*map(Text, texts))
    out.print(table)
    for pair in twins.lines:
        if pair.untold:
            out.print(f"{pair.pair}: {pair.untold}", markup=False)


def _title(found: FairnessAnew, tag: Language) -> str:
    rows = f"{found.reply.asked:,}"
    return say("fairness.of_rows", tag, model=found.reply.model, rows=rows)
