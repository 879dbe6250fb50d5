"""Where other graphs may be the true one: every door tells them, and a record is replayed."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ifonly.models.errors import SpecError
from ifonly.models.repository import load_folder
from ifonly.service.doors.cli.commands import app
from ifonly.service.served.causal_model import prepare_causal, read_graph_of
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.support.alternatives import HIDDEN, NAME, REVERSED, folder_with

MODEL = f"/api/v1/models/{NAME}"
LANGUAGES = ["ko", "en", "ja"]
BOTH = REVERSED.format(weight=0.3), HIDDEN.format(weight=0.02)


def explained(client: httpx.Client, instance: Any, **keys: Any) -> dict[str, Any]:
    body = {"instance": instance, "languages": LANGUAGES, **keys}
    reply = client.post(f"{MODEL}/explanations", json=body)
    assert reply.status_code == 200, reply.text
    answered: dict[str, Any] = reply.json()
    return answered


def test_every_door_tells_them_and_a_record_is_replayed(
    tmp_path: Path, alarm: dict[str, Any]
) -> None:
    folder_with(tmp_path, *BOTH)
    only_torque = {"freeze": ["rotational_speed", "tool_wear", "process_temperature"]}
    with (
        serving(Settings(models=tmp_path)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        described = client.get(MODEL).json()
        (heat,) = (e["instance"] for e in described["examples"] if e["id"] == "heat")
        sure, unsure = explained(client, alarm), explained(client, heat, constraints=only_torque)
        for reply in (sure, unsure):
            checked = client.post(f"/api/v1/audit/events/{reply['id']}/replay").json()
            assert checked["same"], checked
            assert checked["answer"]["holds"], checked
        claims = [
            client.get(f"/api/v1/audit/events/{r['id']}").json()["claim"] for r in (sure, unsure)
        ]
        pages = {
            tag: client.get(f"/alarms/{sure['id']}", headers={"Accept-Language": tag}).text
            for tag in LANGUAGES
        }
        models = {
            tag: client.get(f"/models/{NAME}", headers={"Accept-Language": tag}).text
            for tag in LANGUAGES
        }
        past = explained(client, alarm, semantics="backtracking")
        alone = explained(client, alarm, semantics="independent")
        seen = {"instance": alarm, "set": {"torque": 40.0}}
        what_if = client.post(f"{MODEL}/what-if", json=seen).json()
    (found,) = sure["counterfactuals"]
    assert [g["name"] for g in found["assurance"]["graphs"]] == ["main", "speed-torque", "hidden"]
    # The published row is that of the accepted graph.
    assert [e["feature"] for e in found["effects"]] == ["rotational_speed"]
    differs = {g["name"]: g["text"] for g in sure["causal"]["graphs"]}["speed-torque"]
    for tag, page in pages.items():
        # In words: a name in the file says nothing to an operator.
        assert f'<th scope="row">{differs[tag]}</th>' in html.unescape(page)
        assert ">speed-torque<" not in page
        assert ("30.0%" if tag == "ko" else "30.0\u00a0%") in page
    for page in models.values():
        assert "speed-torque" in page
        assert "Both directions leave independent noise." in page
    assert (unsure["status"], unsure["causal"]["deciding_graph"]) == ("abstained", "speed-torque")
    for tag, arrow in (("en", "acts on"), ("ko", "→"), ("ja", "→")):
        assert arrow in unsure["text"][tag]
        assert "{" not in unsure["text"][tag]
    told = [[claim["en"] for claim in each] for each in claims]
    assert any("mean over all graphs" in claim for claim in told[0])
    assert any("rotational speed acts on torque" in claim for claim in told[1])
    # Another past is told by the accepted graph, and says so; alone nothing follows by any.
    assert "graphs" not in past["causal"]
    texts = [a["text"]["en"] for a in past["causal"]["assumptions"]]
    assert any("not asked about another past" in text for text in texts)
    assert "causal" not in alone
    # A what-if is no answer: it is held against no other graph, and must not say that it is.
    assert [g["chance"] for g in what_if["causal"]["graphs"]] == [None, None, None]
    texts = [a["text"]["en"] for a in what_if["causal"]["assumptions"]]
    assert sum("goes by the accepted graph alone" in text for text in texts) == 2
    assert not any("An answer must be sure" in text or "counts in" in text for text in texts)


def test_with_none_declared_a_reply_is_as_it_was(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = explained(client, alarm)
    assert not {"graphs", "worst_graph", "deciding_graph"} & set(reply["causal"])
    assert "graphs" not in reply["counterfactuals"][0]["assurance"]
    page = client.get(f"/alarms/{reply['id']}", headers={"Accept-Language": "en"})
    assert page.status_code == 200
    assert "Proven smallest" in page.text
    assert "By graph" not in page.text


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('["torque", "rotational_speed"]', '["tool_wear", "torque"]', "is no edge"),
        ("sd = 3.0", 'file = "mechanisms/none.json"', "sha256"),
    ],
)
def test_a_folder_whose_alternative_cannot_be_built_is_refused(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    folder = folder_with(tmp_path, BOTH[0].replace(old, new, 1))
    with pytest.raises(SpecError, match=problem):
        read_graph_of(load_folder(folder))


def test_an_alternative_whose_file_is_missing_is_refused_when_served_and_when_accepted(
    tmp_path: Path,
) -> None:
    fitted = f'kind = "basis"\nfile = "mechanisms/none.json"\nsha256 = "{"0" * 64}"\n'
    told = f"{BOTH[0].split('kind =')[0]}{fitted}"
    folder = folder_with(tmp_path, told)
    model = load_folder(folder)
    with pytest.raises(SpecError, match=r"alternatives\[0\]\.mechanisms\.torque.file"):
        prepare_causal(model, read_graph_of(model), policy=None)  # type: ignore[arg-type]
    file = folder / "causal.toml"
    text = file.read_text("utf-8").replace('status = "accepted"', 'status = "proposed"', 1)
    file.write_text(text, "utf-8")
    done = CliRunner().invoke(app, ["causal", "accept", str(folder), "--by", "a test"])
    assert done.exit_code != 0
    assert "none.json is missing" in f"{done.output}{done.exception}"
