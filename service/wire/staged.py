"""Versions that are here and not asked yet, and the decision which one is asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from ifonly.service.wire.base import Read, Value, Wire, is_none
from ifonly.service.wire.replies import Audit

MOST_WORDS = 2_000
MOST_FIELDS = 4_096
_Version = Annotated[str, Field(max_length=128)]
_Key = Annotated[str, Field(min_length=1, max_length=400)]
_FieldValue = Annotated[
    Any,
    Field(
        description="A text, a number, a truth, two numbers, or null: what the field has, or to "
        "take it out."
    ),
]


class ActivationRequest(Wire):
    """Which version is to be asked where a request names none."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": "1", "why": "2 floods the night shift"}]}
    )

    version: _Version = Field(description="A version that is staged, or here already.")
    why: str = Field(min_length=1, max_length=MOST_WORDS, description="What the record says of it.")
    previous: _Version | None = Field(
        None,
        description="The version that is active as far as whoever decides knows: refused if "
        "another one is.",
    )
    accept_guesses: bool = Field(
        False, description="Whether a staged version may have guesses that nobody has checked."
    )


class ActivationReply(Wire):
    """A version that is asked from now on where a request names none."""

    name: str
    version: str
    previous: str | None = Field(description="That was active before; null: none was.")
    audit: Audit


class StagedField(Wire):
    """One value of a staged version's `spec.toml` that can be set without an editor."""

    key: str = Field(description="As errors name it, as `features[0].bounds`.")
    feature: str | None = Field(description="That it is of; null: of none.")
    value: _FieldValue
    guess: str | None = Field(description="Why it was guessed; null: it was not, or is checked.")
    choices: list[str] = Field(description="The only values; empty: any.")
    is_shown_only: bool = Field(description="It can be checked, and not changed here.")


class StagedQuestion(Wire):
    """What neither the file nor the sample says, and whoever trained the model knows."""

    key: str
    text: str
    guess: str
    choices: list[str] = Field(description="The only answers; empty: any.")
    answer: str = Field(description="That was taken.")
    is_guess: bool = Field(description="Whether nobody has given it.")


class StagedSummary(Wire):
    name: str
    version: str
    revision: int = Field(description="How often it was changed, from 1.")
    active: str | None = Field(description="The version that is asked now; null: none is.")
    origin: str = Field(description="What it was made of.")
    by: str = Field(description="Who has changed it last.")
    guesses: int = Field(description="What nobody has checked, of fields and questions.")


class StagedReply(StagedSummary):
    """A version that is here, and asked by nobody but those who decide about it."""

    model_sha256: str
    spec_sha256: str
    reading: str = Field(
        description="Why the graph could not be read as mathematics, so that nothing is proven; "
        "empty: it was."
    )
    told: list[str] = Field(description="What was found in file and sample.")
    questions: list[StagedQuestion]
    fields: list[StagedField]
    first: dict[str, Read] | None = Field(
        description="A first row to explain, of its reference rows; null: there is none."
    )
    audit: Audit | None = Field(None, exclude_if=is_none, description="Of what was just done.")


class StagedListReply(Wire):
    staged: list[StagedSummary]


class StagedEdit(Wire):
    """What is to be set of it: every key that is wrong is told, and then nothing is set."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"values": {"features[0].unit": "Nm"}, "checked": ["decision.desired"]}]
        }
    )

    revision: int | None = Field(
        None, description="That whoever sets it has seen: refused if another one is there."
    )
    values: Annotated[dict[_Key, Value], Field(max_length=MOST_FIELDS)] = Field(
        default={}, description="New values, by key of the field; null takes one out."
    )
    checked: Annotated[list[_Key], Field(max_length=MOST_FIELDS)] = Field(
        default=[], description="Keys of guesses that are right."
    )
    answers: Annotated[dict[_Key, str], Field(max_length=MOST_FIELDS)] = Field(
        default={}, description="Answers to questions, by key: file and sample are read again."
    )


Only = Literal["alarms", "all"]
MOST_COMPARED = 5_000


class ComparisonRequest(Wire):
    """Which version, and of how much of what the active one has decided."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": "2", "last": 500}]})

    version: _Version = Field(description="A version that is staged, or here already.")
    last: int = Field(500, ge=1, le=MOST_COMPARED, description="Rows, the newest ones.")
    only: Only = Field("alarms", description="Alarms, or every row that was decided.")


class Change(Wire):
    """A row that would be decided otherwise."""

    record: str = Field(description="Id of the record.")
    row: int = Field(description="Of the record's rows, from 0.")
    time: str
    was: str | None = Field(description="Class that was decided; null: there are none.")
    now: str | None = Field(description="Class that would be.")
    was_alarm: bool
    is_alarm: bool
    was_score: float | None = Field(description="In the model's unit, where there is no class.")
    now_score: float | None


class Way(Wire):
    """How many went the same way."""

    was: str | None
    now: str | None
    count: int


class RefusedRow(Wire):
    """A row that the version would not take."""

    record: str
    row: int
    problem: str


class SpecDifference(Wire):
    key: str = Field(description="Features by name: `features[torque].unit`.")
    was: str | None = Field(description="null: it is not there.")
    now: str | None


class DigestDifference(Wire):
    file: str
    was: str | None
    now: str | None


class ComparisonReply(Wire):
    """What a version would decide of the last rows that the active one has decided."""

    name: str
    version: str
    active: str
    only: Only
    compared: int = Field(description="Rows that were scored anew.")
    changed: int = Field(description="Of them, that would be decided otherwise.")
    cleared: int = Field(description="Alarms that would be none.")
    raised: int = Field(description="Rows that would be an alarm, and were none.")
    refused: int = Field(description="Rows that the version does not take: other features, bounds.")
    unreadable: int = Field(description="Records that were erased, or are not what was sealed.")
    since: str | None = Field(description="Time of the oldest row; null: there is none.")
    until: str | None
    ways: list[Way]
    changes: list[Change] = Field(description="The first 200, the newest first.")
    refusals: list[RefusedRow] = Field(description="The first 200.")
    spec: list[SpecDifference]
    digests: list[DigestDifference]
