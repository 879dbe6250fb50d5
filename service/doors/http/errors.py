"""Refusals as HTTP: the one place that knows status codes (RFC 9457, problem details).

Every error body of this service, also for a path that does not exist, is
``application/problem+json``. A type is a URN, ``urn:ifonly:problem:<slug>``; ``docs/api.md``
lists them. ``errors`` points at each wrong part of the request by JSON pointer (RFC 6901).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from models.errors import GraphError, NotFinite, OutOfService, UnknownModel
from service import errors, logs
from service.doors.http import permissions
from service.errors import MAX_FAULTS, Fault, Path, RequestPart
from service.wire import validation

MEDIA_TYPE = "application/problem+json"
SOON = {"Retry-After": "1"}
LATER = {"Retry-After": "5"}
NO_TOKEN = {"WWW-Authenticate": "Bearer"}
INVALID_TOKEN = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
MAX_TEXT = 500
"""Characters of a sentence or a value that is quoted back."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of refusal."""

    status: int
    slug: str
    title: str

    @property
    def uri(self) -> str:
        return f"urn:ifonly:problem:{self.slug}"


INVALID_JSON = ProblemType(400, "invalid-json", "The body is not JSON")
NOT_A_CHECKPOINT = ProblemType(400, "not-a-checkpoint", "The body shows no head of a log")
UNAUTHENTICATED = ProblemType(401, "unauthenticated", "Who asks is not known")
FORBIDDEN = ProblemType(403, "forbidden", "Whoever asks may not")
NOT_SIGNED = ProblemType(403, "not-signed", "The log has not signed this head")
UNKNOWN_LOG = ProblemType(404, "unknown-log", "Not a log that is witnessed here")
UNKNOWN_MODEL = ProblemType(404, "unknown-model", "No such model")
UNKNOWN_RECORD = ProblemType(404, "unknown-record", "No such record")
NOT_FOUND = ProblemType(404, "not-found", "No such resource")
METHOD_NOT_ALLOWED = ProblemType(405, "method-not-allowed", "Not a method of this resource")
JOB_NOT_FINISHED = ProblemType(409, "job-not-finished", "The job has not ended yet")
CANNOT_REPLAY = ProblemType(409, "cannot-replay", "The record cannot be asked again")
NOT_AS_SEALED = ProblemType(409, "not-as-sealed", "The record is not what was written")
CANNOT_UPLOAD = ProblemType(409, "cannot-upload", "The model cannot be put in its place")
ERASED = ProblemType(410, "erased", "The content was erased")
MISDIRECTED = ProblemType(421, "misdirected", "Not a name of this service")
BODY_TOO_SLOW = ProblemType(408, "body-too-slow", "The body did not come in time")
TOO_MANY_ROWS = ProblemType(413, "too-many-rows", "The body has too many rows")
BODY_TOO_LARGE = ProblemType(413, "body-too-large", "The body is too large")
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    415, "unsupported-media-type", "The body is not declared as JSON"
)
INVALID = {
    RequestPart.REQUEST: ProblemType(422, "invalid-request", "The request is not as documented"),
    RequestPart.INSTANCE: ProblemType(422, "invalid-instance", "Not an instance of this model"),
    RequestPart.TARGET: ProblemType(422, "invalid-target", "Not a target of this model"),
    RequestPart.MODEL: ProblemType(422, "invalid-model", "Not a model folder that can be served"),
    RequestPart.CONSTRAINTS: ProblemType(
        422, "invalid-constraints", "Not constraints of this model"
    ),
}
TARGET_ALREADY_MET = ProblemType(422, "target-already-met", "The target is met already")
CONTRADICTORY_CONSTRAINTS = ProblemType(
    422,
    "contradictory-constraints",
    "The constraints contradict each other",
)
NOT_CONSISTENT = ProblemType(422, "not-consistent", "The head does not begin with the last one")
KEY_REUSED = ProblemType(422, "idempotency-key-reused", "The key was used for another request")
TOO_OFTEN = ProblemType(429, "too-often", "More was asked than may be")
SHARE_SPENT = ProblemType(429, "share-spent", "The key's share of the service is spent")
ROW_ABANDONED = ProblemType(500, "row-abandoned", "Workers ended while they answered it")
SCORE_NOT_FINITE = ProblemType(500, "score-not-finite", "The model's score is not a number")
MODEL_FAILED = ProblemType(500, "model-failed", "The model could not score the rows")
INTERNAL_ERROR = ProblemType(500, "internal-error", "The service failed")
PREDICTOR_DISAGREES = ProblemType(502, "predictor-disagrees", "The predictor is another model")
PREDICTOR_UNAVAILABLE = ProblemType(503, "predictor-unavailable", "The predictor does not answer")
NOT_READY = ProblemType(503, "not-ready", "Questions cannot be answered yet")
OUT_OF_SERVICE = ProblemType(503, "model-out-of-service", "The model was taken out of service")
NOT_IN_LOG = ProblemType(503, "not-in-log", "No signed head has the record yet")
NO_LOG_KEY = ProblemType(503, "no-log-key", "The log cannot be signed here")
OVERLOADED = ProblemType(503, "overloaded", "Too many questions wait")
JOURNAL_FULL = ProblemType(503, "journal-full", "Too many records wait to be written")
STORE_UNAVAILABLE = ProblemType(503, "store-unavailable", "The store does not answer")
QUEUE_FULL = ProblemType(503, "queue-full", "Too many rows of jobs wait")
FORMAT_UNAVAILABLE = ProblemType(501, "format-unavailable", "Not a format of this installation")

