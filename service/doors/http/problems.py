"""Problems as HTTP (RFC 9457): every error body, also for a path that does not exist.

``application/problem+json``; a type is a URN, ``urn:ifonly:problem:<slug>``, and ``errors`` points
at each wrong part of the request by JSON pointer (RFC 6901).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ifonly.service.ask import problem_types as kinds
from ifonly.service.ask.localized import localized
from ifonly.service.ask.problem_types import ProblemType
from ifonly.service.ask.problems import (
    FORESEEN,
    Refusal,
    RequestProblem,
    as_json,
    failed,
    invalid,
    problem_of,
)
from ifonly.service.doors.http import permissions
from ifonly.service.errors import Fault, Unauthenticated
from ifonly.service.wire import validation
from ifonly.service.words.catalogue import preferred

MEDIA_TYPE = "application/problem+json"
CLIENTS = ("/v1", "/v2", "/invocations", "/ping", "/health", "/version")
"""Paths of other services' clients (KServe, Open Inference Protocol, MLflow), and what is below."""


class UnsupportedMediaType(Refusal):
    """The body is not declared as what this service reads."""

    def __init__(self, detail: str) -> None:
        super().__init__(kinds.UNSUPPORTED_MEDIA_TYPE, detail)


class TooManyRows(Refusal):
    """The body has more rows than one request may have."""

    def __init__(self, rows: int, limit: int) -> None:
        super().__init__(
            kinds.TOO_MANY_ROWS,
            f"the body has {rows:,} rows; the limit is {limit:,}: send them in parts",
            faults=[Fault((), "the body has too many rows", rows, limit=limit)],
        )


class BodyTooLarge(Refusal):
    """The body has more bytes than are read."""

    def __init__(self, size: int | None, limit: int) -> None:
        length = f"{size:,} bytes" if size is not None else "more"
        super().__init__(
            kinds.BODY_TOO_LARGE,
            f"the body is {length} long; the limit is {limit:,} bytes",
            faults=[Fault((), "the body is too large", size, "bytes", limit)],
        )


class BodyTooSlow(Refusal):
    """Somebody holds a connection and sends next to nothing."""

    def __init__(self, seconds: float) -> None:
        super().__init__(kinds.BODY_TOO_SLOW, f"the body was not whole after {seconds:g} s")


def answered(
    problem: RequestProblem,
    path: str,
    error: Exception | None = None,
    accepted: str = "",
    **members: object,
) -> Response:
    """``problem`` of ``path`` as a reply, with ``members`` of its own at the end; ``error``: what
    it was, where HTTP has a header for that; ``accepted``: ``Accept-Language`` of the request."""
    headers = headers_of(problem, path, error)
    # By the path, not the route: what no route has, or nobody has read, is told them as well.
    is_theirs = any(path == p or path.startswith(f"{p}/") for p in CLIENTS)
    said = (in_their_words if is_theirs else RequestProblem.said)(problem, path) | members
    if (tag := preferred(accepted)) != "en":  # which all of it is in
        said |= localized(said, problem.kind.slug, tag)
    media_type = "application/json" if is_theirs else MEDIA_TYPE
    return Response(as_json(said), problem.kind.status, headers, media_type)


def in_their_words(problem: RequestProblem, path: str) -> dict[str, Any]:
    """As problem details, with the keys that other services' clients read: ``error``; of MLflow's
    ``error_code`` and ``message``."""
    said = problem.said(path)
    detail = said["detail"]
    theirs = {"error": detail}
    if path.startswith("/invocations"):
        theirs |= {"error_code": _MLFLOW.get(problem.kind.status, "INTERNAL_ERROR")}
        theirs |= {"message": detail}
    return said | theirs


_MLFLOW = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    413: "BAD_REQUEST",
    415: "BAD_REQUEST",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's names (``mlflow.protos.databricks_pb2.ErrorCode``)."""


def headers_of(
    problem: RequestProblem, path: str, error: Exception | None = None
) -> dict[str, str]:
    """What HTTP's headers say of a problem."""
    headers = {}
    if problem.retry_seconds is not None:
        headers["Retry-After"] = str(problem.retry_seconds)
    if isinstance(error, HTTPException):
        # Starlette puts `Allow` and the like on its own errors.
        headers |= error.headers or {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = (
            # RFC 6750, 3.1: an error only where credentials were sent.
            'Bearer error="invalid_token"' if error.was_tried else "Bearer"
        )
    if problem.kind is kinds.METHOD_NOT_ALLOWED:
        headers["Allow"] = permissions.methods_of(path)
    if problem.kind is kinds.BODY_TOO_SLOW:
        # The rest of the body may still come: the connection cannot be used again.
        headers["Connection"] = "close"
    return headers


def problem_in(request: Request, error: Exception) -> RequestProblem | None:
    """What problem ``error`` is; None for one that nobody foresaw."""
    match error:
        case RequestValidationError():
            return invalid(validation.faults(error.errors(), _body_type(request)))
        case HTTPException():
            return _of_http(request, error)
        case _:
            return problem_of(error)


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem details body."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = problem_in(request, error)
        if problem is None:
            # The outermost middleware logs it and tells the client nothing of it.
            raise error
        return answered(problem, request.url.path, error, accepted_by(request))

    for kind in (*FORESEEN, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)


def accepted_by(request: Request) -> str:
    """Languages that whoever asks reads; empty: nobody said."""
    return request.headers.get("accept-language", "")


def internal_error(path: str) -> Response:
    """A failure that nobody foresaw."""
    return answered(failed(), path)


def _body_type(request: Request) -> object:
    """The wire type that the route wanted, None if it takes no body."""
    field = getattr(request.scope.get("route"), "body_field", None)
    return None if field is None else field.field_info.annotation


def _of_http(request: Request, error: HTTPException) -> RequestProblem:
    path = request.url.path
    match error.status_code:
        case 404:
            return RequestProblem(kinds.NOT_FOUND, f"there is nothing at {path}")
        case 405:
            detail = f"{request.method} is not a method of {path}"
            return RequestProblem(kinds.METHOD_NOT_ALLOWED, detail)
        case status:
            phrase = HTTPStatus(status).phrase
            return RequestProblem(
                ProblemType(status, phrase.lower().replace(" ", "-"), phrase), phrase
            )
