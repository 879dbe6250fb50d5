"""A report as one tidy table, and tables as CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from ifonly.service.audit.recourse_by_group.outcomes import GroupOutcomes
from ifonly.service.audit.recourse_by_group.report import RecourseReport
from ifonly.service.audit.recourse_by_group.statistics import Median, ShareEstimate

Cell = str | int | float | None
Row = Sequence[Cell]

HEADER = ("section", "name", "measure", "value", "low95", "high95", "count", "of")
BOM = "\ufeff"
"""Without it a well-known spreadsheet reads Korean as something else."""
# The full-width signs, too: spreadsheets in East Asia take them for the others.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rows(report: RecourseReport, language: str) -> Iterator[Row]:
    """One measure of one group, lever or rule each."""
    yield from _outcomes("all", report.total, language)
    for group in report.groups:
        yield from _outcomes("group", group, language)
    for pair in report.comparison.pairs:
        of, name = pair.difference, f"{_named(pair.high, language)} / {_named(pair.low, language)}"
        tests = report.comparison.tests
        yield "difference", name, "success", of.value, of.low, of.high, None, tests
        yield "difference", name, "corrected p", pair.p, None, None, None, tests
    for lever in report.levers:
        yield from _share("lever", lever.feature, "use", lever.use)
        yield "lever", lever.feature, "up", lever.up, None, None, lever.up, lever.use.count
        yield "lever", lever.feature, "down", lever.down, None, None, lever.down, lever.use.count
        change = lever.median_change
        measure = f"median change ({lever.unit})" if lever.unit else "median change"
        yield "lever", lever.feature, measure, change, None, None, None, lever.use.count
    for blocker in report.blockers:
        yield from _share("rule", blocker.text.get(language, blocker.key), "blocks", blocker.blocks)
    for each in report.common:
        name = (each.text or {}).get(language, each.id)
        # Counted, not sampled: a share without an interval.
        part = each.cleared / each.alarms if each.alarms else None
        yield "one change for many", name, "cleared", part, None, None, each.cleared, each.alarms
        most, is_most = each.bound, int(each.is_most)
        yield "one change for many", name, "cleared at most", most, None, None, most, each.alarms
        yield "one change for many", name, "proven the most", is_most, None, None, is_most, 1
    for name in (f.name for f in fields(report.verdicts)):
        count = getattr(report.verdicts, name)
        yield "verdicts", name, "count", count, None, None, count, report.total.asked
    yield "note", "versions of the policy", "count", report.policies, *[None] * 4
    yield "note", "erased explanations", "count", report.erased, *[None] * 4


def _outcomes(section: str, of: GroupOutcomes, language: str) -> Iterator[Row]:
    name = _named(of, language)
    for measure, count in (
        ("asked", of.asked),
        ("already in target", of.already),
        ("undecided", of.undecided),
    ):
        yield section, name, measure, count, None, None, count, of.asked
    for measure, found in (
        ("success", of.success),
        ("infeasible", of.infeasible),
        ("proven", of.proven),
    ):
        yield from _share(section, name, measure, found)
    cost: Median | None = of.cost
    if cost is not None:
        yield section, name, "median cost", cost.value, cost.low, cost.high, cost.of, cost.of


def _named(of: GroupOutcomes, language: str) -> str:
    return of.label.get(language, of.key)


def _share(section: str, name: str, measure: str, found: ShareEstimate) -> Iterator[Row]:
    # Of nothing no interval is written: 0 to 1 would look measured.
    low, high = (found.low, found.high) if found.of else (None, None)
    yield section, name, measure, found.value, low, high, found.count, found.of


def as_csv(header: Row, found: Iterable[Row]) -> bytes:
    """A whole table."""
    return BOM.encode() + lines((header, *found))


def lines(found: Iterable[Row]) -> bytes:
    """Lines of a table: RFC 4180 in UTF-8. Text that a spreadsheet would run as a formula gets an
    apostrophe before it (OWASP, CSV injection); numbers stay numbers."""
    file = io.StringIO()
    # RFC 4180, section 2: lines end with CRLF.
    writer = csv.writer(file, lineterminator="\r\n")
    for row in found:
        writer.writerow([harmless(cell) for cell in row])
    return file.getvalue().encode()


def harmless(cell: Cell) -> Cell:
    """As a spreadsheet takes it for no formula."""
    # Names come from requests: a spreadsheet would run a cell that begins as a formula.
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA):
        return f"'{cell}"
    return cell
