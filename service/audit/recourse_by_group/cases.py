"""One explanation as it is counted, read from its record or asked anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from ifonly.explainers.answer import Status
from ifonly.service.audit.together import Kept, each_row
from ifonly.service.store.chain import Payload, Record

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LeverChange:
    """A feature that the first answer sets."""

    feature: str
    unit: str
    delta: float | None
    """Of numbers."""


@dataclass(frozen=True, slots=True)
class RecourseCase:
    """What one explanation came to. Of an erased one only the claim is known."""

    id: str
    status: str
    policy: str
    """Digest of the spec whose costs these are."""
    erased: bool = False
    time_us: int = 0
    cost: float | None = None
    """Of the first answer."""
    lower_bound: float | None = None
    """No less than this is possible; None: nothing is known."""
    chance: float | None = None
    """That the decision changes once the first answer is carried out, by the causal model; None:
    features move alone."""
    levers: tuple[LeverChange, ...] = ()
    blocked_by: tuple[tuple[str, Mapping[str, str]], ...] = ()
    """Key and words of each constraint that leaves nothing."""
    instance: Said = field(default_factory=dict)
    attributes: Said = field(default_factory=dict)

    @property
    def needs_recourse(self) -> bool:
        return self.status != Status.ALREADY_TARGET

    @property
    def has_recourse(self) -> bool:
        return self.status in (Status.OPTIMAL, Status.FEASIBLE)

    @property
    def is_proven(self) -> bool:
        """Of a counterfactual: cheapest. Of none: that there is none."""
        return self.status in (Status.OPTIMAL, Status.INFEASIBLE)


def cases(record: Record, payload: Payload | None) -> Iterator[RecourseCase]:
    """Each explanation of a record: one, or those of the rows of a job that have it together."""
    if payload is None:
        # Erased cases still count: left out, erasing would change the shares of success.
        count = len((record.facts.detail or {}).get("numbers", (None,)))
        yield from [_case(record, None)] * count
        return
    for _, kept in each_row(record, from_json(payload.content)):
        yield _case(record, kept)


def _case(record: Record, kept: Kept | None) -> RecourseCase:
    facts = record.facts
    known: dict[str, Any] = {
        "id": facts.id,
        "status": facts.status or "",
        # By digest: a policy can change under one version's name.
        "policy": facts.spec_sha256 or "",
        "time_us": facts.time_us,
    }
    if kept is None:
        return RecourseCase(**known, erased=True)
    answer, request = kept["answer"], kept["request"]
    # The first alone: alternatives would count one question several times.
    found = answer["counterfactuals"][:1]
    return RecourseCase(
        **known,
        cost=found[0]["cost"] if found else None,
        lower_bound=found[0].get("lower_bound") if found else None,
        chance=_chance(found[0]) if found else None,
        levers=tuple(
            LeverChange(a["feature"], a["unit"], a.get("delta"))
            for f in found
            for a in f["actions"]
        ),
        blocked_by=tuple((c["key"], c["text"]) for c in answer["blocked_by"]),
        instance=request["instance"],
        attributes=request.get("attributes", {}),
    )


def _chance(found: Said) -> float | None:
    # Records older than causal models have no such member.
    assurance = found.get("assurance") or {}
    chance = assurance.get("chance_under_this_model")
    return None if chance is None else float(chance)
