"""What an experiment would have said at earlier looks: the confidence sequence, drawn over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ifonly.service.experiments.analysis import difference_in
from ifonly.service.experiments.design import ArmObservation, ExperimentDesign
from ifonly.service.experiments.estimates import EffectEstimate
from ifonly.service.experiments.observed import ObservedUnits

LOOKS = 40
"""At most."""


@dataclass(frozen=True)
class EarlierLook:
    """What was known at a moment."""

    time_us: int
    units: tuple[int, int]
    """That had the metric: of the control and of the treatment."""
    difference: EffectEstimate


def course(
    design: ExperimentDesign, counted: Iterable[tuple[int, ArmObservation]], looks: int = LOOKS
) -> list[EarlierLook]:
    """The metric's difference at ``looks`` moments, evenly from the first observation to the last.

    Parameters
    ----------
    counted : iterable of (int, ArmObservation)
        Each with the moment, in microseconds, from which on it counted; in any order.

    Returns
    -------
    list of EarlierLook
        One for each moment at which more was known than at the one before. The last is of all.
    """
    ordered = sorted(counted, key=lambda each: each[0])
    if not ordered:
        return []
    start, end = ordered[0][0], ordered[-1][0]
    seen, told, at = ObservedUnits(design), list[EarlierLook](), 0
    for k in range(1, looks + 1):
        moment = start + (end - start) * k // looks
        before = at
        while at < len(ordered) and ordered[at][0] <= moment:
            seen.add(ordered[at][1])
            at += 1
        if at > before:
            told.append(EarlierLook(moment, *difference_in(seen)))
    return told
