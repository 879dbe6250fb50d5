"""Routes of questions about a model: the usual request goes straight to its endpoint."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.doors.http.idempotency import Handle, IdempotentQuestionRoute
from service.doors.http.recording import Recorder
from service.doors.http.state import state_of

LONGEST_NAME = 128


class Selection(BaseModel):
    """Which version of the model is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str | None = Field(
        None, min_length=1, max_length=LONGEST_NAME, description="Default: the latest version."
    )


class QuestionSelection(Selection):
    """Which version is asked, and whether the reply waits for its proof."""

    proof: bool = Field(
        False,
        description="Wait for the next signed head of the log (about a commit), and reply with "
        "the proof that the record is in it.",
    )


class AskingRoute(IdempotentQuestionRoute):
    """A route whose endpoint takes ``model``, ``selected``, ``request`` (the body), ``state`` and
    ``recording``.

    FastAPI takes as long to find out what these are as some questions take to answer. Where the
    query is empty, nothing is preferred and the body is as documented there is nothing to find
    out; everything else, and what is wrong with it, is left to FastAPI.
    """

    async def admitted(self, request: Request, handle: Handle) -> Response:
        async def ask(request: Request) -> Response:
            asked = await self._plainly(request)
            if asked is None:
                return await handle(request)
            response: Response = await self.endpoint(**asked)
            return response

        return await super().admitted(request, ask)

    async def _plainly(self, request: Request) -> dict[str, Any] | None:
        """The endpoint's arguments, where they are plain to see."""
        model = request.path_params["model"]
        if request.scope["query_string"] or "prefer" in request.headers:
            return None
        if len(model) > LONGEST_NAME or self.body_field is None:
            return None
        wanted, faults = self.body_field.validate(await request.json(), loc=("body",))
        if faults:
            return None
        return {
            "model": model,
            "selected": QuestionSelection(),
            "request": wanted,
            "state": state_of(request),
            "recording": Recorder(request),
        }
