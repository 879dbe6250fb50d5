"""Records to what became of advice. Runs in threads that read the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

from pydantic_core import from_json

from ifonly.models.errors import UnknownModel
from ifonly.service.audit import ways_told
from ifonly.service.audit.drafts import ALARM
from ifonly.service.audit.follow_up.advice import (
    Advice,
    AdvisedLever,
    Deed,
    DeedSaid,
    FollowUp,
    Result,
    ShownArm,
    ToldOutcome,
)
from ifonly.service.audit.follow_up.tracking import FollowUps
from ifonly.service.audit.observations import place_of
from ifonly.service.lifecycle import AlarmDeed
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import explanations
from ifonly.service.store.alarms import alarm_of
from ifonly.service.store.chain import Payload, Record, microseconds, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import episode_id
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.withdrawals import in_force
from ifonly.service.wire.requests import of_rows

MOST_READINGS = 200_000
"""Records of predictions that are looked at for one report."""
TAKES_BACK = "takes_back"
"""Member of an outcome's detail: the id of the outcome that it takes back."""
TAKEN_BACK = "taken_back"
"""Status of such a record."""
_SAID = {"acted": Deed.FOLLOWED, "not_acted": Deed.NOTHING}
_DONE = {
    AlarmDeed.DONE_AS_SUGGESTED.value: Deed.FOLLOWED,
    AlarmDeed.DONE_OTHERWISE.value: Deed.OTHERWISE,
}
_CAME = {"as_predicted": Result.SUCCESS, "not_as_predicted": Result.FAILURE}
"""What an operator says of what they did themselves is the plant's word, too."""

Entry = tuple[Record, Payload | None]


@dataclass(frozen=True)
class Followed:
    """What became of a period's advice."""

    each: list[FollowUp]
    """Also of explanations that advise nothing, if they are of an experiment."""
    is_cut: bool
    """There were more readings than are looked at."""
    told: Mapping[str, Entry] = field(default_factory=dict)
    """Records of outcomes, by id."""

    @property
    def advised(self) -> list[FollowUp]:
        """Those that advise something."""
        return [each for each in self.each if each.advice.ways]


def followed(
    database: Database, registry: Registry, model: str, since_us: int, until_us: int, window_us: int
) -> Followed:
    """Of advice of ``model`` that was given in a period.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    return _Reader(database, registry, model, since_us, until_us, window_us).read()


class _Reader:
    def __init__(
        self,
        database: Database,
        registry: Registry,
        model: str,
        since_us: int,
        until_us: int,
        window_us: int,
    ) -> None:
        self._database = database
        self._name = model
        self._since_us, self._until_us = since_us, until_us
        self._end_us = until_us + window_us
        self._follow_ups = FollowUps(window_us)
        self._alarms: dict[str, str] = {}
        """Of an alarm's id, which equipment it is of."""
        self._told: dict[str, Entry] = {}
        try:
            self._model: ServedModel | None = registry.find(model)
        # Records outlive models: what was said and told is followed up, readings are not.
        except UnknownModel:
            self._model = None

    def read(self) -> Followed:
        handlers: Mapping[RecordKind, Callable[[Record, Payload | None], None]] = {
            RecordKind.EXPLANATION: self._explanation,
            RecordKind.PREDICTION: self._predictions,
            RecordKind.REVIEW: self._review,
            RecordKind.ALARM: self._deed,
            RecordKind.OUTCOME: self._outcome,
        }
        self._count = 0
        streams = [self._stream(kind) for kind in handlers]
        for record, payload in merge(*streams, key=lambda entry: entry[0].facts.time_us):
            handlers[record.facts.kind](record, payload)
        found = self._follow_ups.found()
        return Followed(found, self._count >= MOST_READINGS, self._told)

    def _stream(self, kind: RecordKind) -> Iterator[Entry]:
        # What is said and told counts whenever it was; readings within the window alone.
        is_reading = kind in (RecordKind.EXPLANATION, RecordKind.PREDICTION)
        end = min(self._end_us, now_us() + 1) if is_reading else now_us() + 1
        found = explanations.about_model(self._database, kind, self._name, self._since_us, end)
        if kind is RecordKind.REVIEW:
            return iter(_in_force(found))
        return islice(found, MOST_READINGS) if kind is RecordKind.PREDICTION else found

    def _explanation(self, record: Record, payload: Payload | None) -> None:
        if payload is None:
            return  # erased: what it advised is gone
        facts = record.facts
        kept = from_json(payload.content)
        request, answer = kept["request"], kept["answer"]
        instance, said = request["instance"], request.get("attributes", {})
        condition, reading = self._condition(said), _digest(instance)
        is_repeat = self._follow_ups.repeats(condition, reading, facts.time_us) is not None
        if condition is not None and facts.about is None and not is_repeat:
            # Asked outright it is a reading, too, of all that was advised before; asked again
            # about a reading it shows nothing that came after it.
            self._reading(record, condition, instance, answer["prediction"])
        ways, arms = _ways(answer, self._model), _arms(facts.detail)
        if not (ways or arms) or not self._since_us <= facts.time_us < self._until_us:
            return
        self._follow_ups.advise(
            Advice(
                facts.id,
                facts.time_us,
                self._name,
                facts.version or "",
                ways,
                condition,
                reading,
                said,
                answer["prediction"].get("probability"),
                arms,
                instance,
            )
        )

    def _predictions(self, record: Record, payload: Payload | None) -> None:
        self._count += 1
        if payload is None or record.facts.about is not None:
            return
        kept = from_json(payload.content)
        request, told = kept["request"], kept["answer"]["predictions"]
        rows = request.get("instances") or [request.get("instance")]
        said = of_rows(request.get("attributes", {}), len(rows))
        conditions = [self._condition(each) for each in said]
        is_one = len({each for each in conditions if each is not None}) == 1
        for condition, row, each in zip(conditions, rows, told, strict=False):
            if condition is not None and row is not None:
                identity = record.facts.id if is_one else episode_id(record.facts.id, condition)
                self._alarms[identity] = condition
                self._reading(record, condition, row, each)

    def _reading(
        self,
        record: Record,
        condition: str,
        instance: Mapping[str, Any],
        prediction: Mapping[str, Any],
    ) -> None:
        is_alarm = self._is_alarm(record, prediction)
        if record.facts.kind is RecordKind.EXPLANATION:
            self._alarms[record.facts.id] = condition
        self._follow_ups.read(condition, record.facts.time_us, instance, is_alarm=is_alarm)

    def _is_alarm(self, record: Record, prediction: Mapping[str, Any]) -> bool:
        decision = None if self._model is None else self._model.decision
        if decision is None or decision.desired is None:
            return record.facts.status == ALARM
        return bool(prediction.get("class") != decision.class_names[decision.desired])

    def _condition(self, said: Mapping[str, str]) -> str | None:
        place = None if self._model is None else place_of(self._model, said)
        return None if place is None else place.condition

    def _review(self, record: Record, payload: Payload | None) -> None:
        facts, detail = record.facts, record.facts.detail or {}
        deed = _SAID.get(facts.status or "")
        if deed is None or facts.about is None:
            return
        word = DeedSaid(facts.time_us, facts.actor, deed, detail.get("way"))
        self._follow_ups.decide(facts.about, word)
        came = _CAME.get(str(detail.get("outcome")))
        if came is not None:
            self._told[facts.id] = (record, payload)
            self._follow_ups.tell(facts.about, ToldOutcome(facts.id, facts.time_us, came))

    def _deed(self, record: Record, payload: Payload | None) -> None:
        facts, detail = record.facts, record.facts.detail or {}
        deed = _DONE.get(facts.status or "")
        if deed is None:
            return
        named = detail.get("explanation")
        condition = self._alarms.get(alarm_of(facts))
        # Where nobody said of which explanation, of the newest about that equipment.
        about = named or (self._follow_ups.newest_of(condition) if condition else None)
        if about is not None:
            word = DeedSaid(facts.time_us, facts.actor, deed, detail.get("way"))
            self._follow_ups.decide(str(about), word)

    def _outcome(self, record: Record, payload: Payload | None) -> None:
        facts, detail = record.facts, record.facts.detail or {}
        about = facts.about or ""
        if facts.status == TAKEN_BACK:
            self._follow_ups.take_back(about, str(detail.get(TAKES_BACK)))
            return
        if facts.status not in tuple(Result):
            return
        self._told[facts.id] = (record, payload)
        happened = detail.get("happened")
        time_us = facts.time_us if happened is None else microseconds(str(happened))
        number = detail.get("number")
        said = ToldOutcome(
            facts.id,
            time_us,
            Result(facts.status),
            None if number is None else float(number),
            str(detail.get("unit", "")),
        )
        self._follow_ups.tell(about, said)


