"""``ifonly causal effect``: from logged rows to what answers say of the real outcome."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ifonly.explainers.causal.estimand import Estimand
from ifonly.explainers.causal.evidence import Evidence
from ifonly.models.errors import SpecError
from ifonly.models.training.milling import (
    FEATURES,
    QUALITIES,
    TORQUE,
    Simulation,
    carry_out,
    simulate,
)
from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.doors.cli.commands import app
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import shipped_models
from ifonly.service.wire import requests

FROM, TO = (55.0, 80.0), (30.0, 50.0)
BANDS = ("--feature", "torque", "--from", "55..80", "--to", "30..50")


@pytest.fixture(scope="module")
def parts() -> Simulation:
    return simulate(20 * 2500, 7, first_campaign=9_000_000)[np.arange(0, 20 * 2500, 20)]


@pytest.fixture(scope="module")
def data(parts: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a plant would have logged: readings, and whether it failed."""
    path = tmp_path_factory.mktemp("log") / "log.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*FEATURES, "failed", "shift"])
        for k, (row, failed) in enumerate(zip(parts.rows, parts.failed, strict=True)):
            cells = [repr(float(v)) for v in row[:5]]
            writer.writerow([*cells, QUALITIES[int(row[5])], int(failed), "AB"[k % 2]])
    return path


def copied(to: Path) -> Path:
    shutil.copytree(shipped_models() / "milling-machine", to / "milling-machine")
    return to / "milling-machine" / "1"


