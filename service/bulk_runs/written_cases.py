"""Lines of answers as the auditors' report counts explanations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ifonly.explainers.answer import Status
from ifonly.explainers.wording import LANGUAGES
from ifonly.models.schema import Labels
from ifonly.service.ask.write_parts import number
from ifonly.service.audit.recourse_by_group.cases import LeverChange, RecourseCase
from ifonly.service.bulk_runs.rereading import Row
from ifonly.service.errors import CannotBulk

COLUMNS = ("status", "cost", "actions", "blocked_by")
"""What a line has to say."""
BOUNDS = ("lower_bound", "chance")
"""What it says besides, if it was kept: without, less is known of costs."""
NO_EXPLANATION = ("contradictory", "invalid", "failed")
"""Status of lines that no explanation is behind: over HTTP these rows are refused."""
STATUSES = frozenset(Status)


@dataclass(frozen=True)
class CaseReader:
    """Reads lines of one run."""

    policy: str
    """Digest of the spec whose costs these are."""
    words: Mapping[str, Labels] = field(default_factory=dict)
    """Of constraints, by key; what is not there is told by its key."""

    def case(
        self, line: Row, instance: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> RecourseCase | None:
        """``instance`` and ``attributes``: what groups are made of. None: no explanation.

        Raises
        ------
        CannotBulk
            If the line says what no run writes.
        """
        status = line.get("status")
        if status in NO_EXPLANATION:
            return None
        if not isinstance(status, str) or status not in STATUSES:
            raise CannotBulk(f"row {line.get('row')}: status is {status!r}, which no run writes")
        try:
            return RecourseCase(
                id=str(line["row"]),
                status=status,
                policy=self.policy,
                cost=_number(line.get("cost")),
                lower_bound=_number(line.get("lower_bound")),
                # Of an abstention the chance is of no answer.
                chance=_number(line.get("chance")) if line.get("actions") else None,
                levers=tuple(map(_lever, _listed(line.get("actions")))),
                blocked_by=tuple((key, self._said(key)) for key in _listed(line.get("blocked_by"))),
                instance=instance,
                attributes=attributes,
            )
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            told = f"{type(error).__name__}: {error}"
            raise CannotBulk(f"row {line.get('row')} is no line of a run ({told})") from None

    def _said(self, key: str) -> Labels:
        return self.words.get(key) or dict.fromkeys(LANGUAGES, key)


def _number(found: Any) -> float | None:
    return None if found is None else float(found)


def _listed(found: Any) -> list[Any]:
    """CSV has lists as JSON."""
    read = json.loads(found) if isinstance(found, str) else found
    return list(read or ())


def _lever(action: Mapping[str, Any]) -> LeverChange:
    before, after = action.get("from"), action.get("to")
    is_number = before is not None and after is not None
    # In decimals, as the API has it: -7.5, never -7.499999.
    delta = number(Decimal(repr(after)) - Decimal(repr(before))) if is_number else None
    return LeverChange(action["feature"], action.get("unit") or "", delta)
