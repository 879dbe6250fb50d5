"""Every row has its line, whatever happens to others; what is wrong is said, and checked."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ifonly.models.errors import NotFinite
from ifonly.models.predictor import Predictor, Rows, Scores
from ifonly.models.repository import load_folder
from ifonly.models.rounding import Rounding, rounding_of
from ifonly.service.bulk import BulkExplainer, BulkOptions, NotInBulk
from ifonly.service.errors import InvalidRequest
from ifonly.service.served.registry import ServedModel, prepare
from tests.integration.small_models import write_all
from tests.support.bulk_tables import SHIPPED, alarms, parts, shipped, table

ALONE = BulkOptions(semantics="independent", constraints={"robust": False}, deadline_ms=None)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("models"))


def scored_by(model: ServedModel, predictor: Predictor) -> ServedModel:
    return replace(model, deployed=replace(model.deployed, predictor=predictor))


class Inner:
    """The shipped model's predictor, in other hands."""

    def __init__(self, score: Callable[[Rows], Scores]) -> None:
        self._score = score

    @property
    def rounding(self) -> Rounding:
        return rounding_of(shipped().deployed.predictor)

    def score(self, rows: Rows) -> Scores:
        return self._score(rows)


def test_rows_that_are_none_have_lines_and_all_their_faults_are_told() -> None:
    rows = parts(6)
    batch = table(shipped().schema, rows, part=pa.array(list("abcdef")))
    batch = batch.set_column(3, "torque", pa.array([1.0, -5.0, None, 3.0, math.inf, 5.0]))
    grades = batch.column("quality").to_pylist()
    batch = batch.set_column(5, "quality", pa.array([grades[0], "XL", *grades[2:]]))
    found = BulkExplainer(shipped(), replace(ALONE, id="part"))(batch, 100)
    lines, told = found.output.to_pylist(), found.problems.to_pylist()
    assert [line["row"] for line in lines] == list(range(100, 106))
    assert [line["id"] for line in lines] == list("abcdef")
    invalid = [line["row"] for line in lines if line["status"] == "invalid"]
    assert invalid == [101, 102, 104]
    assert found.counts["invalid"] == 3
    assert [(t["row"], t["id"], t["field"]) for t in told] == [
        (101, "b", "torque"),
        (101, "b", "quality"),
        (102, "c", "torque"),
        (104, "e", "torque"),
    ]
    assert told[0] == {
        "row": 101, "id": "b", "field": "torque", "value": "-5.0", "unit": "Nm",
        "problem": "torque is -5.0 Nm, outside [0, 100] Nm", "low": 0.0, "high": 100.0,
        "allowed": None,
    }  # fmt: skip
    assert told[1]["allowed"] == ["L", "M", "H"]
    assert lines[1]["problem"] == {k: v for k, v in told[0].items() if k not in ("row", "id")}
    assert {lines[1][name] for name in ("decision", "probability", "score")} == {None}


def test_no_rows_are_no_lines() -> None:
    explain = BulkExplainer(shipped(), replace(ALONE, languages=("en",)))
    batch = table(shipped().schema, parts(3)).slice(0, 0)
    found = explain(batch)
    assert (found.output.num_rows, found.problems.num_rows) == (0, 0)
    assert found.output.schema.equals(explain.schema_out, check_metadata=True)
    assert explain.check(batch, found.output) == []


def test_nothing_that_comes_out_is_a_number_that_is_none(small: Path) -> None:
    sorter = prepare(load_folder(small / "sorter" / "1"))
    batch = table(sorter.schema, np.array([[9.0, 0.0, np.nan], [-9.0, 1.0, 3.0]]))
    output = BulkExplainer(sorter)(batch).output
    for name in ("probability", "cost", "lower_bound", "gap", "score"):
        assert not np.isnan(output[name].drop_null().to_numpy(zero_copy_only=False)).any()
    assert output["score"].null_count == 2


