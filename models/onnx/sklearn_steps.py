"""What fitted scikit-learn models are made of: steps, parts, models within models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_WITHIN = ("estimator", "estimator_", "final_estimator_", "best_estimator_")
_LISTED = ("estimators_", "calibrated_classifiers_")
"""Attributes in which fitted models hold others."""


def steps_of(estimator: Any) -> Iterator[Any]:
    """Those of a pipeline, and what they are made of in their turn."""
    for step in (
        part[1] for part in (*parts_of(estimator, "steps"), *parts_of(estimator, "transformers_"))
    ):
        yield from steps_of(step)
        yield step


def parts_of(estimator: Any, name: str) -> tuple[Any, ...]:
    return tuple(getattr(estimator, name, None) or ())


def held_by(estimator: Any) -> Iterator[Any]:
    """It, and all fitted models and steps that are in it, however deep."""
    yield estimator
    held = [step for _, step in getattr(estimator, "steps", None) or ()]
    held += [part[1] for part in parts_of(estimator, "transformers_")]
    held += [getattr(estimator, name, None) for name in _WITHIN]
    for name in _LISTED:
        found = getattr(estimator, name, None)
        held += [] if found is None else list(np.ravel(np.array(found, dtype=object)))
    for each in held:
        if hasattr(each, "get_params") or hasattr(each, "calibrators"):
            yield from held_by(each)
