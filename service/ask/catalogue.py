"""What is deployed, as clients see it."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

from ifonly.explainers.constraints import Constraint, Immutable
from ifonly.explainers.languages import LANGUAGES
from ifonly.models.errors import UnknownModel
from ifonly.models.schema import Category, Feature, Labels
from ifonly.models.spec.card import ModelCard
from ifonly.models.window import document_schema, window_of
from ifonly.service.ask import write_causal
from ifonly.service.ask.write_parts import PartWriter, number, profile_of
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.wire import models as wire


def listing(registry: Registry) -> wire.ModelsReply:
    """Every model, by its latest version, and every folder that is not served as it stands."""
    summaries = []
    for name in registry.names():
        with suppress(UnknownModel):  # a refresh may have dropped it since
            summaries.append(_summary(registry.find(name), registry))
    refused = [
        wire.RefusedFolder(
            folder=identity, reason=refusal.reason, still_served=refusal.still_served
        )
        for identity, refusal in sorted(registry.refused.items())
    ]
    return wire.ModelsReply(models=summaries, refused=refused)


def _summary(model: ServedModel, registry: Registry) -> wire.ModelSummary:
    spec = model.deployed.spec
    return wire.ModelSummary(
        name=model.name,
        version=model.version,
        versions=list(registry.versions(model.name)),
        title=dict(spec.title),
        description=dict(spec.description),
    )


def description(model: ServedModel, registry: Registry) -> wire.ModelReply:
    """Everything that a client needs to ask about a model."""
    # In every language, as labels are: who reads it is not known.
    spec, speaker = model.deployed.spec, PartWriter(model, LANGUAGES)
    decision = spec.decision
    return wire.ModelReply(
        **_summary(model, registry).model_dump(),
        decision=wire.Decision(
            task=decision.task.value,
            classes=[_category(c) for c in decision.classes],
            positive=decision.class_names[decision.positive] if decision.classes else None,
            threshold=decision.threshold,
            desired=None if decision.desired is None else decision.class_names[decision.desired],
            probability=model.policy.probability,
            robust=model.policy.is_robust,
            unit=decision.unit,
        ),
        features=[_feature(f) for f in document_schema(spec.schema).features],
        window=_window(model),
        constraints=[speaker.constraint(c) for c in _told(model)],
        examples=[
            wire.Example(id=e.id, note=dict(e.note), instance=dict(e.instance))
            for e in model.deployed.examples
        ],
        alarm=dict(spec.alarm),
        card=_card(spec.card),
        reason_codes={
            name: {"code": each.code, "text": _labels(each.text)}
            for name, each in spec.reason_codes.items()
        },
        attributes=[
            wire.Attribute(
                name=each.name,
                label=_labels(each.labels),
                identity=each.identity,
                varies=each.varies,
                values=list(each.values),
            )
            for each in spec.attributes.declared
        ],
        causal=None
        if model.graph is None
        else write_causal.summary(model.graph, used=model.causal is not None),
        provenance=speaker.reference(),
    )


def _window(model: ServedModel) -> wire.ModelWindow | None:
    window, schema = window_of(model.schema), model.schema
    if window is None:
        return None
    profiles = [
        wire.ModelProfile(
            **profile_of(window, profile).model_dump(),
            name=feature.name,
            label=_labels(feature.labels),
            unit=feature.unit,
            bounds=[_finite(feature.lower), _finite(feature.upper)],
            resolution=number(feature.resolution or Decimal(1)),
        )
        for profile, feature in zip(
            window.profiles, schema.features[window.n_readings :], strict=True
        )
    ]
    return wire.ModelWindow(
        steps=window.steps,
        period=str(window.period),
        layout=window.layout.value,
        profiles=profiles,
    )


def _told(model: ServedModel) -> Iterator[Constraint]:
    """The policy's constraints; that no reading of a window is set by itself is told once of each
    channel that nothing moves."""
    window = window_of(model.schema)
    for constraint in model.policy.constraints:
        if window is not None and isinstance(constraint, Immutable):
            j = constraint.column
            is_last = j % window.steps == window.steps - 1
            is_reading = window.profile_at(j) is None
            if is_reading and (window.levers(window.channel_at(j)) or not is_last):
                continue
        yield constraint


def _card(card: ModelCard) -> dict[str, Any]:
    """What is declared of it, as the spec writes it."""
    found: dict[str, Any] = {key: _labels(said) for key, said in card.texts.items()}
    if card.validated is not None:
        found["validated"] = card.validated.isoformat()
    return found if card.role is None else {**found, "role": card.role.value}


def _feature(feature: Feature) -> wire.Feature:
    return wire.Feature(
        name=feature.name,
        kind=feature.kind.value,
        unit=feature.unit,
        bounds=[_finite(feature.lower), _finite(feature.upper)],
        resolution=None if feature.resolution is None else number(feature.resolution),
        categories=[_category(c) for c in feature.categories],
        may_be_missing=feature.may_be_missing,
        label=_labels(feature.labels),
        description=_labels(feature.description),
    )


def _category(category: Category) -> wire.Category:
    return wire.Category(name=category.name, label=_labels(category.labels))


def _labels(labels: Labels) -> dict[str, str]:
    return dict(labels)


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


def spec_as_json(model: ServedModel) -> bytes:
    """``spec.toml`` as JSON; an infinite bound, which JSON cannot write, is ``null``."""
    # -sig: editors on Windows put a mark of byte order before UTF-8.
    document = tomllib.loads(model.spec_text.decode("utf-8-sig"))
    return json.dumps(_without_infinities(document), ensure_ascii=False).encode()


def _without_infinities(value: Any) -> Any:
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, dict):
        return {key: _without_infinities(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_infinities(item) for item in value]
    return value
