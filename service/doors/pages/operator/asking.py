"""Questions that a page asks: the API's own, recorded in the same way."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from fastapi import Request

from service.audit.drafts import asked_by
from service.doors.http import errors
from service.doors.http.recording import Recorder, record_failure
from service.served.registry import ServedModel
from service.store.chain import Kind
from service.wire.base import Wire

Reply = dict[str, Any]


async def ask(
    request: Request,
    kind: Kind,
    model: ServedModel,
    question: Wire,
    work: Callable[[], Wire],
    about: str,
    patience: float = math.inf,
) -> Reply:
    """The reply, and a record of it about the record ``about``; of what failed there is one too.

    Raises
    ------
    ServiceError, Refusal, GraphError
        As the API's route of this question.
    """
    try:
        response = await Recorder(request, about).answer(kind, model, question, work, patience)
    except Exception as error:
        answered = errors.answer_to(request, error)
        await record_failure(request, model, kind.value, asked_by(question), answered)
        raise
    reply: Reply = json.loads(bytes(response.body))
    return reply