def test_a_row_of_which_the_model_has_no_number_fails_alone(small: Path) -> None:
    brittle = prepare(load_folder(small / "brittle" / "2"))
    explain = BulkExplainer(brittle, BulkOptions(target={"score": {"min": 0.5}}))
    batch = table(brittle.schema, np.array([[40.0], [50.0], [60.0], [51.0], [50.0]]))
    found = explain(batch)
    lines = found.output.to_pylist()
    assert [line["status"] for line in lines][1] == "failed"
    assert found.counts["failed"] >= 2
    assert "a score is a finite number" in lines[1]["problem"]["problem"]
    assert lines[3]["status"] == "already_target"
    assert [t["row"] for t in found.problems.to_pylist()][:1] <= [1]


def test_where_a_call_fails_for_one_row_the_others_are_asked_without_it() -> None:
    rows = alarms(4)
    inner = shipped().deployed.predictor

    def score(asked: Rows) -> Scores:
        if len(asked) > 1 and (asked == rows[1]).all(axis=1).any():
            raise NotFinite("model", "0", math.nan, 0, rows[1].tolist())
        return inner.score(asked)

    found = BulkExplainer(scored_by(shipped(), Inner(score)), ALONE)(table(shipped().schema, rows))
    assert found.output["status"].to_pylist() == ["optimal"] * 4


def test_scores_that_depend_on_the_rows_beside_them_are_asked_for_alone() -> None:
    inner = shipped().deployed.predictor

    def score(asked: Rows) -> Scores:
        return inner.score(asked) + (0.0 if len(asked) == 1 else 1e-9)

    model = scored_by(shipped(), Inner(score))
    batch = table(shipped().schema, np.concatenate([parts(30), alarms(2)]))
    one = BulkExplainer(model, ALONE)(batch).output
    other = BulkExplainer(model, ALONE)
    again = [other(batch.slice(at, 5), at).output for at in range(0, 32, 5)]
    assert pa.Table.from_batches(again).equals(pa.Table.from_batches([one]))
    alone = inner.score(np.concatenate([parts(30), alarms(2)]))[:, 0]
    assert one["score"].to_pylist() == alone.tolist()


def test_threads_share_an_explainer() -> None:
    batch = table(shipped().schema, np.concatenate([parts(200), alarms(8)]))
    explain = BulkExplainer(shipped(), ALONE)
    whole = BulkExplainer(shipped(), ALONE)(batch).output
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda at: explain(batch.slice(at, 26), at).output, range(0, 208, 26))
        )
    assert pa.Table.from_batches(found).combine_chunks().equals(pa.table(whole))


def test_an_answer_that_its_deadline_cut_says_so_and_is_asked_again() -> None:
    explain = BulkExplainer(shipped(), replace(ALONE, constraints={}, deadline_ms=1))
    batch = table(shipped().schema, alarms(12))
    lines = explain(batch).output.to_pylist()
    for line in lines:
        assert line["deadline_hit"] or line["status"] == "optimal"
    assert explain(batch).proofs.searched == sum(line["deadline_hit"] for line in lines)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target": {"class": "broken"}}, "class is 'broken', not a class"),
        ({"target": {"klass": "normal"}}, "klass"),
        ({"constraints": {"freeze": ["speed"]}}, "speed"),
        ({"constraints": {"ranges": {"torque": [9, 1]}}}, "torque"),
        ({"semantics": "causal"}, "semantics"),
        ({"alternatives": 0}, "alternatives"),
        ({"languages": ("xx",)}, "languages"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"ways": True, "semantics": "backtracking"}, "ways cannot be told of backtracking"),
    ],
)
def test_what_no_request_may_ask_is_refused_before_any_row(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told):
        BulkExplainer(shipped(), BulkOptions(**options))


def test_a_model_that_desires_nothing_has_to_be_told_a_target(small: Path) -> None:
    press = prepare(load_folder(small / "press" / "1"))
    with pytest.raises(InvalidRequest, match="this model desires no class"):
        BulkExplainer(press)


