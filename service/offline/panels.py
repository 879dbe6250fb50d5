"""Panels of machines from logged rows: what a change did to those that it reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal.panel import PanelEffect, UnitPanel, panel_effect
from ifonly.models.repository.reference import read_table
from ifonly.models.schema import Schema
from ifonly.service.offline.compared_rows import UnreadableRows, flag_or_number

MOST_CELLS = 400_000
"""Units times times."""


@dataclass(frozen=True)
class AskedPanel:
    """Columns of the rows, and what may be assumed."""

    unit: str
    time: str
    outcome: str
    treated: str
    """Whether the change had reached the unit by then: 0 or 1, yes or no."""
    anticipation: int = 0
    never_only: bool = False


@dataclass(frozen=True, eq=False)
class FoundPanel:
    panel: UnitPanel
    effect: PanelEffect
    rows: int
    averaged: int
    """Rows that share their unit and time with others: their mean counts."""
    gaps: int
    """Rows left out: no outcome, or nobody knows whether the unit was treated."""
    broken: tuple[str, ...]
    """Units left out because they were not seen at every time."""


def find_panel(content: bytes, file: str, asked: AskedPanel, seed: int) -> FoundPanel:
    """Read the panel of a CSV file, and estimate.

    Raises
    ------
    NotIdentified
        If it does not tell the effect.
    SpecError, UnreadableRows
        If it cannot be read.
    """
    if not 0 <= asked.anticipation <= 1_000:
        raise UnreadableRows(f"--anticipation is {asked.anticipation}: 0 to 1,000 times")
    columns = read_table(content, Schema(()), file).others
    named = (asked.unit, asked.time, asked.outcome, asked.treated)
    for name in named:
        if name not in columns:
            raise UnreadableRows(f"{name} is not a column ({', '.join(columns)})")
    if len(set(named)) < len(named):
        raise UnreadableRows("--unit, --time, --outcome and --treated must be four columns")
    found, rows, gaps = _cells(columns, asked)
    panel, broken = _balanced(found)
    effect = panel_effect(
        panel,
        np.random.default_rng(seed),
        anticipation=asked.anticipation,
        never_only=asked.never_only,
    )
    averaged = sum(len(own) for own in found.values() if len(own) > 1)
    return FoundPanel(panel, effect, rows, averaged, gaps, broken)


Seen = dict[tuple[str, str], list[tuple[float, bool]]]
"""By unit and time: outcomes, and whether it was treated."""


def _cells(columns: Mapping[str, Sequence[str]], asked: AskedPanel) -> tuple[Seen, int, int]:
    found: Seen = {}
    rows = gaps = 0
    named = (columns[name] for name in (asked.unit, asked.time, asked.outcome, asked.treated))
    for unit, time, outcome, treated in zip(*named, strict=True):
        rows += 1
        value = flag_or_number(outcome, asked.outcome)
        reached = flag_or_number(treated, asked.treated)
        if not (unit and time and np.isfinite(value) and np.isfinite(reached)):
            gaps += 1
            continue
        if reached not in (0.0, 1.0):
            raise UnreadableRows(f"{asked.treated} is {treated!r} for {unit} at {time}, not 0 or 1")
        found.setdefault((unit, time), []).append((value, reached == 1.0))
    if not found:
        raise UnreadableRows(f"no row has all of {', '.join(columns)}")
    return found, rows, gaps


def _balanced(found: Seen) -> tuple[UnitPanel, tuple[str, ...]]:
    """The units that were seen at every time."""
    times = _in_order({time for _, time in found})
    units = sorted({unit for unit, _ in found})
    if len(times) * len(units) > MOST_CELLS:
        raise UnreadableRows(
            f"{len(units):,} units at {len(times):,} times: at most {MOST_CELLS:,} cells"
        )
    whole = [u for u in units if all((u, t) in found for t in times)]
    broken = tuple(u for u in units if u not in set(whole))
    if not whole:
        raise UnreadableRows(
            f"no unit was seen at all of the {len(times)} times: make times coarser, or leave some "
            f"out"
        )
    outcome = np.array([[np.mean([v for v, _ in found[u, t]]) for t in times] for u in whole])
    treated = np.array([[any(is_on for _, is_on in found[u, t]) for t in times] for u in whole])
    ended = treated[:, :-1] & ~treated[:, 1:]
    if ended.any():
        i, t = (int(k) for k in np.argwhere(ended)[0])
        raise UnreadableRows(
            f"{whole[i]} is treated at {times[t]} and not at {times[t + 1]}: a change that ends is "
            f"another question. Leave out what came after its end"
        )
    start = np.where(treated.any(axis=1), treated.argmax(axis=1), len(times))
    return UnitPanel(tuple(whole), tuple(times), outcome, start.astype(np.int64)), broken


def _in_order(times: set[str]) -> list[str]:
    """Numbers by size, everything else (dates, weeks) as it is spelled."""
    try:
        return sorted(times, key=float)
    except ValueError:
        return sorted(times)
