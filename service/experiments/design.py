"""What an experiment is to find out, said before it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ifonly.service.errors import Fault, InvalidRequest, Path, RequestPart

NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
MOST_GUARDS = 16


class BetterWay(StrEnum):
    """Which way a metric is better."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class ExperimentMetric:
    """A number of each unit."""

    name: str
    better: BetterWay = BetterWay.UP


@dataclass(frozen=True)
class ExperimentDesign:
    """Two arms, how units fall into them, and by what they are compared."""

    name: str
    salt: str
    control: str
    treatment: str
    metric: ExperimentMetric
    share: float = 0.5
    """Probability of the treatment."""
    guards: tuple[ExperimentMetric, ...] = ()
    """Metrics that must not become worse: the first that provably has ends the experiment."""
    alpha: float = 0.05
    """Probability of any difference in the metric where there is none, looked at however often;
    of the guards together, too."""
    units: int = 1_000
    """How many are planned: intervals are narrowest there."""
    is_aa: bool = False
    """Both arms are the same: whatever differs is the experiment's own fault."""

    @property
    def weights(self) -> dict[str, float]:
        """As :func:`~ifonly.service.experiments.assignment.arm_of` takes them."""
        return {self.control: 1.0 - self.share, self.treatment: self.share}

    def __post_init__(self) -> None:
        faults = [*self._faults()]
        if faults:
            raise InvalidRequest(RequestPart.REQUEST, faults)

    def _faults(self) -> Iterator[Fault]:
        names = {"name": self.name, "control": self.control, "treatment": self.treatment}
        for key, name in names.items():
            if not NAME.fullmatch(name):
                yield _fault((key,), f"is {name!r}: a letter, then letters, digits or -", name)
        if not self.salt:
            yield _fault(("salt",), "is empty: two experiments would put the same units together")
        if self.control == self.treatment:
            yield _fault(("treatment",), f"is called as the control, {self.control!r}")
        if not 0.01 <= self.share <= 0.99:
            yield _fault(("share",), f"is {self.share:g}, not within 0.01 and 0.99", self.share)
        if not 1e-6 <= self.alpha <= 0.5:
            yield _fault(("alpha",), f"is {self.alpha:g}, not within 1e-6 and 0.5", self.alpha)
        if self.units < 100:
            yield _fault(("units",), f"is {self.units}, below 100", self.units, 100)
        if len(self.guards) > MOST_GUARDS:
            problem = f"has {len(self.guards)} metrics; {MOST_GUARDS} at most"
            yield _fault(("guards",), problem, len(self.guards), MOST_GUARDS)
        called = [self.metric.name, *(guard.name for guard in self.guards)]
        for twice in sorted({name for name in called if called.count(name) > 1}):
            yield _fault(("guards",), f"has {twice!r} twice, or it is the metric", twice)


def _fault(path: Path, problem: str, value: object = None, limit: object = None) -> Fault:
    return Fault(path, f"{'.'.join(map(str, path))} {problem}", value, limit=limit)


@dataclass(frozen=True)
class ArmObservation:
    """One alarm of a unit for which advice was shown, or would have been in the other arm."""

    unit: str
    arm: str
    """As it was shown, whatever it should have been."""
    values: Mapping[str, float] = field(default_factory=dict)
    """By metric; one that is not known yet is left out."""
    followed: bool | None = None
    """Whether the treatment's advice was carried out; None: not known."""
    covariate: float | None = None
    """Of before: the model's own score."""
