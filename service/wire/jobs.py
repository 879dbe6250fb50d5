"""What is said of a job."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ifonly.service.store.terms import State
from ifonly.service.wire.base import Wire, is_false, is_none
from ifonly.service.wire.replies import Recorded


class JobLinks(Wire):
    """Where more is."""

    # `self` would be a method's own argument.
    self_: str = Field(alias="self")
    events: str = Field(description="Progress, as server-sent events.")
    result: str = Field(description="What its rows were answered, in order; once it has ended.")


class Job(Wire):
    """Rows that are answered one after the other, after the reply."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0d6e3c7a-3a1c-4a0e-9a1f-0d5a3f2b9c11",
                    "state": "running",
                    "model": "milling-machine",
                    "version": "1",
                    "rows": 1000,
                    "answered": 640,
                    "refused": 2,
                    "statuses": {"already_target": 612, "optimal": 26},
                    "by": "key:line-3",
                    "created": "2026-01-31T08:00:00.000000Z",
                    "started": "2026-01-31T08:00:00.120000Z",
                    "links": {
                        "self": "/api/v1/jobs/0d6e3c7a-3a1c-4a0e-9a1f-0d5a3f2b9c11",
                        "events": "/api/v1/jobs/0d6e3c7a-3a1c-4a0e-9a1f-0d5a3f2b9c11/events",
                        "result": "/api/v1/jobs/0d6e3c7a-3a1c-4a0e-9a1f-0d5a3f2b9c11/result",
                    },
                }
            ]
        }
    )

    id: str
    state: State
    model: str
    version: str = Field(description="The one that was served when the job came.")
    rows: int
    # Refused rows count: a job ends when each row has a record, whatever it says.
    answered: int = Field(description="Rows that have a record, refused ones among them.")
    refused: int = Field(description="Rows whose answer is a problem.")
    statuses: dict[str, int] | None = Field(
        None,
        exclude_if=is_none,
        description="The others, by claim; absent of jobs of versions that did not count them.",
    )
    by: str = Field(description="Who asked for it: a key's id, or an account's subject.")
    created: str
    started: str | None = Field(None, exclude_if=is_none)
    finished: str | None = Field(None, exclude_if=is_none)
    doubtful: bool = Field(
        False,
        exclude_if=is_false,
        description="Present, and true, in lists: it is not the job that its records tell of.",
    )
    links: JobLinks
    audit: Recorded = None


# No NUL: PostgreSQL refuses it in text.
Short = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
MAX_PAGE = 500


class JobsQuery(BaseModel):
    """Which jobs; every condition holds."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    model: Short | None = None
    by: Short | None = Field(
        None,
        description="Who asked; default: whoever lists them, of auditors and admins everybody.",
    )
    cursor: Annotated[str, Field(max_length=512)] | None = Field(
        None, description="`next` of the page before."
    )
    limit: int = Field(50, ge=1, le=MAX_PAGE)


class JobsReply(Wire):
    """A page of jobs, the newest first."""

    jobs: list[Job]
    next: str | None = Field(description="Cursor of the page after this one; null at the end.")


RowNumber = Annotated[int, Field(ge=0, lt=2**31)]


class ResultQuery(BaseModel):
    """Which rows, and how much of each."""

    model_config = ConfigDict(extra="forbid")

    first: RowNumber = Field(0, description="Number of the first row that is wanted.")
    last: RowNumber | None = Field(None, description="Of the last one, itself included.")
    form: Literal["full", "flat"] | None = Field(
        None,
        description="Of JSON lines: `flat` has the columns of a table instead of all that was "
        "said (default: `full`). Tables are flat.",
    )
