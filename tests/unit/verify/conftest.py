"""Real answers of every kind, asked once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.small_models import write_all
from tests.support.answered import MILLING, Answered, answered, example


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def answers(small: Path) -> dict[str, Answered]:
    """By what each is an example of."""
    over = {"instance": example("overpower")}
    frozen = ["torque", "tool_wear", "process_temperature"]
    press: dict[str, Any] = {"instance": {"pressure": 10.0, "speed": 100}}
    sorter: dict[str, Any] = {"instance": {"size": 3.0, "colour/shade": "red", "dirt": None}}
    milling: dict[str, dict[str, Any]] = {
        "independent": {**over, "semantics": "independent", "seed": 7},
        "interventional": {
            "instance": example("two-failures"), "semantics": "interventional", "alternatives": 3,
        },
        "backtracking": {**over, "semantics": "backtracking", "alternatives": 2},
        "robust": {**over, "constraints": {"robust": True}},
        "by rule": {
            **over, "constraints": {"freeze": frozen, "rules": ["rotational_speed >= 1384"]},
        },
        "by probability": {**over, "target": {"class": "normal", "probability": {"min": 0.999999}}},
        "already there": {"instance": example("normal")},
    }  # fmt: skip
    found = {name: answered(MILLING, body) for name, body in milling.items()}
    score = {"target": {"score": {"min": 50.0}}}
    out_of_reach = {"target": {"score": {"min": 200.0}}, "constraints": {"freeze": ["speed"]}}
    found["regression"] = answered(small / "press" / "1", press | score)
    found["by policy"] = answered(small / "press" / "1", press | out_of_reach)
    found["multi-class"] = answered(small / "sorter" / "1", sorter)
    return found
