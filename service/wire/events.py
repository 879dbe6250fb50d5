"""What is said of events: that they came, and which could not be told on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ifonly.service.wire.base import Wire


class EventsAccepted(Wire):
    """What became of the events of one request."""

    accepted: int = Field(description="Kept just now.")
    duplicates: int = Field(description="Kept before.")
    ignored: int = Field(description="Of a type that says nothing here.")


class DeadLetter(Wire):
    """What could not be read, or not be sent."""

    id: str
    kind: Literal["event", "explanation", "webhook"] = Field(
        description="`event`: a request and a response of which nothing could be made; "
        "`explanation`: an explained alarm that the sink has not taken; `webhook`: a job's end."
    )
    reason: str
    time: str = Field(description="When it came, or was to be sent first.")
    attempts: int
    about: str = Field(description="Id of the event, of the explanation, or of the job.")


class DeadLetters(Wire):
    """The oldest first."""

    letters: list[DeadLetter]
    total: int = Field(description="How many there are; the first 1,000 are listed.")
