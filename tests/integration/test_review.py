"""Auditors' review over HTTP, on pages and on the command line: kinds, samples, taking back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.access import Role
from ifonly.service.doors.cli import main
from ifonly.service.settings import Settings
from ifonly.service.store import archive, erasure, keys
from ifonly.service.store.archive import Filter
from ifonly.service.store.database import connect
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import opened_by
from ifonly.service.store.verification import verify
from tests.integration.conftest import serving
from tests.integration.small_models import write_all

EXPLAIN = "/api/v1/models/sorter/explanations"
SAMPLES = "/api/v1/audit/samples"
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("review")
    models = write_all(folder / "models")
    return Settings(models=models, data=folder, refresh_seconds=0, time_zone="Asia/Seoul")


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[httpx.Client]:
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def explained(api: httpx.Client) -> list[str]:
    """Ids: twelve with a suggestion, three where everything is frozen."""
    found = []
    for k in range(15):
        row = {"size": 3.0 + k / 10, "colour/shade": "red", "dirt": 0.0}
        body: dict[str, Any] = {"instance": row}
        if k % 5 == 0:
            body["constraints"] = {"freeze": list(row)}
        found.append(api.post(EXPLAIN, json=body).raise_for_status().json()["id"])
    return found


def say(api: httpx.Client, identity: str, verdict: str, **more: Any) -> httpx.Response:
    body = {"verdict": verdict, **more}
    return api.post(f"/api/v1/explanations/{identity}/reviews", json=body)


def groups(api: httpx.Client) -> dict[str, dict[str, Any]]:
    told = api.get("/api/v1/audit/groups").raise_for_status().json()
    assert told["are_all"] is True
    return {each["key"]: each for each in told["groups"]}


def test_what_waits_is_grouped_by_kind_the_typical_one_first(
    api: httpx.Client, explained: list[str]
) -> None:
    told = groups(api)
    assert sum(each["count"] for each in told.values()) == len(explained)
    blocked = next(each for each in told.values() if each["status"] == "infeasible")
    assert (blocked["count"], blocked["sets"], blocked["marked"]) == (3, [], True)
    (rule,) = blocked["blocked"]
    assert rule.startswith("constraints.freeze ")
    assert "nothing: " in api.get("/reviews").text
    for key, group in told.items():
        queue = api.get("/api/v1/audit/queue", params={"group": key, "limit": 500}).json()
        ids = [each["event"]["id"] for each in queue["waiting"]]
        assert len(ids) == group["count"]
        assert ids[0] == group["typical"]["id"]
    assert api.get("/api/v1/audit/queue", params={"group": "zz"}).status_code == 422


def test_a_sample_is_drawn_judged_and_tells_exactly_what_it_shows(
    api: httpx.Client, settings: Settings, explained: list[str]
) -> None:
    asked = {"model": "sorter", "size": 5, "seed": "s", "comment": "first"}
    reply = api.post(SAMPLES, json=asked, headers={"Idempotency-Key": "sample-1"})
    assert reply.status_code == 201
    sample = reply.json()
    assert sample["population"]["size"] == len(explained)
    assert {each["id"] for each in sample["items"]} < set(explained)
    assert sample["planned"]["at_most"]["count"] == 5  # with 6 of 15 wrong, none in 5: 4.2 %
    twice = api.post(SAMPLES, json=asked, headers={"Idempotency-Key": "sample-1"})
    assert (twice.status_code, twice.json()["id"]) == (201, sample["id"])
    here = f"{SAMPLES}/{sample['id']}"
    first, second, *rest = [each["id"] for each in sample["items"]]
    taken = say(api, first, "reject").json()["id"]
    found = api.get(here).json()["result"]
    assert (found["judged"], found["rejected"], found["met"]) == (1, 1, None)
    assert say(api, first, "withdraw", withdraws=taken).status_code == 201
    assert api.get(here).json()["result"]["judged"] == 0
    for each in (first, second, *rest):
        assert say(api, each, "approve").status_code == 201
    done = api.get(here).json()
    assert (done["comment"], done["drawn_before"]) == ("first", 0)
    assert done["result"]["wrong"] == {
        "low": 0,
        "high": 6,
        "low_share": 0.0,
        "high_share": 6 / 15,
    }
    assert done["result"]["at_most"]["count"] == 5
    assert set(done["result"]["text"]) == set(LANGUAGES)
    assert api.get(f"{here}/redraw").json()["holds"] is True
    # What comes later, or is erased, is no part of the question.
    row = {"size": 4.0, "colour/shade": "red", "dirt": 0.0}
    api.post(EXPLAIN, json={"instance": row}).raise_for_status()
    with opened_by(settings, migrate=False) as store:
        store.journal.append(erasure.erase(second, "cli:test", "asked for")).result(30)
        store.journal.append(erasure.erase(sample["id"], "cli:test", "asked for")).result(30)
        assert verify(store.database).holds
    assert api.get(f"{here}/redraw").json()["holds"] is True
    assert "comment" not in api.get(here).json()
    again = api.post(SAMPLES, json=asked).json()
    assert (again["drawn_before"], again["population"]["size"]) == (1, len(explained) + 1)
    listed = api.get(SAMPLES).json()["samples"]
    assert [each["id"] for each in listed][:2] == [again["id"], sample["id"]]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "one of the two"),
        ({"size": 0}, "size"),
        ({"size": 1001}, "size"),
        ({"size": 5, "rule": {"tolerable_rate": 0.05}}, "one of the two"),
        ({"rule": {"tolerable_rate": 1.0}}, "tolerable_rate"),
        ({"rule": {"tolerable_rate": 0.05, "accept": 9}}, "allows 0 wrong ones"),
        ({"size": 5, "model": "nobody"}, "nothing to draw"),
        ({"size": 5, "until": "2999-01-01T00:00:00Z"}, "in the future"),
        ({"size": 5, "since": "2999-01-01T00:00:00Z"}, "is not before until"),
        ({"size": 5, "since": "yesterday"}, "not a time"),
        ({"size": 5, "group": "zz"}, "group"),
        ({"size": 5, "confidence": 1.0}, "confidence"),
        ({"size": 5, "seed": "two words"}, "seed"),
        ({"size": 5, "sise": 5}, "sise"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_refused_by_name(
    api: httpx.Client, explained: list[str], body: dict[str, Any], text: str
) -> None:
    reply = api.post(SAMPLES, json=body)
    assert reply.status_code == 422, reply.text
    assert text in reply.text


def test_a_review_is_taken_back_once_by_whoever_gave_it(
    api: httpx.Client, explained: list[str]
) -> None:
    here, other = explained[-1], explained[-2]
    given = say(api, here, "comment", comment="so").json()["id"]
    for identity, withdraws, text in (
        (here, NOWHERE, "no such review"),
        (other, given, "no such review"),
        (here, here, "no such review"),
    ):
        refused = say(api, identity, "withdraw", withdraws=withdraws)
        assert (refused.status_code, text in refused.text) == (422, True)
    assert say(api, here, "withdraw").status_code == 422
    assert say(api, here, "approve", withdraws=given).status_code == 422
    back = say(api, here, "withdraw", withdraws=given, comment="slip").json()
    assert (back["verdict"], back["withdraws"], back["comment"]) == ("withdraw", given, "slip")
    assert "withdrawn already" in say(api, here, "withdraw", withdraws=given).text
    assert "no such review" in say(api, here, "withdraw", withdraws=back["id"]).text
    told = api.get(f"/api/v1/explanations/{here}/reviews").json()["reviews"]
    assert [each.get("withdrawn_by") for each in told[-2:]] == [back["id"], None]
    event = api.get(f"/api/v1/audit/events/{here}").json()
    assert event["reviews"][-2]["withdrawn_by"] == back["id"]


def test_operators_see_what_counts(api: httpx.Client) -> None:
    row = {"size": 3.0, "colour/shade": "red", "dirt": 0.0}
    here = api.post(EXPLAIN, json={"instance": row}).raise_for_status().json()["id"]
    given = say(api, here, "not_acted", comment="TAKEN-BACK").json()["id"]
    page = f"/alarms/{here}"
    assert "TAKEN-BACK" in api.get(page).raise_for_status().text
    say(api, here, "withdraw", withdraws=given)
    assert "TAKEN-BACK" not in api.get(page).raise_for_status().text
    query = {"model": "sorter"}
    told = api.get("/api/v1/audit/report", params=query).raise_for_status().json()
    assert told["verdicts"]["not_acted"] == 0


def test_nobody_takes_back_what_another_said(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"data": tmp_path})
    tokens = {}
    with opened_by(own) as store:
        for name in ("one", "two"):
            tokens[name], work = keys.create(Role.AUDITOR, name, None, "test")
            store.journal.append(work).result(30)
        tokens["asks"], work = keys.create(Role.OPERATOR, "", None, "test")
        store.journal.append(work).result(30)
    with (
        serving(own, no_auth=False) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as api,
    ):

        def as_(name: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {tokens[name]}"}

        row = {"size": 3.0, "colour/shade": "red", "dirt": 0.0}
        made = api.post(EXPLAIN, json={"instance": row}, headers=as_("asks")).json()["id"]
        path = f"/api/v1/explanations/{made}/reviews"
        given = api.post(path, json={"verdict": "reject"}, headers=as_("one")).json()["id"]
        back = {"verdict": "withdraw", "withdraws": given}
        for name in ("two", "asks"):
            refused = api.post(path, json=back, headers=as_(name))
            assert (refused.status_code, "only they" in refused.text) == (422, True)
        assert api.post(path, json=back, headers=as_("one")).status_code == 201
        assert api.post(SAMPLES, json={"size": 1}, headers=as_("asks")).status_code == 403


# --- pages --------------------------------------------------------------------------------


def token(api: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', api.get(path).text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_of_review_are_shown_in_every_language(
    api: httpx.Client, explained: list[str], language: str
) -> None:
    key = next(iter(groups(api)))
    sample = api.post(SAMPLES, json={"rule": {"tolerable_rate": 0.2}}).json()["id"]
    for path in (
        f"/reviews?group={key}",
        "/reviews/samples",
        "/reviews/samples?tolerable=20&confidence=90",
        "/reviews/samples?size=3&seed=1",
        f"/reviews/samples/{sample}",
        f"/records/{sample}",
        *(f"/records?show={name}&period=today" for name in ("unreviewed", "unproven", "all")),
        "/records?show=upkeep&period=last_shift",
    ):
        reply = api.get(path, headers={"Accept-Language": language})
        assert reply.status_code == 200, path
        assert f'lang="{language}"' in reply.text
        assert 'role="alert"' not in reply.text, path


@pytest.mark.parametrize(
    "path",
    [
        "/reviews?group=zz",
        "/reviews?since=yesterday",
        "/reviews/samples?size=x",
        "/reviews/samples?tolerable=x",
        "/reviews/samples?tolerable=nan",
        "/reviews/samples?tolerable=1e999",
        "/reviews/samples?size=3&since=2999-01-01T00:00",
        "/reviews/samples?size=3&until=2999-01-01T00:00",
        "/reviews/samples?size=3&model=nobody",
        "/reviews/samples?size=3&tolerable=5",
        "/reviews/samples?tolerable=5&accept=9",
        "/reviews/samples?cursor=x",
        "/records?show=unreviewed&actor=me",
        "/records?show=unreviewed&cursor=x",
    ],
)
def test_what_cannot_be_asked_is_said_on_the_page(
    api: httpx.Client, explained: list[str], path: str
) -> None:
    reply = api.get(path)
    assert (reply.status_code, 'role="alert"' in reply.text) == (200, True)
    if "=x" in path or "=nan" in path or "zz" in path or "1e999" in path:
        return  # as a library says it
    for language in LANGUAGES:
        said = api.get(path, headers={"Accept-Language": language}).text
        found = re.search(r'<p class="detail" lang="(\w+)">', said)
        assert found is not None
        assert found[1] == language


def test_a_sample_is_drawn_and_judged_without_a_script(
    api: httpx.Client, explained: list[str]
) -> None:
    csrf = {"csrf": token(api, "/reviews/samples")}
    wrong = api.post("/reviews/samples", data=csrf | {"size": "x"})
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    drawn = api.post("/reviews/samples", data=csrf | {"size": "3", "comment": "by hand"})
    here = drawn.headers["location"]
    shown = api.get(here).text
    assert "by hand" in shown
    assert "The same population, the same sample" in api.post(f"{here}/redraw", data=csrf).text
    entry = re.search(r'<li [^>]*id="e-([^"]+)"', shown)
    if entry is None:  # all of it was judged by tests before this one
        return
    reviews = f"/records/{entry[1]}/reviews"
    judged = api.post(reviews, data=csrf | {"verdict": "reject", "back": here})
    assert judged.headers["location"] == f"{here}#e-{entry[1]}"
    after = api.get(here).text
    assert f'id="e-{entry[1]}"' not in after
    taken = re.search(r'name="withdraws" value="([^"]+)"', after)
    assert taken is not None
    back = {"verdict": "withdraw", "withdraws": taken[1], "back": "//elsewhere.example/"}
    assert api.post(reviews, data=csrf | back).headers["location"] == f"/#e-{entry[1]}"
    assert f'id="e-{entry[1]}"' in api.get(here).text
    record = api.get(f"/records/{entry[1]}").text
    assert f'id="r-{taken[1]}" class="withdrawn"' in record


def test_a_verdict_given_in_place_is_told_with_what_it_changes(
    api: httpx.Client, explained: list[str]
) -> None:
    csrf = {"csrf": token(api, "/reviews")}
    sample = api.post(SAMPLES, json={"size": 4}).json()
    part = {"HX-Request": "true"}
    said = {"verdict": "approve", "back": "/reviews", "sample": sample["id"]}
    path = f"/records/{sample['items'][0]['id']}/reviews"
    reply = api.post(path, data=csrf | said, headers=part)
    assert reply.text.count('hx-swap-oob="true"') == 2
    assert "1 of 4" in reply.text or "judged" in reply.text
    other = api.post(path, data=csrf | said | {"sample": NOWHERE}, headers=part)
    assert (other.status_code, other.text.count('hx-swap-oob="true"')) == (200, 1)


def shown(api: httpx.Client, query: str) -> set[str]:
    text = api.get(f"/records{query}").text
    return set(re.findall(r'<td data-label="Id">.*?href="/records/([^"]+)"', text))


def test_records_begin_with_explanations_and_other_lists_are_links(
    api: httpx.Client, explained: list[str], settings: Settings
) -> None:
    api.post(EXPLAIN, json={"instance": {}})
    api.post("/api/v1/models/sorter/what-if", json={"instance": {"size": 1}, "set": {}})
    with closing(connect(settings.store_url)) as database:

        def ids(**equal: str) -> set[str]:
            page = archive.page(database, Filter(equal), None, 40)
            return {r.facts.id for r in page.records}

        assert shown(api, "") == ids(kind="explanation")
        assert shown(api, "?show=refused") == ids(kind="refusal") != set()
        assert shown(api, "?show=all&period=today") == ids()
        assert shown(api, "?kind=anchor") == ids(kind="anchor")
        assert shown(api, "?model=press") == set()
        upkeep = shown(api, "?show=upkeep")
        assert ids(kind="anchor") <= upkeep
        assert not upkeep & ids(kind="explanation")
        assert shown(api, "?period=last_shift") == set()
    waiting = api.get("/api/v1/audit/queue", params={"limit": 40}).json()["waiting"]
    assert shown(api, "?show=unreviewed") == {each["event"]["id"] for each in waiting}
    page = api.get("/records").text
    assert 'aria-current="true">Explanations</a>' in page
    assert re.search(r"\d\d:\d\d:\d\d \(\+09:00\)</span><span class=\"utc\">[^<]+ UTC", page)


def test_a_table_of_records_has_both_times_and_no_formula(
    api: httpx.Client, explained: list[str]
) -> None:
    text = api.get("/records/table").text.removeprefix("\ufeff")
    head, first, *_ = text.splitlines()
    row = dict(zip(head.split(","), first.split(","), strict=True))
    assert row["time_utc"].endswith("Z")
    assert row["time_local"].endswith("+09:00")
    assert (row["zone"], row["as_written"]) == ("Asia/Seoul", "yes")
    berlin = api.get("/records/table?show=unreviewed&zone=Europe/Berlin")
    assert "Europe/Berlin" in berlin.text
    for query in ("zone=Nowhere", "begins=zz", "show=unreviewed&actor=me"):
        assert api.get(f"/records/table?{query}").status_code == 422, query
    assert api.get("/records/export?show=unreviewed").status_code == 422
    lines = api.get("/records/export?show=refused").text.splitlines()
    assert {json.loads(line)["kind"] for line in lines} <= {"refusal"}


# --- the command line -----------------------------------------------------------------------


def test_a_sample_is_drawn_and_drawn_again_on_the_command_line(
    api: httpx.Client,
    explained: list[str],
    settings: Settings,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IFONLY_DATA", str(settings.data))
    monkeypatch.setenv("IFONLY_MODELS", str(settings.models))

    def ifonly(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["ifonly", "audit", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(str(ended.value.code or 0)), capfd.readouterr().out

    assert "sorter" in ifonly("groups")[1]
    code, preview = ifonly("sample", "draw", "--tolerable", "20", "--preview")
    assert (code, "with 95 % confidence" in preview) == (0, True)
    sample = json.loads(ifonly("sample", "draw", "--size", "4", "--json")[1])
    assert sample["by"].startswith("cli:")
    assert ifonly("sample", "draw", "--size", "4", "--tolerable", "5")[0] == 2
    assert sample["id"] in ifonly("sample", "list")[1]
    assert "of 4" in ifonly("sample", "show", sample["id"])[1]
    assert ifonly("sample", "show", sample["items"][0]["id"])[0] == 1
    assert ifonly("sample", "redraw", sample["id"])[0] == 0
    whole = tmp_path / "audit.jsonl"
    assert ifonly("export", "--out", str(whole))[0] == 0
    assert ifonly("sample", "redraw", sample["id"], "--export", str(whole))[0] == 0
    fewer = tmp_path / "fewer.jsonl"
    gone = sample["items"][0]["id"]
    kept = [line for line in whole.read_text().splitlines() if json.loads(line)["id"] != gone]
    fewer.write_text("\n".join(kept))
    code, said = ifonly("sample", "redraw", sample["id"], "--export", str(fewer))
    assert (code, f"missing: {gone}" in said) == (1, True)
    (tmp_path / "x").write_text("no JSON")
    assert ifonly("sample", "redraw", sample["id"], "--export", str(tmp_path / "x"))[0] == 1


def test_samples_are_listed_as_records_of_their_kind(
    settings: Settings, api: httpx.Client, explained: list[str]
) -> None:
    with closing(connect(settings.store_url)) as database:
        page = archive.page(database, Filter({"kind": RecordKind.SAMPLE.value}), None, 5)
    assert page.records
    assert not page.doubtful
