"""A machine of eight readings and ten edges whose truth is known."""

from __future__ import annotations

import numpy as np

from ifonly.explainers.causal import Graph

NAMES = ("air", "load", "usage", "torque", "speed", "wear", "temperature", "vibration")
AIR, LOAD, USAGE, TORQUE, SPEED, WEAR, TEMPERATURE, VIBRATION = range(8)
EDGES = (
    (LOAD, TORQUE),
    (TORQUE, SPEED),
    (USAGE, WEAR),
    (TORQUE, WEAR),
    (AIR, TEMPERATURE),
    (TORQUE, TEMPERATURE),
    (SPEED, TEMPERATURE),
    (SPEED, VIBRATION),
    (WEAR, VIBRATION),
    (LOAD, VIBRATION),
)
GRAPH = Graph.of(8, EDGES)


def equipment_rows(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.empty((n, 8))
    rows[:, AIR] = rng.normal(300, 2, n)
    rows[:, LOAD] = 5 + rng.gamma(6.0, 1.5, n)
    rows[:, USAGE] = rng.uniform(0, 200, n)
    rows[:, TORQUE] = 10 + 2 * rows[:, LOAD] + rng.normal(0, 3, n)
    rows[:, SPEED] = 1000 + 20_000 / rows[:, TORQUE] + rng.normal(0, 50, n)
    rows[:, WEAR] = rows[:, USAGE] * (0.6 + 0.01 * rows[:, TORQUE]) + rng.normal(0, 6, n)
    rows[:, TEMPERATURE] = (
        rows[:, AIR] + 0.1 * rows[:, TORQUE] + 0.006 * rows[:, SPEED] + rng.normal(0, 0.7, n)
    )
    rows[:, VIBRATION] = (
        0.004 * rows[:, SPEED]
        + 0.00015 * rows[:, WEAR] ** 2
        + 0.15 * rows[:, LOAD]
        + rng.normal(0, 0.4, n)
    )
    return rows
