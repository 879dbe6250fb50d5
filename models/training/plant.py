"""Twelve milling machines whose life is worth watching: what a demonstration sends.

Each follows the structural model of :mod:`.milling`: torque and wear are driven as its profile
says, and the readings that depend on them follow, with noise of the machine's own. Not one reading
comes from a real machine, and each says so (:data:`SIMULATED`, and
the machine's name).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.spec.attributes import SIMULATED
from ifonly.models.training import milling

Array = npt.NDArray[np.float64]

_USUAL_NM, _SPREAD_NM = 40.0, 1.0
_TOOL_MIN = 150
"""Wear at which these machines change a tool, well before it is at the end of its life."""


@dataclass(frozen=True, slots=True)
class PlantReading:
    """What one machine sends about one part."""

    attributes: dict[str, str]
    instance: dict[str, Any]
    """Values by feature, as the wire has them."""


@dataclass(frozen=True, slots=True)
class MachineProfile:
    """How one machine is driven: each of its functions maps the numbers of its parts, from 0,
    ``(n,)``, to one value each."""

    line: str
    torque: Callable[[Array], Array] = lambda part: np.full_like(part, _USUAL_NM)
    """Nm, before noise."""
    wear: Callable[[Array], Array] | None = None
    """min; None: a tool is changed in good time."""
    warmer: Callable[[Array], Array] | None = None
    """Process temperature above the hall's air, in K; None: as the simulator has it."""


def _ramp(low: float, high: float, rises: int, stays: int, rests: int) -> Callable[[Array], Array]:
    """From ``low`` to ``high`` in ``rises`` parts, there for ``stays``, at ``low`` for ``rests``,
    and again."""

    def at(part: Array) -> Array:
        place = part % (rises + stays + rests)
        risen = low + (high - low) * np.minimum(place / rises, 1.0)
        return np.where(place < rises + stays, risen, low)

    return at


def _constant(value: float) -> Callable[[Array], Array]:
    return lambda part: np.full_like(part, value)


def _in_turns(first: float, second: float) -> Callable[[Array], Array]:
    return lambda part: np.where(part % 2 == 0, first, second)


# Rests are long enough for what returns to be another alarm, and not a chattering one: ten minutes
# are a hundred parts at the pace of the demonstration.
PROFILES: tuple[MachineProfile, ...] = (
    MachineProfile("A"),
    MachineProfile("A", torque=_ramp(46.0, 76.0, 3, 4, 104)),  # a feed that is set too high
    MachineProfile("A"),
    MachineProfile("A", wear=_ramp(160.0, 236.0, 7, 9, 121), torque=_constant(58.0)),  # worn out
    MachineProfile("B"),
    MachineProfile("B", torque=_in_turns(48.0, 72.0)),  # chatters: every other part is too heavy
    MachineProfile("B"),
    MachineProfile("B", torque=_constant(64.0), wear=_constant(212.0)),  # stands in alarm
    MachineProfile("C"),
    MachineProfile("C", torque=_constant(58.0), warmer=_ramp(10.6, 6.6, 5, 8, 113)),  # heat stays
    MachineProfile("C", torque=_ramp(36.0, 8.0, 6, 6, 108)),  # cuts less and less
    MachineProfile("C", torque=_ramp(44.0, 80.0, 18, 6, 130)),  # drifts slowly
)
"""The first machine to the last."""


def plant(seed: int) -> Iterator[PlantReading]:
    """Readings without end: one of each machine, then the next of each.

    The same seed gives the same readings.
    """
    first = 0
    while True:
        machines = [_readings(seed, k, first) for k in range(len(PROFILES))]
        for part in zip(*machines, strict=True):
            yield from part
        first += milling.CAMPAIGN_ROWS


def _readings(seed: int, number: int, first: int) -> list[PlantReading]:
    """Parts ``first`` and on of one machine, as many as a campaign has."""
    profile = PROFILES[number]
    n_parts = milling.CAMPAIGN_ROWS
    # A campaign of its own for each machine and thousand of parts: no two share their noise.
    campaign = first // n_parts * len(PROFILES) + number
    made = milling.simulate(n_parts, seed, first_campaign=campaign)
    part = np.arange(first, first + n_parts, dtype=np.float64)
    rng = np.random.default_rng([seed, campaign, len(PROFILES)])
    torque = profile.torque(part) + _SPREAD_NM * rng.uniform(-1.0, 1.0, n_parts)
    wear = (3.0 * part + 11.0 * number) % _TOOL_MIN if profile.wear is None else profile.wear(part)
    actions: dict[str, Array | float] = {
        "torque": np.round(torque, 1),
        "tool_wear": np.rint(wear),
        "quality": float(number % len(milling.QUALITIES)),  # one order after another of one kind
    }
    if profile.warmer is not None:
        air = made.rows[:, milling.AIR]
        actions["process_temperature"] = np.round(air + profile.warmer(part), 1)
    rows = milling.carry_out(made, actions).rows
    name = f"{SIMULATED.capitalize()} mill {number + 1:02d}"
    said = {"equipment": name, "line": profile.line, SIMULATED: "true"}
    return [PlantReading(dict(said), _instance(row)) for row in rows.tolist()]


def _instance(row: list[float]) -> dict[str, Any]:
    """As ``spec.toml`` of the model has it: whole speeds and minutes, a quality by name."""
    found: dict[str, Any] = dict(zip(milling.FEATURES, row, strict=True))
    return found | {
        "rotational_speed": int(row[milling.SPEED]),
        "tool_wear": int(row[milling.WEAR]),
        "quality": milling.QUALITIES[int(row[milling.QUALITY])],
    }
