"""A model's readings as a form that a person fills in, and what is wrong with what they wrote."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.conventions import canonical, conventions
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.numerals import exactly
from ifonly.explainers.wording.units import Unit
from ifonly.models.errors import InvalidInstance
from ifonly.models.schema import Feature, Schema
from ifonly.models.spec.attributes import Attribute, Attributes
from ifonly.models.window import Window, document_schema, window_of
from ifonly.service.access import Scope
from ifonly.service.doors.pages.operator.levers import written
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.catalogue import say
from ifonly.service.words.labels import label, label_or

_NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d{0,300})?|\.\d{1,300})([eE][+-]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class EnteredField:
    """One reading, or one thing that is said of the equipment."""

    name: str
    label: str
    unit: str
    hint: str
    """Its range, or what it is."""
    value: str
    """As somebody wrote it."""
    choices: tuple[tuple[str, str], ...]
    """What there is to choose, as it is sent and in words; empty: it is written."""
    may_be_missing: bool
    example: str
    """A value that it might have; empty: none is known."""
    problem: str
    """What is wrong with it; empty: nothing, or nobody has asked yet."""
    longest: int = 400
    is_series: bool = False
    """Whether it is several numbers: a keypad for one has no space."""


@dataclass(frozen=True, slots=True)
class EnteredRow:
    """What a form says."""

    values: Mapping[str, str]
    attributes: Mapping[str, str]

    def instance(self, schema: Schema) -> dict[str, Any]:
        """As a request has it: what looks like a number is one; what is empty is missing."""
        window = window_of(schema)
        read = _value if window is None else _series
        channels = document_schema(schema).features
        return {f.name: read(f, self.values.get(f.name, "")) for f in channels}

    def said(self) -> dict[str, str]:
        """Attributes that were filled in."""
        return {name: text.strip() for name, text in self.attributes.items() if text.strip()}


NOTHING = EnteredRow({}, {})


def fields_of(
    model: ServedModel, row: EnteredRow, tag: Language, *, is_asked: bool
) -> tuple[EnteredField, ...]:
    """One for each feature; ``is_asked``: what is wrong with it is said too."""
    examples = model.deployed.examples
    shown = examples[0].instance if examples else {}
    window = window_of(model.schema)
    if window is not None:
        return tuple(
            _channel(window, c, row.values.get(name, ""), shown.get(name), tag, is_asked)
            for c, name in enumerate(window.names)
        )
    return tuple(
        _field(feature, row.values.get(feature.name, ""), shown.get(feature.name), tag, is_asked)
        for feature in model.schema.features
    )


def _channel(
    window: Window, c: int, text: str, example: object, tag: Language, is_asked: bool
) -> EnteredField:
    """The readings of a channel, one behind the other."""
    channel = window.channels[c]
    hint = say("enter.series", tag, range=_range(channel, tag), steps=window.steps)
    problem = ""
    try:
        if is_asked:
            window.read_series(c, _series(channel, text))
    except InvalidInstance as error:
        first = error.problems[0]
        # Of a reading its own words; of the list that it has to be one.
        problem = say("enter.no_series", tag, steps=window.steps)
        if "[" in first.field and first.limit is not None:
            problem = say("enter.outside", tag, range=_range(channel, tag))
    return EnteredField(
        channel.name,
        label(channel, tag),
        _unit(channel, tag),
        hint.lstrip("; ；"),
        text,
        (),
        channel.may_be_missing,
        series_text(example),
        problem,
        40 * window.steps,
        is_series=True,
    )


def series_text(values: object) -> str:
    """Readings as the form has them: "-" where one is missing."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ""
    return " ".join("-" if v is None else exactly(v) for v in values)


def _series(feature: Feature, text: str) -> Any:
    """A list of numbers, however they are set apart."""
    parts = [part for part in re.split(r"[\s,;\[\]、，；]+", text.strip()) if part]
    return [None if part in ("-", "null") else _value(feature, part) for part in parts] or None


def _unit(feature: Feature, tag: Language) -> str:
    """As behind a number of many: a word where the language has one."""
    symbol = Unit.of(feature.unit).symbol
    return conventions(tag).units.get(canonical(symbol), (symbol, symbol))[1]