PROBLEM_TYPES = (
    INVALID_JSON,
    NOT_A_CHECKPOINT,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_SIGNED,
    UNKNOWN_LOG,
    UNKNOWN_MODEL,
    UNKNOWN_RECORD,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    JOB_NOT_FINISHED,
    CANNOT_REPLAY,
    NOT_AS_SEALED,
    CANNOT_UPLOAD,
    ERASED,
    BODY_TOO_SLOW,
    BODY_TOO_LARGE,
    TOO_MANY_ROWS,
    MISDIRECTED,
    UNSUPPORTED_MEDIA_TYPE,
    *INVALID.values(),
    TARGET_ALREADY_MET,
    CONTRADICTORY_CONSTRAINTS,
    NOT_CONSISTENT,
    KEY_REUSED,
    TOO_OFTEN,
    SHARE_SPENT,
    ROW_ABANDONED,
    SCORE_NOT_FINITE,
    MODEL_FAILED,
    INTERNAL_ERROR,
    PREDICTOR_DISAGREES,
    PREDICTOR_UNAVAILABLE,
    NOT_READY,
    OUT_OF_SERVICE,
    NOT_IN_LOG,
    NO_LOG_KEY,
    OVERLOADED,
    JOURNAL_FULL,
    STORE_UNAVAILABLE,
    QUEUE_FULL,
    FORMAT_UNAVAILABLE,
)


class Refusal(Exception):
    """A refusal that only HTTP knows of."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        faults: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        self.kind = kind
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = headers
        self.extensions = extensions
        super().__init__(detail)


def rejections(rejected: Sequence[str]) -> dict[str, Any]:
    """The extension by which a refusal says what the checker rejected before; none if nothing."""
    return {"work": {"rejected": list(rejected)}} if rejected else {}


class UnsupportedMediaType(Refusal):
    """The body is not declared as what this service reads."""

    def __init__(self, detail: str) -> None:
        super().__init__(UNSUPPORTED_MEDIA_TYPE, detail)


class TooManyRows(Refusal):
    """The body has more rows than one request may have."""

    def __init__(self, rows: int, limit: int) -> None:
        super().__init__(
            TOO_MANY_ROWS,
            f"the body has {rows:,} rows; the limit is {limit:,}: send them in parts",
            faults=[Fault((), "the body has too many rows", rows, limit=limit)],
        )


class BodyTooLarge(Refusal):
    """The body has more bytes than are read."""

    def __init__(self, size: int | None, limit: int) -> None:
        length = f"{size:,} bytes" if size is not None else "more"
        super().__init__(
            BODY_TOO_LARGE,
            f"the body is {length} long; the limit is {limit:,} bytes",
            faults=[Fault((), "the body is too large", size, "bytes", limit)],
        )


class BodyTooSlow(Refusal):
    """Somebody holds a connection and sends next to nothing."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            BODY_TOO_SLOW,
            f"the body was not whole after {seconds:g} s",
            headers={"Connection": "close"},
        )


