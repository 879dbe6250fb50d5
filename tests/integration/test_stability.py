"""What does not stay until a remedy is carried out: learned by the command, from a file and from
records; told by every door, replayed, and held by the checker against what is forged."""

from __future__ import annotations

import copy
import csv
import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from ifonly.explainers.causal import CausalModel, build_model, parse_causal
from ifonly.explainers.causal.marginal import Marginal
from ifonly.models.repository import load_folder
from ifonly.models.schema import Schema
from ifonly.service.doors.cli.commands import app
from ifonly.service.doors.cli.verify import _checked
from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.support.alternatives import NAME, add_graphs
from tests.support.answered import answered, example, served

MODEL = f"/api/v1/models/{NAME}"
LANGUAGES = ["ko", "en", "ja"]
STABILITY = """
[stability]
after = {hours = 1}
source = "a test"

[stability.nodes.torque]
rho = 0.5
interval = [0.4, 0.6]

[stability.nodes.rotational_speed]
rho = 0.7
"""
IDENTITY = "\n[attributes.machine]\nidentity = true\n"
ONLY_SPEED = {"freeze": ["torque", "tool_wear", "process_temperature"], "robust": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stays") / NAME / "1"
    shutil.copytree(shipped_models() / NAME / "1", folder)
    add_graphs(folder, STABILITY)
    with (folder / "spec.toml").open("a", encoding="utf-8") as spec:
        spec.write(IDENTITY)
    return folder


def told_now_and_later(reply: dict[str, Any]) -> tuple[float, float]:
    sure = reply["counterfactuals"][0]["assurance"]
    return sure["chance_under_this_model"], sure["when_carried_out"]["chance"]


def test_every_door_tells_it_and_a_record_is_replayed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarm = example("heat", folder)
    with (
        serving(Settings(models=folder.parents[1], data=tmp_path)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):

        def explained(instance: Any, **keys: Any) -> dict[str, Any]:
            body = {"instance": instance, "languages": LANGUAGES, **keys}
            reply = client.post(f"{MODEL}/explanations", json=body)
            assert reply.status_code == 200, reply.text
            found: dict[str, Any] = reply.json()
            return found

        sure = explained(alarm, attributes={"machine": "M1"})
        checked = client.post(f"/api/v1/audit/events/{sure['id']}/replay").json()
        assert checked["same"], checked
        assert checked["answer"]["holds"], checked
        after = {
            "instance": sure["counterfactuals"][0]["instance"],
            "attributes": {"machine": "M1"},
        }
        assert client.post(f"{MODEL}/predictions", json=after).status_code == 200
        claims = client.get(f"/api/v1/audit/events/{sure['id']}").json()["claim"]
        pages = {
            tag: client.get(f"/alarms/{sure['id']}", headers={"Accept-Language": tag}).text
            for tag in LANGUAGES
        }
    now, later = told_now_and_later(sure)
    assert now == 1.0
    assert 0.9 <= later <= 1.0
    said = sure["counterfactuals"][0]["assurance"]["when_carried_out"]
    assert said["drawn_anew"] == ["rotational_speed", "torque"]
    assert (said["after"], said["unit"]) == (1.0, "hours")
    for tag, words in (("en", "about 1 h later"), ("ko", "약 1시간 뒤에"), ("ja", "約1時間後に")):
        assert words in sure["text"][tag]
        assert words in sure["counterfactuals"][0]["text"][tag]
        assert sum(words in a["text"][tag] for a in sure["causal"]["assumptions"]) == 3
        assert "{" not in sure["text"][tag]
    for tag, words in (("en", "of the draws; all"), ("ko", "그 추출의"), ("ja", "その抽出の")):
        assert words in html.unescape(pages[tag])
    assert any("first option flips" in c["en"] and "1 h later" in c["en"] for c in claims)
    # Read back from the records: one pair, which is too few, and says so.
    monkeypatch.setenv("IFONLY_DATA", str(tmp_path))
    arguments = ["causal", "stability", str(folder), "--models", str(folder.parents[1]), "--json"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    learned = json.loads(ran.stdout)
    assert learned["pairs"] == 1
    assert {n["why_not"] for n in learned["nodes"]} == {"few pairs", "category"}
    refused = CliRunner().invoke(app, [*arguments, "--write"])
    assert refused.exit_code == 1


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "another share": lambda sure: sure["when_carried_out"].update(chance=0.999),
    "nothing of it": lambda sure: sure.pop("when_carried_out"),
    "other features": lambda sure: sure["when_carried_out"].update(drawn_anew=["torque"]),
}


def test_what_is_forged_is_found(folder: Path) -> None:
    own = answered(folder, {"instance": example("heat", folder)})

    def broken(reply: dict[str, Any]) -> list[str]:
        sections = _checked(served(folder).deployed, reply, own.request)
        return [f"{c.name}: {c.says}" for s in sections for c in s.checks if not c.holds]

    assert broken(own.reply) == []
    for name, change in FORGED.items():
        reply = copy.deepcopy(own.reply)
        change(reply["counterfactuals"][0]["assurance"])
        assert broken(reply), name


def test_an_answer_that_is_sure_now_and_not_later_is_no_answer(folder: Path) -> None:
    """Abstained says by how much; without what is declared it is an answer."""
    body = {"instance": example("false-alarm", folder), "constraints": ONLY_SPEED}
    reply = answered(folder, body).reply
    assert reply["status"] == "abstained"
    assert reply["chance_when_carried_out"] < 0.9 <= reply["chance_under_this_model"]
    assert "when it is carried out in" in reply["text"]["en"]
    assert "실행할 때에는" in reply["text"]["ko"]
    now = answered(shipped_models() / NAME / "1", body).reply
    assert now["status"] == "optimal"
    assert "chance_when_carried_out" not in now


# --- the command ----------------------------------------------------------------------------

STAYS = {"air_temperature": 0.95, "process_temperature": 0.8, "torque": 0.4, "tool_wear": 0.9}


def readings(model: CausalModel, schema: Schema, path: Path, hours: int = 12) -> None:
    """Of 12 machines, by the hour."""
    rng, names, n = np.random.default_rng(0), schema.names, 12
    noises = [model.marginal_noise(j) for j in range(len(names))]
    known = [None if x is None or names[j] == "quality" else Marginal.of(x)
             for j, x in enumerate(noises)]  # fmt: skip
    rho = np.array([STAYS.get(name, 0.6) for name in names])
    z = rng.normal(size=(n, len(names)))
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["machine", "time", *names])
        for hour in range(hours):
            own = [np.zeros(n) if m is None else m.noise(z[:, j]) for j, m in enumerate(known)]
            for k, row in enumerate(model.predict(np.column_stack(own))):
                row = np.clip(row, [f.lower for f in schema.features],
                              [f.upper for f in schema.features])  # fmt: skip
                table.writerow(
                    [f"M{k}", f"2026-11-01T{hour:02d}:00:00Z", *schema.write(row).values()]
                )
            z = rho * z + np.sqrt(1.0 - rho**2) * rng.normal(size=z.shape)


def test_the_command_learns_it_from_readings_and_writes_it(tmp_path: Path) -> None:
    folder = tmp_path / NAME / "1"
    shutil.copytree(shipped_models() / NAME / "1", folder)
    deployed = load_folder(folder)
    assert deployed.causal is not None
    spec = parse_causal(deployed.causal, "causal.toml", deployed.spec.schema)
    data = tmp_path / "readings.csv"
    readings(build_model(spec, deployed.causal_files), spec.schema, data)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["causal", "stability", str(folder), *arguments])

    given = ["--data", str(data), "--equipment", "machine", "--time", "time"]
    ran = run(*given, "--write", "--date", "2026-11-30", "--json")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert (told["pairs"], told["passed_over"], told["after"]) == (132, 12, {"hours": 1.0})
    written = parse_causal((folder / "causal.toml").read_bytes(), "causal.toml", spec.schema)
    stability = written.stability
    assert stability is not None
    assert stability.data_sha256 == told["data_sha256"]
    for name, own in stability.nodes.items():
        assert own.interval is not None
        low, high = own.interval
        assert low - 0.05 <= STAYS.get(name, 0.6) <= high + 0.05, name
    assert "quality" not in stability.nodes
    # Every second hour is another distance.
    ran = run(*given, "--after", "2 hours", "--json")
    assert json.loads(ran.stdout)["after"] == {"hours": 2.0}
    for arguments, problem in (
        (["--data", str(data)], "give --equipment and --time"),
        ([*given, "--after", "soon"], "--after is 'soon'"),
        ([*given, "--set", "x"], "--set needs --pair"),
        (["--data", str(data), "--equipment", "time", "--time", "machine"], "no number of seconds"),
        (["--data", str(data), "--pair", "machine"], "stands in 12 rows, not 2"),
    ):
        ran = run(*arguments)
        assert ran.exit_code != 0, arguments
        assert problem in " ".join((ran.output + str(ran.exception)).split()), arguments
