"""Log lines, plain or JSON, that carry the request's id and never an instance's values."""

from __future__ import annotations

import json
import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""Id of the request under way; threads that work for it inherit it."""

logger = logging.getLogger("ifonly")

FIELDS = ("method", "path", "status", "milliseconds", "error")
"""What a record may carry besides its message, by ``extra``."""


class _AddRequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def escaped(text: str) -> str:
    """``text`` with every character that is not to be printed (ends of lines, a terminal's
    commands, marks that turn the direction of writing) spelled as Python spells it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class PlainLines(logging.Formatter):
    """One line, and what goes on below it indented behind a bar: nothing that a request said
    begins a line."""

    def format(self, record: logging.LogRecord) -> str:
        first, *others = super().format(record).split("\n")
        return "\n".join([escaped(first), *(f"    | {escaped(line)}" for line in others)])


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        text = json.dumps(line, ensure_ascii=False, default=str)
        return text if text.isprintable() else "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    """As JSON may spell it where it is not to be printed."""
    return character if character.isprintable() else json.dumps(character)[1:-1]


def configure(log_format: Literal["plain", "json"], level: str) -> None:
    """Send everything to stderr in one format; call once, at the start of a process."""
    handler = logging.StreamHandler()
    handler.addFilter(_AddRequestId())
    handler.setFormatter(
        JsonLines()
        if log_format == "json"
        else PlainLines("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # uvicorn brings handlers of its own; its access lines are ours (service.doors.http.context).
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def where(error: BaseException) -> str:
    """Type and frames of ``error``, without its message: messages may quote readings."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = "".join(f"\n  {f.filename}:{f.lineno} in {f.name}" for f in frames)
    cause = error.__cause__ or error.__context__
    below = f"\ncaused by {where(cause)}" if cause is not None else ""
    return f"{type(error).__name__}{lines}{below}"
