"""Which model the events of an InferenceService are about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ifonly.service.errors import Fault, InvalidRequest, Path, RequestPart
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import Settings
from ifonly.service.wire.requests import MAX_ATTRIBUTES

SERVICE = "inferenceservicename"
LONGEST = 128
"""Of a value that records keep as an attribute."""
OWN = "attribute."
"""Before the name of what an event says of the equipment, among what is kept of it."""
_NAME = re.compile("[a-z][a-z0-9_]{0,63}")
ATTRIBUTES = {SERVICE: "inferenceservice", "namespace": "namespace"}
"""What events say, and what questions call it."""


def model_of(
    said: Mapping[str, str], registry: Registry, settings: Settings, at: Path = ()
) -> ServedModel:
    """The model, whether it can be asked just now or not; ``at``: where the event stands.

    Raises
    ------
    InvalidRequest
        If the event does not say which service it tells of.
    UnknownModel
        If none is served, or within the sender's scope.
    """
    faults = [
        Fault((*at, name), f"{name} is longer than {LONGEST} characters", limit=LONGEST)
        for name in ATTRIBUTES
        if len(said.get(name, "")) > LONGEST
    ]
    if not said.get(SERVICE):
        faults.append(Fault((*at, SERVICE), f"the event has no {SERVICE}: it tells of no model"))
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults)
    service, known = said[SERVICE], settings.event_models
    whole = f"{said.get('namespace', '')}/{service}"
    return registry.find(known.get(whole) or known.get(service) or service)


def told_of(said: Mapping[str, str]) -> dict[str, str]:
    """What an event says of where it comes from, and of the equipment, as attributes."""
    own = {name.removeprefix(OWN): value for name, value in said.items() if name.startswith(OWN)}
    return own | origin(said)


def origin(said: Mapping[str, str]) -> dict[str, str]:
    """Where an event comes from: of which service, and of whose. Whoever asks that service says
    nothing about it."""
    return {ours: said[name] for name, ours in ATTRIBUTES.items() if said.get(name)}


def of_equipment(
    extensions: Mapping[str, str],
    headers: Mapping[str, str],
    model: ServedModel,
    settings: Settings,
) -> dict[str, str]:
    """What an event says of the equipment, as :func:`told_of` finds it: by its extension
    attributes, and by the headers (in small letters) that were logged with it."""
    listed = {name.lower(): ours for name, ours in settings.event_attributes.items()}
    declared = {each.name for each in model.deployed.spec.attributes.declared}
    found: dict[str, str] = {}
    for name, value in (*headers.items(), *extensions.items()):
        ours = listed.get(name, name if name in declared and name in extensions else None)
        if ours is not None and value and len(value) <= LONGEST:
            found[OWN + ours] = value
    return found


def taken(said: Mapping[str, Any], model: ServedModel) -> dict[str, str]:
    """What of that the model's spec takes: a question that says more would be refused."""
    attributes = model.deployed.spec.attributes
    texts = {
        name: value
        for name, value in said.items()
        if isinstance(value, str) and 0 < len(value) <= LONGEST and _NAME.fullmatch(name)
    }
    wrong = {name for name, *_ in attributes.problems(texts)}
    return dict([each for each in texts.items() if each[0] not in wrong][:MAX_ATTRIBUTES])