@pytest.fixture(scope="module")
def attached(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with evidence, and what the command said."""
    folder = copied(tmp_path_factory.mktemp("models"))
    done = run(folder, data, *BANDS, "--also", "shift", "--label", "failures", "--label-ko", "고장",
               "--attach", "--by", "J. Kim", "--date", "2026-03-04")  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    return folder, done.output


def run(folder: Path, data: Path, *arguments: str):
    return CliRunner().invoke(
        app,
        ["causal", "effect", str(folder), "--data", str(data), "--outcome", "failed", *arguments],
    )


def served(folder: Path) -> ServedModel:
    registry = Registry(folder.parent.parent)
    registry.load()
    return registry.get("milling-machine")


def overstrain(model: ServedModel) -> dict[str, Any]:
    return dict(next(e for e in model.deployed.examples if e.id == "overstrain").instance)


def what_if(model: ServedModel, torque: float) -> dict[str, Any]:
    instance = overstrain(model)
    request = requests.WhatIfRequest.model_validate(
        {"instance": instance, "set": {"torque": torque}}
    )
    reply: dict[str, Any] = json.loads(answering.what_if_reply(model, request).model_dump_json())
    return reply


def true_effect(parts: Simulation) -> float:
    """Of setting the torque as it was in either band, by the simulator."""
    rng = np.random.default_rng(0)
    torque = parts.rows[:, TORQUE]

    def failing(band: tuple[float, float]) -> float:
        inside = torque[(torque >= band[0]) & (torque <= band[1])]
        return float(carry_out(parts, {"torque": rng.choice(inside, len(parts))}).failed.mean())

    return failing(TO) - failing(FROM)


def evidence_of(folder: Path) -> Mapping[str, Any]:
    (file,) = (folder / "effects").iterdir()
    kept: Mapping[str, Any] = json.loads(file.read_bytes())
    return kept


def test_the_effect_is_that_of_the_simulator(attached, parts):
    folder, said = attached
    kept = evidence_of(folder)
    low, high = kept["interval"]
    assert low <= true_effect(parts) <= high
    assert high - low < 0.2
    assert kept["adjusted_for"] == [
        "air_temperature", "process_temperature", "tool_wear", "quality", "shift",
    ]  # fmt: skip
    assert kept["is_share"] is True
    for shown in ("placebo treatment", "random common cause", "four fifths", "held fixed"):
        assert shown in said


def test_an_answer_that_does_this_prints_what_is_known_of_the_real_outcome(attached):
    model = served(attached[0])
    reply = what_if(model, 45.0)
    (known,) = reply["causal"]["evidence"]
    assert known["attached_by"] == "J. Kim"
    assert "failures differed by" in known["text"]["en"]
    assert "'고장'의 차이는" in known["text"]["ko"]
    assert known["text"] in reply["assumptions"]
    assert not any("not the real outcome" in a["en"] for a in reply["assumptions"])
    assert "this one machine" in known["text"]["en"]
    assert "guarantee" not in json.dumps(reply)
    assert "보장" not in json.dumps(reply, ensure_ascii=False)


def test_whose_effect_it_is_comes_first_in_every_language_with_who_is_left_out(attached, data):
    folder, said = attached
    first = said.splitlines()[0]
    kept = evidence_of(folder)
    assert kept["estimand"] == "ate_comparable"
    assert sum(out["rows"] for out in kept["left_out"]) == round(
        kept["rows"] * kept["trimmed"] / (1 - kept["trimmed"])
    )
    assert "비교할 수 있는 행" in first
    assert "Average effect of the comparable rows" in said.splitlines()[1]
    assert "not of all" in said.splitlines()[1]
    done = run(folder, data, *BANDS, "--lang", "ja", "--estimand", "overlap")
    assert "重なり母集団" in done.output.splitlines()[0]
    (known,) = what_if(served(folder), 45.0)["causal"]["evidence"]
    assert known["estimand"] == "ate_comparable"
    assert "of the comparable rows alone" in known["text"]["en"]


def test_what_would_undo_it_is_printed_with_every_effect(attached):
    folder, said = attached
    doubt = evidence_of(folder)["sensitivity"]
    assert 0.0 < doubt["robustness_of_interval"] < doubt["robustness"] < 1.0
    assert doubt["e_value"]["estimate"] > doubt["e_value"]["interval"] > 1.0
    assert {b["covariate"] for b in doubt["benchmarks"]} == set(evidence_of(folder)["adjusted_for"])
    for words in (
        "hidden common cause",
        "E-value",
        "숨은 공통 원인",
        "E-값",
        "treatment / outcome",
    ):
        assert words in said
    (known,) = what_if(served(folder), 45.0)["causal"]["evidence"]
    assert known["sensitivity"]["robustness_value"] == doubt["robustness"]
    assert known["sensitivity"]["e_value_interval"] == doubt["e_value"]["interval"]
    assert known["sensitivity"]["strongest"] == doubt["benchmarks"][0]["covariate"]
    assert "A hidden common cause would have to explain" in known["text"]["en"]
    assert "최악의 경우" in known["text"]["ko"]


def test_evidence_of_the_first_format_is_read_and_its_estimand_named(attached):
    folder, _ = attached
    table = dict(evidence_of(folder))
    old = {k: v for k, v in table.items() if k not in ("estimand", "left_out", "sensitivity")} | {
        "format": 1
    }
    read = Evidence.read(json.dumps(old).encode(), "old.json")
    assert read.estimand is Estimand.ATE_COMPARABLE
    assert (
        Evidence.read(json.dumps(table).encode(), "new.json").write()
        == next((folder / "effects").iterdir()).read_bytes()
    )
    with pytest.raises(SpecError, match="the format is 3"):
        Evidence.read(json.dumps(table | {"format": 3}).encode(), "new.json")


def test_rows_with_gaps_are_counted(tmp_path, data):
    lines = data.read_text().splitlines()
    header = lines[0].split(",")
    first = lines[1].split(",")
    first[header.index("torque")], first[header.index("failed")] = "60", ""
    file = tmp_path / "gaps.csv"
    file.write_text("\n".join([lines[0], ",".join(first), *lines[2:]]) + "\n")
    done = run(copied(tmp_path), file, *BANDS, "--json")
    assert done.exit_code == 0, done.exception
    assert json.loads(done.output)["rows_with_gaps"] == 1


def test_an_answer_that_does_something_else_does_not(attached):
    reply = what_if(served(attached[0]), 52.0)
    assert "evidence" not in reply["causal"]
    assert any("not the real outcome" in a["en"] for a in reply["assumptions"])


def test_an_explanation_of_several_ways_says_of_which_nothing_is_known(attached):
    model = served(attached[0])
    request = requests.ExplanationRequest.model_validate(
        {
            "instance": overstrain(model),
            "alternatives": 2,
            "constraints": {"ranges": {"torque": [30, 50]}},
            "target": {"class": "normal", "probability": {"min": 0}},
        }
    )
    reply = answering.explanation(model, request, Budget(60_000))
    assert reply.causal is not None
    assert [a.feature for a in reply.counterfactuals[0].actions] == ["torque"]
    assert reply.causal.evidence is not None
    assert len(reply.causal.evidence) == 1
    others = [[a.feature for a in c.actions] for c in reply.counterfactuals[1:]]
    said = any("not the real outcome" in a["en"] for a in reply.assumptions)
    assert said == any(features != ["torque"] for features in others)


def test_evidence_of_another_graph_is_not_used(attached, tmp_path):
    folder = tmp_path / "milling-machine" / "1"
    shutil.copytree(attached[0].parent, folder.parent)
    file = folder / "causal.toml"
    text = file.read_text(encoding="utf-8")
    hidden = '[[confounders]]\nbetween = ["torque", "rotational_speed"]\n\n[provenance]\n'
    file.write_text(text.replace("[provenance]\n", hidden, 1), encoding="utf-8")
    assert "evidence" not in what_if(served(folder), 45.0)["causal"]


def test_a_changed_file_of_evidence_is_refused(attached, tmp_path):
    folder = tmp_path / "milling-machine" / "1"
    shutil.copytree(attached[0].parent, folder.parent)
    (file,) = (folder / "effects").iterdir()
    file.write_bytes(file.read_bytes().replace(b"J. Kim", b"K. Jim"))
    registry = Registry(tmp_path)
    with pytest.raises(Exception, match=r"effects\[0\].sha256"):
        registry.load()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*BANDS, "--hidden", "torque"), "no set of readings closes torque <- something hidden"),
        ((*BANDS, "--attach"), "--attach needs --by"),
        (("--feature", "torque", "--from", "30..60", "--to", "50..80"), "meet"),
        (("--feature", "power", "--from", "1", "--to", "2"), "power is not a feature"),
        (("--feature", "torque", "--from", "80..70", "--to", "2"), "begins above its end"),
        ((*BANDS, "--also", "mood"), "mood is not a column"),
        (("--feature", "torque", "--from", "76..80", "--to", "30..50"), "50 of either are needed"),
    ],
)
def test_what_cannot_be_told_is_refused_and_why(tmp_path, data, arguments, said):
    done = run(copied(tmp_path), data, *arguments)
    assert done.exit_code == 1
    assert said in str(done.exception)


def test_a_graph_that_nobody_accepted_identifies_nothing(tmp_path, data):
    folder = copied(tmp_path)
    file = folder / "causal.toml"
    text = file.read_text(encoding="utf-8").replace('status = "accepted"', 'status = "retired"')
    lines = [line for line in text.splitlines() if not line.startswith("accepted_")]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = run(folder, data, *BANDS)
    assert "the graph is retired" in str(done.exception)


def logged(to: Path, n: int, **columns: np.ndarray) -> Path:
    """A log of ordinary readings, but for ``columns``."""
    rng = np.random.default_rng(1)
    ordinary = {
        "air_temperature": rng.uniform(296.0, 303.0, n),
        "process_temperature": rng.uniform(306.0, 313.0, n),
        "rotational_speed": rng.uniform(1300.0, 1700.0, n),
        "torque": rng.uniform(30.0, 60.0, n),
        "tool_wear": rng.uniform(0.0, 200.0, n),
        "quality": rng.choice(list(QUALITIES), n),
    }
    table = {**ordinary, **columns}
    with (to / "made.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    return to / "made.csv"


def heated(to: Path, strength: float, n: int = 1_500) -> Path:
    """The air warms the process and nothing else; what is hidden warms it too, and costs.
    The true effect is 0.3 a kelvin."""
    rng = np.random.default_rng(4)
    air, hidden = rng.uniform(296.0, 303.0, n), rng.standard_normal(n)
    process = 310.0 + strength * (air - 299.5) + 0.8 * hidden + 0.3 * rng.standard_normal(n)
    cost = 0.3 * process - 2.0 * hidden + rng.standard_normal(n)
    return logged(to, n, air_temperature=air, process_temperature=process, failed=cost)


WARMER = ("--feature", "process_temperature", "--from", "305..309.5", "--to", "310.5..315",
          "--hidden", "process_temperature", "--causes", "process_temperature,torque")  # fmt: skip


def test_an_instrument_tells_what_no_readings_do_and_whose_effect_that_is(tmp_path):
    folder = copied(tmp_path)
    done = run(folder, heated(tmp_path, 0.3), *WARMER, "--json", "--attach", "--by", "J. Kim")
    assert done.exit_code == 0, done.exception
    told = json.loads(done.output[: done.output.rindex("}") + 1])
    assert (told["strategy"], told["through"]) == ("instrument", ["air_temperature"])
    assert told["estimand"] == "late"
    assert told["rows"] == 1_500  # none is left out by its treatment
    low, high = told["interval"]
    assert low < 0.3 * 2.0 < high  # about two kelvin between the bands
    assert told["naive"] < 0.0  # what is seen has the other sign
    assert told["first_stage"] > 100.0
    assert "moves with air temperature (instruments)" in told["whom"]["en"]
    assert "Anderson and Rubin" in told["text"]["en"]
    assert told["sensitivity"]["robustness_of_interval"] > 0.0
    kept = evidence_of(folder)
    read = Evidence.read(json.dumps(kept).encode(), "kept.json")
    assert read.through == ("air_temperature",)
    assert served(folder).causal is not None


def test_of_a_weak_instrument_the_interval_has_no_end_and_nothing_is_attached(tmp_path):
    folder, data = copied(tmp_path), heated(tmp_path, 0.005)
    done = run(folder, data, *WARMER, "--json")
    told = json.loads(done.output)
    assert None in told["interval"]
    assert told["first_stage"] < 10.0
    assert "The instruments are weak" in told["text"]["en"]
    assert "∞" in told["text"]["ko"]
    assert told["sensitivity"]["robustness_of_interval"] == 0.0
    done = run(folder, data, *WARMER, "--attach", "--by", "J. Kim")
    assert "not attached: the interval has no end" in str(done.exception)
    assert "weak: below 10" in done.output
    assert not (folder / "effects").exists()


SLOWER = ("--feature", "torque", "--from", "40", "--to", "60", "--hidden", "torque",
          "--causes", "rotational_speed,tool_wear", "--lang", "en")  # fmt: skip


def slowed(to: Path, n: int = 1_500) -> Path:
    """The torque slows the drive and acts by that alone: 0.1 for each of 20 rpm. What is hidden
    makes people choose a higher torque, and failures fewer."""
    rng = np.random.default_rng(3)
    hidden = rng.integers(0, 2, n)
    high = rng.random(n) < np.where(hidden, 0.7, 0.3)
    speed = 1500.0 - 20.0 * high + 20.0 * rng.standard_normal(n)
    cost = -0.005 * speed - 2.0 * hidden + 0.2 * rng.standard_normal(n)
    torque = np.where(high, 60.0, 40.0)
    return logged(to, n, torque=torque, rotational_speed=speed, failed=cost)


def test_a_front_door_tells_what_no_readings_do(tmp_path):
    folder, data = copied(tmp_path), slowed(tmp_path)
    told = json.loads(run(folder, data, *SLOWER, "--json").output)
    assert (told["strategy"], told["through"]) == ("front-door", ["rotational_speed"])
    assert told["estimand"] == "ate"
    assert told["interval"][0] < 0.1 < told["interval"][1]
    assert told["naive"] < -0.3
    assert told["sensitivity"]["e_value"] is None
    assert all(abs(r["value"]) <= r["limit"] for r in told["refutations"])
    assert "by what lies on the way to the outcome: rotational speed" in told["text"]["en"]
    shown = run(folder, data, *SLOWER).output
    assert "held fixed (front-door)" in shown
    assert "through" in shown


@pytest.mark.parametrize(
    ("data", "arguments", "said"),
    [
        (slowed, (*SLOWER, "--estimand", "att"), "att needs the back door; by front-door"),
        (heated, (*WARMER, "--estimand", "overlap"), "that of those whom it moves"),
        (
            heated,
            ("--feature", "torque", "--from", "30..40", "--to", "50..60", "--hidden", "torque",
             "--causes", "rotational_speed"),
            "front-door: --from holds",
        ),
        (slowed, (*SLOWER, "--strategy", "instrument"), "instrument: no reading acts on torque"),
        (heated, (*WARMER, "--strategy", "back-door"), "back-door: no set of readings closes"),
        (heated, (*WARMER[:4], "--to", "400..500", *WARMER[6:]), "no row is within --to"),
        (heated, (*WARMER[:4], "--to", "inf..inf", *WARMER[6:]), "its ends must be finite"),
    ],
)  # fmt: skip
def test_what_another_strategy_cannot_tell_is_refused_and_why(tmp_path, data, arguments, said):
    given = data(tmp_path) if data is slowed else data(tmp_path, 0.3)
    done = run(copied(tmp_path), given, *arguments)
    assert done.exit_code == 1
    assert said in str(done.exception)


@pytest.mark.long
def test_a_log_in_which_rows_stand_twice_is_caught(tmp_path, data):
    lines = data.read_text().splitlines()
    file = tmp_path / "twice.csv"
    file.write_text("\n".join([*lines, *lines[1:]]) + "\n")
    done = run(copied(tmp_path), file, *BANDS, "--attach", "--by", "J. Kim")
    assert "rows that stand twice" in str(done.exception)


def test_of_few_coarse_readings_equal_rows_are_chance(tmp_path):
    n = 2_000
    rng = np.random.default_rng(5)
    coarse = {name: np.full(n, 300.0) for name in ("air_temperature", "process_temperature")}
    coarse |= {"rotational_speed": np.full(n, 1500.0), "quality": np.full(n, "L")}
    wear = rng.integers(0, 3, n) * 50.0
    torque = np.where(rng.random(n) < 0.3 + 0.002 * wear, 60.0, 40.0)
    failed = (rng.random(n) < 0.2 + 0.002 * wear + 0.1 * (torque == 60.0)).astype(int)
    file = logged(tmp_path, n, **coarse, torque=torque, tool_wear=wear, failed=failed)
    told = json.loads(
        run(
            copied(tmp_path), file, "--feature", "torque", "--from", "40", "--to", "60", "--json"
        ).output
    )
    assert told["effect"] == pytest.approx(0.1, abs=0.08)
    (twice,) = (r for r in told["refutations"] if r["name"] == "rows that stand twice")
    assert 0.9 < twice["value"] < twice["limit"]


def test_a_category_can_be_the_treatment_and_another_covariate(tmp_path):
    rng = np.random.default_rng(6)
    n = 2_000
    wear = rng.uniform(0.0, 200.0, n)
    quality = np.where(rng.random(n) < 0.3 + 0.002 * wear, "L", "M")
    cost = 0.01 * wear + 0.5 * (quality == "M") + rng.standard_normal(n)
    file = logged(tmp_path, n, quality=quality, tool_wear=wear, failed=cost)
    arguments = ("--feature", "quality", "--from", "L", "--to", "M", "--also", "shift")
    shifted = tmp_path / "shift.csv"
    lines = file.read_text().splitlines()
    shifted.write_text(
        "\n".join(
            [lines[0] + ",shift", *(f"{line},{'ABC'[k % 3]}" for k, line in enumerate(lines[1:]))]
        )
        + "\n"
    )
    done = run(copied(tmp_path), shifted, *arguments, "--json")
    assert done.exit_code == 0, done.exception
    told = json.loads(done.output)
    assert told["interval"][0] <= 0.5 <= told["interval"][1]
    assert {b["covariate"] for b in told["sensitivity"]["benchmarks"]} == set(told["adjusted_for"])
    assert "shift" in told["adjusted_for"]
