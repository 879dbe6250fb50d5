"""Questions that a page asks: the API's own, recorded in the same way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from fastapi import Request

from ifonly.service.audit.drafts import asked_by
from ifonly.service.audit.recorder import Recorded
from ifonly.service.doors.http.context import context_of
from ifonly.service.doors.http.problems import problem_in
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.chain import Record
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.base import Wire

R = TypeVar("R", bound=Wire)


async def ask(
    request: Request,
    kind: RecordKind,
    model: ServedModel,
    question: Wire,
    work: Callable[[], R],
    about: Record | None,
    patience: float = math.inf,
    marks: Mapping[str, Any] | None = None,
) -> Recorded[R]:
    """The reply, and a record of it about ``about`` (None: a reading that is new), with ``marks``
    in its detail; of what failed there is one too.

    Raises
    ------
    ServiceError, Refusal, GraphError
        As the API's route of this question.
    """
    of = () if about is None else (about.facts.id, about.facts.time_us)
    recorder = context_of(request).recorder(*of)
    recorder = replace(recorder, drafting=replace(recorder.drafting, marks=marks))
    try:
        return await recorder.answer(kind, model, question, work, patience)
    # A page's question that fails leaves a record too, as the API's does.
    except Exception as error:
        problem, path = problem_in(request, error), request.url.path
        own = context_of(request).recorder()
        await own.failure(model, kind.value, asked_by(question), problem, path)
        raise
