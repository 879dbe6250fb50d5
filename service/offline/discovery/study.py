"""The rows that a graph is looked for in: what takes part, what cannot, and why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ifonly.explainers.causal.discovery import Arcs, Forbidden
from ifonly.models.predictor import Rows
from ifonly.models.schema import Kind, Schema

MOST_ROWS = 5000
"""Rows that an algorithm is given; of more, some are drawn."""
LEAST_ROWS = 50
NEARLY_SAME = 0.99999
"""Correlation from which on two columns are one."""


class UnfitRows(ValueError):
    """No graph can be looked for in them; the message says why."""


@dataclass(frozen=True, eq=False)
class Study:
    """Columns that take part, by place in the schema, and their complete rows."""

    schema: Schema
    columns: tuple[int, ...]
    rows: Rows
    """``(n, len(columns))``"""
    left_out: tuple[str, ...]
    """A sentence for each feature that takes no part."""

    @classmethod
    def of(cls, schema: Schema, rows: Rows, seed: int) -> Study:
        """
        Raises
        ------
        UnfitRows
            If rows or columns are too few, or two columns are the same.
        """
        columns, left_out = [], []
        for j, feature in enumerate(schema.features):
            # The algorithms take numbers with an order; codes of names have none.
            if feature.kind is Kind.NOMINAL:
                left_out.append(f"{feature.name} is {feature.kind}: declare its edges by hand")
            # `not >` and not `<=`: of a column of NaN only the first is true.
            elif not np.nanstd(rows[:, j]) > 0:
                left_out.append(f"{feature.name} never varies in these rows")
            else:
                columns.append(j)
        complete = rows[:, columns][np.isfinite(rows[:, columns]).all(axis=1)]
        # Before the rows are counted: without columns every row would be complete.
        if len(columns) < 2:
            raise UnfitRows("fewer than two features vary: " + "; ".join(left_out))
        if len(complete) < LEAST_ROWS:
            raise UnfitRows(f"{len(complete)} rows are complete, the least is {LEAST_ROWS}")
        if len(complete) > MOST_ROWS:
            rng = np.random.default_rng(seed)
            complete = complete[rng.choice(len(complete), MOST_ROWS, replace=False)]
        # Tests of independence invert the correlations, and two equal columns make them singular.
        same = np.abs(np.corrcoef(complete.T)) > NEARLY_SAME
        for a, b in combinations(range(len(columns)), 2):
            if same[a, b]:
                pair = " and ".join(schema.names[columns[k]] for k in (a, b))
                raise UnfitRows(f"{pair} are the same but for their units: leave one out")
        return cls(schema, tuple(columns), complete, tuple(left_out))

    def inside(self, forbidden: Forbidden) -> Forbidden:
        """Of all columns, those that take part."""
        return forbidden[np.ix_(self.columns, self.columns)]

    def arcs(self, graph: Arcs) -> Arcs:
        """The graph of an algorithm, by the schema's columns."""
        return tuple((self.columns[i], self.columns[j]) for i, j in graph)
