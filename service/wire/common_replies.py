"""One change for many alarms: what is answered."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from ifonly.explainers.terms import CommonKind, SettingKind, Uncleared, WhyLeftOut
from ifonly.service.wire import examples
from ifonly.service.wire.base import Text, Wire, Written, is_none
from ifonly.service.wire.replies import (
    AskedTarget,
    Prediction,
    Proven,
    Provenance,
    Recorded,
    Work,
)


class CommonSetting(Wire):
    """One feature of a common change."""

    feature: str
    label: Text
    kind: SettingKind = Field(strict=False)
    to: Written = Field(None, exclude_if=is_none, description="Absolute: what it is set to.")
    delta: float | int | None = Field(
        None,
        exclude_if=is_none,
        description="Relative: what is added to it, in exact decimals. A reading off the grid "
        "counts as the nearest value of the grid (of two the lower), and is moved from there.",
    )
    unit: str


class UnclearedRow(Wire):
    """A row that a common change does not clear."""

    row: int
    why: Uncleared = Field(
        strict=False,
        description="The first of: `not_settable`: no such value there. `not_allowed`: a rule or "
        "limit forbids it there (`broken`). `still_alarm`: the decision stays, or is less sure "
        "than demanded. `not_robust`: it does not survive the sensors' tolerances. `not_certain`: "
        "not by enough of the plausible mechanisms.",
    )
    broken: list[str] = Field(description="Keys of what it breaks there, by the checker.")


class CommonPoint(Wire):
    """One common change, and what it does."""

    settings: list[CommonSetting]
    coverage: int = Field(description="Alarms that it clears.")
    cost: float = Field(
        description="Mean over all alarms of what the policy charges for it there, cleared or not; "
        "where a reading is missing an amount costs nothing."
    )
    status: Literal["optimal", "feasible"] = Field(
        description="`optimal`: proven that no common change of as many levers at most clears as "
        "many and costs less."
    )
    lower_bound: float | None = Field(
        description="No common change that clears as many costs less; null: nothing is known."
    )
    cleared: list[int] = Field(description="Rows that it clears, from 0.")
    uncleared: list[UnclearedRow]
    text: Text


class CommonCurve(Wire):
    """Coverage against cost, of changes of at most so many levers."""

    max_levers: int
    most: int = Field(description="No common change of at most so many levers clears more: proven.")
    most_is_reached: bool = Field(
        description="Whether the last of `points` clears so many (without points: whether it is "
        "proven that none clears any)."
    )
    points: list[CommonPoint] = Field(
        description="Cheapest first, each clearing more than those before it: the cheapest found "
        "that clear a tenth of the alarms (of more than 100: a fifth), two tenths, …, and the most."
    )


class LeftOutRow(Wire):
    """A row that is no alarm."""

    row: int
    why: WhyLeftOut = Field(strict=False)


class CommonReply(Wire):
    """Each change that is told was confirmed row by row: by the checker, from the documents, and by
    the deployed model. Rows that another session of the model might decide otherwise count as not
    cleared."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COMMON.reply]})

    id: str
    status: Literal["optimal", "feasible", "infeasible", "unknown", "already_target"] = Field(
        description="`optimal`: `best` is proven to clear the most, and with its number of levers "
        "at the least cost. `feasible`: it clears some; more, or as many for less, may be cleared. "
        "`infeasible`: proven that no common change clears any. `unknown`: nothing found, nothing "
        "proven. `already_target`: no row is an alarm."
    )
    semantics: Literal["interventional", "independent"]
    change: CommonKind = Field(strict=False)
    target: AskedTarget
    deadline_hit: bool
    rows: int = Field(description="Rows that were asked about.")
    alarms: int = Field(description="Those that are alarms: coverage is counted of them.")
    left_out: list[LeftOutRow]
    records: list[str] | None = Field(
        None,
        exclude_if=is_none,
        description="Of each row: the record that it was taken from. Only where records were asked "
        "about.",
    )
    predictions: list[Prediction] = Field(description="Of each row.")
    bound: int = Field(description="No common change that was asked for clears more: proven.")
    best: CommonPoint | None = Field(
        description="Clears the most that was found, with the fewest levers; null: none found."
    )
    curves: list[CommonCurve] = Field(description="Of at most one lever, of at most two, …")
    text: Text
    provenance: Provenance
    work: Work
    audit: Recorded = None
    proof: Proven = None
