"""Records to what became of advice. Runs in threads that read the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from heapq import merge
from operator import itemgetter
from typing import Any

from pydantic_core import from_json

from ifonly.models.errors import UnknownModel
from ifonly.service.audit.drafts import ALARM
from ifonly.service.audit.follow_up.advice import (
    Advice,
    Deed,
    DeedSaid,
    FollowUp,
    Result,
    ToldOutcome,
)
from ifonly.service.audit.follow_up.advised import arms_of, digest_of, ways_of
from ifonly.service.audit.follow_up.tracking import FollowUps
from ifonly.service.audit.observations import place_of
from ifonly.service.lifecycle import AlarmDeed
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import explanations
from ifonly.service.store.alarm_actions import alarm_of
from ifonly.service.store.chain import Payload, Record, microseconds, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import episode_id
from ifonly.service.store.explanations import ReadRecord
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.withdrawals import in_force
from ifonly.service.wire.requests import of_rows

PLACES_KEPT = 65_536
"""Of attributes that were said, as equipment; more are looked up anew."""
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
Heard = tuple[int, Callable[[], None]]
"""When something was said or read, and what takes it in."""
_WHEN = itemgetter(0)


@dataclass(frozen=True)
class Followed:
    """What became of a period's advice."""

    each: list[FollowUp]
    """Also of explanations that advise nothing, if they are of an experiment."""
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
        """Of an alarm's id, which equipment it is of: of alarms about which something was done
        alone, as there are as many others as there are readings."""
        self._done_about: frozenset[str] = frozenset()
        self._place = lru_cache(PLACES_KEPT)(self._place_said)
        self._told: dict[str, Entry] = {}
        try:
            self._model: ServedModel | None = registry.find(model)
        # Records outlive models: what was said and told is followed up, readings are not.
        except UnknownModel:
            self._model = None

    def read(self) -> Followed:
        handlers: Mapping[RecordKind, Callable[[Record, Payload | None], None]] = {
            RecordKind.EXPLANATION: self._explanation,
            RecordKind.REVIEW: self._review,
            RecordKind.ALARM: self._deed,
            RecordKind.OUTCOME: self._outcome,
        }
        now = now_us() + 1
        # What is said and told counts whenever it was; readings within the window alone.
        ends = {RecordKind.EXPLANATION: min(self._end_us, now)}
        said = {kind: partial(self._about, kind, ends.get(kind, now)) for kind in handlers}
        deeds = (record.facts for record, _ in said[RecordKind.ALARM]())
        self._done_about = frozenset(alarm_of(facts) for facts in deeds if facts.status in _DONE)
        heard = [self._heard(said[kind], handler) for kind, handler in handlers.items()]
        # Piece by piece: what is held in memory grows with advice, not with readings.
        for _, take_in in merge(*heard, self._readings(ends[RecordKind.EXPLANATION]), key=_WHEN):
            take_in()
        return Followed(self._follow_ups.found(), self._told)

    def _heard(
        self,
        entries: Callable[[], Iterator[Entry]],
        handler: Callable[[Record, Payload | None], None],
    ) -> Iterator[Heard]:
        found = entries()
        told = _in_force(found) if handler == self._review else found
        return ((entry[0].facts.time_us, partial(handler, *entry)) for entry in told)

    def _readings(self, end_us: int) -> Iterator[Heard]:
        kind, since = RecordKind.PREDICTION, self._since_us
        found = explanations.read_about_model(self._database, kind, self._name, since, end_us)
        return ((read.time_us, partial(self._predictions, read)) for read in found)

    def _about(self, kind: RecordKind, end_us: int) -> Iterator[Entry]:
        return explanations.about_model(self._database, kind, self._name, self._since_us, end_us)

    def _explanation(self, record: Record, payload: Payload | None) -> None:
        if payload is None:
            return  # erased: what it advised is gone
        facts = record.facts
        kept = from_json(payload.content)
        request, answer = kept["request"], kept["answer"]
        instance, said = request["instance"], request.get("attributes", {})
        condition, reading = self._condition(said), digest_of(instance)
        is_repeat = self._follow_ups.repeats(condition, reading, facts.time_us) is not None
        if condition is not None and facts.about is None and not is_repeat:
            # Asked outright it is a reading, too, of all that was advised before; asked again
            # about a reading it shows nothing that came after it.
            self._reading(record, condition, instance, answer["prediction"])
        ways, arms = ways_of(answer, self._model), arms_of(facts.detail)
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
                instance,
                answer["prediction"].get("probability"),
                arms,
            )
        )

    def _predictions(self, read: ReadRecord) -> None:
        if read.about is not None or read.content is None:
            return
        try:
            found = _RowsRead.of(read.content)
            matters = any(self._matters(read, each) for each in self._identified(read, found))
        # Not what any version wrote: whether somebody has written into it, the check tells.
        except (ValueError, KeyError, TypeError, AttributeError):
            matters = True
        # Checked only where it counts: that takes most of the time, and few readings are of advice.
        entry = read.checked() if matters else None
        if entry is None:
            return
        record, payload = entry
        assert payload is not None
        found = _RowsRead.of(payload.content)
        for (identity, condition), row, each in zip(
            self._identified(read, found), found.rows, found.told, strict=False
        ):
            if condition is not None and row is not None:
                if identity in self._done_about:
                    self._alarms[identity] = condition
                self._reading(record, condition, row, each)

    def _matters(self, read: ReadRecord, identified: tuple[str, str | None]) -> bool:
        """Whether it is of the course of any advice, or of an alarm about which something was
        done."""
        identity, condition = identified
        if condition is None:
            return False
        return identity in self._done_about or self._follow_ups.is_open(condition, read.time_us)

    def _identified(self, read: ReadRecord, found: _RowsRead) -> list[tuple[str, str | None]]:
        """Of each row the alarm that it would raise, and the equipment."""
        conditions = [self._condition(each) for each in found.said]
        is_one = len({each for each in conditions if each is not None}) == 1
        return [
            (read.id if is_one or each is None else episode_id(read.id, each), each)
            for each in conditions
        ]

    def _reading(
        self,
        record: Record,
        condition: str,
        instance: Mapping[str, Any],
        prediction: Mapping[str, Any],
    ) -> None:
        is_alarm = self._is_alarm(record, prediction)
        if record.facts.kind is RecordKind.EXPLANATION and record.facts.id in self._done_about:
            self._alarms[record.facts.id] = condition
        self._follow_ups.read(condition, record.facts.time_us, instance, is_alarm=is_alarm)

    def _is_alarm(self, record: Record, prediction: Mapping[str, Any]) -> bool:
        decision = None if self._model is None else self._model.decision
        if decision is None or decision.desired is None:
            return record.facts.status == ALARM
        return bool(prediction.get("class") != decision.class_names[decision.desired])

    def _condition(self, said: Mapping[str, str]) -> str | None:
        return self._place(tuple(said.items()))

    def _place_said(self, said: tuple[tuple[str, str], ...]) -> str | None:
        place = None if self._model is None else place_of(self._model, dict(said))
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


@dataclass(frozen=True, slots=True)
class _RowsRead:
    """What a record of predictions says of each row."""

    rows: Sequence[Any]
    said: Sequence[Mapping[str, str]]
    told: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, content: bytes) -> _RowsRead:
        kept = from_json(content)
        request = kept["request"]
        rows = request.get("instances") or [request.get("instance")]
        said = of_rows(request.get("attributes", {}), len(rows))
        return cls(rows, said, kept["answer"]["predictions"])


def _in_force(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Reviews that nobody took back."""
    kept = {record.facts.id: (record, payload) for record, payload in entries}
    still = in_force(record for record, _ in kept.values())
    return (kept[record.facts.id] for record in still)
