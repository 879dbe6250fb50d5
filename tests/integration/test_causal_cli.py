"""``ifonly causal``: from a graph and a file of rows to a folder that loads."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from ifonly import models
from ifonly.explainers.causal import CausalSpec, build_model, parse_causal
from ifonly.explainers.causal.spec import ApprovalStatus, CheckResult
from ifonly.models.onnx import run_graph
from ifonly.models.repository import load_folder
from ifonly.models.repository.reference import read_reference
from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import shipped_models

SHIPPED = shipped_models() / "milling-machine" / "1"
LINE = 'kind = "linear"\ncoefficients = {air_temperature = 1.0}\nintercept = 10\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "milling-machine" / "1"
    shutil.copytree(SHIPPED, copy)
    return copy


def run(*arguments: str):
    return CliRunner().invoke(app, ["causal", *arguments])


def test_fit_writes_what_it_found_and_the_folder_loads(folder):
    before = load_folder(folder)
    graph = folder / "graph.toml"
    text = (Path(models.__file__).parent / "training" / "milling.causal.toml").read_text(
        encoding="utf-8"
    )
    graph.write_text(text + f"\n[mechanisms.process_temperature]\n{LINE}", encoding="utf-8")
    done = run(
        "fit", str(folder), "--graph", str(graph), "--data", str(folder / "reference.csv"),
        "--date", "2026-02-03",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "rotational_speed" in done.output
    after = load_folder(folder)
    assert after.causal is not None
    assert after.causal_sha256 != before.causal_sha256
    spec = parse_causal(after.causal, "causal.toml", after.spec.schema)
    assert (spec.provenance.rows, spec.provenance.fitted_at) == (500, "2026-02-03")
    assert spec.provenance.data == (
        "reference.csv: 500 rows; the first 350 tested on the 150 after them, then all fitted"
    )
    assert spec.mechanisms["process_temperature"].kind == "linear"
    # Of all rows, and not of those before the ones that it was tested on.
    rows = read_reference((folder / "reference.csv").read_bytes(), after.spec.schema, "rows")
    air, process = (
        rows[:, after.spec.schema.index(f"{x}_temperature")] for x in ("air", "process")
    )
    assert spec.mechanisms["process_temperature"].sd == pytest.approx((process - air).std())
    assert spec.provenance.checks
    build_model(spec, after.causal_files)


def test_validate_prints_and_writes_nothing(folder, tmp_path):
    """Of rows that have a column more, as most tables do."""
    before = (folder / "causal.toml").read_bytes()
    header, *lines = (folder / "reference.csv").read_text().splitlines()
    labelled = tmp_path / "labelled.csv"
    labelled.write_text("\n".join([f"label,{header}", *(f"normal,{line}" for line in lines)]))
    done = run("validate", str(folder), "--data", str(labelled))
    assert done.exit_code == 0, done.output
    for check in ("held-out fit", "noise independence", "graph", "invertibility", "composition"):
        assert check in done.output
    assert (folder / "causal.toml").read_bytes() == before


def test_a_folder_without_a_graph_is_told_so(folder):
    (folder / "causal.toml").unlink()
    done = run("validate", str(folder))
    assert done.exit_code == 1
    assert "has no causal.toml; name one with --graph" in str(done.exception)


def proposed(folder: Path) -> None:
    file = folder / "causal.toml"
    text = file.read_text(encoding="utf-8").replace('status = "accepted"', 'status = "proposed"')
    lines = [line for line in text.splitlines() if not line.startswith("accepted_")]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_proposed_graph_is_accepted_in_a_persons_name_and_no_other_line_changes(folder):
    shipped = parse(folder)
    proposed(folder)
    done = run("accept", str(folder), "--by", "J. Kim", "--date", "2026-03-04")
    assert done.exit_code == 0, done.output
    assert "held-out fit" in done.output
    after = parse(folder)
    assert (after.status, after.accepted_by, after.accepted_at) == (
        ApprovalStatus.ACCEPTED,
        "J. Kim",
        "2026-03-04",
    )
    # That nothing had failed by then is kept; the shipped graph is from before that was.
    assert (after.doubts, shipped.doubts) == ((), None)
    unsigned = [
        replace(s, accepted_by="", accepted_at="", sha256="", doubts=None) for s in (after, shipped)
    ]
    assert unsigned[0] == unsigned[1]


def fitted_without_an_edge(folder: Path, rows: str = "") -> None:
    """As a proposal whose graph leaves out what the torque does to the speed, and says that the
    process heats the air."""
    graph = folder / "graph.toml"
    text = (folder / "causal.toml").read_text(encoding="utf-8")
    text = text[: text.index("[mechanisms.")].replace('from = "torque"', 'from = "tool_wear"')
    text = text.replace('sign = "-"\n', "").replace('status = "accepted"', 'status = "proposed"')
    lines = [line for line in text.splitlines() if not line.startswith("accepted_")]
    graph.write_text("\n".join(lines), encoding="utf-8")
    extra = ("--data", rows) if rows else ()
    done = run("fit", str(folder), "--graph", str(graph), *extra)
    assert done.exit_code == 0, done.output


def test_what_had_failed_when_a_graph_was_accepted_is_kept_part_by_part(folder):
    fitted_without_an_edge(folder)
    assert parse(folder).doubts is None
    done = run("accept", str(folder), "--by", "J. Kim")
    assert done.exit_code == 0, done.output
    assert "answers whose effects rest on one of them say so" in done.output
    after = parse(folder)
    assert after.doubts is not None
    parts = {(c.check, c.node, c.between) for c in after.doubts}
    assert ("missing edge", "", ("torque", "rotational_speed")) in parts
    assert ("idle edge", "", ("tool_wear", "rotational_speed")) in parts
    assert not any(c.passed or c.check == "graph" for c in after.doubts)
    # For people, too: a table a part.
    text = (folder / "causal.toml").read_text(encoding="utf-8")
    assert text.count("[[doubts]]") == len(after.doubts)
    assert 'check = "missing edge"\nvalue' in text.split("[[doubts]]", 1)[1]


def test_a_graph_of_which_nothing_was_tested_is_accepted_and_says_that(folder):
    proposed(folder)
    file = folder / "causal.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: text.index("[[provenance.checks]]")], encoding="utf-8")
    done = run("accept", str(folder), "--by", "J. Kim")
    assert "nothing was tested" in done.output
    assert parse(folder).doubts is None
    proposed(folder)
    done = run("accept", str(folder), "--by", "J. Kim", "--data", str(folder / "reference.csv"))
    assert done.exit_code == 0, done.output
    after = parse(folder)
    assert after.doubts == ()
    assert after.provenance.checks


def test_few_rows_neither_test_a_graph_nor_fail_it(folder):
    proposed(folder)
    rows = (folder / "reference.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    few = folder / "few.csv"
    few.write_text("".join([rows[0], *rows[201:261]]), encoding="utf-8")
    run("accept", str(folder), "--by", "J. Kim", "--data", str(few))
    after = parse(folder)
    assert after.doubts == ()
    by_check = {(c.check, c.node): c.result for c in after.provenance.checks}
    assert by_check["graph", ""] is CheckResult.NOT_REJECTED
    assert by_check["noise independence", "rotational_speed"] is CheckResult.NOT_REJECTED


@pytest.mark.long
def test_a_fit_of_an_accepted_graph_keeps_what_failed_this_time(folder):
    fitted_without_an_edge(folder)
    assert run("accept", str(folder), "--by", "J. Kim").exit_code == 0
    assert parse(folder).doubts
    shutil.copy(SHIPPED / "causal.toml", folder / "right.toml")
    done = run("fit", str(folder), "--graph", str(folder / "right.toml"))
    assert done.exit_code == 0, done.output
    assert parse(folder).doubts == ()


def test_what_is_accepted_already_is_not_accepted_again(folder):
    before = (folder / "causal.toml").read_bytes()
    done = run("accept", str(folder), "--by", "J. Kim")
    assert done.exit_code == 1
    assert "accepted by ifonly maintainers (simulator truth), not proposed" in str(done.exception)
    assert (folder / "causal.toml").read_bytes() == before


def parse(folder: Path) -> CausalSpec:
    loaded = load_folder(folder)
    assert loaded.causal is not None
    return parse_causal(loaded.causal, "causal.toml", loaded.spec.schema)


def test_the_causal_model_and_the_deployed_one_are_exported_as_one_graph(folder, tmp_path):
    file = tmp_path / "fused.onnx"
    done = run("export", str(folder), "--to", str(file))
    assert done.exit_code == 0, done.output
    assert "256 of 256 decisions agree" in done.output
    instance = load_folder(folder).examples[0].row
    actions, is_set = instance[None].copy(), np.zeros((1, 6), dtype=np.bool_)
    actions[0, 3], is_set[0, 3] = 55.1, True  # torque
    feeds = {"actions": actions, "set": is_set, "factual": instance[None]}
    row, scores = run_graph(onnx.load(file), ("row", "scores"), feeds)
    assert row[0, 3] == 55.1
    assert row[0, 2] > instance[2] + 20  # the speed follows
    assert scores.shape == (1, 1)
    assert scores[0, 0] < 0.45


def test_a_proposed_graph_is_not_exported(folder, tmp_path):
    proposed(folder)
    done = run("export", str(folder), "--to", str(tmp_path / "fused.onnx"))
    assert done.exit_code == 1
    assert "no accepted causal model" in str(done.exception)
    assert not (tmp_path / "fused.onnx").exists()
