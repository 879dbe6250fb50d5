"""What a JSON Schema cannot say: features, decision and output that contradict one another.

Each check is given a document of the right shape and yields what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ifonly.models.document import Document
from ifonly.models.errors import SpecProblem

MOST_DIGITS = 15
"""Decimal digits that every float64 keeps: a grid of more has values that do not survive."""

_LEAST_CLASSES = 2


def _unsafe_names(document: Document) -> Iterator[SpecProblem]:
    # Python's `$` also matches before a final newline, which JSON Schema's does not.
    for key in ("name", "version"):
        if not is_path_safe(document[key]):
            yield SpecProblem(key, f"is {document[key]!r}, which is not safe in a path")


def is_path_safe(name: str) -> bool:
    """Whether ``name`` may name a model, a version and their folders."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", name) is not None


def _repeated_features(document: Document) -> Iterator[SpecProblem]:
    names = [table["name"] for table in document["features"]]
    for i, name in enumerate(names):
        if name in names[:i]:
            first = names.index(name)
            yield SpecProblem(f"features[{i}].name", f"{name!r} is already features[{first}]")


def _features(document: Document) -> Iterator[SpecProblem]:
    for i, table in enumerate(document["features"]):
        # One that is told to lack its name or its kind says nothing more.
        if "name" in table and "kind" in table:
            for key, problem in _feature(table):
                yield SpecProblem(f"features[{i}]{key}", f"{table['name']} {problem}")


# --- one feature --------------------------------------------------------------------------

_Problem = tuple[str, str]
"""Key below the feature, starting with a dot, and what is wrong."""

_FOR_NUMBERS = ("bounds", "resolution", "unit")
_FOR_CATEGORIES = ("categories", "encoding", "values")


def is_categorical(table: Document) -> bool:
    return table["kind"] in ("nominal", "ordinal")


def _feature(table: Document) -> Iterator[_Problem]:
    kind = table["kind"]
    for key in _FOR_NUMBERS if is_categorical(table) else _FOR_CATEGORIES:
        if key in table:
            yield f".{key}", f"is {kind}: {key!r} has no meaning for it"
    if is_categorical(table):
        yield from _categories(table)
        yield from _encoding(table)
    else:
        yield from _bounds(table)
        yield from _resolution(table)
    yield from _input(table)


def _bounds(table: Document) -> Iterator[_Problem]:
    if "bounds" not in table:
        return
    lower, upper = table["bounds"]
    if not lower < upper:
        yield ".bounds", f"has bounds [{lower}, {upper}]; the first must be below the second"


def _resolution(table: Document) -> Iterator[_Problem]:
    step = table.get("resolution")
    if step is None:
        return
    # Trailing zeros are not digits that a value must keep.
    digits = len(Decimal(step).normalize().as_tuple().digits)
    if digits > MOST_DIGITS:
        yield ".resolution", f"has resolution {step} of {digits} digits; the most is {MOST_DIGITS}"
    if table["kind"] == "integer" and Fraction(step).denominator != 1:
        yield ".resolution", f"is integer, but its resolution {step} is not a whole number"
    yield from _grid(step, table.get("bounds", ()))


def _grid(step: int | Decimal, bounds: Sequence[int | Decimal]) -> Iterator[_Problem]:
    limits = [Fraction(b) for b in bounds if abs(b) != Decimal("inf")]
    largest = max((abs(limit) for limit in limits), default=Fraction(0))
    # In fractions: the very question is whether floats are fine enough.
    if largest / Fraction(step) > 10**MOST_DIGITS:
        yield (
            ".resolution",
            f"has bounds of {float(largest):g} in steps of {step}: more than 1e{MOST_DIGITS} "
            f"steps from 0, too fine for a float64",
        )
    if len(limits) == len(bounds) == 2 and not on_grid_between(step, *limits):
        yield ".resolution", f"has no multiple of {step} within its bounds"


