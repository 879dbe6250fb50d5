"""``ifonly causal drift``: the module that moved is named, the others are kept."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from typer.testing import CliRunner

from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import shipped_models

FOLDER = shipped_models() / "milling-machine" / "1"


def run(*arguments: str):
    return CliRunner().invoke(app, ["causal", "drift", *arguments])


def test_rows_like_those_that_were_fitted_move_nothing():
    done = run(str(FOLDER), "--data", str(FOLDER / "reference.csv"))
    assert done.exit_code == 0, done.output
    assert "moved: nothing" in done.output


def test_a_drive_that_turns_faster_is_named_and_the_exit_code_says_so(tmp_path: Path):
    lines = (FOLDER / "reference.csv").read_text(encoding="utf-8").splitlines()
    table = list(csv.DictReader(lines))
    for row in table:
        row["rotational_speed"] = str(float(row["rotational_speed"]) + 60)
    data = tmp_path / "new.csv"
    with data.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    done = run(str(FOLDER), "--data", str(data), "--json")
    assert done.exit_code == 3, done.output
    told = json.loads(done.stdout)
    assert told["moved"] == ["rotational_speed"]
    (speed,) = [node for node in told["nodes"] if node["name"] == "rotational_speed"]
    (level,) = [test for test in speed["tests"] if test["test"] == "level"]
    assert level["moved"]
    assert level["effect"] > level["limit"]
