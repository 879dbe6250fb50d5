"""``ifonly causal panel``: what a change did to the machines that it reached, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.panel import EventEffect, UnitEffect
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import figure
from ifonly.service.doors.cli.causal import Seed
from ifonly.service.doors.cli.causal_logs import LogFile, Outcome
from ifonly.service.doors.cli.console import AsJson, Failure, content_of, out, print_json
from ifonly.service.doors.cli.languages import Languages, languages_of
from ifonly.service.offline.compared_rows import UnreadableRows
from ifonly.service.offline.logged_rows import csv_of
from ifonly.service.offline.panels import AskedPanel, FoundPanel, find_panel
from ifonly.service.words import advice_effects as words


def panel(
    data: LogFile,
    unit: Annotated[str, typer.Option("--unit", help="Column: which machine.")],
    time: Annotated[
        str, typer.Option("--time", help="Column: numbers, or dates and weeks in ISO's spelling.")
    ],
    outcome: Outcome,
    treated: Annotated[
        str,
        typer.Option(
            "--treated", help="Column: 1 from the time at which the change reached the machine on."
        ),
    ],
    anticipation: Annotated[
        int,
        typer.Option("--anticipation", help="So many times before it a machine may have moved."),
    ] = 0,
    never_only: Annotated[
        bool,
        typer.Option(
            "--never-treated",
            help="Compare with machines never reached alone. Default: also with those not yet.",
        ),
    ] = False,
    seed: Seed = 0,
    lang: Languages = None,
    as_json: AsJson = False,
) -> None:
    """Difference in differences with staggered starts, by group and time; trends before it are
    looked at, errors are clustered by machine. Exit code 0 whatever they say."""
    asked = AskedPanel(unit, time, outcome, treated, anticipation, never_only)
    content = csv_of(content_of(data), data)
    try:
        found = find_panel(content, str(data), asked, seed)
    except (NotIdentified, UnreadableRows) as error:
        raise Failure(str(error)) from None
    if as_json:
        print_json(_as_json(found, asked))
    else:
        _show(found, asked, languages_of(lang))


def _is_share(found: FoundPanel) -> bool:
    y = found.panel.outcome
    return bool(((y >= 0.0) & (y <= 1.0)).all())


def _as_json(found: FoundPanel, asked: AskedPanel) -> dict[str, Any]:
    effect = found.effect
    return {
        "text": words.panel(effect, asked.outcome, is_share=_is_share(found)),
        **asdict(asked),
        "rows": found.rows,
        "rows_with_gaps": found.gaps,
        "rows_averaged": found.averaged,
        "units": len(found.panel),
        "times": list(found.panel.times),
        "units_not_seen_at_every_time": list(found.broken),
        "units_without_comparison": list(effect.left_out),
        "never_treated": effect.never,
        "effect": _effect(effect.effect),
        "events": [
            {"after": e.after, **_effect(e.effect), "band": list(e.band)} for e in effect.events
        ],
        "groups": [asdict(g) for g in effect.groups],
        "pre_trend": asdict(effect.trend),
        "two_way_fixed_effects": effect.two_way if np.isfinite(effect.two_way) else None,
        "permutation_p": effect.permuted_p,
        "most_telling": {"unit": effect.most_telling[0], "without": effect.most_telling[1]},
    }


def _effect(found: UnitEffect) -> dict[str, Any]:
    return {
        "effect": found.value,
        "se": found.se,
        "interval": list(found.interval),
        "units": found.units,
    }


def _show(found: FoundPanel, asked: AskedPanel, languages: Sequence[Language]) -> None:
    effect, trend = found.effect, found.effect.trend
    said = words.panel(effect, asked.outcome, is_share=_is_share(found))
    for language in languages:
        out.print(Text(said[language]))
    low, high = effect.effect.interval
    figures = {
        "units, times": f"{len(found.panel):,}, {len(found.panel.times):,}",
        "reached, never reached": f"{effect.effect.units:,}, {effect.never:,}",
        "effect on those reached, 95 %": f"{effect.effect.value:+.4f}  [{low:+.4f}, {high:+.4f}]",
        "what two-way fixed effects would say": f"{effect.two_way:+.4f}",
        "p, starts dealt out anew among units": f"{effect.permuted_p:.3f}",
        f"without {effect.most_telling[0]}, which tells most": f"{effect.most_telling[1]:+.4f}",
        "rows; something missing; averaged": (
            f"{found.rows:,}; {found.gaps:,}; {found.averaged:,}"
        ),
    }
    if trend.p_value is not None and trend.largest_step is not None:
        figures["trends before: p, largest step"] = f"{trend.p_value:.3f}, {trend.largest_step:.4f}"
    if trend.undone_by is not None and trend.undone_by_of_interval is not None:
        undone = f"{figure(trend.undone_by, 3)} ({figure(trend.undone_by_of_interval, 3)})"
        figures["undone by trends so many times as fast (interval)"] = undone
    for what, units in (
        ("units left out: not seen at every time", found.broken),
        ("units left out: nothing to compare with", effect.left_out),
    ):
        if units:
            figures[what] = ", ".join(units)
    table = Table("", "", show_header=False)
    for told, number in figures.items():
        table.add_row(Text(told), Text(number))
    out.print(table)
    out.print(_events(effect.events))


def _events(events: Sequence[EventEffect]) -> Table:
    table = Table("times after the start", "units", "effect, 95 %", "all at once, 95 %")
    for event in events:
        low, high = event.effect.interval
        table.add_row(
            f"{event.after:+d}",
            f"{event.effect.units:,}",
            f"{event.effect.value:+.4f}  [{low:+.4f}, {high:+.4f}]",
            f"[{event.band[0]:+.4f}, {event.band[1]:+.4f}]",
        )
    return table
