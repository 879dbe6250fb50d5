"""Experiments on advice over HTTP: sealed, assigned, shown, followed up, stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.audit.experiments import results
from ifonly.service.doors.cli import main
from ifonly.service.settings import Settings
from ifonly.service.store.chain import now_us
from tests.integration.conftest import serving
from tests.integration.test_follow_up import (
    BAD,
    NAME,
    after,
    explained,
    model_folder,
    predicted,
    told,
)

DESIGN = {
    "name": "withheld-or-shown",
    "model": NAME,
    "salt": "s-1",
    "control": {"name": "shown"},
    "treatment": {"name": "withheld", "advice": "withheld", "way": "fewest_levers"},
    "metric": {"name": "success", "better": "up"},
    "guards": [{"name": "minutes", "better": "down"}],
    "within_minutes": 1,
    "comment": "does it help?",
}


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    models = model_folder(tmp_path_factory.mktemp("experiments"))
    settings = Settings.model_validate({"models": models, "refresh_seconds": 0})
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as api:
        yield api


def start(api: httpx.Client, status: int = 201, **changed: Any) -> Any:
    reply = api.post("/api/v1/experiments", json={**DESIGN, **changed})
    assert reply.status_code == status, reply.text
    return reply.json()


def arms_of(api: httpx.Client) -> dict[str, str | None]:
    """Header and record of one explanation of each machine."""
    found = {}
    for k in range(6):
        said = {"machine": f"Press {k}", "line": "a"}
        body = {"instance": BAD, "attributes": said}
        reply = api.post(f"/api/v1/models/{NAME}/explanations", json=body)
        assert reply.status_code == 200, reply.text
        event = api.get(f"/api/v1/audit/events/{reply.json()['id']}").json()["event"]
        shown = (event["detail"] or {}).get("experiment")
        header = reply.headers.get("ifonly-experiment")
        assert (shown is None) == (header is None)
        if shown is not None and header is not None:
            assert header.startswith(f"{DESIGN['name']}={shown['arm']}")
            again = api.post(f"/api/v1/audit/events/{reply.json()['id']}/replay").json()
            assert again["same"] is True
        found[f"Press {k}"] = None if shown is None else shown["arm"]
    return found


def test_alarms_are_assigned_from_the_record_of_the_design_to_that_of_its_end(api):
    assert set(arms_of(api).values()) == {None}
    made = start(api)
    assert made["state"] == "running"
    assert "comment" not in made["design"] or made["design"]["comment"] is None
    arms = arms_of(api)
    assert set(arms.values()) == {"shown", "withheld"}
    assert arms_of(api) == arms  # a machine stays in its arm
    # Without equipment, and of what is not eligible, nothing is assigned.
    body = {"instance": BAD}
    alone = api.post(f"/api/v1/models/{NAME}/explanations", json=body)
    assert "ifonly-experiment" not in alone.headers
    stopped = api.post(f"/api/v1/experiments/{made['id']}/stop", json={"comment": "enough"})
    assert stopped.json()["state"] == "stopped"
    assert set(arms_of(api).values()) == {None}
    again = api.post(f"/api/v1/experiments/{DESIGN['name']}/stop", json={})
    assert again.status_code == 422
    assert [each["state"] for each in api.get("/api/v1/experiments").json()["experiments"]] == [
        "stopped"
    ]
    kinds = api.get("/api/v1/audit/events", params={"kind": "experiment"}).json()["events"]
    assert [each["status"] for each in kinds] == ["stopped", "started"]
    assert api.get("/api/v1/audit/verify").json()["holds"] is True


def test_what_is_withheld_is_not_on_the_page(api):
    start(api)
    pages = {}
    for k in range(6):
        said = {"machine": f"Press {k}", "line": "a"}
        body = {"instance": BAD, "attributes": said}
        record = api.post(f"/api/v1/models/{NAME}/predictions", json=body).json()["audit"]["id"]
        token = re.search(r'name="csrf" value="([^"]+)"', api.get("/alarms").text)
        assert token is not None
        asked = {"X-CSRF-Token": token[1], "HX-Request": "true"}
        answer = api.post(f"/alarms/{record}/explanation", headers=asked)
        assert answer.status_code == 200, answer.text
        later = api.get(f"/alarms/{record}")
        withheld = "no advice is shown" in answer.text
        assert ("no advice is shown" in later.text) is withheld
        assert ('class="sentence"' in answer.text) is not withheld
        pages[f"Press {k}"] = withheld
    assert set(pages.values()) == {True, False}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"model": "nothing"}, "nothing"),
        ({"name": "Bad Name"}, "name"),
        ({"share": 0.0}, "share"),
        ({"treatment": {"name": "shown"}}, "the arms are the same"),
        ({"aa": True}, "aa is true"),
        ({"treatment": {"name": "shown", "robust": False}}, "is called as the control"),
        ({"guards": [{"name": "success", "better": "up"}]}, "guards"),
        ({"metric": {"name": "happiness", "better": "up"}}, "metric"),
    ],
)
def test_what_is_no_design_is_refused_by_name(api, changed, says):
    status = 404 if "model" in changed else 422
    assert says in json.dumps(start(api, status, **changed))
    assert api.get("/api/v1/experiments").json()["experiments"] == []


def test_a_salt_a_name_and_a_model_have_one_experiment_at_once(api):
    first = start(api)
    assert "withheld-or-shown" in str(start(api, 422, salt="s-2"))
    assert "salt" in str(start(api, 422, name="another"))
    assert first["id"] in str(start(api, 422, name="another", salt="s-2"))
    api.post(f"/api/v1/experiments/{first['id']}/stop", json={})
    start(api, name="another", salt="s-2")
    assert api.get("/api/v1/experiments/nothing").status_code == 404


def test_what_it_has_found_is_of_alarms_whose_window_is_over(api, monkeypatch):
    made = start(api)
    for k in range(6):
        given = explained(api, f"Press {k}")
        predicted(api, f"Press {k}", after(given))
        told(api, given["id"], result="success" if k % 2 else "failure")
    found = api.get(f"/api/v1/experiments/{made['id']}").json()["result"]
    assert found["units"] == [0, 0]
    assert found["verdict"] == "too_early"
    # Two minutes later.
    monkeypatch.setattr(results, "now_us", lambda: now_us() + 120_000_000)
    found = api.get(f"/api/v1/experiments/{made['id']}").json()["result"]
    assert sum(found["units"]) == 6
    assert found["metric"]["units"] == found["units"]
    assert found["crossed"] == 0
    assert found["mismatch_p"] > 0.01
    assert found["guards"][0]["metric"] == "minutes"
    assert found["metric"]["difference"]["low"] is None  # of six nothing is said yet


def test_a_plan_an_experiment_and_its_analysis_at_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = model_folder(tmp_path)
    settings = Settings.model_validate({"models": models, "data": tmp_path / "data"})
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as api:
        explained(api, "Press 1")
    for name, value in {"MODELS": models, "DATA": tmp_path / "data"}.items():
        monkeypatch.setenv(f"IFONLY_{name}", str(value))
    design = tmp_path / "design.toml"
    design.write_text(
        f'name = "shown-or-not"\nmodel = "{NAME}"\nsalt = "s"\nunits = 400\n'
        'control = {name = "not-shown", advice = "withheld"}\ntreatment = {name = "shown"}\n'
        'metric = {name = "success", better = "up"}\n'
        'guards = [{name = "minutes", better = "down"}]\n'
    )

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ifonly", "experiment", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    code, shown, _ = run("plan", "--difference", "0.1", "--baseline", "0.5", "--json")
    planned = json.loads(shown)
    assert code == 0
    assert planned["looked_at_once"] == 785
    assert planned["looked_at_once"] < planned["looked_at_any_time"] < 2_000
    for wrong in (
        ["--difference", "0", "--baseline", "0.5"],
        ["--difference", "0.1"],
        ["--difference", "0.1", "--baseline", "1.5"],
        ["--difference", "0.1", "--deviation", "1", "--power", "1"],
    ):
        assert run("plan", *wrong)[0] == 2
    code, shown, complaints = run("start", str(design))
    assert (code, shown.split()[:2]) == (0, ["shown-or-not", "runs:"]), complaints
    assert run("start", str(design))[0] == 2
    assert "running" in run("list")[1]
    assert "Nothing can be said yet" in run("show", "shown-or-not")[1]
    assert run("stop", "shown-or-not", "--comment", "enough")[0] == 0
    assert run("stop", "shown-or-not")[0] == 2
    assert run("show", "nothing")[0] != 0
    rows = ["unit,arm,success,minutes,followed,covariate"]
    for k in range(400):
        arm, came = ("shown", k % 5 < 4) if k % 2 else ("not-shown", k % 10 == 0)
        rows.append(f"m{k},{arm},{int(came)},{k % 7},{str(arm == 'shown').lower()},{k % 3}")
    observed = tmp_path / "observed.csv"
    observed.write_text("\n".join(rows))
    code, shown, complaints = run("analyse", str(design), "--observed", str(observed), "--json")
    assert code == 0, complaints
    found = json.loads(shown)
    assert (found["verdict"], found["units"]) == ("better", [200, 200])
    assert found["metric"]["difference"]["low"] > 0.3
    assert found["metric"]["compliers"]["value"] == pytest.approx(0.6, abs=0.05)
    assert (
        "‘shown’ is better than ‘not-shown’"
        in run("analyse", str(design), "--observed", str(observed))[1]
    )
    observed.write_text("unit,arm,success\nm1,other,1\n")
    assert "line 2: arm is 'other'" in run("analyse", str(design), "--observed", str(observed))[2]
    design.write_text("name = [")
    assert "is no TOML" in run("start", str(design))[2]


FORM = {
    "name": "robust-first",
    "model": NAME,
    "salt": "s-9",
    "control_name": "control",
    "treatment_name": "withheld",
    "treatment_advice": "withheld",
    "metric": "success:up",
    "guard_minutes_down": "1",
    "unit": "equipment",
    "share": "50",
    "alpha": "5",
    "within_minutes": "30",
    "difference": "10",
    "baseline": "50",
    "power": "80",
    "plan": "1",
}


def test_the_form_says_what_is_needed_and_seals_what_its_page_shows(api):
    assert "There is no experiment." in api.get("/experiments").text
    planned = api.get("/experiments/new", params=FORM)
    assert planned.status_code == 200
    assert "785 units, were the result looked at once." in planned.text
    units = re.search(r'type="hidden" name="units" value="(\d+)"', planned.text)
    assert units is not None
    assert f"{int(units[1]):,} units, looked at whenever one likes." in planned.text
    assert f"<dd>{int(units[1]):,}</dd>" in planned.text  # what is sealed is what is shown
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', planned.text))
    assert FORM.items() <= hidden.items()
    refused = api.post("/experiments", data={**hidden, "treatment_advice": "", "units": "1000"})
    assert refused.status_code == 422
    assert "the arms are the same" in refused.text
    made = api.post("/experiments", data={**hidden, "comment": "does it help?"})
    assert made.status_code == 303, made.text
    (known,) = api.get("/api/v1/experiments").json()["experiments"]
    assert made.headers["location"] == f"/experiments/{known['id']}"
    assert known["design"]["units"] == int(units[1])
    assert [g["name"] for g in known["design"]["guards"]] == ["minutes"]
    explained(api, "Press 1")
    page = api.get(f"/experiments/{known['id']}").text
    assert page.index("Sealed design") < page.index("What it has found")
    assert "Nothing can be said yet" not in page  # the design before what was found
    found = api.get(f"/experiments/{known['id']}/results").text
    assert "Nothing can be said yet: 0 units" in found
    assert "1 count later" in found
    assert known["id"] in api.get("/experiments", params={"state": "running", "model": NAME}).text
    assert "No experiment is like that." in api.get("/experiments?state=stopped").text
    assert api.get("/experiments?since=never").status_code == 422
    stop = {"csrf": hidden["csrf"], "comment": "enough"}
    assert api.post(f"/experiments/{known['id']}/stop", data=stop).status_code == 303
    again = api.post(f"/experiments/{known['id']}/stop", data=stop)
    assert again.status_code == 422
    assert "an experiment that was stopped" in again.text
    for wrong in ({"difference": "0"}, {"power": "100"}, {"difference": "nan"}, {"model": "none"}):
        told = api.get("/experiments/new", params={**FORM, **wrong})
        assert 'role="alert"' in told.text, wrong
