"""How far a run is: a bar where somebody looks, else a line now and then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from ifonly.service.bulk_runs.answering import ALREADY
from ifonly.service.doors.cli.console import err

SECONDS = 10.0
"""Between two lines, where there is no bar."""
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class RunProgress:
    """Tells standard error; in a ``with`` block."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._counts: Counter[str] = Counter()
        self._total: int | None = None
        self._share = 0.0
        self._resumed = 0
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Self:
        if err.is_terminal and not self._is_quiet:
            columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=err, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("reading the digests of what comes in", total=None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begun(self, total: int | None, resumed: int, counts: Mapping[str, int]) -> None:
        self._total, self._resumed = total, resumed
        self._counts.update(counts)
        self._began = self._told = time.monotonic()
        if resumed and not self._is_quiet:
            err.print(f"going on: {resumed:,} rows were answered before", markup=False)

    def answered(self, rows: int, counts: Mapping[str, int], share: float) -> None:
        self._counts.update(counts)
        self._share = max(self._share, share)
        self._show(self._line())

    def writing(self) -> None:
        self._show("all rows are answered; writing them", is_due=True)

    def _show(self, text: str, *, is_due: bool = False) -> None:
        if self._bar is not None and self._task is not None:
            done = self._done_share()
            self._bar.update(self._task, description=text, total=1.0, completed=done)
            return
        if not self._is_quiet and (is_due or time.monotonic() - self._told >= SECONDS):
            self._told = time.monotonic()
            err.print(text, markup=False)

    def _done_share(self) -> float:
        done = self._counts.total()
        return done / self._total if self._total else self._share

    def _line(self) -> str:
        """Rows, rate, what is left of time, and the share of each status."""
        done = self._counts.total()
        seconds = max(time.monotonic() - self._began, 1e-3)
        rate = (done - self._resumed) / seconds
        share = self._done_share()
        of = f" of {self._total:,}" if self._total is not None else ""
        left = ""
        if 0.0 < share < 1.0 and rate > 0.0:
            left = f", about {span((done / share - done) / rate)} left"
        return f"{done:,}{of} rows ({share:.0%}), {rate:,.0f}/s{left}; {shares(self._counts)}"


def shares(counts: Mapping[str, int]) -> str:
    """Of each status, the most frequent first.

    >>> shares({"already_target": 970, "optimal": 30})
    'no alarm 97 %, optimal 3 %'
    """
    total = max(sum(counts.values()), 1)
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{called(status)} {100 * n / total:.3g} %" for status, n in ordered if n)


def called(status: str) -> str:
    """What a status is called here."""
    return "no alarm" if status == ALREADY else status.replace("_", " ")


def span(seconds: float) -> str:
    """A length of time in its largest units.

    >>> span(3725)
    '1 h 2 min'
    """
    left, told = int(seconds + 0.5), []
    for size, unit in _UNITS:
        if left >= size:
            told.append(f"{left // size} {unit}")
            left %= size
    return " ".join(told[:2]) or "0 s"
