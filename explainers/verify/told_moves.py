"""What an exported counterfactual tells of the features that are set, or follow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ifonly.explainers.verify.reading import exact, same, written
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.sections import Json
from ifonly.models.schema import Schema


def moving(found: Json) -> list[Json]:
    """All that is set or follows. What is set and goes on following stands in both."""
    return [*found["effects"], *found["actions"]]


def steps(found: Json, factual: Sequence[float], schema: Schema) -> Iterator[Check]:
    """Check ``from``, ``to`` and ``delta`` of all that is set or follows.

    ``from`` is the factual's value, ``to`` of what follows is the row's, and ``delta`` is the
    difference in decimals.
    """
    told = schema.by_column(found["instance"])
    for part in found["effects"]:
        name = part["feature"]
        fits = part["to"] == told[name]
        yield Check("to", fits, f"{name} to {part['to']}; the row: {told[name]}")
    for part in moving(found):
        feature = schema[part["feature"]]
        value, now = (written(feature, part[end]) for end in ("from", "to"))
        was = factual[schema.index(feature.name)]
        yield Check("from", same(value, was), f"{feature.name} was {value}; read: {was}")
        delta = None
        if not (feature.kind.is_categorical or math.isnan(value) or math.isnan(now)):
            # In decimals, as a person subtracts: 308.2 - 300.3 is 7.9.
            delta = float(exact(now) - exact(value))
        fits = part.get("delta") == delta
        yield Check("delta", fits, f"{feature.name}: {part.get('delta')} told, {delta} is")


def all_told(
    found: Json,
    factual: Sequence[float],
    action: Sequence[float],
    row: Sequence[float],
    schema: Schema,
) -> Check:
    """Whether every feature that reads otherwise is told of, and none is told of that does
    not move."""
    names = schema.names
    told = {part["feature"] for part in moving(found)}
    own = {n for n, a, r, w in zip(names, action, row, factual, strict=True)
              if not (same(a, w) and same(r, w))}  # fmt: skip
    # Told as set must be exactly what differs in the action.
    held = {n for n, a, w in zip(names, action, factual, strict=True) if not same(a, w)}
    fits = own <= told and sorted(a["feature"] for a in found["actions"]) == sorted(held)
    return Check("told", fits, f"{sorted(own)} move, {sorted(told)} told")
