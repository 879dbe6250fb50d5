"""The log over all records."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ifonly.service.wire.base import Wire

Size = Annotated[int, Field(ge=0, le=2**53 - 1)]


class ConsistencyQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    from_: Size = Field(alias="from", description="Size of the head that was kept.")
    to: Size | None = Field(None, description="Size of a later one; default: the newest.")


class ConsistencyReply(Wire):
    """That the log of `to` leaves begins with that of `from`."""

    from_: int = Field(alias="from")
    to: int
    hashes: list[str] = Field(description="The proof (RFC 9162, 2.1.4), in base64.")
