from __future__ import annotations

import json
import math
from typing import Any

import pytest

from ifonly.service.ask.problem_types import INTERNAL_ERROR, INVALID, PROBLEM_TYPES
from ifonly.service.ask.problems import RequestProblem, pointer
from ifonly.service.errors import MAX_FAULTS, Fault, RequestPart
from ifonly.service.wire.problem import ProblemDetails
from ifonly.service.wire.validation import called


def body(*faults: Fault, detail: str = "wrong") -> dict[str, Any]:
    problem = RequestProblem(INVALID[RequestPart.REQUEST], detail, faults)
    parsed: dict[str, Any] = json.loads(problem.written("/x"))
    ProblemDetails.model_validate(parsed)  # as the OpenAPI document promises
    return parsed


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("instance", "torque"), "/instance/torque"),
        (("instances", 0, "a/b"), "/instances/0/a~1b"),
        (("~", "/", ""), "/~0/~1/"),
        (("토크",), "/토크"),
    ],
)
def test_a_pointer_is_written_as_rfc_6901_says(path: tuple[str | int, ...], text: str) -> None:
    assert pointer(path) == text


@pytest.mark.parametrize(
    ("path", "name"),
    [((), "the body"), ((3,), "the body"), (("a", "b"), "b"), (("a", "b", 2, 0), "b[2][0]")],
)
def test_a_place_is_called_by_its_last_name(path: tuple[str | int, ...], name: str) -> None:
    assert called(path) == name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.5, 1.5),
        (True, True),
        ((0.0, math.inf), [0.0, None]),
        (math.nan, None),
        (10**400, None),
        ({"a": 1, "b": 2}, "an object with 2 keys"),
        ("x" * 10_000, "x" * 500 + "…"),
        (list(range(1_000)), "list"),
    ],
)
def test_any_value_is_quoted_as_json_of_bounded_size(value: object, shown: object) -> None:
    (error,) = body(Fault(("a",), "wrong", value))["errors"]
    if value == 10**400:
        assert len(error["value"]) < 600
    else:
        assert error.get("value") == shown


def test_no_more_errors_are_listed_than_can_be_read() -> None:
    answered = body(*(Fault(("a", i), "wrong") for i in range(1_000)), detail="y" * 100_000)
    assert len(answered["errors"]) == MAX_FAULTS
    assert f"{MAX_FAULTS} errors are listed; there are more" in answered["detail"]
    assert len(answered["detail"]) < 1_000


def test_a_query_parameter_has_a_name_and_no_pointer() -> None:
    (error,) = body(Fault(("version",), "wrong", parameter="version"))["errors"]
    assert error == {"parameter": "version", "detail": "wrong"}


def test_every_kind_of_problem_has_a_type_of_its_own() -> None:
    assert len({kind.uri for kind in PROBLEM_TYPES}) == len(PROBLEM_TYPES)
    assert INTERNAL_ERROR in PROBLEM_TYPES
    assert all(400 <= kind.status < 600 for kind in PROBLEM_TYPES)
