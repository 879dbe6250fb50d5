"""Advice followed up over HTTP: shown, decided, carried out as readings show, and its outcome."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.doors.cli import main
from ifonly.service.settings import Settings
from ifonly.service.words.catalogue import say
from tests.integration.conftest import serving
from tests.integration.small_models import SORTER, linear

NAME = "sorter"
MODEL = f"/api/v1/models/{NAME}"
BAD = {"size": 5.0, "colour/shade": "red", "dirt": 0.0}
GOOD = {"size": 0.0, "colour/shade": "red", "dirt": 0.0}
DECLARED = """
[attributes.machine]
identity = true
[attributes.line]
values = ["a", "b"]
"""


def model_folder(root: Path) -> Path:
    folder = root / "models" / NAME / "1"
    folder.mkdir(parents=True)
    graph = linear([[-2.0, 0.0, 2.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.1]], [0, 0.4, 0], softmax=True)
    (folder / "spec.toml").write_text(SORTER + DECLARED, "utf-8")
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    return root / "models"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    models = model_folder(tmp_path_factory.mktemp("followed"))
    settings = Settings.model_validate({"models": models, "refresh_seconds": 0})
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as api:
        yield api


def explained(api: httpx.Client, machine: str | None, row: Any = BAD, **more: Any) -> Any:
    said = {} if machine is None else {"machine": machine, "line": "a"}
    reply = api.post(f"{MODEL}/explanations", json={"instance": row, "attributes": said, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


def predicted(api: httpx.Client, machine: str, row: Any) -> None:
    asked = {"instance": row, "attributes": {"machine": machine, "line": "a"}}
    assert api.post(f"{MODEL}/predictions", json=asked).status_code == 200


def told(api: httpx.Client, identity: str, status: int = 201, **said: Any) -> Any:
    reply = api.post(f"/api/v1/explanations/{identity}/outcomes", json=said)
    assert reply.status_code == status, reply.text
    return reply.json()


def course(api: httpx.Client, identity: str, **query: Any) -> Any:
    reply = api.get(f"/api/v1/explanations/{identity}/follow-up", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()["follow_up"]


def after(explanation: Any, row: Any = BAD) -> dict[str, Any]:
    """The row as it is once the advice was carried out."""
    return {**row, **{a["feature"]: a["to"] for a in explanation["counterfactuals"][0]["actions"]}}


def test_advice_is_followed_from_being_shown_to_its_outcome(api):
    given = explained(api, "Press 1", ways=True)
    identity = given["id"]
    assert course(api, identity)["seen"] == "no_readings"
    predicted(api, "Press 1", BAD)
    assert course(api, identity)["seen"] == "not_seen"
    predicted(api, "Press 1", after(given))
    predicted(api, "Press 2", BAD)  # another machine's
    found = course(api, identity)
    assert (found["seen"], found["flipped"], found["returned"]) == ("fully", True, False)
    assert found["cleared"] == found["carried_out"]
    assert all(lever["read_back"] for lever in found["levers"])
    assert found["decision"] is None
    (alarm,) = api.get("/api/v1/alarms", params={"equipment": "Press 1"}).json()["alarms"]
    acted = api.post(f"/api/v1/alarms/{alarm['id']}/actions", json={"action": "done_as_suggested"})
    assert acted.status_code == 200, acted.text
    first = told(api, identity, result="failure", number=3.5, unit="pieces", comment="scrap")
    told(api, identity, result="success")
    found = course(api, identity)
    assert found["decision"]["deed"] == "followed"
    assert found["outcome"]["result"] == "success"
    # The second is taken back: the first counts again, and can be read as it was told.
    last = found["outcome"]["id"]
    told(api, identity, takes_back=last)
    again = course(api, identity)["outcome"]
    assert {k: again[k] for k in first} == first
    assert (again["number"], again["unit"], again["comment"]) == (3.5, "pieces", "scrap")
    told(api, identity, 422, takes_back=last)
    told(api, identity, 422, takes_back="nothing")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, "result and takes_back"),
        ({"result": "good"}, "result"),
        ({"result": "success", "takes_back": "x"}, "result and takes_back"),
        ({"result": "success", "unit": "min"}, "unit is of a number"),
        ({"result": "success", "happened": "yesterday"}, "not a time such as"),
        ({"result": "success", "happened": "2001-01-01T00:00:00Z"}, "before the explanation"),
        ({"result": "success", "number": "1"}, "number"),
    ],
)
def test_what_is_no_outcome_is_refused_by_name(api, said, names):
    identity = explained(api, None)["id"]
    assert names in str(told(api, identity, 422, **said))
    assert course(api, identity)["outcome"] is None


def test_an_outcome_is_of_an_explanation_that_there_is(api):
    told(api, "nothing", 404, result="success")
    reply = api.get("/api/v1/explanations/nothing/follow-up")
    assert reply.status_code == 404
    nothing = explained(api, "Press 3", GOOD)["id"]  # it advises nothing
    assert api.get(f"/api/v1/explanations/{nothing}/follow-up").status_code == 404


def test_named_by_its_client_it_is_told_once(api):
    identity = explained(api, None)["id"]
    path, headers = f"/api/v1/explanations/{identity}/outcomes", {"Idempotency-Key": "o-1"}
    first = api.post(path, json={"result": "success"}, headers=headers)
    second = api.post(path, json={"result": "success"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    about = api.get("/api/v1/audit/events", params={"kind": "outcome", "about": identity}).json()
    assert len(about["events"]) == 1


def test_many_are_told_at_once_and_one_that_is_wrong_keeps_no_other_from_it(api):
    older, newer = explained(api, "Press 4")["id"], explained(api, "Press 4", GOOD | {"size": 4})
    machine = {"machine": "Press 4", "line": "a"}
    sent = [
        {"result": "failure", "explanation": older},
        {"result": "success", "model": NAME, "attributes": machine},
        {"result": "success", "explanation": "nothing"},
        {"result": "success", "model": NAME, "attributes": {"machine": "Press 99"}},
        {"result": "success", "model": "nothing", "attributes": machine},
        {"result": "success", "model": NAME, "attributes": {"line": "a"}},
    ]
    reply = api.post("/api/v1/outcomes", json={"outcomes": sent})
    assert reply.status_code == 200, reply.text
    assert [each["explanation"] for each in reply.json()["recorded"]] == [older, newer["id"]]
    assert [each["row"] for each in reply.json()["refused"]] == [2, 3, 4, 5]
    assert "Press 99" in reply.json()["refused"][1]["problem"]
    assert api.post("/api/v1/outcomes", json={"outcomes": []}).status_code == 422


def test_a_report_has_each_advice_in_one_cell_and_says_the_same_as_csv(api):
    for k in range(4):
        given = explained(api, f"Saw {k}", BAD | {"size": 4.0})
        if k < 3:
            predicted(api, f"Saw {k}", after(given) if k < 2 else BAD)
        if k != 1:
            told(api, given["id"], result="success" if k == 0 else "failure")
        explained(api, f"Saw {k}", BAD | {"size": 4.0})  # asked again: no other advice
    query = {"model": NAME, "by": "attribute:machine"}
    report = api.get("/api/v1/audit/follow-up", params=query).json()
    groups = {group["group"]: group for group in report["groups"]}
    assert sum(group["advised"] for group in report["groups"]) == report["total"]["advised"]
    assert all(groups[f"Saw {k}"]["advised"] == 1 for k in range(4))
    assert groups["Saw 0"]["success_followed"]["count"] == 1
    assert groups["Saw 1"]["success_followed"]["of"] == 0
    assert groups["Saw 2"]["success_not_followed"]["of"] == 1
    assert groups["Saw 3"]["success_unknown"]["of"] == 1
    levers = api.get("/api/v1/audit/follow-up", params={"model": NAME, "by": "lever"}).json()
    assert {group["group"] for group in levers["groups"]} == {"size"}
    sheet = api.get("/api/v1/audit/follow-up", params=query | {"format": "csv"})
    rows = [*csv.DictReader(io.StringIO(sheet.text.removeprefix("\ufeff")))]
    advised = [r for r in rows if r["measure"] == "advised" and r["group"] == "all"]
    assert [int(r["count"]) for r in advised] == [report["total"]["advised"]]
    by_way = {"model": NAME, "by": "way", "format": "csv"}
    for language, name in ({}, "smallest"), ({"language": "ko"}, say("ways.smallest", "ko")):
        assert name in api.get("/api/v1/audit/follow-up", params=by_way | language).text
    shown = api.get("/report/follow-up", params=query, headers={"Accept-Language": "ko"})
    assert shown.status_code == 200
    for word in ("조언 이후", "Saw 2", "100"):
        assert word in shown.text
    page = api.get("/report/follow-up", params={"model": NAME, "by": "way"})
    assert "What became of advice" in page.text
    assert api.get("/report/follow-up", params=query | {"window_minutes": "x"}).status_code == 422
    late = api.get("/api/v1/audit/follow-up", params=query | {"until": "2001-01-01T00:00:00Z"})
    assert late.json()["total"]["advised"] == 0
    for wrong in ({"by": "feature:size"}, {"window_minutes": 0}, {"since": "x"}, {"mode": "x"}):
        assert api.get("/api/v1/audit/follow-up", params=query | wrong).status_code == 422


def test_outcomes_are_told_from_a_file_beside_a_service_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = model_folder(tmp_path)
    settings = Settings.model_validate({"models": models, "data": tmp_path / "data"})
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as api:
        given = explained(api, "Press 1")
        predicted(api, "Press 1", after(given))
    for name, value in {"MODELS": models, "DATA": tmp_path / "data"}.items():
        monkeypatch.setenv(f"IFONLY_{name}", str(value))
    file = tmp_path / "outcomes.csv"
    file.write_text(
        "result,explanation,model,machine,line,number,unit\n"
        f"success,{given['id']},,,,3.5,min\n"
        f"failure,,{NAME},Press 1,a,,\n"
        f"good,{given['id']},,,,,\n"
        f"success,,{NAME},Press 9,a,,\n"
        "success,nothing,,,,,\n"
        f"success,{given['id']},,,,soon,min\n",
        "utf-8",
    )

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ifonly", "outcomes", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    code, shown, complaints = run("tell", str(file))
    assert (code, shown) == (1, "2 outcomes recorded\n")
    for row, name in ((3, "result"), (4, "Press 9"), (5, "nothing"), (6, "number")):
        assert any(f"row {row}:" in line and name in line for line in complaints.splitlines())
    code, shown, _ = run("show", given["id"])
    found = json.loads(shown)["follow_up"]
    assert (code, found["seen"], found["outcome"]["result"]) == (0, "fully", "failure")
    code, shown, _ = run("report", "--model", NAME, "--by", "lever", "--json")
    assert json.loads(shown)["total"]["success_followed"] | {"low": 0, "high": 0} == {
        "count": 0, "of": 1, "share": 0.0, "low": 0, "high": 0,
    }  # fmt: skip
    assert "0 of 1" in run("report", "--model", NAME)[1]
    assert "success followed" in run("report", "--model", NAME, "--csv")[1]
    assert run("report", "--model", NAME, "--by", "size")[0] == 2
    assert run("show", "nothing")[0] != 0
    code, table, _ = run("export", "--model", NAME)
    (line,) = csv.DictReader(io.StringIO(table))
    assert code == 0
    assert {name: line[name] for name in BAD} == {name: str(v) for name, v in BAD.items()}
    assert (line["machine"], line["line"], line["explanation"]) == ("Press 1", "a", given["id"])
    assert (line["followed"], line["done"], line["carried_out"]) == ("yes", "smallest", "fully")
    assert (line["success"], line["advised"]) == ("0", "smallest")
    code, said, _ = run("export", "--model", NAME, "--out", str(tmp_path / "advice.csv"))
    assert (code, said) == (0, f"1 rows: {tmp_path / 'advice.csv'}\n")
    assert (tmp_path / "advice.csv").read_text("utf-8") == table
    assert run("export", "--model", "nothing")[0] != 0


def test_what_was_followed_and_how_it_came_out_is_compared_between_lines(api):
    since = None
    for k in range(8):
        line, machine = ("a", "b")[k % 2], f"Fair {k}"
        said = {"machine": machine, "line": line}
        reply = api.post(f"{MODEL}/explanations", json={"instance": BAD, "attributes": said})
        given = reply.json()
        if since is None:
            since = api.get(f"/api/v1/audit/events/{given['id']}").json()["event"]["time"]
        if k == 0:  # the page opened again
            api.post(f"{MODEL}/explanations", json={"instance": BAD, "attributes": said})
        # Line a does what was advised, and it helps; line b does nothing.
        row = after(given) if line == "a" else BAD
        asked = {"instance": row, "attributes": said}
        assert api.post(f"{MODEL}/predictions", json=asked).status_code == 200
        told(api, given["id"], result="success" if line == "a" else "failure")
    query = {"model": NAME, "since": since, "by": ["attribute:line", "feature:size"], "least": 2}
    found = api.get("/api/v1/audit/fairness", params=query).json()
    assert found["asked"] == 8
    measured = {(d["group"], d["measure"]): d for d in found["differences"]}
    followed = measured["attribute%3Aline=a", "followed"]
    assert (followed["share"]["count"], followed["others_share"]["count"]) == (4, 0)
    assert followed["tested"]["p"] == pytest.approx(2 / 70)  # of 70 tables the two most extreme
    assert followed["tested"]["worse"] is False
    # Nobody on line b followed, so there is nothing to compare success with.
    assert measured["attribute%3Aline=a", "success"]["tested"] is None
    everybody, own, other = found["outcomes"]
    assert everybody["group"] is None
    assert everybody["difference"]["value"] == 1.0
    assert (own["success_followed"]["count"], other["success_not_followed"]["of"]) == (4, 4)
    assert own["difference"] is own["beside_others"] is None
    table = api.get("/api/v1/audit/fairness", params={**query, "format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert {"share", "outcomes", "difference"} <= {line["section"] for line in lines}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, "by"),
        ({"by": "shift"}, "by"),
        ({"by": "feature:shade"}, "'shade' is no feature"),
        ({"by": "attribute:line", "least": 1}, "least"),
        ({"by": "attribute:line", "budget": -1}, "budget"),
        ({"by": ["attribute:line"] * 6}, "by"),
        ({"by": "attribute:line", "since": "yesterday"}, "since"),
    ],
)
def test_a_question_about_fairness_that_cannot_be_answered_is_refused(api, query, names):
    reply = api.get("/api/v1/audit/fairness", params={"model": NAME, **query})
    assert reply.status_code == 422, reply.text
    assert names in reply.text


@pytest.mark.parametrize("language", ["en", "ko", "ja"])
def test_the_page_of_fairness_says_what_the_api_says(api, language):
    query = {"model": NAME, "by": ["attribute:line", "feature:dirt"], "least": "2"}
    headers = {"Accept-Language": language, "Accept": "text/html"}
    shown = api.get("/report/fairness", params=query, headers=headers)
    assert shown.status_code == 200, shown.text
    assert f'lang="{language}"' in shown.text
    assert "Holm" in shown.text or "홀름" in shown.text or "ホルム" in shown.text
    assert 'value="attribute:line" checked' in shown.text
    wrong = api.get("/report/fairness", params={**query, "least": "few"}, headers=headers)
    assert wrong.status_code == 422
    assert "few" in wrong.text
    nothing = api.get("/report/fairness", params={"model": NAME}, headers=headers)
    assert nothing.status_code == 200
