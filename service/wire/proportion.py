"""A share with its interval, on the wire: clients read it without numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ifonly.service.wire.base import Wire

if TYPE_CHECKING:
    from ifonly.models.shares import ShareEstimate


class Proportion(Wire):
    """A share with Wilson's 95 % interval."""

    count: int
    of: int
    share: float | None = Field(description="null: of none.")
    low: float | None
    high: float | None

    @classmethod
    def estimated(cls, found: ShareEstimate) -> Proportion:
        low, high = (found.low, found.high) if found.of else (None, None)
        return cls(count=found.count, of=found.of, share=found.value, low=low, high=high)
