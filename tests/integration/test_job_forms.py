"""Jobs in every form: tables in, tables out, rows that share a record, lists, ids."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifonly.service.jobs.forms import MEDIA_TYPES, TableForm
from tests.integration.test_jobs_api import LINES, MILLING, ended, lines, result, submit

ROOT = Path(__file__).resolve().parents[2]
CALM = {"torque": 40.0, "rotational_speed": 1500, "tool_wear": 20}
WAYS = {form: {"Accept": kind} for form, kind in MEDIA_TYPES.items()}


@pytest.fixture(scope="module")
def mixed(client: httpx.Client, alarm: dict[str, Any]) -> dict[str, Any]:
    """A job of alarms, of rows that are none, of one that is wrong, each with an id."""
    calm = alarm | CALM
    rows = [
        *({"id": f"calm-{k}", "instance": calm | {"tool_wear": k}} for k in range(6)),
        {"id": 17, "instance": alarm},
        {"id": "wrong", "instance": alarm | {"torque": 1e9}},
        {"id": "doubled", "instance": calm, "attributes": {"shift": "night"}},
        {"id": "doubled", "instance": calm, "attributes": {"shift": "night"}},
        {"instance": calm, "languages": ["ja"]},
    ]
    body = lines(*rows[:3]) + b"\n" + lines(*rows[3:])
    now = ended(client, submit(client, MILLING, body))
    assert now["statuses"] == {"already_target": 9, "optimal": 1}
    assert (now["answered"], now["refused"], now["by"]) == (11, 1, "anonymous")
    return now


def table(client: httpx.Client, job: dict[str, Any], wanted: TableForm, **query: Any) -> list[Any]:
    reply = client.get(job["links"]["result"], headers=WAYS[wanted], params=query)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].partition(";")[0] == MEDIA_TYPES[wanted]
    match wanted:
        case TableForm.JSONL:
            return [json.loads(line) for line in reply.text.splitlines()]
        case TableForm.CSV:
            return list(csv.DictReader(io.StringIO(reply.text)))
        case TableForm.ARROW:
            return list(pa.ipc.open_stream(reply.content).read_all().to_pylist())
        case _:
            return list(pq.read_table(io.BytesIO(reply.content)).to_pylist())


def test_rows_that_need_nothing_share_a_record_and_are_told_as_alone(
    client: httpx.Client, mixed: dict[str, Any], alarm: dict[str, Any]
) -> None:
    told = result(client, mixed)
    assert [line["row"] for line in told] == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert [line.get("id") for line in told[:9]] == [
        *(f"calm-{k}" for k in range(6)), 17, "wrong", "doubled",
    ]  # fmt: skip
    alone = client.post(MILLING, json={"instance": alarm | CALM | {"tool_wear": 3}}).json()
    shared = told[3]["explanation"]
    own = ("id", "audit", "work")
    assert {k: v for k, v in shared.items() if k not in own} == {
        k: v for k, v in alone.items() if k not in own
    }
    assert shared["work"].keys() == alone["work"].keys()
    # Those that were answered at once; never with another shift, other languages, or an alarm.
    of = [next(line[k]["audit"]["id"] for k in KINDS if k in line) for line in told]
    assert of[0] == of[1] == of[2]
    assert len({*of[:6], of[8], of[10]} & {of[6], of[7]}) == 0
    assert not {of[8], of[9]} & {*of[:6], of[10]}
    assert of[10] not in of[:10]


KINDS = ("explanation", "problem")


def test_the_record_of_several_rows_holds_and_is_replayed(
    client: httpx.Client, mixed: dict[str, Any]
) -> None:
    identity = result(client, mixed)[0]["explanation"]["id"]
    event = client.get(f"/api/v1/audit/events/{identity}").raise_for_status().json()["event"]
    assert (event["kind"], event["status"]) == ("rows", "already_target")
    assert event["detail"]["numbers"][:3] == [0, 1, 2]
    checked = client.get(f"/api/v1/audit/events/{identity}/verify").raise_for_status().json()
    assert checked["holds"] is True
    replayed = client.post(f"/api/v1/audit/events/{identity}/replay").raise_for_status().json()
    assert (replayed["same"], replayed["changes"]) == (True, [])
    assert client.get(f"/api/v1/explanations/{identity}").status_code == 404


def test_flat_rows_say_the_same_in_every_form(client: httpx.Client, mixed: dict[str, Any]) -> None:
    plain = table(client, mixed, TableForm.JSONL, form="flat")
    assert [row["status"] for row in plain][5:8] == ["already_target", "optimal", "invalid"]
    assert plain[7]["problem"]["field"] == "instance/torque"
    assert plain[6]["actions"][0]["feature"] == "torque"
    assert plain[10].keys() & {"sentence_en", "sentence_ja"} == {"sentence_ja"}
    for form in (TableForm.ARROW, TableForm.PARQUET):
        for row, same in zip(table(client, mixed, form), plain, strict=True):
            assert row["id"] == same.get("id")
            for name, value in same.items():
                if not isinstance(value, list | dict):
                    assert row[name] == value, (form, name)
            assert [a["to"] for a in row["actions"] or ()] == [
                a["to"] for a in same.get("actions", ())
            ]
    for row, same in zip(table(client, mixed, TableForm.CSV), plain, strict=True):
        assert (int(row["row"]), row["status"], row["id"]) == (
            same["row"], same["status"], same.get("id", ""),
        )  # fmt: skip
        assert json.loads(row["actions"] or "[]") == same.get("actions", [])


def test_a_part_of_a_result_is_read_and_packed(client: httpx.Client, mixed: dict[str, Any]) -> None:
    link = mixed["links"]["result"]
    for query, numbers in (
        ({"first": 4, "last": 7}, [4, 5, 6, 7]),
        ({"first": 3, "last": 3}, []),
        ({"first": 10}, [10, 11]),
    ):
        told = client.get(link, params=query).text.splitlines()
        assert [json.loads(line)["row"] for line in told] == numbers
    packed = client.get(link, headers={"Accept-Encoding": "gzip"})
    plain = client.get(link, headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content  # httpx unpacks
    wrong = client.get(link, params={"form": "full"}, headers=WAYS[TableForm.CSV])
    assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (422, "form")


def test_a_table_is_asked_about_in_every_form(client: httpx.Client, alarm: dict[str, Any]) -> None:
    sent = pa.table({name: [value] * 2 for name, value in alarm.items()} | {"id": ["A", "B"]})
    files: dict[TableForm, bytes] = {}
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, sent.schema) as writer:
        writer.write_table(sent)
    files[TableForm.ARROW] = sink.getvalue()
    pq.write_table(sent, sink := io.BytesIO())
    files[TableForm.PARQUET] = sink.getvalue()
    text = io.StringIO()
    rows = csv.DictWriter(text, sent.column_names)
    rows.writeheader()
    rows.writerows(sent.to_pylist())
    files[TableForm.CSV] = text.getvalue().encode()
    question = json.dumps({"languages": ["ko"], "constraints": {"max_changes": 1}})
    for form, body in files.items():
        reply = client.post(
            f"{MILLING}/bulk",
            content=body,
            headers={"Content-Type": MEDIA_TYPES[form]},
            params={"question": question},
        )
        assert reply.status_code == 202, reply.text
        told = result(client, reply.json() if ended(client, reply.json()) else {})
        assert [(line["row"], line["id"]) for line in told] == [(0, "A"), (1, "B")]
        assert told[0]["explanation"]["status"] == "optimal"
        assert [*told[0]["explanation"]["text"]] == ["ko"]
    broken = client.post(
        f"{MILLING}/bulk",
        content=files[TableForm.PARQUET][:-20],
        headers={"Content-Type": MEDIA_TYPES[TableForm.PARQUET]},
    )
    assert (broken.status_code, broken.json()["type"]) == (400, "urn:ifonly:problem:invalid-table")
    wrong = client.post(
        f"{MILLING}/bulk", content=b"{}", headers=LINES, params={"question": '{"target": 3}'}
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (422, "question")


def test_without_pyarrow_tables_are_refused_by_name(
    client: httpx.Client, mixed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    reply = client.post(f"{MILLING}/bulk", headers={"Content-Type": MEDIA_TYPES[TableForm.PARQUET]})
    assert (reply.status_code, "ifonly[bulk]" in reply.json()["detail"]) == (415, True)
    reply = client.get(mixed["links"]["result"], headers=WAYS[TableForm.ARROW])
    assert (reply.status_code, "ifonly[bulk]" in reply.json()["detail"]) == (406, True)
    also = {"Accept": f"{MEDIA_TYPES[TableForm.ARROW]}, application/jsonl;q=0.5"}
    assert client.get(mixed["links"]["result"], headers=also).status_code == 200


def test_the_example_of_many_rows_runs(service_url: str) -> None:
    ran = subprocess.run(
        ["sh", str(ROOT / "examples" / "bulk.sh")],
        env={**os.environ, "URL": service_url, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *streamed, head, one, two = ran.stdout.splitlines()
    assert [json.loads(line)["id"] for line in streamed] == ["press-7", "press-8"]
    assert json.loads(streamed[0])["status"] == "optimal"
    assert head.startswith("row,id,status,")
    assert (one.split(",")[1:3], two.split(",")[1:3]) == (
        ["press-7", "optimal"], ["press-8", "already_target"],
    )  # fmt: skip


def test_jobs_are_listed_page_by_page(client: httpx.Client, mixed: dict[str, Any]) -> None:
    submit(client, MILLING, lines({"instance": {}}))
    cursor, found = None, []
    while True:
        query = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        page = client.get("/api/v1/jobs", params=query).raise_for_status().json()
        found += page["jobs"]
        cursor = page["next"]
        if cursor is None or len(found) > 100:
            break
    ids = [job["id"] for job in found]
    assert len(ids) == len({*ids})
    assert mixed in found
    times = [job["created"] for job in found]
    assert times == sorted(times, reverse=True)
    only = client.get("/api/v1/jobs", params={"state": "done", "model": "press"}).json()["jobs"]
    assert all(job["model"] == "press" for job in only)
    for cursor in ("x", "W10", "WzEsImEiXQ=="):
        reply = client.get("/api/v1/jobs", params={"cursor": cursor})
        assert reply.status_code in (200, 422)
