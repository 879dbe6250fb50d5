"""Joint boxes and menus of levers into replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ifonly.explainers.answer import Counterfactual, JointBox
from ifonly.explainers.menu import Menu
from ifonly.models.schema import Schema
from ifonly.service.wire import replies as wire
from ifonly.service.words import menu as words
from ifonly.service.words.catalogue import chosen
from ifonly.service.words.labels import label_or


def joint_box(box: JointBox, schema: Schema, languages: Sequence[str]) -> wire.JointBox:
    sides = []
    for side in box.sides:
        feature = schema.features[side.column]
        sides.append(
            wire.BoxSide(
                feature=feature.name,
                label={tag: label_or(feature.labels, tag, feature.name) for tag in languages},
                low=feature.write(side.low),
                high=feature.write(side.high),
                unit=feature.unit,
                below=side.below,
                above=side.above,
            )
        )
    text = chosen(words.joint_box(box, schema), languages)
    return wire.JointBox(sides=sides, proof=box.proof, text=text)


def menu(
    found: Menu,
    schema: Schema,
    languages: Sequence[str],
    written: Callable[[Counterfactual], wire.Counterfactual],
) -> wire.Menu:
    """``written``: a counterfactual, as the reply has it."""
    names = schema.names
    sets = [
        wire.MenuSet(
            levers=[names[j] for j in entry.levers],
            label=chosen(words.label_of(entry.levers, schema), languages),
            status=entry.status.value,  # type: ignore[arg-type]
            same_as=None if entry.same_as is None else [names[j] for j in entry.same_as],
            counterfactual=None if entry.found is None else written(entry.found),
            text=chosen(words.entry(entry, schema), languages),
        )
        for entry in found.entries
    ]
    return wire.Menu(
        max_levers=found.max_levers,
        levers=[names[j] for j in found.levers],
        sets=sets,
        text=chosen(words.summary(found), languages),
    )
