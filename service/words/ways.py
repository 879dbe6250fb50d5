"""What is claimed of each of several named ways out, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ifonly.explainers.terms import DEARER, FACTORS, Status, WayName
from ifonly.explainers.ways import NamedWay
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import figure
from ifonly.models.schema import Labels, Schema
from ifonly.service.words.catalogue import in_each, say
from ifonly.service.words.labels import label

Reply = Mapping[str, Any]


def resolved(reply: Reply) -> list[tuple[Reply, Reply | None]]:
    """The ways of a reply, the smallest first, each with its counterfactual: None where there is
    none, or where it is that of a way before it. Empty where the reply tells no ways."""
    ways = reply.get("ways") or ()
    first = reply["counterfactuals"][0] if ways else None
    return [
        (way, first if way["name"] == WayName.SMALLEST else way.get("counterfactual"))
        for way in ways
    ]


def claimed(way: NamedWay, smallest: NamedWay, schema: Schema) -> Labels:
    """What is claimed of ``way``; ``smallest``: the first of the same answer."""
    own, first = _levers(way), _levers(smallest)
    # Where there is none, all of them are in every answer.
    shared = first if way.found is None else [j for j in first if j in own]
    key = f"ways.{way.name}_{way.status}"
    if way.name is WayName.OTHER and way.status is Status.OPTIMAL and shared:
        key = "ways.other_levers_shared"
    if way.why is not None:
        key = f"ways.{way.why}"

    def told(tag: Language) -> str:
        said = say(
            key,
            tag,
            count=len(own),
            # Of none: the least that nothing survives.
            times=figure(way.survives or FACTORS[0]),
            dearer=figure(DEARER),
            names=", ".join(label(schema.features[j], tag) for j in shared),
        )
        if way.same_as is None:
            return said
        return say("ways.same", tag, other=say(f"ways.{way.same_as}", tag), said=said)

    return in_each(told)


def _levers(way: NamedWay) -> Sequence[int]:
    return [] if way.found is None else [action.column for action in way.found.actions]
