"""Which row a page is about, as its address says it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from ifonly.service.wire.requests import MAX_INSTANCES

# PostgreSQL refuses texts with a NUL: that would be a failure of ours.
Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]
RowNumber = Annotated[int | None, Query(ge=0, le=MAX_INSTANCES)]
