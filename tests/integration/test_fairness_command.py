"""``ifonly fairness`` on the shipped model."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ifonly.models.repository import load_folder
from ifonly.service.doors.cli.commands import app
from ifonly.service.settings import shipped_models

SHIPPED = shipped_models() / "milling-machine" / "1"
FEW = ("--least", "2", "--worlds", "8", "--cost-worlds", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alarms of the examples, four of each, by two operators, one of whom has no alarm besides."""
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    examples = [
        dict(e.instance)
        for e in load_folder(SHIPPED).examples
        if e.id in ("heat", "overstrain-best-variant")
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*examples[0], "operator"], lineterminator="\n")
        writer.writeheader()
        for operator in ("Kim", "=Lee"):
            writer.writerows({**example, "operator": operator} for example in examples * 2)
        calm = {**examples[0], "torque": 40.0, "rotational_speed": 1500, "tool_wear": 10}
        writer.writerows({**calm, "operator": "Kim"} for _ in range(4))
    return path


def run(folder: Path, *arguments: str):
    return CliRunner().invoke(app, ["fairness", str(folder), *arguments])


def test_groups_and_twins_are_compared(data, tmp_path):
    persons, page = tmp_path / "persons.csv", tmp_path / "page.html"
    done = run(
        SHIPPED, "--by", "quality", "--by", "operator", "--data", str(data), "--json", *FEW,
        "--persons", str(persons), "--html", str(page), "--language", "ko",
    )  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout)
    assert found["by"] == ["feature:quality", "attribute:operator"]
    assert (found["asked"], found["since"]) == (12, None)
    groups = {group["key"]: group for group in found["groups"]}
    # Operators, qualities, and what they have in common.
    assert {len(group["parts"]) for group in groups.values()} == {1, 2}
    told = {(each["group"], each["measure"]): each for each in found["differences"]}
    kim = next(key for key, g in groups.items() if [p["value"] for p in g["parts"]] == ["Kim"])
    decision = told[kim, "decision"]
    assert (decision["share"]["count"], decision["of"], decision["others"]) == (4, 8, 4)
    assert decision["others_share"]["share"] == 1.0
    assert decision["tested"]["worse"] is False
    assert told[kim, "chance"]["median"]["low"] > 0.9
    assert found["reach"][0]["group"] is None
    (twins,) = found["twins"]  # of the feature: an operator is no part of the causal model
    assert twins["by"] == "feature:quality"
    assert len(twins["pairs"]) == 2
    for pair in twins["pairs"]:
        assert pair["untold"] == 0
        for measure in ("better", "worse", "either", "net"):
            told_of = pair["decisions"][measure]
            assert told_of["low"] <= told_of["value"] <= told_of["high"]
    assert any("operator" in note["en"] for note in found["notes"])
    lines = list(csv.DictReader(io.StringIO(persons.read_text("utf-8"))))
    assert len(lines) == sum(pair["decisions"]["of"] for pair in twins["pairs"])
    assert {line["against"] for line in lines} == {"0", "1"}
    assert "조치 가능성의 공정성" in page.read_text("utf-8")


def test_the_table_is_one_that_spreadsheets_take_for_no_formulas(data):
    done = run(SHIPPED, "--by", "operator", "--data", str(data), "--csv", "--no-twins", *FEW)
    assert done.exit_code == 0, (done.output, done.exception)
    lines = list(csv.DictReader(io.StringIO(done.stdout.lstrip("\ufeff"))))
    assert {line["section"] for line in lines} >= {"difference", "share", "reach", "note"}
    tested = [line for line in lines if line["section"] == "difference"]
    assert all(0.0 < float(line["p"]) <= float(line["p_holm"]) <= 1.0 for line in tested)
    assert not any(cell.startswith("=") for line in lines for cell in line.values() if cell)


def test_without_an_accepted_graph_there_are_groups_but_no_twins(data, tmp_path):
    folder = tmp_path / "milling-machine" / "1"
    shutil.copytree(SHIPPED, folder)
    (folder / "causal.toml").unlink()
    done = run(folder, "--by", "quality", "--data", str(data), *FEW)
    assert done.exit_code == 0, done.exception
    assert "No difference is shown" in done.output
    assert "No twins: there is no accepted causal model." in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--by", "shift"), "shift is not a feature, and no column of the rows"),
        (("--by", "quality", "--allowed", "quality:torque->quality"), "is no edge of the causal"),
        (("--by", "tool_wear", "--by", "tool_wear", "--data", "nowhere.csv"), "cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments, says):
    done = run(SHIPPED, *arguments, "--limit", "2", *FEW)
    assert done.exit_code == 1
    assert says in str(done.exception)


def test_an_edge_is_allowed_by_its_two_ends():
    done = run(SHIPPED, "--by", "quality", "--allowed", "torque")
    assert done.exit_code == 2
    assert "is not ATTRIBUTE:CAUSE->EFFECT" in done.output
