"""Which of the named ways of an answer there are, for whoever says that one of them was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ifonly.explainers.terms import WayName
from ifonly.service.errors import Fault, InvalidRequest, RequestPart


def told(answer: Mapping[str, Any]) -> list[str]:
    """Names of the ways that an answer tells of, the smallest first; those that set the same as
    one before them, too. ``answer``: as replies have it."""
    if not answer["counterfactuals"] or answer.get("semantics") == "backtracking":
        return []  # nothing to do, or another past: no advice
    ways = answer.get("ways") or ()
    others = [w["name"] for w in ways if w.get("counterfactual") or w.get("same_as")]
    return [WayName.SMALLEST.value, *(name for name in others if name != WayName.SMALLEST)]


def check(way: str | None, answer: Mapping[str, Any] | None) -> None:
    """``answer``: None, where there is none, or none any more.

    Raises
    ------
    InvalidRequest
        If it tells of no such way.
    """
    known = [] if answer is None else told(answer)
    if way is None or way in known:
        return
    those = f"its ways are {', '.join(known)}" if known else "it tells of none"
    problem = f"way is {way!r}, which the explanation does not tell of; {those}"
    raise InvalidRequest(RequestPart.REQUEST, [Fault(("way",), problem, way, limit=known)])
