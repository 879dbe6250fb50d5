"""Contradictions within ``[policy]``, and between it and the features.

Only what can be said without knowing the rule language or the search: names, limits, grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from ifonly.models.document import Document
from ifonly.models.errors import SpecProblem
from ifonly.models.spec.checks import is_categorical, names_of, on_grid_between

_Problem = tuple[str, str]
"""Key below the feature's policy, starting with a dot, and what is wrong."""

_Number = int | Decimal

_FOR_NUMBERS = ("range", "max_change", "scale")
_SETTINGS = ("direction", "range", "max_change", "only_to", "fixed_cost", "cost_matrix", "fillable")
"""Keys that say how a feature is set: pointless on one that cannot be."""


def _names(document: Document) -> Iterator[SpecProblem]:
    names = [table["name"] for table in document["features"]]
    for name in _entries(document):
        if name not in names:
            known = ", ".join(names)
            yield SpecProblem(f"policy.features.{name}", f"is not a feature ({known})")


def _features(document: Document) -> Iterator[SpecProblem]:
    yield from _each(document, _feature)


def _levers(document: Document) -> Iterator[SpecProblem]:
    yield from _each(document, _actionable)


def _each(
    document: Document, check: Callable[[Document, Document], Iterator[_Problem]]
) -> Iterator[SpecProblem]:
    entries = _entries(document)
    for name, feature in _by_name(document).items():
        for below, problem in check(entries.get(name, {}), feature):
            yield SpecProblem(f"policy.features.{name}{below}", problem)


def _entries(document: Document) -> Document:
    found: Document = document.get("policy", {}).get("features", {})
    return found


def _by_name(document: Document) -> dict[str, Document]:
    """Features that are told apart, and of which it is known what they are."""
    return {t["name"]: t for t in document["features"] if "name" in t and "kind" in t}


def _feature(entry: Document, feature: Document) -> Iterator[_Problem]:
    yield from _kind(entry, feature)
    if entry.get("fillable") and not feature.get("missing", False):
        yield ".fillable", "is true, but the feature is never missing (missing = false)"
    if is_categorical(feature):
        names = names_of(feature.get("categories", ()))
        yield from _only_to_categories(entry, names)
        yield from _cost_matrix(entry, names)
    else:
        yield from _range(entry, feature)
        yield from _only_to_numbers(entry, feature)


def _kind(entry: Document, feature: Document) -> Iterator[_Problem]:
    kind = feature["kind"]
    senseless = list(_FOR_NUMBERS) if is_categorical(feature) else ["cost_matrix"]
    if kind == "nominal" and entry.get("direction", "any") != "any":
        senseless.append("direction")
    for key in senseless:
        if key in entry:
            yield f".{key}", f"has no meaning: the feature is {kind}"


def _actionable(entry: Document, feature: Document) -> Iterator[_Problem]:
    settable = is_categorical(feature) or "resolution" in feature
    if not settable and entry.get("actionable"):
        yield ".actionable", "is true, but the feature has no resolution: nothing can be set"
    if entry.get("actionable", settable):
        yield from _limits(entry, feature)
        return
    why = "actionable = false" if settable else "the feature has no resolution"
    for key in _SETTINGS:
        if key in entry:
            yield f".{key}", f"is given, but nothing can be set: {why}"


def _limits(entry: Document, feature: Document) -> Iterator[_Problem]:
    """What can be set is finitely many values."""
    # These are finitely many whatever the bounds are.
    if is_categorical(feature) or "only_to" in entry:
        return
    for limits in (entry.get("range"), feature.get("bounds")):
        if limits is not None and all(abs(limit) != Decimal("inf") for limit in limits):
            return
    yield "", "can be set without limit: give the feature 'bounds' or its policy a 'range'"


