"""Alarms that the search cannot tell apart share a proof, and each is confirmed for its own row."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.sharing import Sharing
from ifonly.explainers.search.trees.alike import Likeness
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.reach import TreeReach
from ifonly.explainers.target import Target
from ifonly.models.repository import load_folder
from ifonly.models.schema import Task
from ifonly.service.ask import read_request
from ifonly.service.ask.question import problem_of
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.wire import validation
from ifonly.service.wire.requests import ExplanationRequest
from tests.support.bulk_tables import SHIPPED, alarms, differing, served_line, table
from tests.support.onnx_trees import spec_text, tree_model

AIR, QUALITY = 0, 5
OPTIONS: dict[str, Any] = {"semantics": "independent", "deadline_ms": None}


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """The shipped model without the rules that read the hall's air: nobody can set it, so that only
    the model reads it."""
    folder = tmp_path_factory.mktemp("free") / "milling-machine" / "1"
    shutil.copytree(SHIPPED, folder)
    spec = folder / "spec.toml"
    head, *blocks = spec.read_text(encoding="utf-8").split("[[policy.rules]]")
    kept = [block for block in blocks if "air_temperature" not in block.split("why")[0]]
    spec.write_text("[[policy.rules]]".join([head, *kept]), encoding="utf-8")
    return prepare(load_folder(folder))


def drifting(n: int, each: int) -> np.ndarray:
    """Alarms, each read several times while the hall's air drifts a little and all else stands."""
    rows = np.repeat(alarms(n), each, axis=0)
    rows[:, AIR] += np.tile(np.linspace(0.0, 0.04, each), n)
    return rows


@pytest.mark.parametrize("constraints", [{}, {"robust": False}], ids=["sensors survived", "plain"])
def test_a_proof_is_shared_and_every_line_is_what_the_row_is_answered_alone(
    free: ServedModel, constraints: dict[str, Any]
) -> None:
    rows = drifting(5, 6)
    options = BulkOptions(**OPTIONS, languages=("en",), constraints=constraints, alternatives=2)
    explain_all = BulkExplainer(free, options)
    batch = table(free.schema, rows)
    found = explain_all(batch)
    assert found.proofs.alarms == found.proofs.searched == 30
    assert found.proofs.shared > 15
    asked = {"semantics": "independent", "constraints": constraints, "alternatives": 2}
    for row, line in zip(rows, found.output.to_pylist(), strict=True):
        assert not differing(line, served_line(free, row, asked, ("en",)))
    assert explain_all.check(batch, found.output) == []


def test_whoever_comes_first_changes_nothing(free: ServedModel) -> None:
    rows = drifting(3, 5)
    batch, other = table(free.schema, rows), table(free.schema, rows[::-1])
    one, two = (BulkExplainer(free, BulkOptions(**OPTIONS)) for _ in range(2))
    forward, backward = one(batch).output.to_pylist(), two(other).output.to_pylist()
    assert [line | {"row": 0} for line in forward] == [line | {"row": 0} for line in backward[::-1]]


def test_what_differs_in_a_cell_a_lever_or_a_demand_is_searched_anew(free: ServedModel) -> None:
    (row,) = alarms(1)
    others = np.repeat(row[np.newaxis], 4, axis=0)
    others[1, AIR] -= 6.0  # another cell
    others[2, 3] += 0.1  # a lever
    others[3, AIR] += 0.001
    sharing = _sharing(free)
    for other in others[:3]:
        _asked(free, sharing, other)
    assert sharing.shared == 0
    _asked(free, sharing, others[3])
    assert sharing.shared > 0
    before = sharing.shared
    _asked(free, sharing, others[3], robust=False)
    assert sharing.shared == before


def test_where_somebody_else_reads_a_feature_nothing_is_shared_by_its_cell() -> None:
    shipped = prepare(load_folder(SHIPPED.resolve()))
    sharing = _sharing(shipped)
    for row in drifting(1, 4):
        _asked(shipped, sharing, row)
    assert sharing.shared == 0


# --- what the search sees of a question -------------------------------------------------------


def seen(model: ServedModel, row: np.ndarray, **asked: Any) -> Likeness | None:
    """What the search of the shipped kind of model sees of one row."""
    request = validation.read(
        ExplanationRequest,
        {"instance": model.schema.write(row), "semantics": "independent", **asked},
    )
    (engine, *_) = model.engine.engines
    assert isinstance(engine, Trees)
    # The target is one object for all rows of a table, as for all requests that name none.
    question = replace(read_request.question(request, model), target=model.policy.target())
    return engine.likeness(problem_of(model, question))


