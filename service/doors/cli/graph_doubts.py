"""Graphs that rows cannot exclude, shown and put into a graph's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from rich.table import Table
from rich.text import Text

from ifonly.explainers.causal import CausalSpec
from ifonly.explainers.causal.alternatives import (
    EdgeRuns,
    GraphDoubt,
    find_alternatives,
    given_by_persons,
)
from ifonly.explainers.causal.which_graphs import LEAST_WEIGHT, Edge
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import figure, percentage
from ifonly.models.predictor import Rows
from ifonly.service.doors.cli.console import Failure, out
from ifonly.service.words import graphs as words


def find(
    spec: CausalSpec,
    rows: Rows,
    seed: int,
    doubt_all: bool = False,
    runs: Mapping[Edge, EdgeRuns] | None = None,
) -> tuple[GraphDoubt, ...]:
    """What rows cannot exclude; see
    :func:`~ifonly.explainers.causal.alternatives.find_alternatives`."""
    rng = np.random.default_rng(seed)
    try:
        return find_alternatives(spec, rows, rng, doubt_all=doubt_all, runs=runs)
    except ValueError as error:  # too few rows
        raise Failure(str(error)) from error


def with_alternatives(spec: CausalSpec, found: Sequence[GraphDoubt]) -> CausalSpec:
    """``spec`` with what people gave and what was found, in place of what was found before."""
    kept = tuple(
        replace(
            doubt.alternative,
            weight=round(doubt.alternative.weight, 4),
            reason=words.reason(doubt)["en"],
        )
        for doubt in found
        if doubt.weighed.kept
    )
    return replace(spec, alternatives=(*given_by_persons(spec), *kept))


def show_alternatives(
    spec: CausalSpec, found: Sequence[GraphDoubt], languages: Sequence[Language]
) -> None:
    """Those kept, in words; the others in a table."""
    for other in given_by_persons(spec):
        out.print(Text(f"{other.name}: {percentage(other.weight)} (given, kept as it is)"))
    for doubt in found:
        if not doubt.weighed.kept:
            continue
        other = doubt.alternative
        out.print(Text(f"{other.name}: {percentage(other.weight)}"))
        for said in (
            words.differs(spec, other),
            words.reason(doubt),
            words.settled_by(spec, other),
        ):
            for language in languages:
                out.print(Text(f"  {said[language]}"))
    table = Table("left out", "weight", "nats a row", "standard error")
    for doubt in found:
        if not doubt.weighed.kept:
            weighed = doubt.weighed
            shown = figure(weighed.weight), figure(weighed.gain), figure(weighed.error)
            table.add_row(Text(doubt.alternative.name), *shown)
    if table.row_count:
        out.print(table)
    weights = (*given_by_persons(spec), *(d.alternative for d in found if d.weighed.kept))
    left = 1.0 - sum(other.weight for other in weights)
    limit = percentage(LEAST_WEIGHT)
    out.print(f"the graph as declared: {percentage(left)}; what has less than {limit} is left out")
