"""When a request is sent again, and after how long. No input, no output."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import ValidationError

from ifonly.client.errors import (
    ClientError,
    NotAnAnswer,
    TimedOut,
    Unreachable,
    problem,
)
from ifonly.client.reading import head, lenient
from ifonly.service.wire.problem import ProblemDetails

PROBLEM = "application/problem+json"
NOT_NOW = (429, 503)
GATEWAY = (502, 503, 504)
"""What a proxy says while there is nobody behind it."""
LOST = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.CloseError,
    httpx.RemoteProtocolError,
)
"""Connections that came to nothing or broke. Not that time ran out: that was the time to wait."""


@dataclass(frozen=True)
class Retries:
    """How often a request is sent again, and after how long: each time about twice as long as
    before, drawn at random so that many clients do not come back at once; where the service says
    how long (``Retry-After``), a little longer than that."""

    times: int = 6
    """After connections that failed."""
    first_seconds: float = 0.25
    most_seconds: float = 30.0
    """Longest pause."""
    patience_seconds: float = 300.0
    """Pauses together that the service may ask for; of more, its refusal is told instead."""


Outcome = httpx.Response | httpx.RequestError


@dataclass
class Tries:
    """What became of one request so far."""

    retries: Retries
    chance: Callable[[], float] = random.random
    made: int = 0
    lost: int = 0
    waited: float = 0.0

    def pause_after(self, outcome: Outcome) -> float | None:
        """Seconds after which to send it again; None: ``outcome`` stands."""
        self.made += 1
        if isinstance(outcome, httpx.RequestError):
            return self._again() if isinstance(outcome, LOST) else None
        told = retry_after(outcome)
        if outcome.status_code in NOT_NOW and told is not None:
            return self._when(told)
        # Ours says when, if waiting helps; a proxy, which does not, waits for somebody to start.
        if outcome.status_code in GATEWAY and not _is_problem(outcome):
            return self._again()
        return None

    def went_on(self) -> None:
        """Something came: what is lost from now on is lost for the first time."""
        self.lost = 0

    def _again(self) -> float | None:
        if self.lost >= self.retries.times:
            return None
        self.lost += 1
        return self._about(self.lost) * (1.0 + self.chance()) / 2.0

    def _when(self, told: float) -> float | None:
        self.waited += told
        if self.waited > self.retries.patience_seconds:
            return None
        return told + self._about(self.made) * self.chance()

    def _about(self, attempt: int) -> float:
        # The power is bounded: many refusals would overflow it.
        doubled = self.retries.first_seconds * 2.0 ** min(attempt - 1, 30)
        return min(self.retries.most_seconds, doubled)

    def failure(self, outcome: Outcome, url: str) -> ClientError:
        """What ``outcome`` is told as, which is none that was wanted."""
        if isinstance(outcome, httpx.Response):
            return error_of(outcome) or NotAnAnswer(f"{outcome.url} sent no answer")
        if isinstance(outcome, httpx.DecodingError):
            return NotAnAnswer(f"{url} sent what is not packed as it says: {outcome}")
        if isinstance(outcome, httpx.TimeoutException):
            return TimedOut(f"{url} did not answer in time ({type(outcome).__name__})")
        said = str(outcome) or type(outcome).__name__
        return Unreachable(f"{url} was tried {self.made} times: {said}")


def retry_after(response: httpx.Response) -> float | None:
    """Seconds (RFC 9110, 10.2.3); None: it does not say."""
    said = response.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        until, now = (parsedate_to_datetime(at) for at in (said, response.headers["date"]))
        return max((until - now).total_seconds(), 0.0)
    except (KeyError, TypeError, ValueError):
        return None


def error_of(response: httpx.Response) -> ClientError | None:
    """What a reply says is wrong; None: nothing."""
    if response.is_success:
        return None
    told = _told(response)
    if told is None:
        return NotAnAnswer(f"{response.url} sent no problem: {head(response.content)}")
    return problem(lenient(ProblemDetails).model_validate(told), retry_after(response))


def _told(response: httpx.Response) -> dict[str, Any] | None:
    """The members of a problem; None: it says that it has some, and has none."""
    status = response.status_code
    known = status in {s.value for s in HTTPStatus}
    # All that there is of somebody between us and the service, and each may be left out (RFC 9457).
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase if known else "No status that is known",
        "detail": f"not by this service: {head(response.content)}",
        "instance": response.url.path,
        "request_id": response.headers.get("x-request-id", ""),
    }
    if _is_problem(response):
        try:
            read = lenient(ProblemDetails).model_validate_json(response.content)
        except ValidationError:
            return None
        told |= {name: value for name, value in read.as_mapping().items() if value is not None}
    return told | {"status": status}


def _is_problem(response: httpx.Response) -> bool:
    return bool(response.headers.get("content-type", "").startswith(PROBLEM))
