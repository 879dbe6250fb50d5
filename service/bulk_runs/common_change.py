"""One change for the alarms of a file, as the API is asked for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.common import common_remedies
from ifonly.service.audit.recourse_by_group.common_changes import CommonChange, told_of
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import Settings
from ifonly.service.store.chain import now_us
from ifonly.service.wire import validation
from ifonly.service.wire.common import CommonRequest

MOST_ALARMS = 500
"""For which one change is sought: of more, so many are drawn."""
SEED = 0
"""Of the draw: the same file twice has the same alarms."""
SECONDS = 10


@dataclass(frozen=True)
class CohortQuestion:
    """How many levers may be set in common, and how long may be searched."""

    max_levers: int
    settings: Settings
    deadline_ms: int = 1_000 * SECONDS

    def drawn(self, alarms: Sequence[int]) -> Sequence[int]:
        """Those that are asked about, of the rows in alarm, in order."""
        if len(alarms) <= MOST_ALARMS:
            return alarms
        chosen = np.random.default_rng(SEED).choice(alarms, MOST_ALARMS, replace=False)
        return sorted(chosen.tolist())


def common_change(
    model: ServedModel,
    said: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    question: CohortQuestion,
) -> CommonChange:
    """Of the rows of a run, under what its manifest says was asked.

    Raises
    ------
    InvalidRequest
        If nothing can be set in common as it was asked, or too many levers are.
    """
    asked = said["identity"]["asked"]
    body = {
        "instances": list(rows),
        "max_levers": question.max_levers,
        "deadline_ms": min(question.deadline_ms, question.settings.max_deadline_ms),
        "languages": list(LANGUAGES),
        **{key: asked[key] for key in ("target", "constraints", "semantics") if asked.get(key)},
    }
    request = validation.read(CommonRequest, body)
    budget = Budget.of(request.deadline_ms, question.settings)
    reply = common_remedies(model, request, budget).as_mapping()
    return told_of(reply, reply["id"], now_us())
