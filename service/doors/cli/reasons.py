"""``ifonly reasons``: which readings alone force a decision, and which count most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ifonly.explainers.wording import is_language
from ifonly.explainers.wording.conventions import conventions_of
from ifonly.explainers.wording.numerals import count, exactly, figure
from ifonly.service.doors.cli import in_process
from ifonly.service.doors.cli.console import (
    AsJson,
    Model,
    Models,
    Row,
    Version,
    out,
    pick,
    print_json,
    read_object,
    registry,
    settings,
)
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.doors.cli.question_options import DeadlineMs
from ifonly.service.wire.reasons import PRINCIPAL
from ifonly.service.words.catalogue import say

Reply = dict[str, Any]


def reasons(
    row: Row,
    model: Model = None,
    version: Version = None,
    models: Models = None,
    sets: Annotated[
        int, typer.Option("--sets", help="Sufficient reasons told at most, 1 to 20.")
    ] = 3,
    principal: Annotated[
        int, typer.Option("--principal", help="Principal reasons told at most, 1 to 10.")
    ] = PRINCIPAL,
    deadline_ms: DeadlineMs = None,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """Which readings alone force the decision, whatever the others are, and which count most?"""
    chosen = settings(models=models)
    body: dict[str, Any] = {
        "instance": read_object(row, "the row"),
        "sets": sets,
        "principal": principal,
        "languages": languages_of(lang),
    }
    if deadline_ms is not None:
        body["deadline_ms"] = deadline_ms
    served = pick(registry(chosen), model, version)
    reply = in_process.reasons_of(served, body, chosen)
    if as_json:
        print_json(reply)
    else:
        show(out, reply, body["languages"])


def show(console: Console, reply: Reply, languages: Sequence[str]) -> None:
    """Each sufficient reason in each language, and a table of the principal ones."""
    for tag in languages:
        for text in _sentences(reply, tag):
            console.print(Text(text, style="bold"))
    tag = languages[-1]
    assert is_language(tag)
    heads = ("feature", "reading", "reason_sets", "reason_alone", "reason_distance", "reason_code")
    table = Table("#", *(say(f"cli.{head}", tag) for head in heads), pad_edge=False)
    for each in reply["principal"]:
        code = each["code"] or {"code": ""}
        cells = (
            count(each["rank"]),
            each["label"].get(tag, each["feature"]),
            _read(each, tag),
            f"{round(100 * each['share'])} %",
            say("cli.reason_yes", tag) if each["alone"] else "",
            figure(each["distance"], 3),
            code["code"],
        )
        table.add_row(*map(Text, cells))
    if reply["principal"]:
        console.print(table)


def _sentences(reply: Reply, tag: str) -> Iterator[str]:
    if not reply["reasons"]:
        yield reply["text"][tag]
    for each in reply["reasons"]:
        yield each["text"][tag]


def _read(each: Reply, tag: str) -> str:
    value = each["value"]
    if value is None:
        return conventions_of(tag).missing
    said = exactly(value) if isinstance(value, int | float) else str(value)
    return conventions_of(tag).behind(said, each["unit"])
