"""Observations by unit, as they come: what is looked at so far, at any look."""

from __future__ import annotations

import math

from ifonly.service.experiments.design import ArmObservation, ExperimentDesign


class UnitSeen:
    """One unit: sums, so that a look costs as many steps as there are units, not alarms."""

    def __init__(self, first: ArmObservation, *, is_treated: bool) -> None:
        self.arm = first.arm
        self.is_treated = is_treated
        self.is_crossed = False
        """Whether it was shown both arms."""
        self.covariate = math.nan
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._followed = self._known = 0

    def add(self, observation: ArmObservation) -> None:
        self.is_crossed |= observation.arm != self.arm
        for name, value in observation.values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        if observation.followed is not None:
            self._known += 1
            self._followed += observation.followed
        # The first alone: what comes later may hang together with what was advised.
        if observation.covariate is not None and math.isnan(self.covariate):
            self.covariate = observation.covariate

    def mean(self, name: str) -> float:
        """NaN where no observation has it."""
        return self._sums[name] / self._counts[name] if name in self._sums else math.nan

    @property
    def followed(self) -> float:
        """The share of its alarms whose advice was followed; NaN: of none it is known."""
        return self._followed / self._known if self._known else math.nan


class ObservedUnits:
    """What was seen of a design's units; observations of other arms are left out."""

    def __init__(self, design: ExperimentDesign) -> None:
        self.design = design
        self._seen: dict[str, UnitSeen] = {}

    def add(self, observation: ArmObservation) -> None:
        if observation.arm not in self.design.weights:
            return
        unit = self._seen.get(observation.unit)
        if unit is None:
            is_treated = observation.arm == self.design.treatment
            unit = self._seen[observation.unit] = UnitSeen(observation, is_treated=is_treated)
        unit.add(observation)

    @property
    def units(self) -> list[UnitSeen]:
        """Those that were shown one arm."""
        return [unit for unit in self._seen.values() if not unit.is_crossed]

    @property
    def crossed(self) -> int:
        """Units that were shown both arms: they count in neither."""
        return sum(unit.is_crossed for unit in self._seen.values())
