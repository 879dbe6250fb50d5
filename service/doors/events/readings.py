"""Rows of events as readings of equipment: what raises or clears its alarm is recorded.

The deployed model's log has every reading; a record of each would double the trail. So those are
recorded that call for an alarm, and those that may turn one: of equipment that is in alarm, or is
about to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.service import logs
from ifonly.service.ask import answering, read_request
from ifonly.service.audit.drafts import Drafting
from ifonly.service.audit.observations import place_of
from ifonly.service.errors import ServiceError
from ifonly.service.lifecycle import Life, Phase
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import validation
from ifonly.service.wire.requests import MAX_INSTANCES, PredictionsRequest


@dataclass(frozen=True, slots=True)
class LoggedReading:
    """One row that names its equipment."""

    pair: str
    """Key of the events that told of it: rows of one request were read together."""
    instance: Mapping[str, Any]
    attributes: Mapping[str, str]
    condition: str
    is_alarm: bool


def reading_of(
    pair: str, row: Any, attributes: Mapping[str, str], is_alarm: bool, model: ServedModel
) -> LoggedReading | None:
    """None: it does not say which equipment it is of, or this model cannot read it."""
    place = place_of(model, attributes)
    if place is None or not isinstance(row, dict):
        return None
    try:
        read_request.instance(row, model, ("instances", 0))
    except ServiceError:
        return None
    return LoggedReading(pair, row, attributes, place.condition, is_alarm)


def turning(found: Sequence[LoggedReading], lives: Mapping[str, Life]) -> list[LoggedReading]:
    """Those that may turn an alarm, in their order; ``lives``: of the conditions that have one."""
    open_ones = {c for c, life in lives.items() if _may_turn(life)}
    kept = []
    for reading in found:
        if reading.is_alarm:
            open_ones.add(reading.condition)  # until it is over, as far as is known here
        if reading.condition in open_ones:
            kept.append(reading)
    return kept


def _may_turn(life: Life) -> bool:
    """Whether a reading that calls for no alarm changes anything."""
    return life.phase is Phase.ACTIVE or life.turned_us is not None


def drafts(found: Sequence[LoggedReading], model: ServedModel, drafting: Drafting) -> list[Draft]:
    """A record for each moment: readings of different equipment together; those of one, one after
    the other. One that the model has no score for is left out."""
    made = []
    for together in _moments(found):
        asked = {
            "instances": [dict(each.instance) for each in together],
            "attributes": [dict(each.attributes) for each in together],
        }
        request = validation.read(PredictionsRequest, asked)
        try:
            reply = answering.predictions(model, request)
        except Exception as error:  # its explanation, which is asked for too, says why
            logs.logger.warning("readings of events are not recorded: %s", logs.where(error))
            continue
        made.append(drafting.answered(RecordKind.PREDICTION, model, request, reply)[1])
    return made


def _moments(found: Sequence[LoggedReading]) -> Iterator[list[LoggedReading]]:
    together: list[LoggedReading] = []
    seen: dict[str, str] = {}
    for reading in found:
        is_later = seen.get(reading.condition, reading.pair) != reading.pair
        if together and (is_later or len(together) == MAX_INSTANCES):
            yield together
            together, seen = [], {}
        together.append(reading)
        seen[reading.condition] = reading.pair
    if together:
        yield together