def pointer(path: Path) -> str:
    """``("instance", "a/b")`` as the JSON pointer ``/instance/a~1b``."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def problem_response(
    request_path: str,
    kind: ProblemType,
    detail: str,
    *,
    faults: Iterable[Fault] = (),
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> Response:
    """A problem details body; ``extensions`` are members of their own."""
    listed = [_entry(fault) for fault in islice(faults, MAX_FAULTS + 1)]
    if len(listed) > MAX_FAULTS:
        detail = f"{detail[:MAX_TEXT]} (the first {MAX_FAULTS} errors are listed; there are more)"
    body = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": _brief(detail),
        "instance": request_path,
        "request_id": logs.request_id.get(),
        **({"errors": listed[:MAX_FAULTS]} if listed else {}),
        **extensions,
    }
    content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    return Response(content, kind.status, headers, MEDIA_TYPE)


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


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem details body."""
    for kind in (*_OURS, *_OF_REQUESTS):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    response = answer_to(request, error)
    if response is None:
        raise error
    return response


def answer_to(request: Request, error: Exception) -> Response | None:
    """How ``error`` is answered; None for one that nobody foresaw."""
    for kind, handler in _OF_REQUESTS.items():
        if isinstance(error, kind):
            return handler(request, error)
    return problem_of(request.url.path, error)


def problem_of(path: str, error: Exception) -> Response | None:
    """How an error of ours is answered, wherever it was raised; None for one that is not."""
    for kind, handler in _OURS.items():
        if isinstance(error, kind):
            return handler(path, error)
    return None


def slug_of(problem: Response) -> str:
    """Which :class:`ProblemType` a body made here is of."""
    uri: str = json.loads(bytes(problem.body))["type"]
    return uri.rpartition(":")[2]


def rejected_in(problem: Response) -> int:
    """How much the checker rejected before a body made here was; see :func:`rejections`."""
    return len(json.loads(bytes(problem.body)).get("work", {}).get("rejected", ()))