def test_a_model_whose_answers_its_predictor_must_confirm_is_not_asked_in_bulk() -> None:
    policy = {**shipped().rulebook.policy, "confirmed_by": "predictor"}
    model = replace(shipped(), rulebook=replace(shipped().rulebook, policy=policy))
    with pytest.raises(NotInBulk, match=r"policy\.confirmed_by"):
        BulkExplainer(model)


# --- lines are checked ----------------------------------------------------------------------


def planted(line: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The line with one value changed, by its path."""
    head, _, rest = path.partition(".")
    if not rest:
        return {**line, head: value}
    at, _, key = rest.partition(".")
    found = [dict(item) for item in line[head]]
    found[int(at)][key] = value
    return {**line, head: found}


@pytest.mark.parametrize(
    ("path", "value", "check"),
    [
        ("cost", 0.01, "cost"),
        ("lower_bound", 99.0, "bound"),
        ("actions.0.to", 76.55, "grid"),
        ("actions", [], "row"),
        ("decision_after", "failure", "decision_after"),
        ("probability_after", 0.5, "probability_after"),
        ("score", 0.123, "score"),
        ("decision", "normal", "decision"),
        ("status", "feasible", "status"),
        ("status", "already_target", "target"),
        ("status", "infeasible", "status"),
        ("status", "unknown", "status"),
        ("status", "invalid", "status"),
        ("survives", False, "survives"),
        ("verified", None, "verified"),
        ("chance", 0.5, "chance"),
        ("effects", [], "row"),
    ],
)
def test_a_line_that_does_not_hold_is_found(path: str, value: Any, check: str) -> None:
    explain, batch, line = _one_line()
    assert check in {
        fault.check for fault in _rechecked(explain, batch, planted(line, path, value))
    }


def _one_line() -> tuple[BulkExplainer, pa.RecordBatch, dict[str, Any]]:
    """An alarm whose answer has an effect."""
    explain = BulkExplainer(shipped(), BulkOptions(deadline_ms=None))
    rows = alarms(12)
    output = explain(table(shipped().schema, rows)).output.to_pylist()
    k = next(k for k, line in enumerate(output) if line["effects"])
    return explain, table(shipped().schema, rows[k : k + 1]), output[k]


def _rechecked(explain: BulkExplainer, batch: pa.RecordBatch, line: dict[str, Any]) -> list[Any]:
    return explain.check(batch, pa.RecordBatch.from_pylist([line], schema=explain.schema_out))


def test_lines_of_another_question_or_other_rows_are_not_checked() -> None:
    explain, batch, line = _one_line()
    output = pa.RecordBatch.from_pylist([line], schema=explain.schema_out)
    with pytest.raises(NotInBulk, match="the lines are of another asked"):
        BulkExplainer(shipped(), ALONE).check(batch, output)
    with pytest.raises(NotInBulk, match="0 lines are told of 1 rows"):
        explain.check(batch, output.slice(0, 0))
    with pytest.raises(NotInBulk, match="the lines are of another model_sha256"):
        explain.check(batch, output.replace_schema_metadata(None))


def test_neither_store_nor_web_is_needed() -> None:
    code = f"""
import sys
from ifonly import BulkExplainer
BulkExplainer.load({str(SHIPPED)!r})
kept = ("fastapi", "starlette", "sqlalchemy", "uvicorn", "httpx", "ifonly.service.store.database",
        "ifonly.service.doors.http", "ifonly.service.jobs")
print([name for name in kept if name in sys.modules])
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert found.stdout.strip() == "[]"


def test_an_answer_at_the_end_of_a_feature_has_its_range() -> None:
    """The slowest there is: nothing is beyond it, and with its own speed it would follow torque."""
    row = np.array([[302.4, 313.4, 1169.0, 76.9, 32.0, 0.0]])
    found = BulkExplainer(shipped(), BulkOptions(deadline_ms=None))(table(shipped().schema, row))
    (line,) = found.output.to_pylist()
    assert line["status"] == "optimal"
    assert [(a["feature"], a["to"], a["low"], a["high"]) for a in line["actions"]] == [
        ("rotational_speed", 1168.0, 1168.0, 1168.0),
        ("torque", 68.8, 46.6, 68.8),
    ]
