"""What the rows of a job were answered, one by one: whole, or flat as a line of a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from ifonly.explainers.languages import LANGUAGES
from ifonly.service.audit import records
from ifonly.service.audit.together import each_row
from ifonly.service.store.chain import IntegrityFinding, Record
from ifonly.service.store.jobs import JobResult
from ifonly.service.store.kinds import RecordKind

ERASED, NOT_AS_SEALED, INVALID, FAILED = "erased", "not_as_sealed", "invalid", "failed"
"""Statuses of flat rows that hold no answer; of those that do it is the claim."""
Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """One answered row."""

    number: int
    record: Record
    name: str | int | None = None
    """What its client calls it."""
    explanation: Said | None = None
    problem: Said | None = None
    findings: Sequence[IntegrityFinding] = ()
    """What is wrong with its record; then there is neither. Neither, and nothing is wrong: what it
    said was erased."""


def answers(results: Iterable[JobResult]) -> Iterator[JobAnswer]:
    """Each row by itself, also where several have one record."""
    seen, rows = "", dict[int | None, Said]()
    for result in results:
        record = result.record
        if result.findings or result.payload is None:
            yield JobAnswer(result.number, record, findings=result.findings)
            continue
        if record.facts.id != seen:
            seen, rows = record.facts.id, dict(each_row(record, from_json(result.payload.content)))
        kept = rows[result.number]
        name = kept.get("row_id")
        if record.facts.kind in (RecordKind.EXPLANATION, RecordKind.ROWS):
            yield JobAnswer(result.number, record, name, explanation=kept["answer"])
        else:
            yield JobAnswer(result.number, record, name, problem=kept["answer"])


def whole(row: JobAnswer) -> Said:
    """``row`` (from 0), its client's ``id``, and its ``explanation`` or ``problem`` as they were
    recorded; ``erased`` if they were; a problem of type ``not-as-sealed`` if what is there is not
    what was recorded."""
    told: dict[str, Any] = {"row": row.number}
    if row.name is not None:
        told["id"] = row.name
    where = {"audit": records.audit(row.record).model_dump()}
    if row.findings:
        told["problem"] = records.doubted(row.findings)
    elif row.explanation is not None:
        told["explanation"] = {**row.explanation, **where}
    elif row.problem is not None:
        told["problem"] = {**row.problem, **where}
    else:
        told |= {"erased": True, **where}
    return told


def line(told: Said) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode() + b"\n"


# --- flat ---------------------------------------------------------------------------------


def flat(row: JobAnswer) -> dict[str, Any]:
    """The same in few columns, named and typed as those of the bulk function
    (``docs/bulk.md``); ``record``: where all of it is."""
    told: dict[str, Any] = {"row": row.number}
    if row.name is not None:
        told["id"] = str(row.name)
    if row.explanation is not None:
        told |= _explained(row.explanation)
    elif row.problem is not None:
        is_ours = int(row.problem.get("status", 500)) >= 500
        told |= {"status": FAILED if is_ours else INVALID, "problem": _problem(row.problem)}
    elif row.findings:
        text = "; ".join(finding.text for finding in row.findings)
        told |= {"status": NOT_AS_SEALED, "problem": {"problem": text}}
    else:
        told["status"] = ERASED
    return told | {"record": row.record.facts.id}


def _explained(said: Said) -> dict[str, Any]:
    told: dict[str, Any] = {"status": said["status"], "deadline_hit": said["deadline_hit"]}
    told |= _predicted(said["prediction"], "decision", "probability", "score")
    if said["counterfactuals"]:
        told |= _found(said["counterfactuals"][0])
    if "chance_under_this_model" in said:
        told["chance"] = said["chance_under_this_model"]
    if said["blocked_by"]:
        told["blocked_by"] = [each["key"] for each in said["blocked_by"]]
    told |= {f"sentence_{tag}": said["text"].get(tag) for tag in LANGUAGES if tag in said["text"]}
    return told


def _predicted(said: Said, decision: str, probability: str, score: str) -> dict[str, Any]:
    told = {
        decision: said.get("class"),
        probability: said.get("probability"),
        score: said.get("score"),
    }
    return {name: value for name, value in told.items() if value is not None}


def _found(said: Said) -> dict[str, Any]:
    assurance = said.get("assurance") or {}
    return {
        "verified": said["verified"],
        "cost": said["cost"],
        "lower_bound": said["lower_bound"],
        "gap": said["gap"],
        "actions": [_moved(each) | _sufficient(each) for each in said["actions"]],
        "effects": [_moved(each) | {"via": each["via"]} for each in said["effects"]],
        **_predicted(said["prediction"], "decision_after", "probability_after", "score_after"),
        "chance": assurance.get("chance_under_this_model"),
        "survival": assurance.get("survives_sensor_errors"),
        "rests_on_rounding": said.get("rests_on_rounding", False),
    }


def _moved(said: Said) -> dict[str, Any]:
    is_named = isinstance(said["to"], str) or isinstance(said["from"], str)
    suffix = "_category" if is_named else ""
    ends = {f"{end}{suffix}": said[end] for end in ("from", "to")}
    return {"feature": said["feature"], "unit": said["unit"] or None, **ends}


def _sufficient(said: Said) -> dict[str, Any]:
    low, high = said.get("sufficient_range") or (None, None)
    return {"low": low, "high": high}


def _problem(said: Said) -> dict[str, Any]:
    """The first fault of a problem; of one that lists none, its sentence."""
    first = (said.get("errors") or [{}])[0]
    value, limit = first.get("value"), first.get("limit")
    told = {
        "type": str(said.get("type", "")).rpartition(":")[2],
        "field": (first.get("pointer") or first.get("parameter") or "").removeprefix("/") or None,
        "problem": first.get("detail") or said.get("detail"),
        "value": None if value is None else str(value),
        "unit": first.get("unit"),
    }
    if _is_interval(limit):
        return told | {"low": limit[0], "high": limit[1]}
    return told | {"allowed": None if limit is None else _words(limit)}


def _is_interval(limit: Any) -> bool:
    is_pair = isinstance(limit, list) and len(limit) == 2
    return is_pair and all(isinstance(end, int | float) for end in limit)


def _words(limit: Any) -> list[str]:
    return [str(each) for each in (limit if isinstance(limit, list) else [limit])]
