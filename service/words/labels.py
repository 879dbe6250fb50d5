"""What features and categories are called."""

from __future__ import annotations

from ifonly.explainers.wording.text import given
from ifonly.models.schema import Category, Feature, Labels


def label(thing: Feature | Category, language: str) -> str:
    """The label in ``language``, or in one that stands in for it; else the name."""
    return label_or(thing.labels, language, thing.name)


def label_or(labels: Labels, language: str, fallback: str) -> str:
    """As :func:`label`, of labels alone."""
    found = given(labels, language)
    return fallback if found is None else found
