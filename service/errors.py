"""What the service refuses.

ServiceError
├── MalformedBody             the body is no JSON text: line, column
├── InvalidRequest            parts of a request are wrong: path, value, unit, limit of each
├── TargetAlreadyMet          the factual already is as the request's target wants it
├── ContradictoryConstraints  the request's constraints leave nothing: which ones
├── FailedInDoubt             it failed after the checker had rejected something: what, and why
├── ModelsNotFound            the folder of models is missing or has no model that loads
├── Overloaded                more questions are waiting than may wait
├── JournalFull               more records are waiting to be written than may wait
├── StoreUnavailable          the store cannot be read or written now
├── StoreDamaged              what is stored is no database any more
├── StoreOutdated             the store's tables are of another version
├── Unauthenticated           nobody known asks
├── Forbidden                 whoever asks may not
├── NotInLog                  no signed head has the record yet
├── NoLogKey                  the key that signs the log's heads cannot be used: why
├── UnknownRecord             there is no such record
├── AlarmMoved                the alarm has returned since somebody looked at it
├── AlarmOver                 another episode has followed: nothing can be done about this one
├── NotAsSealed               a record, or a row beside it, is not what was written: what and where
├── OnHold                    what is to be erased is under a legal hold
├── KeptByLaw                 what is to be erased by its age must be kept for longer
├── ErasedRecord              what the record told of was erased
├── CannotReplay              a record that cannot be asked again: why
├── InvalidCursor             a cursor that no page gave
├── CannotBulk                a file of rows that cannot be answered, or answers that cannot be put
│                             where they are wanted: why
├── CannotPull                models that cannot be fetched from where they are kept: why
├── CannotUpload              a model that is sound and cannot be put where models are: why
├── CannotActivate            a version that cannot be asked in place of the one that is: why
├── TooOften                  whoever asks has asked as often as they may
├── ShareSpent                whoever asks has as much of the service as one may have
├── KeyReused                 an idempotency key was used for another request
├── AlreadyAnswered           an idempotency key was used for this request: by which record
├── QueueFull                 more rows of jobs, or events, are waiting than may wait
├── LostLease                 another worker has the rows: what was found is not written
├── JobNotFinished            its result is not there yet
├── FormatUnavailable         a format that this installation cannot write
├── MalformedTable            the body is no table of the form that it is declared to be: why
├── TooManyTableRows          a table has more rows than may be sent at once
├── PredictorUnavailable      the predictor that we explain does not answer
├── PredictorUnclear          what it says cannot be read, or is too little to confirm an answer
├── SinkUnavailable           who is to be told of events or jobs cannot be: why
├── GrpcUnavailable           gRPC is wanted, and cannot be answered: why
└── TracingUnavailable        spans are wanted, and what makes them is not installed

What ``models`` and ``explainers`` raise passes through or becomes one of these; HTTP codes are
known only to ``ifonly.service.ask.problem_types``, exit codes only to ``ifonly.service.doors.cli``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ifonly.explainers.answer import Prediction
from ifonly.explainers.constraints import Constraint

MAX_FAULTS = 100
"""After which nobody looks for another one: a body of a megabyte can be wrong in a hundred
thousand places."""

Path = tuple[str | int, ...]
"""Where in the request, from its root: ``("instance", "torque")``."""


class ServiceError(Exception):
    """Base of every error that ``service`` raises on purpose."""


class MalformedBody(ServiceError):
    """The body is not JSON text."""

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        self.problem = problem
        self.line = line
        self.column = column
        where = f" (line {line}, column {column})" if line is not None else ""
        super().__init__(problem + where)


class RequestPart(StrEnum):
    """The part of a request that is wrong."""

    REQUEST = "request"
    INSTANCE = "instance"
    TARGET = "target"
    CONSTRAINTS = "constraints"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place of a request."""

    path: Path
    problem: str
    """A sentence that names the field, the value, the unit and the limit."""
    value: object = None
    unit: str = ""
    limit: object = None
    parameter: str = ""
    """Name of the query parameter, when it is not the body that is wrong."""


class InvalidRequest(ServiceError):
    """Parts of a request are wrong; every fault that was found is listed, at least one. More than
    ``MAX_FAULTS``: there are others."""

    def __init__(self, part: RequestPart, faults: Sequence[Fault]) -> None:
        self.part = part
        self.faults = tuple(faults)
        super().__init__("; ".join(f.problem for f in self.faults))


