"""What is said of a job."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from ifonly.service.store.terms import State
from ifonly.service.wire.base import Wire, is_none
from ifonly.service.wire.replies import Recorded


class JobLinks(Wire):
    """Where more is."""

    # `self` would be a method's own argument.
    self_: str = Field(alias="self")
    events: str = Field(description="Progress, as server-sent events.")
    result: str = Field(description="One line of JSON a row, in order; once the job has ended.")


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
    created: str
    started: str | None = Field(None, exclude_if=is_none)
    finished: str | None = Field(None, exclude_if=is_none)
    links: JobLinks
    audit: Recorded = None
