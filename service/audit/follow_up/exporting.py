"""Advice as rows that effects and values of policies are told from: a reading, what was advised of
it, what was done, what came of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from ifonly.models.schema import Schema
from ifonly.service.audit.follow_up.advice import Deed, FollowUp, Result, Value
from ifonly.service.store.chain import timestamp

FOLLOWED, DONE, SUCCESS = "followed", "done", "success"
OWN = ("explanation", "shown", "version", "score", "advised", FOLLOWED, DONE, "carried_out",
       SUCCESS, "number", "unit", "arm")  # fmt: skip
"""Columns beside the readings and the attributes of the equipment."""
BESIDE = "attribute:"
"""Before the name of an attribute that is the name of another column, too."""


def as_csv(found: Sequence[FollowUp], schema: Schema, window_us: int, now_us: int) -> bytes:
    """A row for each advice.

    Parameters
    ----------
    found : sequence of FollowUp
    schema : Schema
        Of the model's readings.
    window_us, now_us : int
        Of advice whose window is not over nobody knows yet that it was not followed.
    """
    told = {name for each in found for name in each.advice.attributes}
    taken = {*schema.names, *OWN}
    attributes = {name: f"{BESIDE}{name}" if name in taken else name for name in sorted(told)}
    text = io.StringIO()
    writer = csv.DictWriter(text, [*schema.names, *attributes.values(), *OWN], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(found, schema, attributes, window_us, now_us))
    return text.getvalue().encode()


def _rows(
    found: Sequence[FollowUp],
    schema: Schema,
    attributes: Mapping[str, str],
    window_us: int,
    now_us: int,
) -> Iterator[dict[str, str]]:
    for each in found:
        advice, outcome = each.advice, each.outcome
        is_over = advice.time_us + window_us <= now_us
        followed = each.is_followed
        if followed is False and each.decision is None and not is_over:
            followed = None
        columns = schema.by_column(advice.instance)
        readings = {name: _cell(columns.get(name)) for name in schema.names}
        said = {column: advice.attributes.get(name, "") for name, column in attributes.items()}
        yield {
            **readings,
            **said,
            "explanation": advice.id,
            "shown": timestamp(advice.time_us),
            "version": advice.version,
            "score": _cell(advice.score),
            "advised": advice.first,
            FOLLOWED: "" if followed is None else ("yes" if followed else "no"),
            DONE: "" if followed is None else _done(each, followed=followed),
            "carried_out": each.seen.value,
            SUCCESS: "" if outcome is None else str(int(outcome.result is Result.SUCCESS)),
            "number": _cell(None if outcome is None else outcome.number),
            "unit": "" if outcome is None else outcome.unit,
            "arm": next((shown.arm for shown in advice.arms.values()), ""),
        }


def _done(each: FollowUp, *, followed: bool) -> str:
    """The way that was followed; else what was done instead, as far as is known."""
    if followed:
        return each.done
    deed = Deed.NOTHING if each.decision is None else each.decision.deed
    return deed.value


def _cell(value: Value | int) -> str:
    return "" if value is None else str(value)
