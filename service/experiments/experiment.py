"""An experiment on one model's advice: a design, whom it is about, and what its arms do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ifonly.service.experiments.assignment import arm_of
from ifonly.service.experiments.design import ExperimentDesign


class AssignedUnit(StrEnum):
    """What is assigned as a whole."""

    EQUIPMENT = "equipment"
    EPISODE = "episode"
    """One alarm of a piece of equipment, from its raise to its end."""


class ToldMetric(StrEnum):
    """What is known of an alarm that was explained."""

    SUCCESS = "success"
    """The plant's word: 1 or 0."""
    NUMBER = "number"
    """Of the plant's word."""
    CLEARED = "cleared"
    """1 if a later reading within the window called for no alarm, and none after it for one."""
    RETURNED = "returned"
    """1 if one did."""
    MINUTES = "minutes"
    """Until the first reading that called for no alarm; the window where none did."""


@dataclass(frozen=True)
class ArmOptions:
    """How questions of an arm are answered and shown; None: as they are without an experiment."""

    semantics: str | None = None
    """``interventional`` or ``independent``."""
    robust: bool | None = None
    """Whether answers must survive the sensors' tolerances."""
    way: str | None = None
    """Which of the named ways is shown first."""
    withheld: bool = False
    """Whether no advice is shown: it is computed and recorded all the same."""


@dataclass(frozen=True)
class Experiment:
    """What was sealed before the first alarm was assigned."""

    design: ExperimentDesign
    model: str
    unit: AssignedUnit
    within_minutes: int
    """How long after the advice its course counts."""
    options: Mapping[str, ArmOptions]
    """By arm."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Attributes that requests must have to be eligible."""

    def arm(self, unit: str) -> str:
        """Of a unit."""
        return arm_of(self.design.salt, unit, self.design.weights)

    def is_eligible(self, model: str, attributes: Mapping[str, str]) -> bool:
        """Whether a question is of it."""
        wanted = self.only.items()
        return model == self.model and all(attributes.get(name) == v for name, v in wanted)
