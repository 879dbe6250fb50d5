"""``ifonly causal effect`` by kind of row, ``ifonly causal value`` and ``ifonly causal panel``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ifonly.models.errors import DataError
from ifonly.models.repository import load_folder
from ifonly.models.repository.reference import read_table
from ifonly.models.training.milling import QUALITIES
from ifonly.service.doors.cli.commands import app
from ifonly.service.offline.logged_rows import csv_of
from ifonly.service.settings import shipped_models

FOLDER = str(shipped_models() / "milling-machine" / "1")
ROW = {"air_temperature": 299.0, "process_temperature": 309.0, "rotational_speed": 1500,
       "torque": 55.0, "tool_wear": 150.0, "quality": "L", "line": "a"}  # fmt: skip


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Advice on worn tools was followed more often, and helps where the tool is worn."""
    rng = np.random.default_rng(0)
    n = 700
    wear = rng.integers(0, 200, n)
    followed = rng.random(n) < 0.3 + 0.4 * (wear > 100.0)
    helps = np.where(wear > 100.0, 0.5, 0.0)
    success = rng.random(n) < 0.4 - 0.2 * (wear > 100.0) + helps * followed
    columns: dict[str, Any] = {
        "air_temperature": rng.uniform(296.0, 303.0, n).round(1),
        "process_temperature": rng.uniform(306.0, 313.0, n).round(1),
        "rotational_speed": rng.integers(1300, 1700, n),
        "torque": rng.uniform(30.0, 60.0, n).round(1),
        "tool_wear": wear,
        "quality": rng.choice(list(QUALITIES), n),
        "line": rng.choice(["a", "b"], n),
        "followed": np.where(followed, "yes", "no"),
        "advised": np.where(wear > 100.0, "yes", "no"),
        "success": success.astype(int),
    }
    path = tmp_path_factory.mktemp("log") / "advice.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(c.tolist() for c in columns.values()), strict=True))
    return path


def run(*arguments: str):
    return CliRunner().invoke(app, ["causal", *arguments])


def effect(log: Path, *more: str):
    return run("effect", FOLDER, "--data", str(log), "--outcome", "success", "--action", "followed",
               "--from", "no", "--to", "yes", *more)  # fmt: skip


def value(log: Path, *more: str):
    return run("value", FOLDER, "--data", str(log), "--outcome", "success", "--action", "followed",
               "--better", "higher", *more)  # fmt: skip