def _refusal(path: str, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return problem_response(
        path,
        error.kind,
        error.detail,
        faults=error.faults,
        headers=error.headers,
        **error.extensions,
    )


def _again(seconds: float) -> dict[str, str]:
    """When it is worth asking again: in whole seconds, as HTTP counts them."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _service_error(path: str, error: Exception) -> Response:
    match error:
        case errors.MalformedBody():
            where: dict[str, Any] = {}
            if error.line is not None:
                where = {"line": error.line, "column": error.column}
            return problem_response(path, INVALID_JSON, str(error), **where)
        case errors.InvalidRequest():
            return problem_response(path, INVALID[error.part], str(error), faults=error.faults)
        case errors.Overloaded():
            return problem_response(path, OVERLOADED, str(error), headers=SOON)
        case errors.JournalFull():
            return problem_response(path, JOURNAL_FULL, str(error), headers=SOON)
        case errors.TooOften():
            again = _again(error.wait_seconds)
            return problem_response(path, TOO_OFTEN, str(error), headers=again)
        case errors.ShareSpent():
            again = _again(error.wait_seconds)
            told: dict[str, Any] = {"share": error.share, "used": error.used, "limit": error.limit}
            return problem_response(path, SHARE_SPENT, str(error), headers=again, **told)
        case errors.KeyReused():
            return problem_response(path, KEY_REUSED, str(error))
        case errors.NotInLog():
            return problem_response(path, NOT_IN_LOG, str(error), headers=SOON)
        case errors.NoLogKey():
            logs.logger.error("%s", error)
            return problem_response(path, NO_LOG_KEY, str(error), headers=LATER)
        case errors.QueueFull():
            return problem_response(path, QUEUE_FULL, str(error), headers=LATER)
        case errors.PredictorUnavailable():
            logs.logger.warning("%s", error)
            return problem_response(path, PREDICTOR_UNAVAILABLE, str(error), headers=LATER)
        case errors.JobNotFinished():
            return problem_response(path, JOB_NOT_FINISHED, str(error), headers=LATER)
        case errors.StoreUnavailable() | errors.StoreDamaged() | errors.StoreOutdated():
            logs.logger.error("the store failed: %s", error)
            detail = f"the log has the reason under request id {logs.request_id.get()}"
            return problem_response(path, STORE_UNAVAILABLE, detail, headers=LATER)
        case errors.Unauthenticated():
            headers = INVALID_TOKEN if error.was_tried else NO_TOKEN
            return problem_response(path, UNAUTHENTICATED, str(error), headers=headers)
        case errors.Forbidden():
            return problem_response(path, FORBIDDEN, str(error))
        case errors.NotAsSealed():
            logs.logger.error("%s", error)
            found = [
                {"trouble": f.trouble, "text": f.text, "where": f.where} for f in error.findings
            ]
            return problem_response(path, NOT_AS_SEALED, str(error), findings=found)
        case errors.UnknownRecord():
            return problem_response(path, UNKNOWN_RECORD, str(error))
        case errors.ErasedRecord():
            return problem_response(path, ERASED, str(error))
        case errors.CannotReplay():
            return problem_response(path, CANNOT_REPLAY, str(error))
        case errors.CannotUpload():
            return problem_response(path, CANNOT_UPLOAD, str(error))
        case errors.InvalidCursor():
            fault = Fault(("cursor",), str(error), error.cursor, parameter="cursor")
            return problem_response(path, INVALID[RequestPart.REQUEST], str(error), faults=[fault])
        case errors.FormatUnavailable():
            return problem_response(path, FORMAT_UNAVAILABLE, str(error))
        case errors.FailedInDoubt():
            return _failed_in_doubt(path, error)
        case _:
            raise error


def _failed_in_doubt(path: str, error: errors.FailedInDoubt) -> Response:
    """As the failure is answered, with what was rejected before."""
    response = problem_of(path, error.failure)
    if response is None:
        logs.logger.error("failed: %s", logs.where(error.failure))
        response = internal_error(path)
    said = json.loads(bytes(response.body)) | rejections(error.rejected)
    response.body = json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
    response.headers["content-length"] = str(len(response.body))
    return response


def _unknown_model(path: str, error: Exception) -> Response:
    return problem_response(path, UNKNOWN_MODEL, str(error))


def _score_not_finite(path: str, error: Exception) -> Response:
    """Whoever asks knows the row, or may know it; the log is not told."""
    assert isinstance(error, NotFinite)
    logs.logger.error("a score is no finite number: %s", logs.where(error))
    return problem_response(
        path,
        SCORE_NOT_FINITE,
        str(error),
        scorer=error.scorer,
        output=error.output,
        value=str(error.value),
        row=[number if math.isfinite(number) else None for number in error.row],
    )


def _out_of_service(path: str, error: Exception) -> Response:
    """The message has no reading: a name, a version and a limit."""
    assert isinstance(error, OutOfService)
    logs.logger.error("%s", error)
    return problem_response(path, OUT_OF_SERVICE, str(error), model=error.model)


def _model_failed(path: str, error: Exception) -> Response:
    logs.logger.error("the model failed: %s", logs.where(error))
    return internal_error(path, MODEL_FAILED)


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = validation.faults(error.errors(), _body_type(request))
    detail = "; ".join(fault.problem for fault in faults)
    return problem_response(request.url.path, INVALID[RequestPart.REQUEST], detail, faults=faults)


def _body_type(request: Request) -> object:
    """The wire type that the route wanted, None if it takes no body."""
    field = getattr(request.scope.get("route"), "body_field", None)
    return None if field is None else field.field_info.annotation


def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    match error.status_code:
        case 404:
            return problem_response(path, NOT_FOUND, f"there is nothing at {path}")
        case 405:
            return problem_response(
                path,
                METHOD_NOT_ALLOWED,
                f"{method} is not a method of {path}",
                headers={"Allow": permissions.methods_of(path)},
            )
        case _:
            phrase = HTTPStatus(error.status_code).phrase
            kind = ProblemType(error.status_code, phrase.lower().replace(" ", "-"), phrase)
            return problem_response(path, kind, phrase, headers=error.headers)


_OURS: dict[type[Exception], Callable[[str, Exception], Response]] = {
    Refusal: _refusal,
    errors.ServiceError: _service_error,
    UnknownModel: _unknown_model,
    NotFinite: _score_not_finite,
    OutOfService: _out_of_service,
    GraphError: _model_failed,
}
_OF_REQUESTS: dict[type[Exception], Callable[[Request, Exception], Response]] = {
    RequestValidationError: _validation_error,
    HTTPException: _http_exception,
}


def internal_error(path: str, kind: ProblemType = INTERNAL_ERROR) -> Response:
    """A failure of ours: it says where the log tells more, and nothing else."""
    return problem_response(
        path, kind, f"the log has the reason under request id {logs.request_id.get()}"
    )
