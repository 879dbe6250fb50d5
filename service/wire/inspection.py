"""One record, looked at from all sides."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ifonly.service.store.terms import Content
from ifonly.service.wire.base import Text, Wire
from ifonly.service.wire.replies import Proof
from ifonly.service.wire.trail import Event, Finding, Review


class EventReply(Wire):
    """A record with what it tells of, and what was recorded about it."""

    event: Event
    content: Content = Field(description="Whether what it tells of is kept, erased, or nothing.")
    # Any: a record may be of an older version, or tampered with, and is shown as it is.
    request: Any | None = Field(None, description="What was asked, as it was asked.")
    answer: Any | None = Field(None, description="What was answered, to the letter.")
    claim: list[Text] = Field(description="What an explanation claims, and how it is known.")
    reviews: list[Review]
    before: str | None = Field(description="Id of the record before it in its chain.")
    after: str | None = Field(description="Id of the record after it in its chain.")
    proof: Proof | None = Field(
        description="That it is in the log; null: in no signed head yet, ask with `proof=true`."
    )


class ChainEnd(Wire):
    sequence: int
    hash: str
    anchor: str | None = Field(description="Id of the anchor that saw it; null: none did.")


class CheckReply(Wire):
    """One thing that was recomputed."""

    part: str = Field(description="Of the answer: `question`, `counterfactual 1`, `claim`, …")
    check: str = Field(description="`grid`, `cost`, `target`, the key of a rule, …")
    holds: bool
    numbers: str


class RecheckReply(Wire):
    """An answer recomputed from the model's documents, by code that the engines do not use."""

    holds: bool
    # Apart from `holds`: what could not be checked is not what was found wrong.
    problem: str = Field(description="Why nothing could be checked; empty if something was.")
    checks: list[CheckReply]


class StretchReply(Wire):
    """A record checked in its chain, between two anchors where there are some."""

    holds: bool
    content: Content
    since: ChainEnd
    until: ChainEnd
    records: int = Field(description="How many were read and held against each other.")
    findings: list[Finding]
    answer: RecheckReply | None = Field(
        None,
        description="Of an explanation, or a what-if over time, whose content is kept: its answer, "
        "checked again.",
    )


class ChangeReply(Wire):
    """One place where two answers differ."""

    pointer: str
    was: Any
    now: Any


class ReplayReply(Wire):
    """A recorded question that was asked again of the same model."""

    id: str
    same: bool
    changes: list[ChangeReply]
    versions: list[ChangeReply] = Field(
        description="Software that changed since, and members that replies have had only since; "
        "no change of the answer by itself."
    )
    was_cut: bool = Field(description="Whether the first answer was cut by its deadline.")
    answer: RecheckReply | None = Field(
        None, description="Of an explanation: the recorded answer, checked again."
    )
    findings: list[Finding] = Field(
        default=[], description="Why the record is not the one that was written."
    )
