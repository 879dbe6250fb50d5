"""What clients call their rows: the key ``id`` of a line, the column ``id`` of a table."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.store.chain import MAX_WHOLE

ID = "id"
MAX_ID = 256
"""Characters of a row's id: it is told with each answer."""


def unnamed(asked: Any) -> Any:
    """A line without its ``id``.

    Raises
    ------
    InvalidRequest
        If that is none.
    """
    if not isinstance(asked, dict) or ID not in asked:
        return asked
    if problem := _why_not(asked[ID]):
        fault = Fault((ID,), problem, asked[ID], "characters", MAX_ID)
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    return {name: value for name, value in asked.items() if name != ID}


def row_id_in(line: bytes) -> str | int | None:
    """What a line is called, also one that is refused; None: nothing, or by no id."""
    # Whoever joins refused rows needs their ids the most. Most lines have none.
    if b'"id"' not in line:
        return None
    try:
        asked = from_json(line)
    except ValueError:
        return None
    name = asked.get(ID) if isinstance(asked, dict) else None
    return None if _why_not(name) else name


def _why_not(name: object) -> str | None:
    """What is wrong with an id; None: nothing."""
    if type(name) is int and abs(name) <= MAX_WHOLE:
        return None
    if type(name) is int:
        return (
            f"id is {str(name)[:32]}, beyond ±2**53, which not every reader keeps: send it as text"
        )
    if not isinstance(name, str):
        return "id is neither text nor a whole number"
    if not 1 <= len(name) <= MAX_ID:
        return f"id has {len(name):,} characters; it has 1 to {MAX_ID}"
    return None