class TargetAlreadyMet(ServiceError):
    """The factual's own prediction is as the request's target wants it."""

    def __init__(self, prediction: Prediction, rejected: Sequence[str] = ()) -> None:
        self.prediction = prediction
        self.rejected = tuple(rejected)
        """As :attr:`ifonly.explainers.answer.Work.rejected`."""
        super().__init__("the instance's own prediction already is as this target wants it")


class ContradictoryConstraints(ServiceError):
    """Constraints, at least one of them the request's, that nothing can keep together."""

    def __init__(self, constraints: Sequence[Constraint], rejected: Sequence[str] = ()) -> None:
        self.constraints = tuple(constraints)
        self.rejected = tuple(rejected)
        """As :attr:`ifonly.explainers.answer.Work.rejected`."""
        keys = " and ".join(c.origin.key for c in self.constraints)
        super().__init__(f"nothing can keep {keys}{' together' if len(constraints) > 1 else ''}")


class FailedInDoubt(ServiceError):
    """A question failed, as :attr:`failure` says, after the checker had rejected something."""

    def __init__(self, failure: Exception, rejected: Sequence[str]) -> None:
        self.failure = failure
        self.rejected = tuple(rejected)
        """As :attr:`ifonly.explainers.answer.Work.rejected`."""
        super().__init__(str(failure))


@contextmanager
def in_doubt(rejected: Sequence[str]) -> Iterator[None]:
    """What fails within it says also what was rejected before, if anything was.

    Raises
    ------
    FailedInDoubt
        Instead of what is raised, if ``rejected`` is not empty by then.
    """
    try:
        yield
    except Exception as failure:
        # Nothing was rejected: the failure stays of its own type, with its own HTTP code.
        if not rejected:
            raise
        raise FailedInDoubt(failure, rejected) from failure


class ModelsNotFound(ServiceError):
    """There is nothing to serve; the message names the folder and each reason."""


class Overloaded(ServiceError):
    """More questions are waiting than may wait."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} questions are waiting already; ask again in a second")


class JournalFull(ServiceError):
    """More records are waiting to be written than may wait."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} records wait to be written already; ask again in a second")


class StoreUnavailable(ServiceError):
    """The store cannot be read or written now; the message says why."""


class StoreDamaged(ServiceError):
    """What is stored is no database any more; the message says what to do."""


class StoreOutdated(ServiceError):
    """The store's tables are of another version than this one."""


class NotInLog(ServiceError):
    """A record, or what was said of it, is in no signed head yet."""

    def __init__(self, identity: str) -> None:
        super().__init__(f"the record {identity} is in no signed head of the log yet")


class NoLogKey(ServiceError):
    """The key that signs the log's heads is not here, or cannot be used."""


class UnknownRecord(ServiceError):
    """There is no such record."""

    def __init__(self, identity: str, what: str = "record") -> None:
        self.identity = identity
        super().__init__(f"there is no {what} {identity!r}")