def on_grid_between(step: int | Decimal, lower: Fraction, upper: Fraction) -> bool:
    """Whether some multiple of ``step`` lies in ``[lower, upper]``."""
    # The first multiple at or above the lower end.
    return -(-lower // Fraction(step)) * Fraction(step) <= upper


def names_of(items: Sequence[str | Document]) -> list[str]:
    """Names of categories or classes, which may be plain or tables."""
    return [item if isinstance(item, str) else item["name"] for item in items]


def _categories(table: Document) -> Iterator[_Problem]:
    if "categories" not in table:
        yield "", f"is {table['kind']} and needs 'categories'"
        return
    yield from _repeated(".categories", names_of(table["categories"]))


def _repeated(key: str, items: Sequence[Any]) -> Iterator[_Problem]:
    for i, item in enumerate(items):
        if item in items[:i]:
            yield f"{key}[{i}]", f"has {item!r} twice"


def _encoding(table: Document) -> Iterator[_Problem]:
    form = table.get("encoding", "codes")
    if form == "thermometer" and table["kind"] != "ordinal":
        yield ".encoding", "is nominal: a thermometer needs an order"
    values = table.get("values")
    if values is None:
        if form == "values":
            yield ".encoding", "has encoding 'values' and needs 'values'"
        return
    if form not in ("values", "string"):
        yield ".values", f"has encoding {form!r}: 'values' has no meaning for it"
        return
    count = len(table.get("categories", values))
    if len(values) != count:
        yield ".values", f"has {len(values)} values for {count} categories"
    wanted, what = (str, "texts") if form == "string" else (int | Decimal, "numbers")
    for i, value in enumerate(values):
        if not isinstance(value, wanted):
            yield f".values[{i}]", f"has value {value!r}; encoding {form!r} takes {what}"
    yield from _repeated(".values", values)


def _input(table: Document) -> Iterator[_Problem]:
    place = table.get("input", {})
    names = place.get("names")
    if names is None:
        return
    if "name" in place or "column" in place:
        yield ".input", "has 'names' beside 'name' or 'column'; give one"
    form = table.get("encoding")
    if form not in ("one-hot", "thermometer"):
        yield ".input.names", "takes one column: give its 'name'"
        return
    # A thermometer needs no column for its lowest category.
    width = len(table.get("categories", ())) - (form == "thermometer")
    if len(names) != width:
        yield ".input.names", f"takes {width} columns, {len(names)} inputs are named"
    yield from _repeated(".input.names", names)


# --- decision and output ------------------------------------------------------------------


def _decision(document: Document) -> Iterator[SpecProblem]:
    table, task = document.get("decision", {}), document["task"]
    classes = names_of(table.get("classes", ()))
    for key, problem in _repeated(".classes", classes):
        yield SpecProblem(f"decision{key}", problem)
    yield from _class_count(task, table, len(classes))
    for key in ("positive", "desired"):
        if key in table and table[key] not in classes:
            known = ", ".join(repr(name) for name in classes) or "none"
            yield SpecProblem(f"decision.{key}", f"is {table[key]!r}, not a class ({known})")
    yield from _threshold(task, table)
    if "unit" in table and task != "regression":
        yield SpecProblem("decision.unit", f"has no meaning for a {task} model")


def _class_count(task: str, table: Document, count: int) -> Iterator[SpecProblem]:
    decides = task != "regression" or "threshold" in table
    if decides and count < _LEAST_CLASSES:
        what = "a regression with a threshold" if task == "regression" else f"a {task} model"
        yield SpecProblem("decision.classes", f"is missing: {what} has classes")
    if task != "multiclass" and count > _LEAST_CLASSES:
        yield SpecProblem("decision.classes", f"has {count} classes; a {task} model has 2")
    if not decides and count:
        yield SpecProblem("decision.threshold", "is missing: nothing decides between the classes")


def _threshold(task: str, table: Document) -> Iterator[SpecProblem]:
    if task == "multiclass":
        for key in ("threshold", "positive"):
            if key in table:
                yield SpecProblem(f"decision.{key}", "has no meaning: the largest score decides")
    elif task == "binary" and not 0 <= table.get("threshold", 0) <= 1:
        yield SpecProblem(
            "decision.threshold",
            f"is {table['threshold']}, outside [0, 1]: it limits a probability",
        )


def _output(document: Document) -> Iterator[SpecProblem]:
    if document["task"] == "multiclass" and "column" in document.get("output", {}):
        yield SpecProblem("output.column", "has no meaning: a multiclass score has every column")


CHECKS = (_unsafe_names, _repeated_features, _features, _decision, _output)
"""Of a document, problems of all but its policy: each check says its own."""
