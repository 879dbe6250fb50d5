"""Generated models of every task: rows of a table are answered as the service answers each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifonly.models.repository import load_folder
from ifonly.models.schema import Schema, Task
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.served.registry import ServedModel, prepare
from tests.support.bulk_tables import alarms, differing, parts, served_line, shipped, table
from tests.support.onnx_layers import layered_model
from tests.support.onnx_trees import spec_text, tree_model

LANGUAGES = ("en",)
POLICY = """
[policy]
max_changes = 2
[policy.features.pressure]
tolerance = 0.05
[policy.features.grade]
actionable = false
[policy.features.flow]
actionable = false
"""
FLOW = 4
"""Nobody sets it and no rule reads it: rows that differ in it alone may share a proof."""
QUESTIONS: list[dict[str, Any]] = [{}, {"alternatives": 3}, {"constraints": {"robust": True}}]
AT_LEAST = {"optimal": 20, "already_target": 10, "infeasible": 5, "shared": 3}


def written(root: Path, seed: int, task: Task, kind: str) -> ServedModel:
    folder = root / "generated" / "1"
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    if kind == "trees":
        model = tree_model(seed, task, int(draw.integers(2, 12)), int(draw.integers(2, 4)))
    else:
        model = layered_model(seed, task, () if kind == "linear" else (6,))
    (folder / "model.onnx").write_bytes(model)
    (folder / "spec.toml").write_text(spec_text(task) + POLICY, encoding="utf-8")
    return prepare(load_folder(folder))


def drawn(schema: Schema, n: int, draw: np.random.Generator) -> np.ndarray:
    """Rows on the grids, every second as the one before but for its flow; some readings missing,
    a row twice."""
    rows = np.empty((n, len(schema)))
    for j, f in enumerate(schema.features):
        if f.kind.is_categorical:
            rows[:, j] = draw.integers(0, len(f.categories), n)
            continue
        step = float(f.resolution or 1)
        places = draw.integers(np.ceil(f.lower / step), np.floor(f.upper / step) + 1, n)
        rows[:, j] = np.round(places * step, 9)
        if f.may_be_missing:
            rows[draw.random(n) < 0.2, j] = np.nan
    rows[1::2] = rows[::2][: n // 2]
    rows[1::2, FLOW] += np.round(0.03 * draw.random(n // 2), 3)
    rows[1::2, FLOW] = np.minimum(rows[1::2, FLOW], schema.features[FLOW].upper)
    rows[n // 2] = rows[0]
    return rows


def compared(model: ServedModel, rows: np.ndarray, asked: dict[str, Any]) -> Counter[str]:
    explain = BulkExplainer(model, BulkOptions(deadline_ms=None, languages=LANGUAGES, **asked))
    batch = table(model.schema, rows)
    found = explain(batch)
    output = found.output
    lines = output.to_pylist()
    for row, line in zip(rows, lines, strict=True):
        apart = differing(line, served_line(model, row, asked, LANGUAGES))
        assert not apart, (row.tolist(), apart)
    assert explain.check(batch, output) == []
    return Counter(line["status"] for line in lines) + Counter(shared=found.proofs.shared)


def test_every_row_is_answered_as_the_service_answers_it(tmp_path: Path) -> None:
    seen = Counter[str]()
    for k, (task, kind) in enumerate((t, k) for t in Task for k in ("trees", "linear", "relu")):
        model = written(tmp_path / str(k), 3 + k, task, kind)
        rows = drawn(model.schema, 10, np.random.default_rng(k))
        # Networks cannot prove survival, and say so: it is not asked of them.
        asked = QUESTIONS[k % 3] if kind == "trees" else QUESTIONS[k % 2]
        seen += compared(model, rows, asked)
    assert all(seen[status] >= n for status, n in AT_LEAST.items()), seen


@pytest.mark.long
@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_rows_are_answered_as_the_service_answers_them(
    tmp_path: Path, seed: int, task: Task
) -> None:
    for k, asked in enumerate(QUESTIONS):
        model = written(tmp_path / str(k), 100 * seed + k, task, "trees")
        compared(model, drawn(model.schema, 150, np.random.default_rng(seed)), asked)


@pytest.mark.long
@pytest.mark.parametrize("semantics", ["interventional", "independent", "backtracking"])
def test_a_thousand_parts_of_the_shipped_model_are_answered_as_the_service_answers_them(
    semantics: str,
) -> None:
    n = 40 if semantics == "backtracking" else 250
    rows = np.concatenate([alarms(n, 31), parts(250, 32)])
    compared(shipped(), rows, {"semantics": semantics})
