"""Pages of what auditors look through: some entries, and where the older ones are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from ifonly.service.errors import InvalidCursor, InvalidRequest

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class ResultPage(Generic[Entry]):
    """One page of what was looked for, the newest first."""

    entries: tuple[Entry, ...]
    older: str | None
    """Where the older ones are."""
    problem: str
    """What is wrong with what was asked; in English, as the API says it."""


def found(
    path: str,
    filters: Mapping[str, str],
    cursor: str | None,
    limit: int,
    read: Callable[[dict[str, object]], tuple[Iterable[Entry], str | None]],
) -> ResultPage[Entry]:
    """``read``: from what is asked to the entries, and the cursor after the last of them.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    asked: dict[str, object] = {**filters, "limit": limit}
    if cursor:
        asked["cursor"] = cursor
    try:
        entries, after = read(asked)
    # Shown on the page, not as one of its own: the filter that is wrong stays there to be mended.
    except (InvalidRequest, InvalidCursor) as error:
        return ResultPage((), None, str(error))
    # With the filters: a link must lead to more of the same.
    older = None if after is None else f"{path}?{urlencode({**filters, 'cursor': after})}"
    return ResultPage(tuple(entries), older, "")
