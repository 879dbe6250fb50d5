"""What a kind of constraint declares of itself: keys in the documents, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ifonly.explainers.constraints.base import Constraint
from ifonly.explainers.constraints.given import Given

JsonSchema = Mapping[str, object]
"""A part of a JSON Schema. A request's may also name the shapes that requests know: ``{"$ref":
"featureNames"}``, ``featureCount``, ``interval``, ``values``."""

LAST = 1_000


@dataclass(frozen=True)
class ConstraintKey:
    """One key of a document."""

    name: str
    schema: JsonSchema
    """What may stand there; in a table by feature, for each of them."""
    read: Callable[[Given], Iterator[Constraint]]
    """What it declares. Raises InvalidPolicy naming the key, the value and the limit."""
    by_feature: bool = False
    """A request's: whether the value is a table from features, each read by itself."""
    if_absent: bool = False
    """Whether it says something where it is left out."""
    place: int | None = None
    """Where it stands among the keys of its document, if not where its kind does."""
    defs: Mapping[str, JsonSchema] = field(default_factory=dict)
    """Named parts that ``schema`` refers to."""


@dataclass(frozen=True)
class ConstraintKind:
    """One kind of constraint, by its keys in each document; None: not declared there."""

    constraint: type[Constraint]
    place: int = LAST
    """Where its constraints stand among the others'. Kinds at one place: by name."""
    of_feature: ConstraintKey | None = None
    """In a spec's ``policy.features.<name>``."""
    of_policy: ConstraintKey | None = None
    """In a spec's ``policy``."""
    of_request: ConstraintKey | None = None
    """In a request's ``constraints``."""
    excludes_others: bool = False
    """Whether nothing else is said of a feature that it speaks of."""

    @property
    def name(self) -> str:
        return self.constraint.__name__