def _in_force(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Reviews that nobody took back."""
    kept = {record.facts.id: (record, payload) for record, payload in entries}
    still = in_force(record for record, _ in kept.values())
    return (kept[record.facts.id] for record in still)


def _ways(
    answer: Mapping[str, Any], model: ServedModel | None
) -> dict[str, tuple[AdvisedLever, ...]]:
    """By name of the way, what it sets; nothing where there is no advice."""
    found: dict[str, tuple[AdvisedLever, ...]] = {}
    told = {way["name"]: way for way in answer.get("ways") or ()}
    for name in ways_told.told(answer):
        way = told.get(name, {})
        # One that sets the same as another is that other.
        if way.get("same_as"):
            continue
        one = way.get("counterfactual") or answer["counterfactuals"][0]
        found[name] = tuple(_lever(action, model) for action in one["actions"])
    return {name: levers for name, levers in found.items() if levers}


def _arms(detail: Mapping[str, Any] | None) -> dict[str, ShownArm]:
    """How an explanation was shown in an experiment, by its id."""
    said = (detail or {}).get("experiment")
    if not isinstance(said, dict):
        return {}
    return {str(said["id"]): ShownArm(str(said["arm"]), str(said["unit"]))}


def _lever(action: Mapping[str, Any], model: ServedModel | None) -> AdvisedLever:
    low, high = action.get("sufficient_range") or (None, None)
    name = action["feature"]
    tolerance = 0.0 if model is None else _tolerance(model, name)
    return AdvisedLever(name, action["from"], action["to"], low, high, tolerance)


def _tolerance(model: ServedModel, name: str) -> float:
    """How far a reading may be from what was set: as the policy declares of the sensor, at least
    a step of what can be set."""
    own = model.deployed.spec.policy.get("features", {}).get(name, {})
    feature = next((f for f in model.schema.features if f.name == name), None)
    step = 0.0 if feature is None or feature.resolution is None else float(feature.resolution)
    return max(float(own.get("tolerance", 0.0)), step)


def _digest(instance: Mapping[str, Any]) -> str:
    plain = {k: float(v) if isinstance(v, int) else v for k, v in instance.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
