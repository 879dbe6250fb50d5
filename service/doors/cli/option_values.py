"""Values of options in their short forms, as the API's JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import typer

from ifonly.service.doors.cli.console import read_object


def read_settings(given: Sequence[str]) -> dict[str, Any]:
    """Settings as the API's: JSON objects, or ``feature=value``.

    >>> read_settings(["torque=45", "quality=H"])
    {'torque': 45, 'quality': 'H'}
    """
    read: dict[str, Any] = {}
    for text in given:
        if text.lstrip().startswith("{"):
            read |= read_object(text, "what is set")
            continue
        name, is_told, value = text.partition("=")
        if not is_told:
            raise typer.BadParameter(f"{text!r} is not feature=value", param_hint="--set")
        try:
            read[name.strip()] = json.loads(value)
        # What is no JSON is the name of a category.
        except ValueError:
            read[name.strip()] = value.strip()
    return read


def read_over(text: str) -> dict[str, Any]:
    """A length of time as the API's.

    >>> read_over("30 minutes")
    {'minutes': 30.0}
    """
    if text.lstrip().startswith("{"):
        return read_object(text, "over")
    amount, _, unit = text.strip().partition(" ")
    try:
        return {unit.strip(): float(amount)}
    except ValueError:
        problem = f"{text!r} is no length of time as in '8 minutes'"
        raise typer.BadParameter(problem, param_hint="--over") from None


_BOUND = re.compile(r"(?P<what>.+?)\s*(?P<sense>>=|<=)\s*(?P<number>[-+0-9.eE]+)")


def read_target(text: str) -> dict[str, Any]:
    """The short form of a target as the API's.

    >>> read_target("normal>=0.6")
    {'class': 'normal', 'probability': {'min': 0.6}}
    >>> read_target("score<=30")
    {'score': {'max': 30.0}}
    """
    # JSON first: a class's name may hold >= itself.
    if text.lstrip().startswith("{"):
        return read_object(text, "the target")
    bound = _BOUND.fullmatch(text.strip())
    # A name may hold anything: what is no bound is a class, and the service says if it is not.
    if bound is None:
        return {"class": text}
    try:
        limit = {"min" if bound["sense"] == ">=" else "max": float(bound["number"])}
    except ValueError:
        return {"class": text}
    if bound["what"] == "score":
        return {"score": limit}
    return {"class": bound["what"], "probability": limit}
