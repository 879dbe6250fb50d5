"""What an explanation suggests, in a few words: by which auditors group answers of one kind.

It is part of the record itself (:attr:`ifonly.service.store.chain.Facts.detail`), not of its
payload: erasing what was asked leaves the group as it was, so that a sample of a group can be
drawn again. It names levers and directions, and no reading.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.terms import WayName
from ifonly.service.store.chain import MAX_WHOLE, Facts, canonical

MEMBER = "suggestion"
"""Of a record's detail."""
MILLION = 1_000_000
_PLACE = re.compile(r"\[\d+\]|/\d+|\.\d+")
READ: Mapping[str, Any] = {
    "status": True,
    "target": {"robust"},
    "counterfactuals": {0: {"cost", "actions", "assurance"}},
    "ways": {"__all__": {"name", "survives"}},
    "blocked_by": {"__all__": {"source", "key", "features"}},
}
"""The members of an answer that :func:`marks` reads, as ``model_dump`` takes them."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The kind of an explanation's first answer."""

    model: str
    status: str
    """The claim."""
    sets: tuple[tuple[str, str], ...] = ()
    """Each lever with its direction: ``+``, ``-``, or ``=VALUE`` of categories."""
    blocked: tuple[str, ...] = ()
    """Keys of the constraints that leave nothing; a request's with the features they are about."""
    robust: bool | None = None
    """Whether it survives every reading within the tolerances; None: nobody asked."""
    cost: int | None = None
    """In millionths; no part of the kind."""
    is_marked: bool = True
    """False of records from before this was recorded: only model and claim are known."""

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits: SHA-256 of all that makes the kind."""
        said = {
            "model": self.model,
            "status": self.status,
            "sets": [list(each) for each in self.sets],
            "blocked": list(self.blocked),
            "robust": self.robust,
            "marked": self.is_marked,
        }
        return hashlib.sha256(canonical(said)).hexdigest()[:16]


def marks(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Of an answer as JSON has it: the member of its record's detail."""
    found = answer["counterfactuals"][:1]
    said: dict[str, Any] = {}
    if found:
        said["sets"] = sorted([a["feature"], _direction(a)] for a in found[0]["actions"])
        # Bounded: costs may be of any size, and records hold whole numbers that any reader keeps.
        said["cost"] = round(min(found[0]["cost"] * MILLION, MAX_WHOLE))
    blocked = sorted({_rule(each) for each in answer.get("blocked_by") or ()})
    if blocked:
        said["blocked"] = blocked
    known = survives(answer)
    if known is not None:
        said["robust"] = int(known)
    return said


def survives(answer: Mapping[str, Any]) -> bool | None:
    """Whether the first answer survives every reading within the declared tolerances; None: that
    is not known, or nothing was found."""
    found = answer["counterfactuals"][:1]
    if not found:
        return None
    if (answer.get("target") or {}).get("robust"):
        return True
    for way in answer.get("ways") or ():
        if way["name"] == WayName.SMALLEST and way["survives"] is not None:
            return bool(way["survives"] >= 1.0)
    share = (found[0].get("assurance") or {}).get("survives_sensor_errors")
    # Of drawn readings all survived: that is no proof, and is not told as one.
    return None if share is None or share >= 1.0 else False


def _direction(action: Mapping[str, Any]) -> str:
    delta = action.get("delta")
    if delta is None:
        return f"={action['to']}"
    return "+" if delta > 0 else "-"


def _rule(constraint: Mapping[str, Any]) -> str:
    key = str(constraint["key"])
    if constraint.get("source") != "request":
        return key
    # In a request's list a rule has another place, and so another key, than in the next request's:
    # what it is about tells it apart.
    named = ", ".join(str(each) for each in constraint.get("features") or ())
    return f"{_PLACE.sub('', key)} {named}".rstrip()


def suggestion_of(facts: Facts) -> Suggestion:
    """The kind of an explanation, from its record; whatever a tampered one says."""
    model, status = facts.model or "", facts.status or ""
    said = facts.detail.get(MEMBER) if isinstance(facts.detail, Mapping) else None
    if not isinstance(said, Mapping):
        return Suggestion(model, status, is_marked=False)
    robust, cost = said.get("robust"), said.get("cost")
    return Suggestion(
        model,
        status,
        tuple(sorted((str(n), str(d)) for n, d in _pairs(said.get("sets")))),
        tuple(str(each) for each in said.get("blocked") or ()),
        None if robust is None else bool(robust),
        cost if type(cost) is int else None,
    )


def _pairs(sets: Any) -> Sequence[Sequence[Any]]:
    if not isinstance(sets, list):
        return []
    return [each for each in sets if isinstance(each, list) and len(each) == 2]
