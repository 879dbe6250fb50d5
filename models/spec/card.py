"""What people are told of a model besides its answers: its card, and codes of its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from ifonly.models.document import Document
from ifonly.models.errors import SpecProblem
from ifonly.models.schema import Labels

ANY = ""
"""Language of a text that is given without one: it is shown whatever the language."""


class SystemRole(StrEnum):
    """What the model's output is to the decision about a person or a machine."""

    DECIDES = "decides"
    """The decision follows from it without a person."""
    PROPOSES = "proposes"
    """A person decides, by its proposal."""
    INFORMS = "informs"
    """It is one of the things that a person looks at."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """``[card]`` of a spec: as in model cards (Mitchell et al. 2019), and for a notice to whoever a
    decision is about."""

    owner: Labels = field(default_factory=dict)
    contact: Labels = field(default_factory=dict)
    """Whom to ask."""
    appeal: Labels = field(default_factory=dict)
    """How to object, or have a person look at it."""
    tier: Labels = field(default_factory=dict)
    """How much depends on it, by the house's own scale or a law's."""
    intended_use: Labels = field(default_factory=dict)
    limitations: Labels = field(default_factory=dict)
    training_data: Labels = field(default_factory=dict)
    validated: date | None = None
    role: SystemRole | None = None

    @property
    def texts(self) -> Mapping[str, Labels]:
        """What is said in words, by key, in the order in which it is shown."""
        every = {key: getattr(self, key) for key in TEXTS}
        return {key: said for key, said in every.items() if said}

    @property
    def is_empty(self) -> bool:
        return not self.texts and self.validated is None and self.role is None


TEXTS = (
    "owner", "contact", "appeal", "tier", "intended_use", "limitations", "training_data",
)  # fmt: skip
NO_CARD = ModelCard()


@dataclass(frozen=True, slots=True)
class ReasonCode:
    """What a notice says where a feature is among the main reasons."""

    code: str
    text: Labels


ReasonCodes = Mapping[str, ReasonCode]
"""By feature."""


def said(labels: Labels, language: str) -> str:
    """A text in a language; in English, or the first that there is, where it has none."""
    fallbacks = (language, ANY, "en")
    return next((labels[tag] for tag in fallbacks if tag in labels), "") or next(
        iter(labels.values()), ""
    )


def read_card(table: Document) -> ModelCard:
    """Of the checked table ``[card]``."""
    texts = {key: _text(table.get(key)) for key in TEXTS}
    on, role = table.get("validated"), table.get("role")
    return ModelCard(
        **texts,
        validated=None if on is None else date.fromisoformat(on),
        role=None if role is None else SystemRole(role),
    )


def _text(value: Any) -> Labels:
    return {ANY: value} if isinstance(value, str) else dict(value or {})


def read_reason_codes(table: Mapping[str, Document]) -> ReasonCodes:
    """Of the checked table ``[reasons]``."""
    return {name: ReasonCode(each["code"], dict(each["text"])) for name, each in table.items()}


def card_contradictions(document: Document) -> Iterator[SpecProblem]:
    """What a JSON Schema cannot say of ``[card]`` and ``[reasons]``."""
    on = document.get("card", {}).get("validated")
    if on is not None:
        try:
            date.fromisoformat(on)
        except ValueError:
            yield SpecProblem("card.validated", f"is {on!r}, not a date such as 2026-01-31")
    names = [table["name"] for table in document["features"]]
    for name in document.get("reasons", {}):
        if name not in names:
            known = ", ".join(names)
            yield SpecProblem(f"reasons.{name}", f"is not a feature of this model ({known})")
