"""``spec.toml`` of a model that came without one: what was guessed says so."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

import numpy as np

from ifonly.models.adding.inputs import Inputs, bounds_of
from ifonly.models.adding.outputs import Outputs
from ifonly.models.adding.units import split_unit
from ifonly.models.encoding import FeatureEncoding, Form
from ifonly.models.predictor import Row
from ifonly.models.schema import Decision, Feature, plain
from ifonly.models.window import Window

GUESSED = "# guessed"
_FIXED = frozenset("age sex gender race ethnicity nationality birth birthday".split())
"""Of people: no recourse is to have been born otherwise."""


def spec_text(name: str, version: str, inputs: Inputs, outputs: Outputs, origin: str) -> str:
    """The spec as TOML; ``origin`` says where model and sample came from."""
    # Of windows a spec speaks of channels, whose columns the sample has as it was given.
    sample = inputs.channels or inputs.sample
    features = sample.schema.features
    encodings = [FeatureEncoding(f.name) for f in features]
    if inputs.windows is None:
        encodings = list(inputs.encoding.features)
    lines = [
        f"# Written by `ifonly models add` from {_one_line(origin)}.",
        f"# Lines marked `{GUESSED}` are what nobody said: check each, then delete its mark.",
        "format = 1",
        f"name = {_text(name)}",
        f"version = {_text(version)}",
        f"task = {_text(outputs.decision.task.value)}",
        *_output(outputs),
        *(() if inputs.windows is None else _window(inputs.windows.window)),
        *_decision(outputs.decision, outputs.label, outputs.guessed),
    ]
    for feature, encoding, column in zip(features, encodings, sample.rows.T, strict=True):
        lines += ["", *_feature(feature, encoding, column, feature.name in inputs.ordered)]
    lines += [
        "",
        "# What may be set, and at what cost: how far it moves, in median absolute deviations of",
        "# reference.csv. Say what cannot be set (`actionable = false`) and which rules hold.",
        "[policy]",
    ]
    for feature, column in zip(features, sample.rows.T, strict=True):
        lines += _policy(feature, column)
    return "\n".join(lines) + "\n"


def _window(window: Window) -> Iterator[str]:
    yield from ("", "# The model reads the last readings of each feature, oldest first.")
    yield "[window]"
    yield f"steps = {window.steps}"
    yield f"period = {_text(str(window.period))}"
    yield f"layout = {_text(window.layout.value)}"


def _output(outputs: Outputs) -> Iterator[str]:
    found = outputs.binding
    if found.name is None and found.column is None:
        return
    yield from ("", "[output]")
    if found.name is not None:
        yield f"name = {_text(found.name)}"
    if found.column is not None:
        yield f"column = {found.column}"


def _decision(decision: Decision, label: str | None, guessed: Collection[str]) -> Iterator[str]:
    if not decision.classes:
        return

    def mark(key: str, why: str) -> str:
        return f"  {GUESSED}: {why}" if f"decision.{key}" in guessed else ""

    names = decision.class_names
    yield from ("", "[decision]")
    yield f"classes = {_texts(names)}{mark('classes', 'names of the columns of the score')}"
    if decision.threshold is not None:
        yield f"positive = {_text(names[decision.positive])}"
        why = "the graph has no label" if label is None else "between labels of the sample"
        yield f"threshold = {float(decision.threshold)!r}{mark('threshold', why)}"
    if decision.desired is not None:
        yield f"desired = {_text(names[decision.desired])}{mark('desired', 'what people want')}"


def _feature(
    feature: Feature, encoding: FeatureEncoding, column: Row, is_ordered: bool
) -> Iterator[str]:
    label, unit = split_unit(feature.name)
    yield "[[features]]"
    yield f"name = {_text(feature.name)}"
    yield f"kind = {_text(feature.kind.value)}"
    if feature.kind.is_categorical:
        order = f"  {GUESSED}: their order, which is that of the codes" if is_ordered else ""
        yield f"categories = {_texts(feature.category_names)}{order}"
        yield f"encoding = {_text(encoding.form.value)}"
        if encoding.form is Form.ONE_HOT:
            yield f"{GUESSED}: one of {len(feature.categories)} columns is 1 in each row"
    else:
        yield from _number(feature, column, unit)
    if feature.may_be_missing:
        yield "missing = true  # in the sample"
    if label != feature.name:
        yield f"label = {{en = {_text(label)}}}  {GUESSED}: the name"
    place = encoding.place
    if place.names:
        yield f"input = {{names = {_texts(place.names)}}}"
    elif place.name is not None:
        yield f"input = {{name = {_text(place.name)}}}"


def _number(feature: Feature, column: Row, unit: str) -> Iterator[str]:
    if unit:
        yield f"unit = {_text(unit)}  {GUESSED}: the name says so"
    if feature.lower == feature.upper:
        return
    low, high = bounds_of(feature)
    seen = f"{plain(feature.lower)} to {plain(feature.upper)} in the sample"
    yield f"bounds = [{_float(low)}, {_float(high)}]  {GUESSED}: {seen}"
    if feature.resolution is not None:
        is_grid = feature.resolution == 1 or _on_grid(column, feature.resolution)
        why = "all of the sample are multiples" if is_grid else "the sample has no grid"
        yield f"resolution = {feature.resolution:f}  {GUESSED}: {why}"


def _on_grid(column: Row, step: Decimal) -> bool:
    seen = column[~np.isnan(column)] / float(step)
    return bool(np.allclose(seen, np.rint(seen), rtol=0, atol=1e-3))


def _policy(feature: Feature, column: Row) -> Iterator[str]:
    lines: list[str] = []
    is_constant = not feature.kind.is_categorical and feature.lower == feature.upper
    words = set(split_unit(feature.name)[0].lower().split())
    if is_constant or words & _FIXED:
        why = "the same in all of the sample" if is_constant else "nobody can set it"
        lines.append(f"actionable = false  {GUESSED}: {why}")
    elif not feature.kind.is_categorical and bounds_of(feature) != (
        feature.lower, feature.upper
    ):  # fmt: skip
        ends = f"[{_float(feature.lower)}, {_float(feature.upper)}]"
        lines.append(f"range = {ends}  {GUESSED}: no further than the sample")
    if lines:
        yield from ("", f"[policy.features.{_text(feature.name)}]", *lines)


def _float(number: float) -> str:
    return plain(number) if abs(number) < 1e15 else repr(number)


def _text(text: str) -> str:
    # JSON's strings are TOML's, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _texts(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
