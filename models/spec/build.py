"""From a checked document to the values that the rest of the program uses."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ifonly.models.document import Document
from ifonly.models.encoding import Encoding, FeatureEncoding, Form, Place
from ifonly.models.errors import SpecError, SpecProblem
from ifonly.models.schema import Category, Decision, Feature, Kind, Labels, Schema, Task
from ifonly.models.spec.attributes import (
    UNDECLARED,
    Attributes,
    attribute_contradictions,
    read_attributes,
)
from ifonly.models.spec.card import (
    NO_CARD,
    ModelCard,
    ReasonCodes,
    card_contradictions,
    read_card,
    read_reason_codes,
)
from ifonly.models.spec.checks import CHECKS
from ifonly.models.spec.document import read_spec, rest_of_spec
from ifonly.models.spec.policy_checks import OF_WHOLE, POLICY_CHECKS
from ifonly.models.spec.remote import RemoteSpec, remote_contradictions, remote_spec
from ifonly.models.spec.window import (
    read_window,
    unrolled_policy,
    window_contradictions,
    window_encoding,
    window_schema,
)


@dataclass(frozen=True, slots=True)
class OutputBinding:
    """Which tensor of the graph is the score; None: find it."""

    name: str | None = None
    column: int | None = None


@dataclass(frozen=True)
class Spec:
    """Everything that ``spec.toml`` declares of a deployed model."""

    name: str
    version: str
    title: Labels
    description: Labels
    schema: Schema
    decision: Decision
    encoding: Encoding
    output: OutputBinding
    policy: Mapping[str, Any]
    """The ``[policy]`` table as plain dicts, lists, floats, ints and strings."""
    alarm: Mapping[str, Any]
    """The ``[alarm]`` table: what an operator is told, also where no change clears it; who owns it,
    when it is raised."""
    sha256: str
    """SHA-256 of the file's bytes."""
    remote: RemoteSpec | None = None
    """Where the model is deployed, if that is another process."""
    attributes: Attributes = UNDECLARED
    """What requests may say of the equipment."""
    card: ModelCard = NO_CARD
    reason_codes: ReasonCodes = field(default_factory=dict)


def parse_spec(text: bytes, file: str) -> Spec:
    """Read and check a model's spec; ``file`` is how errors call it.

    >>> parse_spec(b'format = 2', "spec.toml")
    Traceback (most recent call last):
    ifonly.models.errors.SpecError: spec.toml: is missing 'name', 'version', 'task', 'features'
    spec.toml: format: is 2 (int), not 1

    Raises
    ------
    SpecError
        With every problem found: file, dotted key, value and limit.
    """
    # All of them, so that the file is mended once.
    try:
        document = read_spec(text, file)
    except SpecError as error:
        rest = _despite(rest_of_spec(text, file), error.problems)
        raise SpecError.of(file, [*error.problems, *rest]) from None
    own = (
        *CHECKS, *POLICY_CHECKS, *OF_WHOLE,
        attribute_contradictions, card_contradictions, remote_contradictions, window_contradictions,
    )  # fmt: skip
    problems = [p for check in own for p in check(document)]
    if problems:
        raise SpecError.of(file, problems)
    output = document.get("output", {})
    channels = tuple(_feature(table) for table in document["features"])
    window = read_window(document, channels)
    policy = _plain(document.get("policy", {}))
    if window is None:
        schema = Schema(channels)
        encoding = Encoding(tuple(_encoding(table) for table in document["features"]))
    else:
        schema, encoding = window_schema(window, document), window_encoding(window, document)
        policy = unrolled_policy(policy, window)
    return Spec(
        name=document["name"],
        version=document["version"],
        title=_labels(document.get("title")),
        description=_labels(document.get("description")),
        schema=schema,
        decision=_decision(Task(document["task"]), document.get("decision", {})),
        encoding=encoding,
        output=OutputBinding(output.get("name"), output.get("column")),
        policy=policy,
        alarm=_plain(document.get("alarm", {})),
        sha256=hashlib.sha256(text).hexdigest(),
        remote=remote_spec(document),
        attributes=read_attributes(document.get("attributes", {})),
        card=read_card(document.get("card", {})),
        reason_codes=read_reason_codes(document.get("reasons", {})),
    )


def _despite(document: Document, known: Sequence[SpecProblem]) -> Iterator[SpecProblem]:
    """What else is wrong, as far as it can be said without what is ``known`` to be."""
    for check in (*CHECKS, *POLICY_CHECKS):
        # A check that needs what is not there says nothing.
        with suppress(KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
            for problem in check(document):
                if not any(_is_of(problem.key, other.key) for other in known):
                    yield problem


def _is_of(key: str, other: str) -> bool:
    """Whether one is the other, or within it."""
    return key == other or key.startswith((f"{other}.", f"{other}[")) or other.startswith(f"{key}[")


def _feature(table: Document) -> Feature:
    lower, upper = table.get("bounds", (-math.inf, math.inf))
    resolution = table.get("resolution")
    return Feature(
        name=table["name"],
        kind=Kind(table["kind"]),
        unit=table.get("unit", ""),
        lower=float(lower),
        upper=float(upper),
        # Decimal to the end: the grid is exact.
        resolution=None if resolution is None else Decimal(resolution),
        categories=_categories(table.get("categories", ())),
        may_be_missing=table.get("missing", False),
        labels=_labels(table.get("label")),
        description=_labels(table.get("description")),
    )


def _categories(items: Sequence[str | Document]) -> tuple[Category, ...]:
    return tuple(
        Category(item)
        if isinstance(item, str)
        else Category(item["name"], _labels(item.get("label")))
        for item in items
    )


def _encoding(table: Document) -> FeatureEncoding:
    name, kind, missing = table["name"], Kind(table["kind"]), table.get("missing", False)
    where = table.get("input", {})
    place = Place(where.get("name"), where.get("column"), tuple(where.get("names", ())))
    if not kind.is_categorical:
        whole = kind is Kind.INTEGER
        return FeatureEncoding(name, whole=whole, may_be_missing=missing, place=place)
    names = [category.name for category in _categories(table["categories"])]
    values = [v if isinstance(v, str) else float(v) for v in table.get("values", names)]
    form = Form(table.get("encoding", Form.CODES))
    return FeatureEncoding.of_categories(name, form, values, may_be_missing=missing, place=place)


def _decision(task: Task, table: Document) -> Decision:
    classes = _categories(table.get("classes", ()))
    names = [c.name for c in classes]
    # 0.5 is the probability's own middle; a regression has no such default.
    threshold = table.get("threshold", Decimal("0.5") if task is Task.BINARY else None)
    return Decision(
        task=task,
        classes=classes,
        positive=names.index(table["positive"]) if "positive" in table else 1,
        threshold=None if threshold is None else float(threshold),
        unit=table.get("unit", ""),
        desired=names.index(table["desired"]) if "desired" in table else None,
        phrases={name: _labels(labels) for name, labels in table.get("phrases", {}).items()},
    )


def _labels(table: Mapping[str, str] | None) -> Labels:
    return dict(table or {})


def _plain(value: Any) -> Any:
    """``value`` with every Decimal as a float."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
