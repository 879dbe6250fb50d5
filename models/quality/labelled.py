"""``validation.csv``: rows beside a model, of which somebody says what they were."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import SpecError
from ifonly.models.predictor import Rows
from ifonly.models.schema import Decision, Schema

LABEL = "label"
"""The column's header, unless a feature is called so."""
MOST_ROWS = 5_000
"""Rows that are kept of a sample."""
MOST_READ = 50_000
"""Rows of a file: somebody waits while they are scored."""


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Rows, and the class that each was."""

    rows: Rows
    labels: npt.NDArray[np.int64]
    """Positions of classes, ``(n,)``."""
    column: str
    """The labels' header."""
    sha256: str
    """Of the file."""
    held_out: bool | None = None
    """Whether the model was trained on none of them; None: nobody says."""


def read_labelled(
    rows: Rows, others: Mapping[str, Sequence[str]], decision: Decision, file: str, sha256: str
) -> LabelledRows:
    """``rows`` of a file with ``others``, its columns that are no features by header: one, which
    says what each row was, by the name of the class. ``sha256``: of the file.

    Raises
    ------
    SpecError
        Naming the file, the column and the first cell that is no class.
    """
    if len(rows) > MOST_READ:
        problem = f"has {len(rows):,} rows, the most is {MOST_READ:,}: give some of them"
        raise SpecError(file, "", problem)
    if len(others) != 1:
        named = ", ".join(others) or "none"
        raise SpecError(
            file, "", f"has columns that are no features: {named}; one of them is the label"
        )
    [(column, cells)] = others.items()
    names = decision.class_names
    if not names:
        raise SpecError(file, column, "says classes, and the model decides between none")
    places = {name: k for k, name in enumerate(names)}
    for i, cell in enumerate(cells, 1):
        if cell not in places:
            raise SpecError(
                file, column, f"row {i + 1}: is {cell!r}, not a class ({', '.join(names)})"
            )
    labels = np.array([places[cell] for cell in cells], dtype=np.int64)
    return LabelledRows(rows, labels, column, sha256)


def labelled_csv(schema: Schema, rows: Rows, labels: Sequence[str]) -> bytes:
    """Such a file: ``rows``, ``(n, n_features)``, and the class of each by name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    column = LABEL
    while column in schema:
        column += "_"
    names = [name for j, name in enumerate(schema.names) if j not in schema.unread]
    writer.writerow([*names, column])
    for row, label in zip(rows, labels, strict=True):
        cells = schema.by_column(schema.write(row))
        values = (cells[name] for name in names)
        writer.writerow([*("" if value is None else value for value in values), label])
    return text.getvalue().encode()
