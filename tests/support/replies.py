"""What of a reply repeats."""

from __future__ import annotations

from typing import Any


def same_for_all(reply: Any) -> Any:
    """A reply less what is this one's alone: ids, its record, times."""
    if not isinstance(reply, dict):
        return reply
    left = {k: v for k, v in reply.items() if k not in ("id", "audit", "request_id")}
    if "work" in left:
        left["work"] = {k: v for k, v in left["work"].items() if k != "times"}
    return left
