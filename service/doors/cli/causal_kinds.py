"""Effects by group and of machines like one, as ``ifonly causal effect`` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from ifonly.explainers.causal.cate import EffectCalibration, GroupEffect, LikeRow
from ifonly.explainers.causal.effect import LEAST_ROWS
from ifonly.explainers.causal.estimand import Estimate
from ifonly.explainers.causal.evidence import Evidence
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import percentage
from ifonly.models.schema import Schema
from ifonly.service.doors.cli.causal_logs import ReadLog
from ifonly.service.doors.cli.console import out, read_object
from ifonly.service.offline.kinds_of_rows import AskedRow, KindsFound
from ifonly.service.words import advice_effects as words


def asked_row(text: str, log: ReadLog) -> AskedRow:
    """Raises
    ------
    Failure, InvalidInstance, InvalidRequest
        If it is no reading of the model.
    """
    given = read_object(text, "--row")
    schema, beside = log.features, {*log.table.others, log.moved}
    readings = {
        name: value for name, value in given.items() if name not in beside - {*schema.names}
    }
    others = {name: value for name, value in given.items() if name not in readings}
    return AskedRow(
        schema.read(readings), {n: _cell(v) for n, v in others.items() if v is not None}
    )


def _cell(value: Any) -> str:
    """As a CSV file would have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- as JSON ------------------------------------------------------------------------------


def kinds_as_json(found: KindsFound, evidence: Evidence, schema: Schema) -> dict[str, Any]:
    return {
        "form": found.form,
        "groups": [
            {"by": name, "groups": [_group(g) for g in groups]} for name, groups in found.groups
        ],
        "calibration": {
            "text": words.calibration(found.calibration),
            "slope": found.calibration.slope,
            "slope_interval": found.calibration.slope_interval,
            "gap": found.calibration.gap,
            "tells_apart": found.calibration.tells_apart,
            "is_calibrated": found.calibration.is_calibrated,
            "parts": [
                {"rows": p.rows, "predicted": p.predicted, **estimate_as_json(p.measured)}
                for p in found.calibration.parts
            ],
        },
        "rows": [
            {
                "text": words.like_row(each, evidence, schema),
                **asdict(each),
                "estimate": each.estimate and estimate_as_json(each.estimate),
            }
            for each in found.like
        ],
    }


def _group(found: GroupEffect) -> dict[str, Any]:
    return {**asdict(found), "estimate": found.estimate and estimate_as_json(found.estimate)}


def estimate_as_json(found: Estimate) -> dict[str, Any]:
    return {"effect": found.value, "se": found.se, "interval": list(found.interval)}


# --- as tables ----------------------------------------------------------------------------


def show_kinds(
    found: KindsFound, evidence: Evidence, schema: Schema, languages: Sequence[Language]
) -> None:
    for name, groups in found.groups:
        out.print(_groups(name, groups))
    _show_calibration(found.calibration, languages)
    for each in found.like:
        _show_row(each, evidence, schema, languages)


def _groups(name: str, groups: Sequence[GroupEffect]) -> Table:
    table = Table(Column(Text(name)), "rows (treated)", "worth", "effect, 95 %", "undone by")
    for g in groups:
        counts = f"{g.rows:,} ({g.treated:,})"
        if g.estimate is None or g.worth is None or g.robustness is None:
            why = f"not told: {LEAST_ROWS} of either are needed"
            table.add_row(Text(g.group), counts, "", why, "")
            continue
        worth = " and ".join(f"{n:,.0f}" for n in g.worth)
        undone = percentage(g.robustness)
        table.add_row(Text(g.group), counts, worth, with_interval(g.estimate), undone)
    return table


def with_interval(found: Estimate) -> str:
    low, high = found.interval
    return f"{found.value:+.4f}  [{low:+.4f}, {high:+.4f}]"


def _show_calibration(found: EffectCalibration, languages: Sequence[Language]) -> None:
    said = words.calibration(found)
    for language in languages:
        out.print(Text(said[language]))
    table = Table("rows", "predicted", "measured, 95 %", title="held-out rows by predicted effect")
    for part in found.parts:
        table.add_row(f"{part.rows:,}", f"{part.predicted:+.4f}", with_interval(part.measured))
    out.print(table)


def _show_row(
    found: LikeRow, evidence: Evidence, schema: Schema, languages: Sequence[Language]
) -> None:
    said = words.like_row(found, evidence, schema)
    for language in languages:
        out.print(Text(said[language]))
