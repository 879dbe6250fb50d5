"""A model without a score for one row, at every door: an error that names it, never a claim."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_cli import here
from tests.integration.test_jobs_api import ended, lines, result, submit
from tests.support.odd_graphs import ODD as GRAPHS
from tests.support.odd_graphs import spec_of

__all__ = ["here"]  # a fixture

NATIVE = "/api/v1/models/brittle"
LOW, BROKEN = {"level": 10.0}, {"level": 50.0}
UNREACHABLE = {"score": {"min": 1e6}}
"""So that every row is looked at, the one at 50 mm too."""
QUESTION = {"instance": LOW, "target": UNREACHABLE}


def names_the_row(problem: dict[str, Any]) -> None:
    assert problem["type"] == "urn:ifonly:problem:score-not-finite"
    assert (problem["row"], problem["value"], problem["scorer"]) == ([50.0], "inf", "model")
    assert "output 'score'" in problem["detail"]
    assert "50.0" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("predictions", {"instances": [LOW, BROKEN]}),
        ("explanations", QUESTION),
        ("explanations", {"instance": BROKEN, "target": UNREACHABLE}),
        ("what-if", {"instance": LOW, "set": BROKEN}),
    ],
)
def test_the_api_names_row_output_and_value(
    client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    reply = client.post(f"{NATIVE}/{path}", json=body)
    assert reply.status_code == 500
    problem = reply.json()
    names_the_row(problem)
    record = client.get(f"/api/v1/audit/events/{problem['audit']['id']}")
    assert record.status_code == 200, record.text
    assert "score-not-finite" in record.text


def test_kserve_is_told_of_the_row_in_its_place(client: httpx.Client) -> None:
    reply = client.post("/v1/models/brittle:predict", json={"instances": [LOW, BROKEN]})
    assert reply.status_code == 200
    fine, broken = reply.json()["predictions"]
    assert isinstance(fine, str | float)
    names_the_row(broken)
    assert broken["status"] == 500
    assert "a score is a finite number" in broken["error"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [("predict", {"instances": [BROKEN]}), ("explain", {"instances": [LOW]} | QUESTION)],
)
def test_kserve_is_told_in_its_own_words(
    client: httpx.Client, verb: str, body: dict[str, Any]
) -> None:
    asked = {k: v for k, v in body.items() if k != "instance"}
    reply = client.post(f"/v1/models/brittle:{verb}", json=asked)
    assert reply.status_code == 500
    names_the_row(reply.json())
    assert "a score is a finite number" in reply.json()["error"]


def test_a_job_says_it_of_the_row_and_answers_the_others(client: httpx.Client) -> None:
    fine = {
        "instance": {"level": 90.0},
        "target": {"score": {"max": 0.022}},
        "constraints": {"ranges": {"level": [60.0, 100.0]}},
    }
    job = submit(client, f"{NATIVE}/explanations", lines(fine, QUESTION, fine))
    now = ended(client, job)
    assert (now["state"], now["answered"]) == ("done", 3)
    told = result(client, job)
    names_the_row(told[1]["problem"])
    for line in (told[0], told[2]):
        assert line["explanation"]["status"] == "optimal"


def test_the_command_line_says_it_in_one_message(
    here: Callable[..., Any], repository: Path
) -> None:
    of_brittle = ("--model", "brittle", "--models", str(repository))
    asked = ("--row", json.dumps(LOW), "--target", json.dumps(UNREACHABLE))
    process = here("explain", *asked, *of_brittle)
    assert process.returncode == 1
    assert "output 'score', column 0, is inf for row" in " ".join(process.stderr.split())
    assert "infeasible" not in process.stdout + process.stderr


# --- a graph that is read as mathematics, and has no number in a corner -------------------------

ODD = "/api/v1/models/odd"
NEAR_CORNER = {"a": 1.0, "b": 1.0}
NOTHING_MEETS = {"score": {"max": -1.0}}
"""Of a power, which is above 0 wherever it is a number."""


@pytest.fixture(scope="module")
def odd_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "odd" / "1"
    folder.mkdir(parents=True)
    policy = "[policy.features.a]\nscale = 1.0\n[policy.features.b]\nscale = 1.0\n"
    (folder / "spec.toml").write_text(spec_of() + policy)
    (folder / "model.onnx").write_bytes(GRAPHS["power of a line"])
    return folder.parent.parent


@pytest.fixture(scope="module")
def odd(odd_models: Path) -> Iterator[httpx.Client]:
    with (
        serving(Settings(models=odd_models)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        yield client


def is_no_number(problem: dict[str, Any]) -> None:
    assert problem["type"] == "urn:ifonly:problem:score-not-finite"
    a, b = problem["row"]
    assert a - b > 8.8
    assert problem["value"] == "inf"
    assert "output 'value', column 0" in problem["detail"]


def test_no_door_claims_anything_of_it(odd: httpx.Client) -> None:
    question = {"instance": NEAR_CORNER, "target": NOTHING_MEETS}
    corner = {"a": 10.0, "b": 0.0}
    asked = [
        odd.post(f"{ODD}/explanations", json=question),
        odd.post(f"{ODD}/predictions", json={"instances": [NEAR_CORNER, corner]}),
        odd.post(f"{ODD}/what-if", json={"instance": NEAR_CORNER, "set": corner}),
        odd.post(
            "/v1/models/odd:explain", json={"instances": [NEAR_CORNER], "target": NOTHING_MEETS}
        ),
    ]
    for reply in asked:
        assert reply.status_code == 500
        is_no_number(reply.json())
    job = submit(odd, f"{ODD}/explanations", lines(question))
    ended(odd, job)
    (line,) = result(odd, job)
    is_no_number(line["problem"])


def test_nor_does_the_page_of_two_levers(odd: httpx.Client) -> None:
    """No row that is allowed is in the corner; the plane shows what is not allowed too."""
    rules = {"rules": ["a - b <= 8"]}
    away = {"instance": NEAR_CORNER, "target": {"score": {"max": 0.1}}, "constraints": rules}
    found = odd.post(f"{ODD}/explanations", json=away).raise_for_status().json()
    assert found["status"] == "optimal"
    identity = found["id"]
    plane = odd.get(f"/alarms/{identity}/plane", params={"x": "a", "y": "b"})
    assert plane.status_code == 500
    assert "a score is a finite number" in plane.text


def test_nor_does_the_command_line(here: Callable[..., Any], odd_models: Path) -> None:
    asked = ("--row", json.dumps(NEAR_CORNER), "--target", json.dumps(NOTHING_MEETS))
    process = here("explain", "--models", str(odd_models), *asked)
    assert process.returncode == 1
    assert "output 'value', column 0, is inf for row" in " ".join(process.stderr.split())
    assert "infeasible" not in process.stdout + process.stderr