def _field(
    feature: Feature, text: str, example: object, tag: Language, is_asked: bool
) -> EnteredField:
    return EnteredField(
        feature.name,
        label(feature, tag),
        _unit(feature, tag),
        _range(feature, tag) or label_or(feature.description, tag, ""),
        text,
        tuple((c.name, label(c, tag)) for c in feature.categories),
        feature.may_be_missing,
        "" if example is None else written(feature, feature.read(example)),
        _problem(feature, text, tag) if is_asked else "",
    )


def _range(feature: Feature, tag: Language) -> str:
    gauge = Gauge.of(feature)
    ends = (feature.lower, feature.upper)
    low, high = ("" if math.isinf(end) else gauge.value(end, tag) for end in ends)
    if feature.kind.is_categorical or not (low or high):
        return ""
    key = "enter.between" if low and high else "enter.at_least" if low else "enter.at_most"
    return say(key, tag, low=low, high=high)


def _value(feature: Feature, text: str) -> Any:
    text = text.strip()
    if not text:
        return None
    if feature.kind.is_categorical:
        return text
    # Keyboards for Japanese and Korean also write digits of full width.
    plain = unicodedata.normalize("NFKC", text)
    if not _NUMBER.fullmatch(plain):
        return text
    number = float(plain)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _problem(feature: Feature, text: str, tag: Language) -> str:
    """What the model cannot take of it; the model's own reading of it decides."""
    value = _value(feature, text)
    try:
        feature.read(value)
    except InvalidInstance:
        if value is None:
            return say("enter.missing", tag)
        if feature.kind.is_categorical:
            return say("enter.not_listed", tag)
        if isinstance(value, str) or not math.isfinite(value):
            return say("enter.no_number", tag)
        if not feature.lower <= value <= feature.upper:
            return say("enter.outside", tag, range=_range(feature, tag))
        return say("enter.not_whole", tag)
    return ""


def attributes_of(
    attributes: Attributes, scope: Scope, row: EnteredRow, tag: Language, *, is_asked: bool
) -> tuple[EnteredField, ...]:
    """What may be said of the equipment: a field for each name that the spec declares, and for each
    without which whoever asks may not, with the values that are within their scope."""
    within = dict(scope.attributes)
    declared = [replace(a, values=within.get(a.name, a.values)) for a in attributes.declared]
    known = {each.name for each in declared}
    others = () if attributes.only else within.keys() - known
    every = [*declared, *(Attribute(name, values=within[name]) for name in sorted(others))]
    return tuple(
        _attribute(each, row.attributes.get(each.name, ""), tag, each.name in within, is_asked)
        for each in every
    )


def _attribute(
    each: Attribute, text: str, tag: Language, is_needed: bool, is_asked: bool
) -> EnteredField:
    said = text.strip()
    is_wrong = is_needed if not said else each.problem(said) is not None
    key = "enter.not_listed" if each.values else "enter.bad_text"
    # Where there is nothing to choose, it is chosen.
    only = each.values[0] if is_needed and len(each.values) == 1 else ""
    return EnteredField(
        each.name,
        label_or(each.labels, tag, each.name),
        "",
        say("enter.raises", tag) if each.identity else "",
        text or only,
        tuple((value, value) for value in each.values),
        not is_needed,
        "",
        say(key, tag, limit=each.longest) if is_asked and is_wrong else "",
        each.longest,
    )


def matched(values: Mapping[str, str], schema: Schema) -> tuple[dict[str, str], list[str]]:
    """Columns by the names of features, whichever of a feature's names and labels they have; and
    those that are no feature's."""
    schema = document_schema(schema)
    known = {
        spelled.casefold(): f.name for f in schema.features for spelled in f.labels.values()
    } | {f.name.casefold(): f.name for f in schema.features}
    found, others = {}, []
    for column, text in values.items():
        name = column if column in schema else known.get(column.casefold())
        if name is None:
            others.append(column)
        else:
            found[name] = text
    return found, others
