"""A row of a table is answered as it is answered alone, whatever rows stand beside it."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ifonly.explainers.search import blackbox
from ifonly.models.repository import load_folder
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.served.registry import ServedModel, prepare
from tests.integration.small_models import write_all
from tests.support.alternatives import HIDDEN, REVERSED, folder_with
from tests.support.bulk_tables import alarms, differing, parts, served_line, shipped, table

LANGUAGES = ("en", "ko", "ja")
NARROW = {"freeze": ["rotational_speed"], "max_changes": 1}
QUESTIONS: dict[str, dict[str, Any]] = {
    "as the policy has it": {},
    "features alone": {"semantics": "independent", "alternatives": 3},
    "another past": {"semantics": "backtracking", "constraints": {"max_changes": 2}},
    "narrow, so that much is infeasible": {
        "constraints": NARROW | {"ranges": {"torque": [40, 60]}}
    },
    "named ways": {"ways": True, "semantics": "independent", "constraints": {"robust": False}},
    "the other class": {"target": {"class": "failure", "probability": {"min": 0.9}}},
    "a probability": {"target": {"score": {"min": 0.2, "max": 0.3}}, "semantics": "independent"},
    "nothing is left": {"constraints": {"ranges": {"torque": [70, 71]}, "freeze": ["torque"]}},
}


def explainer(model: ServedModel, **asked: Any) -> BulkExplainer:
    return BulkExplainer(model, BulkOptions(deadline_ms=None, languages=LANGUAGES, **asked))


def compared(model: ServedModel, rows: np.ndarray, **asked: Any) -> set[str]:
    """The statuses of ``rows``; each is answered as the service answers it, and holds."""
    explain = explainer(model, **asked)
    batch = table(model.schema, rows)
    output = explain(batch).output
    lines = output.to_pylist()
    for row, line in zip(rows, lines, strict=True):
        served = served_line(model, row, asked, LANGUAGES)
        assert not differing(line, served), (row.tolist(), differing(line, served))
    assert explain.check(batch, output) == []
    return {line["status"] for line in lines}


@pytest.mark.parametrize("asked", QUESTIONS.values(), ids=QUESTIONS)
def test_lines_say_what_the_service_says_of_each_row(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a search that gives up sooner, too.
    monkeypatch.setattr(blackbox, "LEAST_IN_VAIN", 1)
    n = 3 if asked.get("ways") or asked.get("semantics") == "backtracking" else 8
    compared(shipped(), np.concatenate([alarms(n), parts(40)[::8]]), **asked)


def test_lines_say_what_the_service_says_of_models_of_every_task(tmp_path: Path) -> None:
    root = write_all(tmp_path)
    press, sorter = (prepare(load_folder(root / name / "1")) for name in ("press", "sorter"))
    draw = np.random.default_rng(1)
    rows = np.column_stack([draw.integers(0, 200, 12) / 2, draw.integers(0, 500, 12) * 10.0])
    seen = compared(press, rows, target={"score": {"max": 60.0}})
    assert seen == {"already_target", "optimal", "infeasible"}
    rows = np.column_stack(
        [draw.integers(-40, 41, 24) / 4, draw.integers(0, 2, 24), draw.integers(0, 9, 24)]
    ).astype(float)
    rows[::3, 2] = np.nan
    assert "optimal" in compared(sorter, rows)


def test_lines_say_what_the_service_says_where_several_graphs_may_be_true(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, REVERSED.format(weight=0.3), HIDDEN.format(weight=0.02))
    model = prepare(load_folder(folder))
    compared(model, alarms(3), constraints={"freeze": ["tool_wear"]})


def test_lines_are_the_same_bytes_whatever_the_batches_and_their_order() -> None:
    rows = np.concatenate([parts(1_000), alarms(6)])[np.random.default_rng(3).permutation(1_006)]
    batch = table(shipped().schema, rows)
    asked = BulkOptions(semantics="independent", deadline_ms=None, languages=("en",))
    whole = BulkExplainer(shipped(), asked)(batch, 5).output
    for size in (1, 7, 1_000):
        explain = BulkExplainer(shipped(), asked)
        starts = list(range(0, len(rows), size))
        found = {at: explain(batch.slice(at, size), 5 + at).output for at in reversed(starts)}
        again = pa.Table.from_batches([found[at] for at in starts])
        assert written(again) == written(pa.Table.from_batches([whole]))


def written(found: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as stream:
        stream.write_table(found.combine_chunks())
    return bytes(sink.getvalue())


def test_an_explainer_travels_to_another_process_as_what_it_is_made_of(tmp_path: Path) -> None:
    root = write_all(tmp_path)
    model = prepare(load_folder(root / "press" / "1"))
    options = BulkOptions(target={"score": {"min": 150.0}}, id="part", id_type=pa.int64())
    explain = BulkExplainer(model, options)
    batch = table(model.schema, np.array([[50.0, 1_000.0], [70.0, 500.0]]), part=[3, None])
    other = pickle.loads(pickle.dumps(explain))
    assert other(batch, 7).output.equals(explain(batch, 7).output)
    assert other(batch, 7).output["id"].to_pylist() == [3, None]
    travelling = pickle.dumps(explain)
    spec = root / "press" / "1" / "spec.toml"
    spec.write_text(spec.read_text().replace("max_change = 40.0", "max_change = 30.0"))
    with pytest.raises(Exception, match="changed since the work began: spec_sha256 was"):
        pickle.loads(travelling)


def test_a_line_can_be_asked_again_from_its_schema_alone() -> None:
    explain = BulkExplainer(shipped(), BulkOptions(semantics="independent", deadline_ms=None))
    said = json.loads(explain.schema_out.metadata[b"ifonly"])
    assert said["asked"]["semantics"] == "independent"
    assert said["model_sha256"] == shipped().deployed.model_sha256
    again = replace(explain.options, semantics=said["asked"]["semantics"])
    assert BulkExplainer(shipped(), again).identity == explain.identity
