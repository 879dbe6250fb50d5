"""One change for many alarms, for people's eyes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ifonly.explainers.wording import is_language
from ifonly.explainers.wording.conventions import conventions_of
from ifonly.explainers.wording.numerals import count, exactly, figure
from ifonly.service.doors.cli.rendering import Reply, certainty
from ifonly.service.words.catalogue import say


def common(console: Console, reply: Reply, languages: Sequence[str]) -> None:
    """The sentence in each language, the curves, and how sure it is."""
    for tag in languages:
        console.print(Text(reply["text"][tag], style="bold"))
    tag = languages[-1]
    if any(curve["points"] for curve in reply["curves"]):
        console.print(points(reply, tag))
    console.print(Text(certainty(reply, tag), style="dim"))


def points(reply: Reply, tag: str) -> Table:
    """A line a point of a curve; the number of levers where it begins."""
    assert is_language(tag)
    heads = ("common_levers", "sets", "common_cleared", "cost", "claim")
    table = Table(*(say(f"cli.{head}", tag) for head in heads), pad_edge=False)
    for curve in reply["curves"]:
        for i, point in enumerate(curve["points"]):
            claim = say(f"status.{point['status']}", tag)
            cells = (
                f"≤ {curve['max_levers']}" if i == 0 else "",
                ", ".join(_settings(point, tag)),
                f"{count(point['coverage'])} / {count(reply['alarms'])}",
                figure(point["cost"], 3),
                claim,
            )
            table.add_row(*map(Text, cells))
    return table


def _settings(point: Reply, tag: str) -> Iterator[str]:
    for setting in point["settings"]:
        label = setting["label"].get(tag, setting["feature"])
        if "delta" in setting:
            value = exactly(setting["delta"], signed=True)
        else:
            to = setting["to"]
            value = f"→ {exactly(to) if isinstance(to, int | float) else to}"
        yield f"{label} {conventions_of(tag).behind(value, setting['unit'])}"
