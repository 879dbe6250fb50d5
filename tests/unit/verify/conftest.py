"""Real answers of every kind, each asked once, when a test wants it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.small_models import write_all
from tests.support.answered import MILLING, Answered, Json, answered, example


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("small"))


class Answers(dict[str, Answered]):
    """Answers by what each is an example of."""

    def __init__(self, questions: Mapping[str, tuple[Path, Json]]) -> None:
        super().__init__()
        self._questions = questions

    def __missing__(self, kind: str) -> Answered:
        self[kind] = answered(*self._questions[kind])
        return self[kind]


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
        "ways": {"instance": example("false-alarm"), "ways": True},
        "menu": {"instance": example("false-alarm"), "joint_box": True, "menu": {"max_levers": 2}},
        "robust": {**over, "constraints": {"robust": True}},
        "by rule": {
            **over, "constraints": {"freeze": frozen, "rules": ["rotational_speed >= 1384"]},
        },
        "by probability": {
            **over, "target": {"class": "normal", "probability": {"min": 0.99999}},
            "constraints": {"max_changes": 1},
        },
        "already there": {"instance": example("normal")},
    }  # fmt: skip
    score = {"target": {"score": {"min": 50.0}}}
    out_of_reach = {"target": {"score": {"min": 200.0}}, "constraints": {"freeze": ["speed"]}}
    return Answers(
        {name: (MILLING, body) for name, body in milling.items()}
        | {
            "regression": (small / "press" / "1", press | score),
            "by policy": (small / "press" / "1", press | out_of_reach),
            "multi-class": (small / "sorter" / "1", sorter),
        }
    )
