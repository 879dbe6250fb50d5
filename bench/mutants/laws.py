"""Causal models over the generated features: as ``causal.toml`` writes them, and by hand."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.mutants.truth import OracleFollows, World

PRESSURE, SPEED, MODE, GRADE, FLOW = range(5)
NAMES = ("pressure", "speed", "mode", "grade", "flow")
WHOLE = frozenset({SPEED})

BUMPS = {
    "coordinates": {"parent": [0], "level": [None], "centre": [1.0], "spread": [0.5]},
    "exponents": [[0], [1]],
    "centres": [[0.4]],
    "precisions": [[1.5]],
    "weights": [0.2, 1.1, 0.7],
    "root": [[0.3, 0.0, 0.0], [0.05, 0.25, 0.0], [0.0, 0.1, 0.2]],
    "shift": 50.0,
    "scale": 18.0,
}
"""``speed`` of ``pressure``, fitted: a constant, a line and a bump, weights with their spread."""


def _bumps(w: Any, pressure: Any) -> Any:
    z = (pressure - 1.0) / 0.5
    bump = np.exp(-0.75 * (z - 0.4) ** 2)
    return 50.0 + 18.0 * (w[..., 0] + w[..., 1] * z + w[..., 2] * bump)


WORLDS: Mapping[str, World] = {
    "affine": World(
        {
            SPEED: OracleFollows((PRESSURE, GRADE), lambda w, p, g: 5.0 + 20.0 * p - 10.0 * g),
            FLOW: OracleFollows((PRESSURE, SPEED), lambda w, p, s: -0.1 + 0.1 * p + 0.004 * s),
        },
        WHOLE,
    ),
    "curved": World(
        {
            SPEED: OracleFollows(
                (PRESSURE,),
                lambda w, p: np.where(p > 0.5, 30.0 * np.sqrt(p + 1.0), 20.0 + 34.0 * p),
                lambda p: 0.2 * p - 0.1,
            ),
            FLOW: OracleFollows((PRESSURE, SPEED), lambda w, p, s: 0.003 * s - 0.05 * p**2),
        },
        WHOLE,
    ),
    "fitted": World(
        {
            SPEED: OracleFollows(
                (PRESSURE,),
                _bumps,
                weights=np.array(BUMPS["weights"]),
                root=np.array(BUMPS["root"]),
            ),
            FLOW: OracleFollows((PRESSURE,), lambda w, p: 0.1 * p - 0.1),
        },
        WHOLE,
        gamma=1.0,
        floor=0.7,
    ),
}

_MECHANISMS = {
    "affine": """
[mechanisms.speed]
kind = "linear"
intercept = 5.0
coefficients = {pressure = 20.0, grade = -10.0}
[mechanisms.flow]
kind = "linear"
intercept = -0.1
coefficients = {pressure = 0.1, speed = 0.004}
""",
    "curved": """
[mechanisms.speed]
kind = "expression"
expression = "30 * sqrt(pressure + 1) if pressure > 0.5 else 20 + 34 * pressure"
noise = "location-scale"
log_scale = "0.2 * pressure - 0.1"
[mechanisms.flow]
kind = "polynomial"
terms = [
  {powers = {speed = 1}, coefficient = 0.003},
  {powers = {pressure = 2}, coefficient = -0.05},
]
""",
    "fitted": """
[mechanisms.speed]
kind = "basis"
file = "mechanisms/speed.json"
sha256 = "$sha256"
[mechanisms.flow]
kind = "linear"
intercept = -0.1
coefficients = {pressure = 0.1}
""",
}


def causal_toml(name: str) -> str:
    """The file of one of :data:`WORLDS`."""
    nodes = "".join(f'[nodes.{n}]\nrole = "actionable"\n' for n in NAMES)
    edges = "".join(
        f'[[edges]]\nfrom = "{NAMES[i]}"\nto = "{NAMES[j]}"\nsource = "physics"\n'
        for j, law in WORLDS[name].laws.items()
        for i in law.causes
    )
    digest = hashlib.sha256(speed_json()).hexdigest()
    head = (
        f'format = 1\nversion = "1"\ntitle = {{en = "{name}", ko = "{name}"}}\n'
        'status = "accepted"\naccepted_by = "bench.mutants"\naccepted_at = "2026-11-29"\n'
    )
    return head + nodes + edges + _MECHANISMS[name].replace("$sha256", digest)


def speed_json() -> bytes:
    """``mechanisms/speed.json``."""
    table = {
        "format": 1, "node": "speed", "parents": ["pressure"], "location": BUMPS,
        "log_scale": None, "noise": {"sd": 5.0, "sample": None}, "support": None,
    }  # fmt: skip
    return (json.dumps(table) + "\n").encode()


def milling_world(folder: Path, *, is_history: bool = False) -> World:
    """Of the shipped model: the speed follows the torque, and the process the air."""
    laws = {}
    for column, cause, name in ((1, 0, "process_temperature"), (2, 3, "rotational_speed")):
        table = json.loads((folder / "mechanisms" / f"{name}.json").read_text("utf-8"))["location"]
        laws[column] = OracleFollows(
            (cause,), _fitted(table), weights=np.array(table["weights"]),
            root=np.array(table["root"]),
        )  # fmt: skip
    return World(laws, frozenset(), is_history=is_history)


def _fitted(table: Mapping[str, Any]) -> Any:
    """The sum of lines and bumps of one cause that a file holds."""
    (centre,), (spread,) = table["coordinates"]["centre"], table["coordinates"]["spread"]

    def level(w: Any, cause: Any) -> Any:
        z = (cause - centre) / spread
        features = [z ** row[0] for row in table["exponents"]]
        features += [
            np.exp(-0.5 * q * (z - c) ** 2)
            for (c,), (q,) in zip(table["centres"], table["precisions"], strict=True)
        ]
        total = sum(w[..., b] * phi for b, phi in enumerate(features))
        return table["shift"] + table["scale"] * total

    return level


assert math.isclose(float(_bumps(np.array([0.0, 1.0, 0.0]), 1.5)), 68.0)
