"""``ifonly causal fairness`` on the shipped model."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ifonly.models.repository import load_folder
from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import shipped_models

SHIPPED = shipped_models() / "milling-machine" / "1"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    examples = [
        e for e in load_folder(SHIPPED).examples if e.id in ("heat", "overstrain-best-variant")
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(examples[0].instance), lineterminator="\n")
        writer.writeheader()
        writer.writerows(dict(e.instance) for e in examples)
    return path


def run(folder: Path, *arguments: str):
    command = ["causal", "fairness", str(folder), "--attribute", *arguments]
    return CliRunner().invoke(app, command)


def test_groups_and_twins_are_compared(data):
    done = run(SHIPPED, "quality", "--data", str(data), "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout)
    assert len(found["groups"]) == 2
    assert all(g["alarms"] == g["rows"] for g in found["groups"])
    twins = found["twins"]
    assert twins["pairs"] == sum(g["rows"] for g in found["groups"])
    assert twins["untold"] == 0
    low, high = twins["interval"]
    assert low <= twins["mean"] <= high <= twins["largest"] + 1e-12


def test_without_an_accepted_graph_there_are_groups_but_no_twins(data, tmp_path):
    folder = tmp_path / "milling-machine" / "1"
    shutil.copytree(SHIPPED, folder)
    (folder / "causal.toml").unlink()
    done = run(folder, "quality", "--data", str(data))
    assert done.exit_code == 0, done.exception
    assert "By group, as they are" in done.output
    assert "it cannot be told what a twin would read" in done.output


def test_what_is_no_feature_makes_no_groups():
    done = run(SHIPPED, "operator")
    assert done.exit_code == 1
    assert "operator is not a feature" in str(done.exception)
