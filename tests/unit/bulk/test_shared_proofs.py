"""Alarms that the search cannot tell apart share a proof, and each is confirmed for its own row."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.explainers.explain import explain
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.sharing import Sharing
from ifonly.models.repository import load_folder
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.served.registry import ServedModel, prepare
from tests.support.bulk_tables import SHIPPED, alarms, differing, served_line, table

AIR = 0
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
