"""Which version of a model is asked where none is named: chosen, and taken back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from ifonly.models.errors import UnknownModel
from ifonly.models.repository.activation import (
    Activation,
    activate,
    following,
    last_activation,
)
from ifonly.models.repository.naming import natural
from ifonly.service.errors import CannotActivate, CannotUpload
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.served.staging import StagedVersion, deploy


@dataclass(frozen=True, slots=True)
class ActivationStep:
    """From one version to another, not taken yet."""

    model: ServedModel
    """That is to be asked."""
    previous: str | None
    """The version that is asked now; None: none is."""
    before: Activation | None
    """What was decided last."""

    @property
    def is_back(self) -> bool:
        """Whether it leads to an earlier version."""
        return self.previous is not None and natural(self.model.version) < natural(self.previous)


def served_now(registry: Registry, name: str) -> str | None:
    """The version of ``name`` that is asked; None: none is here, or each was taken back."""
    try:
        return registry.find(name).version
    except UnknownModel:
        return None


def step_to(registry: Registry, model: ServedModel, previous: str | None = None) -> ActivationStep:
    """From what is asked now to ``model``; ``previous``: what whoever decides believes is asked.

    Raises
    ------
    CannotActivate
        If it is asked already, or another one is asked than they believe.
    """
    asked = served_now(registry, model.name)
    if previous is not None and asked != previous:
        raise CannotActivate(
            f"version {asked or 'none'} of {model.name} is active, not {previous}: "
            f"somebody has decided meanwhile"
        )
    if asked == model.version:
        raise CannotActivate(f"version {asked} of {model.name} is active already")
    # Of a model that is not here yet, its name may be known from before.
    before = registry.activation(model.name) if model.name in registry.names() else None
    return ActivationStep(model, asked, before or last_activation(registry.root, model.name))


def take(
    registry: Registry, step: ActivationStep, record: str, staged: StagedVersion | None = None
) -> None:
    """Have its version asked; ``record``: the id of the record of who decided; ``staged``: where
    the version is, if it is not among those that are served.

    Raises
    ------
    CannotActivate
        If somebody has decided meanwhile, or the folder of models cannot be written.
    """
    name, version = step.model.name, step.model.version
    versions = registry.versions(name) if name in registry.names() else ()
    chosen = following(versions, version, step.before, record)
    try:
        is_done = activate(registry.root, name, chosen)
    except OSError as error:
        raise CannotActivate(f"the folder of models cannot be written ({error.strerror})") from None
    if not is_done:
        registry.refresh()
        raise CannotActivate(f"somebody has decided about {name} meanwhile: look again")
    # After the decision: of two who decide about two versions, the one refused stays staged.
    if staged is not None:
        try:
            deploy(registry, staged)
        except CannotUpload as error:
            _restore(registry, step, chosen)
            raise CannotActivate(str(error)) from None
    registry.refresh()


def _restore(registry: Registry, step: ActivationStep, chosen: Activation) -> None:
    """What was decided before counts again: the version never came."""
    before = step.before or Activation(0, step.previous or chosen.version, (), "")
    with suppress(OSError):  # nothing more can be done; the folder of models is gone
        activate(registry.root, step.model.name, replace(before, number=chosen.number + 1))