def test_the_effect_of_following_advice_is_told_by_group_and_for_machines_like_one(log):
    worn, fresh, odd = (json.dumps(ROW | {"tool_wear": w}) for w in (170.0, 20.0, 250.0))
    rows = [part for row in (worn, fresh, odd) for part in ("--row", row)]
    done = effect(log, "--group-by", "tool_wear:100", "--group-by", "line", *rows, "--json",
                  "--causes", "tool_wear")  # fmt: skip
    assert done.exit_code == 0, done.exception
    told = json.loads(done.output)
    assert told["adjusted_for"] == ["tool_wear", "line"]
    by = {each["by"]: each["groups"] for each in told["kinds"]["groups"]}
    assert [g["group"] for g in by["tool_wear"]] == ["< 100 min", ">= 100 min"]
    assert [g["group"] for g in by["line"]] == ["a", "b"]
    for group, truth in zip(by["tool_wear"], (0.0, 0.5), strict=True):
        low, high = group["estimate"]["interval"]
        assert low <= truth <= high
    assert sum(g["rows"] for g in by["line"]) == told["rows"]
    assert told["kinds"]["calibration"]["tells_apart"] is True
    like = told["kinds"]["rows"]
    assert like[0]["estimate"]["interval"][0] > 0.0
    assert like[1]["estimate"]["interval"][0] < 0.0
    assert like[2]["estimate"] is None
    assert like[2]["outside"] == ["tool_wear"]
    assert "no promise about this one" in like[0]["text"]["en"]
    assert "공구" in like[2]["text"]["ko"]
    assert "値が似た設備" in like[1]["text"]["ja"]
    assert all(n < told["rows"] for n in told["worth"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--group-by", "mood"), "mood is not a column"),
        (("--group-by", "followed"), "named as two things"),
        (("--group-by", "tool_wear:9,5"), "must be finite and rise"),
        (("--group-by", "line:5"), "it holds texts"),
        (("--group-by", "quality", "--estimand", "att"), "need --estimand ate"),
        (("--group-by", "line", "--row", json.dumps(ROW | {"line": None})),
         "--row 1 does not say line"),
        (("--group-by", "line", "--row", json.dumps(ROW | {"line": "z"})),
         "no logged row reads the same in line"),
        (("--feature", "torque"), "--feature or --action, one of the two"),
        (("--hidden", "followed"), "no set of readings closes"),
        (("--attach", "--by", "J. Kim"), "--attach is of a feature"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_by_name(log, more, said):
    done = effect(log, *more)
    assert done.exit_code == 1
    assert said in str(done.exception)


def test_groups_are_of_what_was_before(log):
    done = run("effect", FOLDER, "--data", str(log), "--outcome", "success", "--feature", "torque",
               "--from", "45..60", "--to", "30..44", "--group-by", "rotational_speed")  # fmt: skip
    assert "rotational_speed follows from torque" in str(done.exception)


def test_policies_are_valued_beside_what_was_done(log):
    done = value(log, "--advised", "advised", "--when", "tool_wear > 100", "--json",
                 "--causes", "tool_wear")  # fmt: skip

    assert done.exit_code == 0, done.exception
    told = json.loads(done.output)
    found = {policy["policy"]: policy for policy in told["policies"]}
    truths = {"always no": 0.3, "always yes": 0.55, "as advised says": 0.55}
    for name, truth in truths.items():
        told_value = found[name]["value"]
        assert abs(told_value["value"] - truth) < 3.0 * told_value["se"]
    assert found["yes when tool_wear > 100"]["value"] == found["as advised says"]["value"]
    assert found["by effect"]["gain"]["value"] > 0.05
    assert 0.0 < found["as advised says"]["robustness_of_interval"] < 1.0
    assert told["done"]["interval"][0] < told["done"]["value"]
    assert told["refutations"][0]["name"] == "placebo treatment"
    assert "by effect" in found["by effect"]["text"]["ko"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--from", "no"), "given together"),
        (("--when", "mood > 1"), "--when: rule"),
        (("--when", "followed == 'yes'"), "--when: rule"),
        (("--advised", "line"), "none of no, yes"),
        (("--advised", "torque"), "is a feature"),
        (("--from", "no", "--to", "no"), "--from and --to meet"),
    ],
)
def test_policies_that_say_nothing_are_refused(log, more, said):
    done = value(log, *more)
    assert done.exit_code == 1
    assert said in str(done.exception)


def test_of_a_number_two_ranges_are_needed(log):
    done = run("value", FOLDER, "--data", str(log), "--outcome", "success", "--feature", "torque",
               "--better", "higher")  # fmt: skip
    assert "name two ranges of it with --from and --to" in str(done.exception)


def test_parquet_is_read_as_csv(log, tmp_path):
    pytest.importorskip("pyarrow")
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    table = arrow_csv.read_csv(log)
    place = table.column_names.index("quality")
    table = table.set_column(place, "quality", table["quality"].dictionary_encode())
    path = tmp_path / "advice.parquet"
    parquet.write_table(table, path)
    schema = load_folder(Path(FOLDER)).spec.schema
    read = [read_table(csv_of(p.read_bytes(), p), schema, p.name) for p in (log, path)]
    assert np.array_equal(read[0].rows, read[1].rows)
    assert read[0].others == read[1].others
    with pytest.raises(DataError, match="is no table of readings"):
        csv_of(b"torque,failed", path)


# --- panels -------------------------------------------------------------------------------


def machines(to: Path, *more: str) -> Path:
    rng = np.random.default_rng(1)
    lines = ["machine,week,advised,scrap"]
    for m in range(14):
        start = 99 if m % 2 else 3 + m % 3
        for week in range(8):
            scrap = m + week - 2.0 * (week >= start) + 0.3 * rng.standard_normal()
            lines.append(f"M{m},2026-W{week + 8:02},{int(week >= start)},{scrap!r}")
    path = to / "panel.csv"
    path.write_text("\n".join([*lines, *more]) + "\n")
    return path


def panel(data: Path, *more: str):
    return run("panel", "--data", str(data), "--unit", "machine", "--time", "week", "--outcome",
               "scrap", "--treated", "advised", *more)  # fmt: skip


def test_a_panel_of_machines_tells_what_a_change_did(tmp_path):
    data = machines(tmp_path, "M0,2026-W08,0,0.1", "M1,2026-W09,0,", "M99,2026-W09,0,5")
    done = panel(data, "--json")
    assert done.exit_code == 0, done.exception
    told = json.loads(done.output)
    low, high = told["effect"]["interval"]
    assert low <= -2.0 <= high
    assert high - low < 1.5
    assert (told["rows_with_gaps"], told["rows_averaged"]) == (1, 2)
    assert told["units_not_seen_at_every_time"] == ["M99"]
    assert told["times"][0] == "2026-W08"
    assert told["pre_trend"]["p_value"] > 0.05
    assert "7 units that the change reached" in told["text"]["en"]
    shown = panel(data, "--lang", "ko").output
    assert "변경이 적용된 7대" in shown
    assert "what two-way fixed effects would say" in shown


@pytest.mark.parametrize(
    ("line", "more", "said"),
    [
        ("M0,2026-W15,2,1", (), "advised is '2' for M0"),
        ("M0,2026-W15,0,wet", (), "scrap is 'wet'"),
        ("", ("--unit", "mill"), "mill is not a column"),
        ("", ("--unit", "week"), "must be four columns"),
        ("", ("--anticipation", "7"), "7 of them with no time before"),
        ("", ("--anticipation", "-1"), "--anticipation is -1"),
    ],
)
def test_panels_that_say_nothing_are_refused(tmp_path, line, more, said):
    done = panel(machines(tmp_path, *([line] if line else [])), *more)
    assert done.exit_code == 1
    assert said in str(done.exception)


def test_a_change_that_ends_is_refused(tmp_path):
    data = machines(tmp_path)
    text = data.read_text().replace("M0,2026-W15,1,", "M0,2026-W15,0,")
    data.write_text(text)
    assert "M0 is treated at 2026-W14 and not at 2026-W15" in str(panel(data).exception)
