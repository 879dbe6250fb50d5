"""One change for many alarms, as pages ask for it: the API's question, recorded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import Request

from ifonly.service.ask.budget import Budget
from ifonly.service.ask.common import common_remedies
from ifonly.service.audit.alarm_rows import with_rows
from ifonly.service.audit.recorder import Recorded
from ifonly.service.doors.http.context import AppState, Recording
from ifonly.service.doors.pages.asking import ask
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import validation
from ifonly.service.wire.common import CommonRequest
from ifonly.service.wire.common_replies import CommonReply


async def ask_common(
    request: Request,
    state: AppState,
    recording: Recording,
    model: ServedModel,
    body: Mapping[str, Any],
) -> Recorded[CommonReply]:
    """``body``: as the API is asked.

    Raises
    ------
    ServiceError, Refusal, GraphError
        As the API's route of this question.
    """
    question = validation.read(CommonRequest, body)
    if question.instances is None:
        look = partial(with_rows, state.store.database, model, question)
        question = await state.readers.run(look)
    turn = state.turns.search(recording.principal.actor)
    budget = Budget.of(question.deadline_ms, state.settings, turn)
    work = partial(common_remedies, model, question, budget, state.watch)
    return await ask(request, RecordKind.COMMON, model, question, work, None, budget.patience)
