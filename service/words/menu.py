"""Joint boxes and menus of levers, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ifonly.explainers.answer import BoxSide, JointBox
from ifonly.explainers.menu import Menu, MenuEntry
from ifonly.explainers.terms import Status
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.gauges import Gauge
from ifonly.models.schema import Labels, Schema
from ifonly.service.words.catalogue import in_each, say
from ifonly.service.words.labels import label, label_or

Reply = Mapping[str, Any]


def joint_box(box: JointBox, schema: Schema) -> Labels:
    """Between what all settings may be chosen at once, and how that is known."""

    def told(tag: Language) -> str:
        sides = (_side(side, schema, tag) for side in box.sides)
        ranges = say("menu.and", tag).join(sides)
        return say(f"menu.box_{box.proof}", tag, ranges=ranges)

    return in_each(told)


def _side(side: BoxSide, schema: Schema, tag: Language) -> str:
    feature = schema.features[side.column]
    gauge, name = Gauge.of(feature), label(feature, tag)
    if side.low == side.high:
        return say("menu.at", tag, name=name, value=gauge.value(side.low, tag))
    low, high = gauge.bare(side.low, tag), gauge.value(side.high, tag)
    return say("menu.between", tag, name=name, low=low, high=high)


def entry(some: MenuEntry, schema: Schema) -> Labels:
    """What some levers can do by themselves."""
    key = f"menu.{some.status}" if some.same_as is None else f"menu.same_{some.status}"

    def told(tag: Language) -> str:
        own = levers(some.same_as or (), schema, tag)
        return say(key, tag, names=levers(some.levers, schema, tag), own=own)

    return in_each(told)


def label_of(columns: Sequence[int], schema: Schema) -> Labels:
    """What a set of levers is called."""
    return in_each(lambda tag: levers(columns, schema, tag))


def verdict(some: Reply, menu: Reply, tag: Language) -> str:
    """In a few words what a set of a reply's menu can do alone."""
    if some["status"] == Status.INFEASIBLE:
        return say("menu.cannot", tag)
    if some["status"] == Status.UNKNOWN:
        return say("menu.undecided", tag)
    if some.get("same_as") is not None:
        own = next((o for o in menu["sets"] if o["levers"] == some["same_as"]), None)
        labels = {} if own is None else own["label"]
        name = label_or(labels, tag, " + ".join(some["same_as"]))
        return say("menu.can_less", tag, own=name)
    return say("menu.can" if some["status"] == Status.OPTIMAL else "menu.can_found", tag)


def levers(columns: Sequence[int], schema: Schema, tag: Language) -> str:
    """Their names, as of what is set together."""
    return " + ".join(label(schema.features[j], tag) for j in columns)


def summary(menu: Menu) -> Labels:
    """How many sets can, cannot and were not decided."""
    can = sum(e.status in (Status.OPTIMAL, Status.FEASIBLE) for e in menu.entries)
    cannot = sum(e.status is Status.INFEASIBLE for e in menu.entries)
    left = len(menu.entries) - can - cannot
    return in_each(
        lambda tag: say(
            "menu.summary", tag, sets=len(menu.entries), can=can, cannot=cannot, left=left
        )
    )
