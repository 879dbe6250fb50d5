"""Versions that are to be asked: which, why, and in place of which."""

from __future__ import annotations

from pydantic import Field

from ifonly.service.wire.base import Wire
from ifonly.service.wire.replies import Audit

MOST_WORDS = 2_000


class ActivationRequest(Wire):
    """Which version is to be asked where a request names none."""

    version: str = Field(max_length=128, description="A version that is here.")
    why: str = Field(min_length=1, max_length=MOST_WORDS, description="What the record says of it.")
    previous: str | None = Field(
        None,
        max_length=128,
        description="The version that is active as far as whoever decides knows: refused if "
        "another one is.",
    )


class ActivationReply(Wire):
    """A version that is asked from now on where a request names none."""

    name: str
    version: str
    previous: str | None = Field(description="That was active before; null: none was.")
    audit: Audit
