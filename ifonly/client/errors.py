"""What goes wrong between a client and a service.

ClientError
├── NotSent            what was given is nothing that can be sent
├── Unreachable        nobody answered, however often it was tried
│   └── TimedOut       within the time that one try has
├── NotAnAnswer        what came is none of this service's: a proxy's page, a cut reply
└── Problem            the service refused (RFC 9457): type, title, detail, errors, request_id, …
    ├── Unauthenticated   401
    ├── Forbidden         403
    ├── NotFound          404; Erased (410) is one
    ├── Conflict          409
    ├── Invalid           400, 408, 413, 415, 422: what was asked is wrong
    ├── Busy              429, 503: not now; `retry_after`
    └── Failed            500, 501, 502: the fault is theirs
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ifonly.service.wire.problem import Error, ProblemDetails


class ClientError(Exception):
    """Of this client."""


class NotSent(ClientError, ValueError):
    """What was given is nothing that can be sent."""


class Unreachable(ClientError, ConnectionError):
    """Nobody answered, however often it was tried."""


class TimedOut(Unreachable, TimeoutError):
    """Nobody answered within the time that one try has."""


class NotAnAnswer(ClientError):
    """What came is no answer of this service."""


class Problem(ClientError):
    """The service refused, and says why (RFC 9457)."""

    def __init__(self, details: ProblemDetails, retry_after: float | None = None) -> None:
        super().__init__(_told(details))
        self.details = details
        self.retry_after = retry_after
        """Seconds after which it may be asked again, if it said so."""

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is made anew of its arguments, here a text: of what it was made of instead.
        return type(self), (self.details, self.retry_after)

    @property
    def type(self) -> str:
        """URN of the kind of problem; ``about:blank``: a proxy's, only its status tells."""
        return self.details.type

    @property
    def kind(self) -> str:
        """The kind alone: ``invalid-instance``."""
        return self.details.type.rpartition(":")[2]

    @property
    def title(self) -> str:
        return self.details.title

    @property
    def status(self) -> int:
        return self.details.status

    @property
    def detail(self) -> str:
        return self.details.detail

    @property
    def instance(self) -> str:
        """Path that was asked."""
        return self.details.instance

    @property
    def request_id(self) -> str:
        """As the service's log has it."""
        return self.details.request_id

    @property
    def errors(self) -> Sequence[Error]:
        """Each thing that is wrong: pointer, value, unit, limit."""
        return self.details.errors


class Unauthenticated(Problem):
    """401: no key, or one that is not accepted."""


class Forbidden(Problem):
    """403: whoever asks may not."""


class NotFound(Problem):
    """404: no such model, record or job, or none that one may see."""


class Erased(NotFound):
    """410: it was there, and was erased."""


class Conflict(Problem):
    """409: right, and not as things stand."""


class Invalid(Problem):
    """What was asked is wrong; ``errors`` say where."""


class Busy(Problem):
    """429, 503: not now."""


class Failed(Problem):
    """500, 501, 502: the service, or the model behind it, failed."""


_BY_STATUS: dict[int, type[Problem]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Erased,
    429: Busy,
    503: Busy,
}


def problem(details: ProblemDetails, retry_after: float | None = None) -> Problem:
    """The exception of its status."""
    otherwise = Failed if details.status >= 500 else Invalid
    return _BY_STATUS.get(details.status, otherwise)(details, retry_after)


def of_one_row(error: ClientError) -> bool:
    """Whether ``error`` speaks of the row that was asked about, and not of all that are."""
    if isinstance(error, Problem):
        return not isinstance(error, Unauthenticated | Forbidden | NotFound | Busy)
    return isinstance(error, NotSent)


def _told(details: ProblemDetails) -> str:
    whole = f"{details.status} {details.title}: {details.detail}"
    more = [e.detail for e in details.errors if e.detail and e.detail not in whole]
    return "; ".join([whole, *more])