def key(model: ServedModel, row: np.ndarray, **asked: Any) -> tuple[Any, ...]:
    found = seen(model, row, **asked)
    assert found is not None
    return found.key


PLAIN = {"constraints": {"robust": False}}


def with_air(row: np.ndarray, air: float) -> np.ndarray:
    other = row.copy()
    other[AIR] = air
    return other


def test_a_cell_of_a_feature_that_nobody_sets_is_seen_and_what_stands_in_it_is_not(
    free: ServedModel,
) -> None:
    (row,) = alarms(1)
    own = key(free, row, **PLAIN)
    assert key(free, with_air(row, row[AIR] + 0.001), **PLAIN) == own
    assert key(free, with_air(row, row[AIR] - 6.0), **PLAIN) != own


def test_what_sensors_may_read_instead_is_seen_where_it_must_be_survived(free: ServedModel) -> None:
    (row,) = alarms(1)
    rows = [with_air(row, air) for air in np.arange(296.0, 304.0, 0.02)]
    alone = {key(free, r, **PLAIN) for r in rows}
    # Of the same cell some are so near its ends that a sensor may read the next.
    assert len({key(free, r) for r in rows}) > len(alone)


def test_a_range_of_a_feature_that_nobody_sets_reads_it(free: ServedModel) -> None:
    (row,) = alarms(1)
    idle = seen(free, row)
    ranged = seen(free, row, constraints={"ranges": {"air_temperature": [290, 310]}})
    assert idle is not None
    assert ranged is not None
    assert AIR in idle.idle
    assert AIR not in ranged.idle


def test_what_is_part_of_the_causal_model_is_read_by_it(free: ServedModel) -> None:
    (row,) = alarms(1)
    found = seen(free, row, semantics="interventional")
    assert found is not None
    assert found.idle.tolist() == [QUALITY]


@pytest.mark.parametrize("seed", range(6))
def test_a_reading_that_is_missing_is_none_that_is_there(tmp_path: Path, seed: int) -> None:
    """Of a feature that the one tree reads or does not."""
    folder = tmp_path / "generated" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(tree_model(seed, Task.BINARY, 1, 1))
    policy = "[policy.features.flow]\nactionable = false\n"
    (folder / "spec.toml").write_text(spec_text(Task.BINARY) + policy, encoding="utf-8")
    model = prepare(load_folder(folder))
    there = np.array([1.0, 40.0, 0.0, 1.0, 0.1])
    missing = np.array([1.0, 40.0, 0.0, 1.0, np.nan])
    assert key(model, there) != key(model, missing)


class Unsure:
    """An engine to which all questions are alike, and that never proves what it finds."""

    name = "unsure"

    def __init__(self, **found: Any) -> None:
        self.found, self.searches = found, 0

    def likeness(self, problem: Problem) -> Likeness:
        return Likeness(("alike",), np.array([AIR]), ())

    def reach(self, target: Target) -> TreeReach:
        raise NotEligible(self.name, "it knows of no row")

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        self.searches += 1
        return SearchOutcome(problem.factual[np.newaxis], **self.found)

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> None:
        return None

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: np.ndarray, column: int
    ) -> tuple[float, float]:
        return float(row[column]), float(row[column])


@pytest.mark.parametrize(
    ("found", "searches"),
    [
        ({"lower_bound": 0.0}, 1),
        ({"lower_bound": None}, 2),
        ({"lower_bound": -1.0}, 2),
        ({"lower_bound": 0.0, "deadline_hit": True}, 2),
    ],
    ids=["proven", "no bound", "a gap", "cut"],
)
def test_only_what_was_proven_is_shared(
    free: ServedModel, found: dict[str, Any], searches: int
) -> None:
    engine = Unsure(**found)
    sharing, never = Sharing(engine), Deadline.never()
    for row in drifting(1, 2):
        problem = free.policy.problem(row)
        outcome = sharing.search(problem, Meter(free.deployed.predictor, never), never)
        assert outcome.candidates.tolist() == [row.tolist()]
    assert engine.searches == searches


def _sharing(model: ServedModel) -> Sharing:
    return Sharing(model.engine.engines[0])  # type: ignore[arg-type]


def _asked(
    model: ServedModel, sharing: Sharing, row: np.ndarray, robust: bool | None = None
) -> None:
    """One question, answered as without sharing."""
    problem = model.policy.problem(row, robust=robust)
    predictor = model.deployed.predictor
    engine = Portfolio((sharing, *model.engine.engines[1:]))
    found = explain(problem, predictor, engine=engine)
    alone = explain(problem, predictor, engine=model.engine)
    assert isinstance(found, Recourse)
    assert isinstance(alone, Recourse)
    assert replace(found, work=alone.work) == alone
