"""Refusals as values: what is wrong, where, and when it is worth asking again.

Whoever finds something wrong raises an error of :mod:`ifonly.service.errors` (or a
:class:`Refusal`); :func:`problem_of` says what problem it is, for every door alike. A door gives it
its own form, a record keeps it word for word.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from ifonly.models.errors import GraphError, NotFinite, OutOfService, UnknownModel
from ifonly.service import errors, logs
from ifonly.service.ask import problem_types as kinds
from ifonly.service.ask.problem_types import ProblemType
from ifonly.service.errors import MAX_FAULTS, Fault, Path, RequestPart

SOON, LATER = 1, 5
"""Seconds after which it is worth asking again: what is crowded, and what is away."""
MAX_TEXT = 500
"""Characters of a sentence or a value that is quoted back."""


@dataclass(frozen=True, slots=True)
class RequestProblem:
    """Why something is not answered (RFC 9457)."""

    kind: ProblemType
    detail: str
    faults: Sequence[Fault] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    """Members of their own."""
    retry_seconds: int | None = None
    """When it is worth asking again; None: not for its own sake."""

    @property
    def rejected(self) -> int:
        """How much the checker rejected before; see :func:`rejections`."""
        return len(self.extensions.get("work", {}).get("rejected", ()))

    @property
    def is_ours(self) -> bool:
        """Whether the service failed, and not whoever asked."""
        return self.kind.status >= 500

    def said(self, path: str) -> dict[str, Any]:
        """As problem details; ``path``: what was asked. JSON values only."""
        listed = [_entry(fault) for fault in islice(self.faults, MAX_FAULTS + 1)]
        detail = self.detail
        if len(listed) > MAX_FAULTS:
            more = f"the first {MAX_FAULTS} errors are listed; there are more"
            detail = f"{detail[:MAX_TEXT]} ({more})"
        return {
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": _brief(detail),
            "instance": path,
            "request_id": logs.request_id(),
            **({"errors": listed[:MAX_FAULTS]} if listed else {}),
            **self.extensions,
        }

    def written(self, path: str) -> bytes:
        """As JSON."""
        return as_json(self.said(path))


class Refusal(Exception):
    """A problem that is known where it is raised."""

    def __init__(
        self, kind: ProblemType, detail: str, *, faults: Iterable[Fault] = (), **extensions: Any
    ) -> None:
        self.problem = RequestProblem(kind, detail, tuple(faults), extensions)
        super().__init__(detail)


def as_json(said: object) -> bytes:
    # NaN is no JSON: a client's parser would fail on it.
    return json.dumps(said, ensure_ascii=False, allow_nan=False).encode()


def rejections(rejected: Sequence[str]) -> dict[str, Any]:
    """The extension by which a refusal says what the checker rejected before; none if nothing."""
    return {"work": {"rejected": list(rejected)}} if rejected else {}


def pointer(path: Path) -> str:
    """``("instance", "a/b")`` as the JSON pointer ``/instance/a~1b`` (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def problem_of(error: Exception) -> RequestProblem | None:
    """What problem an error of ours is, wherever it was raised; None for one that is not."""
    for kind, read in _OURS.items():
        if isinstance(error, kind):
            return read(error)
    return None


def failed(kind: ProblemType = kinds.INTERNAL_ERROR) -> RequestProblem:
    """A failure of ours: it says where the log tells more, and nothing else."""
    return RequestProblem(kind, _in_the_log())


def invalid(faults: Sequence[Fault], detail: str | None = None) -> RequestProblem:
    """A request that is not as documented."""
    told = "; ".join(fault.problem for fault in faults) if detail is None else detail
    return RequestProblem(kinds.INVALID[RequestPart.REQUEST], told, faults)


def _in_the_log() -> str:
    return f"the log has the reason under request id {logs.request_id()}"


def _entry(fault: Fault) -> dict[str, Any]:
    where = {"parameter": fault.parameter} if fault.parameter else {"pointer": pointer(fault.path)}
    entry: dict[str, Any] = {**where, "detail": _brief(fault.problem)}
    if fault.value is not None:
        entry["value"] = _quoted(fault.value)
    if fault.unit:
        entry["unit"] = fault.unit
    if fault.limit is not None:
        entry["limit"] = _quoted(fault.limit)
    return entry


def _brief(text: str) -> str:
    return text if len(text) <= MAX_TEXT + 100 else f"{text[:MAX_TEXT]}…"


def _quoted(value: object) -> Any:
    """``value`` as JSON of bounded size; an infinite end of an interval is ``null``."""
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int):
        # Few JSON readers keep a longer one, so it is text.
        return value if abs(value) < 2**64 else _brief(str(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return _brief(value)
    if isinstance(value, list | tuple) and len(value) <= MAX_FAULTS:
        return [_quoted(item) for item in value]
    if isinstance(value, Mapping):
        return f"an object with {len(value)} keys"
    return _brief(str(type(value).__name__ if isinstance(value, list | tuple) else value))


# --- which problem an error is ------------------------------------------------------------


def _refusal(error: Exception) -> RequestProblem:
    assert isinstance(error, Refusal)
    return error.problem


PLAIN: Mapping[type[Exception], tuple[ProblemType, int | None]] = {
    errors.Overloaded: (kinds.OVERLOADED, SOON),
    errors.JournalFull: (kinds.JOURNAL_FULL, SOON),
    errors.KeyReused: (kinds.KEY_REUSED, None),
    errors.NotInLog: (kinds.NOT_IN_LOG, SOON),
    errors.QueueFull: (kinds.QUEUE_FULL, LATER),
    errors.JobNotFinished: (kinds.JOB_NOT_FINISHED, LATER),
    errors.Unauthenticated: (kinds.UNAUTHENTICATED, None),
    errors.Forbidden: (kinds.FORBIDDEN, None),
    errors.UnknownRecord: (kinds.UNKNOWN_RECORD, None),
    errors.AlarmMoved: (kinds.ALARM_MOVED, None),
    errors.AlarmOver: (kinds.ALARM_MOVED, None),
    errors.ErasedRecord: (kinds.ERASED, None),
    errors.CannotReplay: (kinds.CANNOT_REPLAY, None),
    errors.CannotUpload: (kinds.CANNOT_UPLOAD, None),
    errors.CannotActivate: (kinds.CANNOT_ACTIVATE, None),
    errors.FormatUnavailable: (kinds.FORMAT_UNAVAILABLE, None),
    errors.MalformedTable: (kinds.INVALID_TABLE, None),
    UnknownModel: (kinds.UNKNOWN_MODEL, None),
}
"""Errors that their own sentence tells whole, and when it is worth asking again."""


def _plain(error: Exception) -> RequestProblem:
    kind, seconds = next(told for of, told in PLAIN.items() if isinstance(error, of))
    return RequestProblem(kind, str(error), retry_seconds=seconds)


def _service_error(error: Exception) -> RequestProblem:
    match error:
        case errors.MalformedBody():
            at = {} if error.line is None else {"line": error.line, "column": error.column}
            return RequestProblem(kinds.INVALID_JSON, str(error), extensions=at)
        case errors.InvalidRequest():
            return RequestProblem(kinds.INVALID[error.part], str(error), error.faults)
        case errors.TooManyTableRows():
            fault = Fault((), "the table has too many rows", error.rows, limit=error.limit)
            return RequestProblem(kinds.TOO_MANY_ROWS, str(error), [fault])
        case errors.InvalidCursor():
            fault = Fault(("cursor",), str(error), error.cursor, parameter="cursor")
            return invalid([fault])
        case errors.TooOften():
            seconds = _whole(error.wait_seconds)
            return RequestProblem(kinds.TOO_OFTEN, str(error), retry_seconds=seconds)
        case errors.ShareSpent():
            told = {"share": error.share, "used": error.used, "limit": error.limit}
            seconds = _whole(error.wait_seconds)
            return RequestProblem(kinds.SHARE_SPENT, str(error), (), told, seconds)
        case errors.NoLogKey():
            logs.logger.error("%s", error)
            return RequestProblem(kinds.NO_LOG_KEY, str(error), retry_seconds=LATER)
        case errors.PredictorUnavailable():
            logs.logger.warning("the predictor does not answer: %s", error.reason)
            return RequestProblem(kinds.PREDICTOR_UNAVAILABLE, str(error), retry_seconds=LATER)
        case errors.PredictorUnclear():
            return RequestProblem(kinds.PREDICTOR_UNCLEAR, str(error))
        case errors.StoreUnavailable() | errors.StoreDamaged() | errors.StoreOutdated():
            logs.logger.error("the store failed: %s", error)
            # Which disk or host has failed is for the log.
            return RequestProblem(kinds.STORE_UNAVAILABLE, _in_the_log(), retry_seconds=LATER)
        case errors.NotAsSealed():
            logs.logger.error("%s", error)
            found = [
                {"trouble": f.trouble, "text": f.text, "where": f.where} for f in error.findings
            ]
            return RequestProblem(kinds.NOT_AS_SEALED, str(error), extensions={"findings": found})
        case errors.FailedInDoubt():
            return _failed_in_doubt(error)
        case _:
            raise error


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def _failed_in_doubt(error: errors.FailedInDoubt) -> RequestProblem:
    """As the failure is answered, with what was rejected before."""
    problem = problem_of(error.failure)
    if problem is None:
        logs.logger.error("failed: %s", logs.where(error.failure))
        problem = failed()
    return replace(problem, extensions={**problem.extensions, **rejections(error.rejected)})


def _score_not_finite(error: Exception) -> RequestProblem:
    """Whoever asks knows the row, or may know it; the log is not told."""
    assert isinstance(error, NotFinite)
    logs.logger.error("a score is no finite number: %s", logs.where(error))
    told = {
        "scorer": error.scorer,
        "output": error.output,
        "value": str(error.value),
        "row": [number if math.isfinite(number) else None for number in error.row],
    }
    return RequestProblem(kinds.SCORE_NOT_FINITE, str(error), extensions=told)


def _out_of_service(error: Exception) -> RequestProblem:
    """The message has no reading: a name, a version and a limit."""
    assert isinstance(error, OutOfService)
    logs.logger.error("%s", error)
    return RequestProblem(kinds.OUT_OF_SERVICE, str(error), extensions={"model": error.model})


def _model_failed(error: Exception) -> RequestProblem:
    logs.logger.error("the model failed: %s", logs.where(error))
    return failed(kinds.MODEL_FAILED)


_OURS: Mapping[type[Exception], Callable[[Exception], RequestProblem]] = {
    # The order matters: PLAIN are ServiceErrors too, NotFinite and OutOfService GraphErrors.
    Refusal: _refusal,
    **dict.fromkeys(PLAIN, _plain),
    errors.ServiceError: _service_error,
    NotFinite: _score_not_finite,
    OutOfService: _out_of_service,
    GraphError: _model_failed,
}
FORESEEN = tuple(_OURS)
"""Errors that are problems; any other is a failure that nobody foresaw."""
