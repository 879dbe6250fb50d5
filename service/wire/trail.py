"""What was recorded, and what people say of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ifonly.explainers.languages import Language
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.terms import Format, RecordList, Trouble
from ifonly.service.wire.base import Wire, is_none
from ifonly.service.wire.replies import Audit, ExplanationReply, Proof

MAX_COMMENT = 4_000
MAX_PAGE = 500

Verdict = Literal["approve", "reject", "comment", "acted", "not_acted", "withdraw"]
Outcome = Literal["as_predicted", "not_as_predicted", "not_known"]
Way = Literal["smallest", "fewest_levers", "most_robust", "other_levers"]
"""As ``ifonly.explainers.terms.WayName`` has them."""
# No NUL: PostgreSQL refuses it in text.
Short = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ReviewRequest(Wire):
    """Auditors approve, reject or comment; operators say whether they acted, and what happened.
    Whoever said something may withdraw it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"verdict": "acted", "rank": 1, "outcome": "as_predicted", "comment": "alarm off"}
            ]
        }
    )

    verdict: Verdict
    rank: Annotated[int, Field(ge=1, le=10)] | None = Field(
        None, description="Which of the counterfactuals; default: the explanation as a whole."
    )
    way: Way | None = Field(
        None,
        description="Which of its named ways, instead of `rank`; one that the explanation tells of "
        "(`ways`). Default: the explanation as a whole.",
    )
    outcome: Outcome | None = Field(None, description="With `acted`: what happened.")
    comment: Annotated[str, Field(min_length=1, max_length=MAX_COMMENT)] | None = Field(
        None, description="Needed with `comment`. It can be erased; the verdict stays."
    )
    withdraws: Short | None = Field(
        None,
        description="With `withdraw`: id of the review of this explanation, one's own, that does "
        "not count any more. Both stay in the record.",
    )

    @model_validator(mode="after")
    def _fits_its_verdict(self) -> Self:
        if (self.withdraws is not None) != (self.verdict == "withdraw"):
            raise ValueError(
                "withdraws is the review taken back: needed with the verdict withdraw, only there"
            )
        if self.verdict == "withdraw" and self.rank is not None:
            raise ValueError("the verdict withdraw is of a whole review: without a rank")
        # Without an outcome "acted" would teach nobody whether the advice was right.
        if (self.outcome is not None) != (self.verdict == "acted"):
            raise ValueError("outcome is what happened: needed with the verdict acted, only there")
        if self.verdict == "comment" and self.comment is None:
            raise ValueError("the verdict comment needs a comment")
        if self.rank is not None and self.way is not None:
            raise ValueError("rank and way each say which of the answers is meant: one of the two")
        return self


class Review(Wire):
    id: str
    time: str
    by: str = Field(description="Who said so: a key's id, or an account's subject.")
    verdict: Verdict
    rank: int | None = Field(None, exclude_if=is_none)
    way: Way | None = Field(None, exclude_if=is_none)
    outcome: Outcome | None = Field(None, exclude_if=is_none)
    comment: str | None = Field(None, exclude_if=is_none, description="Absent once erased.")
    withdraws: str | None = Field(
        None, exclude_if=is_none, description="Of `withdraw`: id of the review that it takes back."
    )
    withdrawn_by: str | None = Field(
        None,
        exclude_if=is_none,
        description="Id of the review by which whoever said this took it back: it does not count.",
    )
    audit: Audit


class ReviewsReply(Wire):
    reviews: list[Review]


class ExplanationRecord(Wire):
    """An explanation as it was given, the request it answered, and what people said of it."""

    explanation: ExplanationReply
    request: dict[str, Any]
    reviews: list[Review]
    proof: Proof | None = Field(
        description="That its record is in the log; null: in no signed head yet, ask with "
        "`proof=true`."
    )


BEGINNING = r"^[0-9a-f-]{4,36}$"
"""Of an id."""


class EventsQuery(BaseModel):
    """Which records; every condition holds."""

    model_config = ConfigDict(extra="forbid")

    kind: RecordKind | None = None
    model: Short | None = None
    status: Short | None = Field(None, description="Claim, kind of refusal, verdict, …")
    actor: Short | None = None
    request_id: Short | None = None
    about: Short | None = Field(None, description="Id of the record that they are about.")
    writer: Short | None = Field(None, description="The chain.")
    since: Short | None = Field(None, description="RFC 3339, included.")
    until: Short | None = Field(None, description="RFC 3339, excluded.")
    language: Language | None = Field(None, description="Of the reply, among others.")
    # At least four characters: of fewer the index would find much of the table.
    begins: Annotated[str, Field(pattern=BEGINNING)] | None = Field(
        None, description="How the record's id begins; at least four characters."
    )
    listing: RecordList | None = Field(
        None,
        description="`unproven`: explanations that claim no proof. `fragile`: those whose answer "
        "is known not to survive every reading within the tolerances (recorded since 0.1). "
        "`upkeep`: anchors, keys, jobs, models, sign-ins, looks, holds, erasures.",
    )


class PageQuery(EventsQuery):
    cursor: Annotated[str, Field(max_length=512)] | None = Field(
        None, description="`next` of the page before."
    )
    # Bounded: a page is read and held as a whole.
    limit: int = Field(50, ge=1, le=MAX_PAGE)


class ExportQuery(EventsQuery):
    format: Format = Format.JSONL


class Finding(Wire):
    """One thing wrong, and where."""

    writer: str
    sequence: int
    trouble: Trouble
    text: str
    where: str = Field(description="The table, or `table.column` where that is known.")


class Event(Wire):
    """A record, as it is hashed: `docs/audit.md`."""

    format: int
    writer: str
    sequence: int
    previous: Sha256
    hash: Sha256
    payload_digest: Sha256 | None = Field(None, exclude_if=is_none)
    id: str
    kind: RecordKind
    time: str
    actor: str
    role: str | None = Field(None, exclude_if=is_none)
    request_id: str | None = Field(None, exclude_if=is_none)
    about: str | None = Field(None, exclude_if=is_none)
    status: str | None = Field(None, exclude_if=is_none)
    languages: str | None = Field(None, exclude_if=is_none)
    model: str | None = Field(None, exclude_if=is_none)
    version: str | None = Field(None, exclude_if=is_none)
    model_sha256: str | None = Field(None, exclude_if=is_none)
    spec_sha256: str | None = Field(None, exclude_if=is_none)
    causal_sha256: str | None = Field(None, exclude_if=is_none)
    engine: str | None = Field(None, exclude_if=is_none)
    engine_version: str | None = Field(None, exclude_if=is_none)
    seed: int | None = Field(None, exclude_if=is_none)
    latency_us: int | None = Field(None, exclude_if=is_none)
    detail: dict[str, Any] | None = Field(None, exclude_if=is_none)
    findings: list[Finding] | None = Field(
        None, exclude_if=is_none, description="What is wrong with it; absent where it holds."
    )


class ProofQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    proof: bool = Field(False, description="Wait for a signed head that has the record.")


class EventsReply(Wire):
    events: list[Event] = Field(description="The newest first.")
    next: str | None = Field(description="Cursor of the next page; null: this is the last.")


class VerificationReply(Wire):
    holds: bool
    writers: int
    records: int
    payloads: int
    erased: int = Field(description="Payloads that are gone; each must have a record that says so.")
    anchors: int
    logged: int = Field(description="Records in the log; the others come into its next head.")
    troubles: int
    findings: list[Finding] = Field(description="The first hundred.")
    notes: list[str] = Field(description="What is no sign of tampering, such as a torn line.")
