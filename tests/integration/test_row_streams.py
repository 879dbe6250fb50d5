"""Rows that are answered as they come: in every form, in both directions at once, and not beyond
what may be."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifonly.service.jobs.forms import MEDIA_TYPES, TableForm
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_jobs_api import MILLING, lines

STREAM = f"{MILLING}/stream"
CALM = {"torque": 40.0, "rotational_speed": 1500, "tool_wear": 20}


def sent(form: TableForm, **more: str) -> dict[str, str]:
    return {"Content-Type": MEDIA_TYPES[form], **more}


def ipc(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def file(table: pa.Table) -> bytes:
    pq.write_table(table, sink := io.BytesIO())
    return sink.getvalue()


def rounded(table: pa.Table) -> list[dict[str, Any]]:
    told = json.dumps(table.to_pylist())
    rows: list[dict[str, Any]] = json.loads(told, parse_float=lambda said: f"{float(said):.9g}")
    return rows


def rows_of(alarm: dict[str, Any], calm: int = 40) -> list[dict[str, Any]]:
    rows = [alarm | CALM | {"tool_wear": k % 30} for k in range(calm)]
    return [*rows, alarm]


def asked(client: httpx.Client, body: bytes, form: TableForm, **query: Any) -> httpx.Response:
    reply = client.post(STREAM, content=body, headers=sent(form), params=query)
    assert reply.status_code == 200, reply.text
    return reply


def test_the_same_rows_have_the_same_answers_in_every_form(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    rows = rows_of(alarm)
    table = pa.Table.from_pylist([{"id": f"r{k}", **row} for k, row in enumerate(rows)])
    flat = lines(*({"id": f"r{k}", **row} for k, row in enumerate(rows)))
    nested = lines(*({"id": f"r{k}", "instance": row} for k, row in enumerate(rows)))
    query = {"question": '{"languages": ["ko"]}'}
    plain = [
        json.loads(line) for line in asked(client, flat, TableForm.JSONL, **query).text.splitlines()
    ]
    assert [row["row"] for row in plain] == list(range(41))
    assert [row["id"] for row in plain] == [f"r{k}" for k in range(41)]
    assert [row["status"] for row in plain] == ["already_target"] * 40 + ["optimal"]
    assert "바꿀" in plain[0]["sentence_ko"]
    same = asked(client, nested, TableForm.JSONL, **query).text.splitlines()
    assert [json.loads(line) for line in same] == plain
    arrow = asked(client, ipc(table), TableForm.ARROW, **query)
    columns = pa.ipc.open_stream(arrow.content).read_all()
    parquet = pq.read_table(
        io.BytesIO(asked(client, file(table), TableForm.PARQUET, **query).content)
    )
    # On a busy machine the last digit of what follows has differed once in many runs.
    assert rounded(columns) == rounded(parquet)
    told = columns.to_pylist()
    for row, line in zip(told, plain, strict=True):
        assert {n: row[n] for n in line if n not in NESTED} == {
            n: v for n, v in line.items() if n not in NESTED
        }
    assert told[40]["actions"][0]["to"] == plain[40]["actions"][0]["to"]
    # As one question by itself, which is recorded whole, is answered.
    alone = client.post(MILLING, json={"instance": alarm}).json()["counterfactuals"][0]
    assert plain[40]["cost"] == alone["cost"]
    assert plain[40]["actions"][0]["to"] == alone["actions"][0]["to"]


NESTED = ("actions", "effects", "blocked_by", "problem", "relaxation")


def test_a_row_that_is_wrong_has_a_problem_and_its_place(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    body = (
        lines(alarm, alarm | {"torque": 1e9})
        + b'\n{"instance":\n[1]\nNaN\n'
        + lines(
            {"instance": alarm, "target": {"class": "normal"}},
            {"instance": alarm, "id": 1.5},
            alarm | {"colour": "red"},
            alarm | {"torque": "much"},
            {k: v for k, v in alarm.items() if k != "torque"},
            {"instance": alarm, "id": "x" * 10_000},
        )
        + json.dumps(alarm).encode()
    )
    told = [json.loads(line) for line in asked(client, body, TableForm.JSONL).text.splitlines()]
    assert [line["row"] for line in told] == [0, 1, *range(3, 13)]
    good = {line["row"] for line in told if line["status"] == "optimal"}
    assert good == {0, 12}
    fields = {line["row"]: line["problem"].get("field") for line in told if "problem" in line}
    assert fields == {
        1: "torque", 3: None, 4: None, 5: None, 6: "target", 7: "id", 8: "colour", 9: "torque",
        10: "torque", 11: "id",
    }  # fmt: skip


def record_of(client: httpx.Client, reply: httpx.Response) -> tuple[Any, Any]:
    """The records of its beginning and its end."""
    begun = reply.headers["ifonly-record"]
    for _ in range(200):
        query = {"about": begun}
        found = client.get("/api/v1/audit/events", params=query).json()["events"]
        if found:
            break
        time.sleep(0.05)
    (end,) = found
    told = client.get(f"/api/v1/audit/events/{begun}").raise_for_status().json()
    return told["event"], end


def test_a_stream_is_recorded_with_what_came_and_what_was_answered(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    body = lines(alarm, alarm | CALM)
    packed = gzip.compress(body[:10]) + gzip.compress(body[10:])
    headers = sent(TableForm.JSONL, **{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
    reply = client.post(STREAM, content=packed, headers=headers)
    assert reply.headers["content-encoding"] == "gzip"
    begun, end = record_of(client, reply)
    assert (begun["kind"], begun["status"], end["status"]) == ("bulk", "begun", "done")
    assert end["detail"]["rows"] == 2
    assert end["detail"]["counts"] == {"already_target": 1, "optimal": 1}
    assert end["detail"]["input_sha256"] == hashlib.sha256(body).hexdigest()
    assert end["detail"]["output_sha256"] == hashlib.sha256(reply.content).hexdigest()


@pytest.mark.parametrize(
    ("body", "form", "status", "kind"),
    [
        (b"PAR1" * 9, TableForm.PARQUET, 400, "invalid-table"),
        (b"", TableForm.ARROW, 400, "invalid-table"),
        (ipc(pa.table({"torque": [1.0]})), TableForm.ARROW, 400, "invalid-table"),
        (b"a,b", TableForm.CSV, 415, "unsupported-media-type"),
    ],
)
def test_what_is_wrong_with_all_rows_is_refused(
    client: httpx.Client, body: bytes, form: TableForm, status: int, kind: str
) -> None:
    reply = client.post(STREAM, content=body, headers=sent(form))
    assert (reply.status_code, reply.json()["type"].rpartition(":")[2]) == (status, kind)


def test_a_stream_names_what_it_does_not_take(client: httpx.Client) -> None:
    for headers, query, where in (
        ({"Idempotency-Key": "a"}, {}, "Idempotency-Key"),
        ({}, {"question": "{"}, "question"),
        ({}, {"question": '{"instance": {}}'}, "question"),
        ({}, {"question": '{"seed": -1}'}, "question"),
    ):
        reply = client.post(
            STREAM, content=b"{}", headers=sent(TableForm.JSONL, **headers), params=query
        )
        assert (reply.status_code, reply.json()["errors"][0]["parameter"]) == (422, where)
    empty = asked(client, b"\n\n", TableForm.JSONL)
    assert empty.content == b""
    assert record_of(client, empty)[1]["detail"]["rows"] == 0


class Talk:
    """One connection, in both directions at once."""

    def __init__(self, base: str, path: str, form: TableForm) -> None:
        host, port = urlsplit(base).hostname, urlsplit(base).port
        self.socket = socket.create_connection((host, port), 60)
        head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nTransfer-Encoding: chunked\r\n"
        self.socket.sendall((head + f"Content-Type: {MEDIA_TYPES[form]}\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        self.headers: dict[str, str] = {}

    def send(self, piece: bytes) -> None:
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))

    def head(self) -> int:
        status = int(self.file.readline().split()[1])
        while line := self.file.readline().strip().decode():
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        return status

    def piece(self) -> bytes:
        size = int(self.file.readline(), 16)
        found = self.file.read(size)
        self.file.readline()
        return found

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_a_row_is_answered_while_the_next_has_not_come(
    client: httpx.Client, service_url: str, alarm: dict[str, Any]
) -> None:
    talk = Talk(service_url, STREAM, TableForm.JSONL)
    try:
        talk.send(lines(alarm))
        assert talk.head() == 200
        assert json.loads(talk.piece())["status"] == "optimal"
        talk.send(lines(alarm | CALM)[:-9])
        talk.send(lines(alarm | CALM)[-9:])
        assert json.loads(talk.piece())["status"] == "already_target"
        talk.send(b"")
        assert talk.piece() == b""
    finally:
        talk.close()


def test_who_breaks_off_is_answered_no_more(
    client: httpx.Client, service_url: str, alarm: dict[str, Any]
) -> None:
    talk = Talk(service_url, STREAM, TableForm.JSONL)
    talk.send(lines(*rows_of(alarm, 3)))
    assert talk.head() == 200
    talk.piece()
    talk.close()
    reply = httpx.Response(200, headers={"ifonly-record": talk.headers["ifonly-record"]})
    _, end = record_of(client, reply)
    assert end["status"] == "broken_off"
    assert end["detail"]["rows"] >= 1


@pytest.fixture
def narrow() -> Iterator[httpx.Client]:
    settings = Settings(max_stream_rows=30, max_stream_bytes=20_000, max_streams=4)
    with (
        serving(settings) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        yield client


def test_beyond_the_limits_the_last_row_says_why(
    narrow: httpx.Client, alarm: dict[str, Any]
) -> None:
    calm = alarm | CALM
    told = asked(narrow, lines(*[calm] * 60), TableForm.JSONL).text.splitlines()
    last = json.loads(told[-1])
    assert (last["status"], last["row"]) == ("invalid", len(told) - 1)
    assert "the limit is 30" in last["problem"]["problem"]
    # Half of an Arrow stream: what came is answered, then it says what is missing.
    table = pa.Table.from_pylist([calm] * 20)
    whole = ipc(table)
    reply = narrow.post(
        STREAM,
        content=whole[: -len(whole) // 3],
        headers=sent(TableForm.ARROW),
    )
    assert reply.status_code == 400
    other = ipc(pa.table({"torque": ["x"]}))
    reply = asked(narrow, whole[:-8] + other, TableForm.ARROW)
    found = pa.ipc.open_stream(reply.content).read_all().to_pylist()
    assert [row["status"] for row in found] == ["already_target"] * 20 + ["invalid"]
    assert "cannot be read as arrow" in found[-1]["problem"]["problem"]
    bomb = gzip.compress(b" " * 10_000_000)
    headers = sent(TableForm.JSONL, **{"Content-Encoding": "gzip"})
    assert narrow.post(STREAM, content=bomb, headers=headers).status_code == 413


def test_one_client_leaves_room_for_others(narrow: httpx.Client, alarm: dict[str, Any]) -> None:
    talks = [Talk(str(narrow.base_url), STREAM, TableForm.JSONL) for _ in range(2)]
    try:
        for talk in talks:
            talk.send(lines(alarm | CALM))
            assert talk.head() == 200
        third = narrow.post(STREAM, content=lines(alarm), headers=sent(TableForm.JSONL))
        assert (third.status_code, third.json()["share"]) == (429, "streams at once")
    finally:
        for talk in talks:
            talk.close()
