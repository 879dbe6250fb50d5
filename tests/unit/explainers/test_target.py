"""What is remembered of a target is remembered under a key that leaves nothing out."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from ifonly.explainers.target import Target
from ifonly.models.rounding import Known, Rounding
from ifonly.models.schema import Category, Decision, Task

STRICT = Target(
    Decision(Task.BINARY, (Category("normal"), Category("failure")), threshold=0.5),
    wanted=0,
    lower=0.9,
)
OTHERWISE: dict[str, Any] = {
    "decision": replace(STRICT.decision, threshold=0.4),
    "wanted": 1,
    "lower": 0.8,
    "upper": 0.99,
    "rounding": Rounding((1e-7,), (0.0,), Known.BOUNDED),
    "is_loose": True,
}
ROWS_ARE_THE_SAME = {"origin"}


@pytest.mark.parametrize("field", OTHERWISE)
def test_targets_that_hold_other_rows_have_other_keys(field: str) -> None:
    assert replace(STRICT, **{field: OTHERWISE[field]}).key != STRICT.key


def test_no_field_is_forgotten() -> None:
    named = {field.name for field in fields(Target) if field.init}
    assert named == set(OTHERWISE) | ROWS_ARE_THE_SAME
