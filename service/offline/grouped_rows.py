"""By what rows are grouped: categories, or ranges of a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ifonly.models.repository.reference import Table
from ifonly.models.schema import Schema, plain
from ifonly.service.offline.compared_rows import Array, Flags, UnreadableRows

MOST_GROUPS = 20
FEW = 6
"""A column of numbers with no more different ones is a column of categories."""
QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class RowGrouping:
    """A feature, or a column beside the features."""

    name: str
    cuts: tuple[float, ...] = ()
    """Where ranges of a number begin; none: at its quartiles."""

    @classmethod
    def read(cls, text: str) -> RowGrouping:
        """``NAME``, or ``NAME:100,200``.

        Raises
        ------
        UnreadableRows
            If what stands after the colon is no rising list of numbers.
        """
        name, colon, told = text.rpartition(":")
        if not colon:
            return cls(text.strip())
        try:
            cuts = tuple(float(cut) for cut in told.split(","))
        except ValueError:
            raise UnreadableRows(f"--by {text}: {told!r} is no list of numbers") from None
        if not np.isfinite(cuts).all() or (np.diff(cuts) <= 0.0).any():
            raise UnreadableRows(f"--by {text}: the numbers must be finite and rise")
        return cls(name.strip(), cuts)


def groups_of(
    table: Table, schema: Schema, grouping: RowGrouping, used: Flags
) -> tuple[tuple[str, Flags], ...]:
    """Each group, and which of the ``used`` rows are in it.

    Raises
    ------
    UnreadableRows
        If there are more than :data:`MOST_GROUPS`.
    """
    found = tuple(_groups(table, schema, grouping, used))
    if len(found) > MOST_GROUPS:
        raise UnreadableRows(
            f"{grouping.name} makes {len(found)} groups: at most {MOST_GROUPS} are told apart"
        )
    return found


def _groups(
    table: Table, schema: Schema, grouping: RowGrouping, used: Flags
) -> Iterator[tuple[str, Flags]]:
    name = grouping.name
    if name in schema:
        feature, values = schema[name], table.rows[used, schema.index(name)]
        if feature.kind.is_categorical:
            for code in np.unique(values):
                yield feature.category_names[int(code)], values == code
            return
        yield from _ranges(values, grouping, feature.unit)
        return
    cells = np.array(table.others[name])[used]
    numbers = _numbers(cells)
    if numbers is not None and (grouping.cuts or len(np.unique(numbers)) > FEW):
        yield from _ranges(numbers, grouping, "")
        return
    if grouping.cuts:
        raise UnreadableRows(f"--by {name}: it holds texts, which no numbers divide")
    for text in sorted(set(cells.tolist())):
        yield text, cells == text


def _ranges(values: Array, grouping: RowGrouping, unit: str) -> Iterator[tuple[str, Flags]]:
    cuts = grouping.cuts or tuple(np.unique(np.quantile(values, QUARTERS)).tolist())
    place = np.searchsorted(cuts, values, side="right")
    shown = [plain(float(f"{cut:.6g}")) for cut in cuts]
    names = [f"< {shown[0]}", *(f"{a}..{b}" for a, b in pairwise(shown))]
    for k, told in enumerate([*names, f">= {shown[-1]}"]):
        if (place == k).any():
            yield f"{told} {unit}".rstrip(), place == k


def _numbers(cells: Array) -> Array | None:
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        return None