def _range(entry: Document, feature: Document) -> Iterator[_Problem]:
    if "range" not in entry:
        return
    lower, upper = entry["range"]
    if lower > upper:
        yield ".range", f"is [{lower}, {upper}]; the first must not be above the second"
        return
    for limit in (lower, upper):
        yield from _within_bounds(".range", limit, feature)
    step = feature.get("resolution")
    # A range between two grid values would freeze the feature, which nobody means by it.
    if step is not None and not on_grid_between(step, Fraction(lower), Fraction(upper)):
        yield ".range", f"is [{lower}, {upper}], which has no multiple of the resolution {step}"


def _within_bounds(key: str, value: _Number, feature: Document) -> Iterator[_Problem]:
    lower, upper = feature.get("bounds", (Decimal("-inf"), Decimal("inf")))
    if not lower <= value <= upper:
        unit = f" {feature['unit']}" if feature.get("unit") else ""
        yield key, f"has {value}{unit}, outside the feature's bounds [{lower}, {upper}]{unit}"


def _only_to_numbers(entry: Document, feature: Document) -> Iterator[_Problem]:
    step = feature.get("resolution")
    for i, value in enumerate(entry.get("only_to", ())):
        key = f".only_to[{i}]"
        if isinstance(value, str):
            yield key, f"is {value!r}, not a number"
            continue
        yield from _within_bounds(key, value, feature)
        if step is not None and Fraction(value) % Fraction(step):
            yield key, f"is {value}, not a multiple of the resolution {step}"


def _only_to_categories(entry: Document, names: Sequence[str]) -> Iterator[_Problem]:
    for i, value in enumerate(entry.get("only_to", ())):
        if value not in names:
            known = ", ".join(repr(name) for name in names)
            yield f".only_to[{i}]", f"is {value!r}, not one of {known}"


def _cost_matrix(entry: Document, names: Sequence[str]) -> Iterator[_Problem]:
    matrix = entry.get("cost_matrix")
    if matrix is None:
        return
    n = len(names)
    if len(matrix) != n:
        yield ".cost_matrix", f"has {len(matrix)} rows for {n} categories"
    for i, row in enumerate(matrix):
        if len(row) != n:
            yield f".cost_matrix[{i}]", f"has {len(row)} columns for {n} categories"
        # Staying must cost nothing: searches rely on it.
        elif i < n and row[i] != 0:
            yield f".cost_matrix[{i}][{i}]", f"is {row[i]}, not 0: staying costs nothing"


def _plausibility(document: Document) -> Iterator[SpecProblem]:
    table = document.get("policy", {}).get("plausibility")
    if table is None:
        return
    method = table["method"]
    needed, senseless = {
        "knn": ("max_distance", ("min_score",)),
        "onnx": ("min_score", ("k", "max_distance")),
    }[method]
    if needed not in table:
        yield SpecProblem("policy.plausibility", f"has method {method!r} and needs {needed!r}")
    for key in senseless:
        if key in table:
            yield SpecProblem(f"policy.plausibility.{key}", f"has no meaning for method {method!r}")


def _robust(document: Document) -> Iterator[SpecProblem]:
    policy = document.get("policy", {})
    if not policy.get("target", {}).get("robust", False):
        return
    key = "policy.target.robust"
    if "desired" not in document.get("decision", {}):
        yield SpecProblem(key, "is true, but no class is desired (decision.desired)")
    if not any(own.get("tolerance", 0) for own in policy.get("features", {}).values()):
        yield SpecProblem(key, "is true, but no feature declares a tolerance")


def _probability(document: Document) -> Iterator[SpecProblem]:
    if "probability" not in document.get("policy", {}).get("target", {}):
        return
    key = "policy.target.probability"
    if document["task"] == "regression":
        yield SpecProblem(key, "is given, but a regression gives no probabilities")
    elif "desired" not in document.get("decision", {}):
        yield SpecProblem(key, "is given, but no class is desired (decision.desired)")


POLICY_CHECKS = (_names, _features, _plausibility)
"""Of a document, problems of its policy: each check says its own."""
OF_WHOLE = (_levers, _probability, _robust)
"""The same, of a document that lacks nothing: they tell what is not there."""