class ErasedRecord(ServiceError):
    """What the record told of was erased; the record itself is still there."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        super().__init__(f"the content of record {identity} was erased")


# A protocol, so that errors, which everything imports, need not import the store.
class FindingLike(Protocol):
    """What is read here of :class:`ifonly.service.store.chain.IntegrityFinding`, which lies
    above."""

    @property
    def writer(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def trouble(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def where(self) -> str: ...


class AlarmMoved(ServiceError):
    """An alarm is another since somebody looked: what they act on is not what it is now."""

    def __init__(self, identity: str, moved: str) -> None:
        """``moved``: what has happened, as ``has returned since``."""
        super().__init__(f"the alarm {identity} {moved}")


class AlarmOver(ServiceError):
    """Another episode of the same alarm has followed it."""

    def __init__(self, identity: str) -> None:
        super().__init__(f"another episode has followed the alarm {identity}; act on that one")


class NotAsSealed(ServiceError):
    """A record is not what was sealed, or a row that points at it is not what it says."""

    def __init__(self, identity: str, findings: Sequence[FindingLike]) -> None:
        self.identity = identity
        self.findings = tuple(findings)
        told = "; ".join(
            f"{f.text} (writer {f.writer}, sequence {f.sequence}, {f.where})" for f in findings
        )
        super().__init__(f"{identity} does not hold: {told}")


class OnHold(ServiceError):
    """What is to be erased is under a legal hold; the message names the hold, and what to do."""

    def __init__(self, identity: str, hold: str, reason: str) -> None:
        self.hold = hold
        super().__init__(
            f"record {identity} is under the legal hold {hold} ({reason or 'no reason given'}): it "
            "cannot be erased, also not for the person whom it tells of, until that is lifted"
        )


class KeptByLaw(ServiceError):
    """What is to be erased by its age must be kept for longer; the message says until when."""


class InvalidCursor(ServiceError):
    """A cursor that no page gave."""

    def __init__(self, cursor: str) -> None:
        self.cursor = cursor
        # The cursor is not repeated: it is whatever the client sent, of any length.
        super().__init__("the cursor is none that a page gave")


class CannotUpload(ServiceError):
    """A model cannot be put where models are; the message says why, and what to do."""


class CannotActivate(ServiceError):
    """A version cannot be asked in place of the one that is; the message says why."""


class CannotPull(ServiceError):
    """Models cannot be fetched from where they are kept; the message says why."""


class CannotBulk(ServiceError):
    """Rows cannot be answered, or their answers not be put where they are wanted: why."""


class FormatUnavailable(ServiceError):
    """A format that this installation cannot write; the message says what to install."""


class MalformedTable(ServiceError):
    """A body is no table of the form that it is declared to be, or takes more than its reading
    may."""

    def __init__(self, form: str, problem: str) -> None:
        self.form = form
        self.problem = problem
        super().__init__(f"the body cannot be read as {form}: {problem}")


class TooManyTableRows(ServiceError):
    """A table has more rows than may be sent at once."""

    def __init__(self, rows: int, limit: int) -> None:
        self.rows = rows
        self.limit = limit
        super().__init__(f"the table has {rows:,} rows or more; the limit is {limit:,}")


class Unauthenticated(ServiceError):
    """Nobody known asks; the message tells nothing of what would have been right."""

    def __init__(self, problem: str, *, was_tried: bool) -> None:
        # RFC 6750, 3.1: who presented nothing is told the scheme only, and no error code.
        self.was_tried = was_tried
        """Whether something was presented at all."""
        super().__init__(problem)


class Forbidden(ServiceError):
    """Whoever asks may not; the message says who may."""


class CannotReplay(ServiceError):
    """A record that cannot be asked again; the message says why."""


class TooOften(ServiceError):
    """Whoever asks has asked as often as they may."""

    def __init__(self, wait_seconds: float) -> None:
        self.wait_seconds = wait_seconds
        # The key is not named: messages end in logs.
        super().__init__("more was asked with this key than its rate allows")


class ShareSpent(ServiceError):
    """Whoever asks has as much of the service as one may have: which share, and how much."""

    def __init__(self, share: str, used: float, limit: float, wait_seconds: float) -> None:
        self.share = share
        self.used = used
        self.limit = limit
        self.wait_seconds = wait_seconds
        super().__init__(f"this key has {used:g} {share}; one may have {limit:g}")


class KeyReused(ServiceError):
    """An idempotency key was used for another request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the idempotency key {key!r} was used for another request")


class AlreadyAnswered(ServiceError):
    """An idempotency key was used for this very request; ``record`` is the id of its answer."""

    def __init__(self, record: str) -> None:
        self.record = record
        super().__init__(f"this request was answered by record {record}")


class QueueFull(ServiceError):
    """More rows of jobs, or events, are waiting than may wait."""

    def __init__(self, waiting: int, limit: int, what: str = "rows of jobs") -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} {what} are waiting already; {limit} may wait")


class PredictorUnavailable(ServiceError):
    """The predictor that we explain does not answer, so no answer can be confirmed."""

    def __init__(self, reason: str, quoted: str = "") -> None:
        self.reason = reason
        """For the log: without what the predictor said, in which readings may stand."""
        said = f", {quoted}" if quoted else ""
        super().__init__(f"the predictor does not answer as it should: {reason}{said}")


class PredictorUnclear(ServiceError):
    """What the predictor says cannot be read, or is too little to confirm an answer."""

    reason = "what it says cannot be used"
    """For the log."""

    def __init__(self, came: str, expected: str) -> None:
        super().__init__(f"the predictor does not say what is needed: {came}; expected: {expected}")


class TracingUnavailable(ServiceError):
    """Spans are wanted, and what makes them is not installed."""

    def __init__(self) -> None:
        super().__init__("IFONLY_OTLP_ENDPOINT needs: pip install 'ifonly[traces]'")


class SinkUnavailable(ServiceError):
    """Who is to be told of events or jobs cannot be; the message says why, and what to do."""


class GrpcUnavailable(ServiceError):
    """gRPC is wanted, and cannot be answered; the message says why, and what to do."""


class LostLease(ServiceError):
    """The rows were given to another worker, answered, or cancelled."""


class JobNotFinished(ServiceError):
    """A job's result was asked for before its end."""

    def __init__(self, identity: str, answered: int, rows: int) -> None:
        super().__init__(f"job {identity} is not finished: {answered} of {rows} rows are answered")
