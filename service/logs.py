"""Log lines, plain or JSON, that carry the request's id and never an instance's values.

Whatever logs (this service, uvicorn, alembic) logs by :mod:`logging`; structlog makes the lines.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Literal

from structlog.contextvars import bound_contextvars, get_contextvars, merge_contextvars
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

logger = logging.getLogger("ifonly")

FIELDS = ("method", "path", "status", "milliseconds", "error")
"""What a record may carry besides its message, by ``extra``."""
_TIMES = logging.Formatter()


def of_request(identity: str) -> AbstractContextManager[None]:
    """Until the block ends lines are of this request; threads that work for it inherit its id."""
    # Context variables, since threads that are started with a copied context keep the id.
    return bound_contextvars(request_id=identity)


def of_span(trace_id: str, span_id: str) -> AbstractContextManager[None]:
    """Until the block ends lines are of this span (hexadecimal, as OpenTelemetry has it)."""
    return bound_contextvars(trace_id=trace_id, span_id=span_id)


def request_id() -> str:
    """Of the request under way."""
    return str(get_contextvars().get("request_id", "-"))


def escaped(text: str) -> str:
    """``text`` with every character that is not to be printed (ends of lines, a terminal's
    commands, marks that turn the direction of writing) spelled as Python spells it."""
    # Nearly every text is: nothing is copied.
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _plain(_: WrappedLogger, __: str, event: EventDict) -> str:
    """One line, and what goes on below it indented behind a bar: nothing that a request said
    begins a line."""
    record: logging.LogRecord = event["_record"]
    time, identity = _TIMES.formatTime(record), event.get("request_id", "-")
    if "trace_id" in event:
        identity = f"{identity} {event['trace_id']}-{event['span_id']}"
    text = f"{time} {record.levelname} {record.name} [{identity}] {event['event']}"
    below = [event["exception"]] if "exception" in event else []
    first, *others = "\n".join([text, *below]).split("\n")
    return "\n".join([escaped(first), *(f"    | {escaped(line)}" for line in others)])


def _fields(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """What a JSON line says, in its order."""
    record: logging.LogRecord = event["_record"]
    line = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "request_id": event.get("request_id", "-"),
        "message": event["event"],
    }
    # Named as OpenTelemetry's: a line leads to its trace, and back.
    line |= {name: event[name] for name in ("trace_id", "span_id") if name in event}
    # Only known fields: what else a library attaches may be a reading.
    line |= {name: event[name] for name in FIELDS if name in event}
    return line | ({"traceback": event["exception"]} if "exception" in event else {})


def _printable(line: Mapping[str, Any], **_: Any) -> str:
    text = json.dumps(line, ensure_ascii=False, default=str)
    return text if text.isprintable() else "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    """As JSON may spell it where it is not to be printed."""
    return character if character.isprintable() else json.dumps(character)[1:-1]


def formatter(log_format: Literal["plain", "json"]) -> logging.Formatter:
    """Of the lines: of ours, and of the libraries'."""
    written = (_fields, JSONRenderer(_printable)) if log_format == "json" else (_plain,)
    return ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars, ExtraAdder(FIELDS)],
        processors=[format_exc_info, *written],
    )


def configure(log_format: Literal["plain", "json"], level: str) -> None:
    """Send everything to stderr in one format; call once, at the start of a process."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format))
    root = logging.getLogger()
    # Replaced, not added to: a second call would write each line twice.
    root.handlers[:] = [handler]
    root.setLevel(level)
    # uvicorn brings handlers of its own.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        # Its access lines are ours (doors.http.request_log): its own would tell each query.
        logging.getLogger(name).propagate = name != "uvicorn.access"
    # httpx logs each URL, alembic each step.
    for name in ("httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def where(error: BaseException) -> str:
    """Type and frames of ``error``, without its message: messages may quote readings."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = "".join(f"\n  {f.filename}:{f.lineno} in {f.name}" for f in frames)
    # Most faults of a library are wrapped, and the cause is the place to mend.
    cause = error.__cause__ or error.__context__
    below = f"\ncaused by {where(cause)}" if cause is not None else ""
    return f"{type(error).__name__}{lines}{below}"
