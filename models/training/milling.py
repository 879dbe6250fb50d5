"""A milling machine that fails by known rules: the AI4I 2020 machine as a structural model.

The failure rules are those of S. Matzka, "Explainable Artificial Intelligence for Predictive
Maintenance Applications" (AI4I 2020; UCI data set 601). The paper leaves open how torque and
speed hang together, so the mechanisms below were read off the published file:

======================  ======================================================================
quality                 L, M, H with 60, 30, 10 % as in the file (the paper says 50, 30, 20)
air_temperature [K]     random walk, normalised to sd 2 around 300
process_temperature     air_temperature + 10 + random walk, normalised to sd 1
torque [Nm]             N(40, 10), never negative
rotational_speed        1000 + 20000 / torque + N(0, 50); below 12.25 Nm the drive nears no load
                        and the speed is 3000 - 30 * torque + N(0, 50). (The file fits this with
                        a residual sd of 50.2 rpm; 2860 W, as the paper has it, does not fit. In
                        the file the few rows near no load carry no noise; here they do, so that
                        the noise is additive everywhere.)
tool_wear [min]         each part adds 2, 3 or 5 min (L, M, H); the tool is changed, or breaks,
                        when it reaches its life: drawn in 200..240 as published, with the mean of
                        the file's 119 changes
======================  ======================================================================

So the true graph is air_temperature -> process_temperature, torque -> rotational_speed, and
quality -> tool_wear of the *next* part. All noise is kept (:class:`Noise`), so that an action can
be carried out on the very machine that was seen (:func:`carry_out`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ifonly.models.predictor import Rows

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FEATURES = (
    "air_temperature",
    "process_temperature",
    "rotational_speed",
    "torque",
    "tool_wear",
    "quality",
)
"""Columns of a row."""
AIR, PROCESS, SPEED, TORQUE, WEAR, QUALITY = range(6)

QUALITIES = ("L", "M", "H")
"""Variants of the product, lowest first; a row holds the position."""
QUALITY_SHARES = (0.6, 0.3, 0.1)
WEAR_PER_PART = np.array([2.0, 3.0, 5.0])
"""Minutes of tool wear that one part of each quality adds."""

MODES = ("TWF", "HDF", "PWF", "OSF", "RNF")
"""Tool wear, heat dissipation, power, overstrain and random failure: columns of ``modes``."""

POWER_LIMITS_W = (3500.0, 9000.0)
OVERSTRAIN_LIMIT_MIN_NM = np.array([11_000.0, 12_000.0, 13_000.0])
"""Largest tool wear times torque of each quality."""
COOLING_LIMIT_K = 8.6
COOLING_LIMIT_RPM = 1380.0
RANDOM_FAILURE_SHARE = 0.001
TOOL_LIFE_MIN = (200.0, 240.0)
TOOL_BREAKS_SHARE = 0.4
"""Share of tools that fail before they are changed (46 of 119 in the file, 51 of 120 published)."""

CAMPAIGN_ROWS = 1000
"""Parts made in one campaign. Each has walks of its own, so that a longer simulation covers the
temperatures better, and begins with the rows of a shorter one."""

_KELVIN_STEP, _TORQUE_STEP = 0.1, 0.1
_NO_LOAD_NM = (2000.0 - 1.6e6**0.5) / 60.0
"""Where 3000 - 30 * torque meets 1000 + 20000 / torque: 12.25 Nm."""
_EPSILON = 1e-6
"""Readings are decimals: 308.6 - 300.0 is 8.6 K although its float64 is a shade more or less."""


@dataclass(frozen=True)
class MachineNoise:
    """What no sensor reads: each array ``(n_rows,)``. With it a row is determined."""

    process_offset: Array
    """process_temperature - air_temperature, in K."""
    speed_noise: Array
    """rotational_speed - :func:`drive_speed` (torque), in rpm, before rounding."""
    tool_life: Array
    """Tool wear at which the mounted tool is at its end, in min."""
    tool_breaks: Flags
    """Whether that tool fails at its end rather than being changed in time."""
    random_failure: Flags
    """Whether this part fails for no reason that is read."""

    def __getitem__(self, index: slice | npt.NDArray[np.int64] | Flags) -> MachineNoise:
        """The noise of the rows at ``index``."""
        return MachineNoise(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class Simulation:
    """Parts made by the machine, in the order of making."""

    rows: Rows
    """``(n_rows, 6)``: :data:`FEATURES` at the sensors' resolution, quality as position."""
    noise: MachineNoise
    modes: Flags
    """``(n_rows, 5)``: which of :data:`MODES` happened."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | npt.NDArray[np.int64] | Flags) -> Simulation:
        """The parts at ``index``."""
        return Simulation(self.rows[index], self.noise[index], self.modes[index])

    @property
    def failed(self) -> Flags:
        """``(n_rows,)``: the machine failed, in whatever mode."""
        return np.asarray(self.modes.any(axis=1))


def simulate(n_rows: int, seed: int, *, first_campaign: int = 0) -> Simulation:
    """Make ``n_rows`` parts; a longer run with the same seed begins with the same parts.

    Campaigns are independent and numbered: to start at another ``first_campaign`` makes parts
    that no run before it made.

    >>> simulate(2, seed=0).rows.shape
    (2, 6)
    """
    if n_rows < 1:
        raise ValueError(f"n_rows is {n_rows}, must be at least 1")
    n_campaigns = -(-n_rows // CAMPAIGN_ROWS)
    return join([_campaign(seed, first_campaign + k) for k in range(n_campaigns)])[:n_rows]


def join(parts: Sequence[Simulation]) -> Simulation:
    """All of ``parts``, one after the other."""
    noise = {
        f.name: np.concatenate([getattr(p.noise, f.name) for p in parts])
        for f in fields(MachineNoise)
    }
    rows = np.concatenate([p.rows for p in parts])
    return Simulation(rows, MachineNoise(**noise), np.concatenate([p.modes for p in parts]))


def drive_speed(torque: Array) -> Array:
    """Speed at which the drive settles under ``torque`` [Nm], in rpm, without noise.

    20000 rpm Nm is 2094 W on top of 1000 rpm; the two branches meet at 12.25 Nm.
    """
    # At least 1 Nm, or the branch that is not taken would divide by 0.
    loaded = 1000.0 + 20_000.0 / np.maximum(torque, 1.0)
    return np.where(torque < _NO_LOAD_NM, 3000.0 - 30.0 * torque, loaded)


def power(rows: Rows) -> Array:
    """Mechanical power in W: torque times angular velocity."""
    return np.asarray(rows[:, TORQUE] * rows[:, SPEED] * (2 * np.pi / 60))


def failure_modes(rows: Rows, noise: MachineNoise) -> Flags:
    """Which of :data:`MODES` happen to a machine that reads ``rows``, ``(n_rows, 5)``.

    Deterministic: chance enters by ``noise`` alone (the life of the tool, the random failure).
    """
    worn_out = noise.tool_breaks & (rows[:, WEAR] >= noise.tool_life)
    return np.column_stack([worn_out, failures_by_readings(rows), noise.random_failure])


def failures_by_readings(rows: Rows) -> Flags:
    """The modes that follow from what is read: HDF, PWF, OSF; ``(n_rows, 3)``."""
    watt = power(rows)
    difference = rows[:, PROCESS] - rows[:, AIR]
    cooling = (difference < COOLING_LIMIT_K - _EPSILON) & (rows[:, SPEED] < COOLING_LIMIT_RPM)
    overpower = (watt < POWER_LIMITS_W[0]) | (watt > POWER_LIMITS_W[1])
    limit = OVERSTRAIN_LIMIT_MIN_NM[rows[:, QUALITY].astype(np.intp)]
    overstrain = rows[:, WEAR] * rows[:, TORQUE] > limit + _EPSILON
    return np.column_stack([cooling, overpower, overstrain])


def carry_out(simulation: Simulation, actions: Mapping[str, Array | float]) -> Simulation:
    """The same parts on the same machine, had ``actions`` been carried out: what truly follows.

    ``actions`` maps a feature to the value it is set to, one or ``(n_rows,)``. What depends on
    it moves, unless it is set itself: process_temperature with air_temperature, rotational_speed
    with torque. The noise stays (Pearl's abduction, action, prediction with the true noise).

    Raises
    ------
    KeyError
        If a feature is unknown.
    """
    rows = simulation.rows.copy()
    for name, value in actions.items():
        if name not in FEATURES:
            raise KeyError(f"{name} is not a feature of the machine ({', '.join(FEATURES)})")
        rows[:, FEATURES.index(name)] = value
    # What is not set follows, with the noise of this very machine.
    if "process_temperature" not in actions:
        rows[:, PROCESS] = _process_reading(rows, simulation.noise)
    if "rotational_speed" not in actions:
        rows[:, SPEED] = _speed_reading(rows, simulation.noise)
    return Simulation(rows, simulation.noise, failure_modes(rows, simulation.noise))


def _campaign(seed: int, number: int) -> Simulation:
    # A generator of its own: a campaign is the same however many come before it.
    rng = np.random.default_rng([seed, number])
    quality = rng.choice(len(QUALITIES), size=CAMPAIGN_ROWS, p=QUALITY_SHARES)
    wear, life, breaks = _tools(rng, WEAR_PER_PART[quality])
    noise = MachineNoise(
        process_offset=10.0 + _walk(rng),
        speed_noise=rng.normal(0.0, 50.0, CAMPAIGN_ROWS),
        tool_life=life,
        tool_breaks=breaks,
        random_failure=rng.random(CAMPAIGN_ROWS) < RANDOM_FAILURE_SHARE,
    )
    rows = np.empty((CAMPAIGN_ROWS, len(FEATURES)))
    rows[:, AIR] = _to_step(300.0 + 2.0 * _walk(rng), _KELVIN_STEP)
    rows[:, PROCESS] = _process_reading(rows, noise)
    # The sensor's step is read everywhere, so effects follow from what is read.
    rows[:, TORQUE] = _to_step(np.abs(rng.normal(40.0, 10.0, CAMPAIGN_ROWS)), _TORQUE_STEP)
    rows[:, SPEED] = _speed_reading(rows, noise)
    rows[:, WEAR] = wear
    rows[:, QUALITY] = quality
    return Simulation(rows, noise, failure_modes(rows, noise))


def _process_reading(rows: Rows, noise: MachineNoise) -> Array:
    return _to_step(rows[:, AIR] + noise.process_offset, _KELVIN_STEP)


def _speed_reading(rows: Rows, noise: MachineNoise) -> Array:
    return np.rint(drive_speed(rows[:, TORQUE]) + noise.speed_noise)


def _walk(rng: np.random.Generator) -> Array:
    """A random walk over one campaign, normalised to mean 0 and sd 1."""
    walk = np.cumsum(rng.normal(size=CAMPAIGN_ROWS))
    return np.asarray((walk - walk.mean()) / walk.std())


def _tools(rng: np.random.Generator, use: Array) -> tuple[Array, Array, Flags]:
    """Wear, life and breaking of the tool that is mounted while each part is made.

    A part is made by the tool as the parts before left it; the first tool is part worn.
    """
    n_parts = len(use)
    used_before = np.concatenate([[0.0], np.cumsum(use)[:-1]])
    wear, life, breaks = np.empty(n_parts), np.empty(n_parts), np.empty(n_parts, dtype=np.bool_)
    first, worn = 0, float(np.rint(rng.uniform(0.0, TOOL_LIFE_MIN[0])))
    while first < n_parts:
        low, high = TOOL_LIFE_MIN
        # Beta(1, 1.7) on 200 to 240 has its mean at 214.8; the file's 119 changes have 215.7.
        end = float(np.rint(low + (high - low) * rng.beta(1.0, 1.7)))
        reached = worn + used_before - used_before[first] >= end
        past = int(np.argmax(reached)) + 1 if reached.any() else n_parts
        part = slice(first, past)
        wear[part] = worn + used_before[part] - used_before[first]
        life[part] = end
        breaks[part] = rng.random() < TOOL_BREAKS_SHARE
        first, worn = past, 0.0
    return wear, life, breaks


def _to_step(values: Array, step: float) -> Array:
    """``values`` on the sensor's grid, as the float64 nearest to the decimal."""
    return np.round(np.rint(values / step) * step, 6)
