"""Rows of the same equipment before and after: from a file, or from advice that was carried out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.stability import Pairs
from ifonly.explainers.causal.timing import Duration, TimeUnit
from ifonly.models.errors import InvalidInstance, SpecError
from ifonly.models.predictor import Row
from ifonly.models.repository.reference import Table
from ifonly.models.schema import Schema
from ifonly.service.audit.follow_up.advice import FollowUp

MOST_LATE = 2.0
"""Times the wanted distance that the later reading of a pair may be away at most."""
_UNITS = ((TimeUnit.HOURS, 3_600.0), (TimeUnit.MINUTES, 60.0), (TimeUnit.SECONDS, 1.0))


@dataclass(frozen=True, eq=False)
class BeforeAfter:
    """Pairs, and how far apart they are."""

    pairs: Pairs
    after: Duration | None
    """The median; None: nobody says when they were read."""
    passed_over: int = 0
    """Readings, or advice, from which no pair could be made."""

    @property
    def sha256(self) -> str:
        """Of the rows before and then after, little-endian float64, in schema order."""
        both = np.concatenate([self.pairs.before, self.pairs.after])
        return hashlib.sha256(np.ascontiguousarray(both, dtype="<f8").tobytes()).hexdigest()


def of_readings(
    table: Table, file: str, equipment: str, time: str, after: Duration | None
) -> BeforeAfter:
    """Each reading with the first of the same equipment that is at least ``after`` later, and no
    more than twice that; by default with the next one.

    Raises
    ------
    SpecError
        If a column is not there, or a time is none.
    """
    pieces, times = _column(table, file, equipment), _times(_column(table, file, time), file, time)
    wanted = 0.0 if after is None else _seconds(after)
    first, second, gaps, groups, passed = [], [], [], [], 0
    for group, name in enumerate(sorted(set(pieces))):
        own = np.array([i for i, piece in enumerate(pieces) if piece == name])
        own = own[np.argsort(times[own], kind="stable")]
        at = times[own]
        for k, i in enumerate(own.tolist()):
            # What was read at the same moment is no later reading.
            later = int(np.searchsorted(at, at[k] + wanted, side="left" if wanted else "right"))
            if later >= len(own) or (wanted and at[later] - at[k] > MOST_LATE * wanted):
                passed += 1
                continue
            first.append(i)
            second.append(int(own[later]))
            gaps.append(float(at[later] - at[k]))
            groups.append(group)
    rows = table.rows
    none = np.zeros((len(first), rows.shape[1]), dtype=np.bool_)
    pairs = Pairs(rows[first], rows[second], none, np.array(groups, dtype=np.int64))
    return BeforeAfter(pairs, _median(gaps), passed)


def of_pairs(
    table: Table, schema: Schema, file: str, pair: str, equipment: str = "", set_: str = ""
) -> BeforeAfter:
    """Two rows with the same name in column ``pair``: the first of them was read before. Column
    ``set_`` names what was set in between, apart by spaces; of either row.

    Raises
    ------
    SpecError
        If a column is not there, a pair has not two rows, or what was set is no feature.
    """
    found: dict[str, list[int]] = {}
    for i, name in enumerate(_column(table, file, pair)):
        found.setdefault(name, []).append(i)
    for name, rows in found.items():
        if len(rows) != 2:
            raise SpecError(file, pair, f"{name!r} stands in {len(rows)} rows, not 2")
    ends = np.array(list(found.values()), dtype=np.int64).reshape(-1, 2)
    is_set = np.zeros((len(ends), len(schema)), dtype=np.bool_)
    if set_:
        cells = _column(table, file, set_)
        for k, both in enumerate(ends.tolist()):
            for feature in {name for i in both for name in cells[i].split()}:
                if feature not in schema:
                    raise SpecError(file, set_, f"{feature!r} is not a feature of the model")
                is_set[k, schema.index(feature)] = True
    pieces = (
        _column(table, file, equipment) if equipment else list(map(str, range(len(table.rows))))
    )
    groups = _numbered(pieces[i] for i in ends[:, 0].tolist())
    return BeforeAfter(Pairs(table.rows[ends[:, 0]], table.rows[ends[:, 1]], is_set, groups), None)


def of_follow_ups(found: Iterable[FollowUp], schema: Schema) -> BeforeAfter:
    """Of advice that was read back fully: the reading that it was about, and the first after it
    was done. What was advised was set; what else was, nobody recorded."""
    before, after, is_set, pieces, gaps = [], [], [], list[str](), []
    passed = 0
    for each in found:
        if each.carried_out is None or each.way is None or each.seen_us is None:
            passed += 1
            continue
        rows = [_row(schema, reading) for reading in (each.advice.instance, each.carried_out)]
        if rows[0] is None or rows[1] is None:
            passed += 1
            continue
        before.append(rows[0])
        after.append(rows[1])
        levers = {lever.feature for lever in each.advice.ways[each.way]}
        is_set.append([name in levers for name in schema.names])
        pieces.append(each.advice.condition or "")
        gaps.append((each.seen_us - each.advice.time_us) / 1e6)
    shape = (-1, len(schema))
    return BeforeAfter(
        Pairs(
            np.array(before, dtype=np.float64).reshape(shape),
            np.array(after, dtype=np.float64).reshape(shape),
            np.array(is_set, dtype=np.bool_).reshape(shape),
            _numbered(pieces),
        ),
        _median(gaps),
        passed,
    )


def _row(schema: Schema, reading: Mapping[str, Any]) -> Row | None:
    try:
        return schema.read(reading)
    # An older version of the model may have read other features.
    except InvalidInstance:
        return None


def _numbered(names: Iterable[str]) -> npt.NDArray[np.int64]:
    place: dict[str, int] = {}
    return np.array([place.setdefault(name, len(place)) for name in names], dtype=np.int64)


def _column(table: Table, file: str, name: str) -> Sequence[str]:
    cells = table.others.get(name)
    if cells is None:
        known = ", ".join(table.others) or "none"
        raise SpecError(file, name, f"is not a column beside the features ({known})")
    return cells


def _times(cells: Sequence[str], file: str, name: str) -> npt.NDArray[np.float64]:
    """Seconds: numbers as they are, else RFC 3339; without an offset it is UTC."""
    found = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            found[i] = float(cell)
        except ValueError:
            try:
                moment = datetime.fromisoformat(cell)
            except ValueError:
                told = f"row {i + 1} has {cell!r}, no number of seconds and no time"
                raise SpecError(file, name, f"{told} (2026-01-31T08:00:00Z)") from None
            found[i] = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        if not math.isfinite(found[i]):
            raise SpecError(file, name, f"row {i + 1} has {cell!r}, which is no moment")
    return found


def _seconds(duration: Duration) -> float:
    return float(duration.amount) * duration.unit.seconds


def _median(gaps: Sequence[float]) -> Duration | None:
    """In the largest unit in which it is one at least, to a tenth."""
    if not gaps:
        return None
    middle = float(np.median(gaps))
    for unit, size in _UNITS:
        if middle >= size:
            return Duration.of(round(middle / size, 1), unit.value)
    return Duration.of(max(round(middle, 3), 0.001), TimeUnit.SECONDS.value)
