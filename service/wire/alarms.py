"""Alarms: episodes of predictions of one piece of equipment, and what people do about them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ifonly.service.lifecycle import AlarmDeed, AlarmState
from ifonly.service.wire.base import Probability, Text, Wire, is_none
from ifonly.service.wire.replies import Audit
from ifonly.service.wire.trail import MAX_COMMENT, Short, Way

MAX_SHELVED_MINUTES = 7 * 24 * 60
"""ISA-18.2 shelves for a limited time."""
MAX_PAGE = 100
MAX_PAGES = 10_000
MAX_TOGETHER = 2_000
"""Alarms that are acted on with one request."""

Priority = Literal["low", "medium", "high", "urgent"]
Sort = Literal["urgency", "raised", "equipment", "probability", "count"]
Time = Annotated[str, Field(description="RFC 3339.")]
Returns = Annotated[int, Field(ge=0)]


class AlarmsQuery(BaseModel):
    """Which alarms; every condition holds."""

    model_config = ConfigDict(extra="forbid")

    state: AlarmState | None = Field(
        None,
        description="Default: all that are open, shelved ones and those out of service too. "
        "`normal`: those that are over, raised within the last 7 days.",
    )
    model: Short | None = None
    search: Short | None = Field(
        None, description="Part of the equipment's name, or of another attribute."
    )
    equipment: Short | None = Field(None, description="The equipment's name, whole.")
    lever: Short | None = Field(
        None,
        description="Name of a feature: alarms whose newest explanation sets it, in the smallest "
        "answer.",
    )
    sort: Sort = Field(
        "urgency",
        description="`urgency`: unacknowledged first, then by priority, the newest first.",
    )
    page: int = Field(1, ge=1, le=MAX_PAGES)
    limit: int = Field(25, ge=1, le=MAX_PAGE)


class LastAction(Wire):
    """What somebody did about it last."""

    by: str
    action: AlarmDeed
    time: Time
    way: Way | None = Field(
        None, exclude_if=is_none, description="Which of the ways out was done, if that was said."
    )


class Alarm(Wire):
    """An episode: readings of one piece of equipment, from the first that called for an alarm."""

    id: str = Field(
        description="Of the record that raised it; of its own where that told of several machines."
    )
    model: str
    version: str
    equipment: str
    attributes: dict[str, str] = Field(description="What tells the equipment from all other.")
    state: AlarmState
    active: bool = Field(description="Whether the newest readings call for it.")
    acknowledged: bool
    chattering: bool = Field(
        description="Whether it returned soon after it was cleared (`alarm.chattering_minutes` of "
        "the spec)."
    )
    shelved_until: Time | None = Field(description="null: not shelved.")
    out_of_service: bool
    priority: Priority | None = Field(description="As the spec declares; null: it does not.")
    owner: Text = Field(description="Who answers for it, as the spec declares.")
    class_: Text = Field(alias="class", description="The group of alarms it is managed with.")
    first_seen: Time = Field(description="Its first reading that called for an alarm.")
    raised: Time = Field(description="When it was raised last.")
    cleared: Time | None = Field(description="null: it is active.")
    last_seen: Time = Field(description="The newest reading of the equipment.")
    count: int = Field(description="EpisodeBook that called for it.")
    returns: int = Field(description="How often it was raised again.")
    probability: Probability | None = Field(
        description="Of its newest alarm; null where the model gives a score."
    )
    record: str = Field(description="Id of the record of its newest alarm.")
    row: int = Field(description="Which of that record's rows, from 0.")
    explanation: str | None = Field(
        description="Id of the newest explanation of one of its readings; null: none was asked for."
    )
    levers: list[str] = Field(
        description="Features that the smallest answer of its newest explanation sets."
    )
    raised_by: str = Field(description="Id of the record that raised it.")
    last_action: LastAction | None


class AlarmsReply(Wire):
    """A page of alarms."""

    alarms: list[Alarm]
    total: int = Field(description="That are as the query wants them.")
    counts: dict[str, int] = Field(description="Of all that are open, by state.")
    page: int
    pages: int


class _Action(Wire):
    """What is done."""

    action: AlarmDeed = Field(strict=False)  # a body has names, not members
    minutes: Annotated[int, Field(ge=1, le=MAX_SHELVED_MINUTES)] | None = Field(
        None, description="With `shelve`: for how long."
    )
    comment: Annotated[str, Field(min_length=1, max_length=MAX_COMMENT)] | None = Field(
        None, description="Needed with `comment`. It can be erased; what was done stays."
    )

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        if (self.minutes is not None) != (self.action is AlarmDeed.SHELVE):
            raise ValueError("minutes is for how long: needed with the action shelve, only there")
        if self.action is AlarmDeed.COMMENT and self.comment is None:
            raise ValueError("the action comment needs a comment")
        return self


class ActionRequest(_Action):
    """What is done about an alarm."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"action": "shelve", "minutes": 30, "comment": "cleaning"}]}
    )

    returns: Returns | None = Field(
        None,
        description="`returns` as it was looked at: if the alarm has returned since, it is refused "
        "(409). Default: whatever it is now.",
    )
    way: Way | None = Field(
        None,
        description="With `done_as_suggested`: which of the ways that the alarm's newest "
        "explanation tells of. Default: nobody says which.",
    )
    explanation: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None,
        description="With `way`: `explanation` of the alarm as it was looked at; if another has "
        "come since, it is refused (409). Default: whichever is the newest.",
    )

    @model_validator(mode="after")
    def _fits_its_way(self) -> Self:
        if self.way is not None and self.action is not AlarmDeed.DONE_AS_SUGGESTED:
            raise ValueError("way is which suggestion was done: only with done_as_suggested")
        if self.explanation is not None and self.way is None:
            raise ValueError("explanation is whose way it was: only with way")
        return self


class LookedAt(Wire):
    """An alarm, as somebody looked at it."""

    id: Short
    returns: Returns | None = Field(None, description="As in an action on one alarm.")


class ActionsRequest(_Action):
    """What is done about several alarms."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "acknowledge",
                    "alarms": [{"id": "01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b", "returns": 0}],
                }
            ]
        }
    )

    alarms: Annotated[list[LookedAt], Field(min_length=1, max_length=MAX_TOGETHER)]


class AlarmAction(Wire):
    """What somebody did about an alarm, as it is recorded."""

    id: str
    time: Time
    by: str = Field(description="Who did: a key's id, or an account's subject.")
    action: AlarmDeed
    until: Time | None = Field(None, exclude_if=is_none, description="With `shelve`.")
    way: Way | None = Field(None, exclude_if=is_none, description="Which way out was done.")
    explanation: str | None = Field(
        None, exclude_if=is_none, description="With `way`: id of the explanation that tells of it."
    )
    comment: str | None = Field(None, exclude_if=is_none, description="Absent once erased.")
    audit: Audit


class ActedTogetherReply(Wire):
    """What came of an action on several alarms, by their ids: each is in one of the lists."""

    done: list[str]
    unchanged: list[str] = Field(description="It already was so: nothing was recorded.")
    moved: list[str] = Field(
        description="Nothing was done: it has returned since it was looked at, or another alarm "
        "has followed it."
    )
    unknown: list[str] = Field(description="There is none of that id.")


class AlarmReply(Wire):
    """An alarm, and all that people did about it."""

    alarm: Alarm
    actions: list[AlarmAction] = Field(description="The oldest first.")


class ActedReply(Wire):
    """An alarm after an action."""

    alarm: Alarm
    action: AlarmAction | None = Field(
        description="null: it already was so, and nothing was recorded."
    )
