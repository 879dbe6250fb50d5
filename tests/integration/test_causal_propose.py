"""``ifonly causal propose``: a graph to review, never one that is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ifonly.explainers.causal import parse_causal
from ifonly.explainers.causal.spec import ApprovalStatus
from ifonly.models.repository import load_folder
from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import shipped_models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "milling-machine" / "1"
    shutil.copytree(shipped_models() / "milling-machine" / "1", copy)
    return copy


def run(*arguments: str):
    return CliRunner().invoke(app, ["causal", "propose", *arguments])


def test_what_is_proposed_says_how_it_was_found_and_is_not_used(folder):
    (folder / "causal.toml").unlink()
    done = run(
        str(folder), "--data", str(folder / "reference.csv"), "--algorithm", "notears",
        "--runs", "2", "--fixed", "air_temperature,quality", "--set",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    model = load_folder(folder)
    assert model.causal is not None
    spec = parse_causal(model.causal, "causal.toml", model.spec.schema)
    assert spec.status is ApprovalStatus.PROPOSED
    assert spec.edges
    assert {edge.source for edge in spec.edges} == {"discovery"}
    assert all("notears: joined in" in edge.evidence for edge in spec.edges)
    assert "NOTEARS orders by variance" in spec.provenance.source
    assert "varsortability" in spec.provenance.source
    assert not {e.effect for e in spec.edges} & {"air_temperature", "quality"}
    # The set: what two runs leave open stands beside it, and moves nothing that is fixed.
    assert spec.alternatives
    assert {other.source for other in spec.alternatives} <= {"discovery", "validation"}
    moved = {effect for other in spec.alternatives for _, effect in other.add}
    assert not moved & {"air_temperature", "quality"}


def test_an_accepted_graph_is_not_written_over(folder):
    before = (folder / "causal.toml").read_bytes()
    done = run(str(folder))
    assert done.exit_code == 1
    assert "is there and accepted: name another file with --out" in str(done.exception)
    assert (folder / "causal.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--algorithm", "guess"), "--algorithm is 'guess', not one of"),
        (("--tier", "torque"), "is in 0 tiers"),
        (("--fixed", "tork"), "'tork' is no feature"),
    ],
)
def test_what_cannot_be_asked_is_said(folder, tmp_path, arguments, problem):
    to = tmp_path / "graph.toml"
    done = run(str(folder), "--data", str(folder / "reference.csv"), "--out", str(to), *arguments)
    assert done.exit_code == 1
    assert problem in str(done.exception)
    assert not to.exists()
