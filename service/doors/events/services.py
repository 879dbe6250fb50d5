"""Which model the events of an InferenceService are about."""

from __future__ import annotations

from collections.abc import Mapping

from ifonly.service.errors import Fault, InvalidRequest, Path, RequestPart
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import Settings

SERVICE = "inferenceservicename"
LONGEST = 128
"""Of a value that records keep as an attribute."""
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
    """The attributes of a question about such an event."""
    return {ours: said[name] for name, ours in ATTRIBUTES.items() if said.get(name)}
