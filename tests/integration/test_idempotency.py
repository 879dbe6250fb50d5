"""A request that its client has named is answered once, however often it is sent."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

MILLING = "/api/v1/models/milling-machine"
PRESS = "/api/v1/models/press"
ROW = {"instance": {"pressure": 10.0, "speed": 100}}
LINES = {"Content-Type": "application/jsonl"}


def named(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def records(client: httpx.Client, identity: str) -> int:
    """Of a request's kind, under its request id."""
    found = client.get("/api/v1/audit/events", params={"request_id": identity})
    return len(found.raise_for_status().json()["events"])


def test_the_same_request_gets_the_same_reply_and_leaves_one_record(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    headers = named("same-1") | {"X-Request-ID": "same-request"}
    replies = [
        client.post(f"{MILLING}/explanations", json={"instance": alarm}, headers=headers)
        for _ in range(3)
    ]
    assert [r.status_code for r in replies] == [200] * 3
    assert replies[0].json() == replies[1].json() == replies[2].json()
    assert [r.headers.get("idempotency-replayed") for r in replies] == [None, "true", "true"]
    assert records(client, "same-request") == 1


@pytest.mark.parametrize("asked", ["predictions", "what-if"])
def test_every_question_may_be_named(client: httpx.Client, asked: str) -> None:
    body = ROW | ({"set": {"pressure": 20.0}} if asked == "what-if" else {})
    headers = named(f"every-{asked}")
    one, two = (client.post(f"{PRESS}/{asked}", json=body, headers=headers) for _ in range(2))
    assert one.status_code == two.status_code == 200
    assert one.json() == two.json()


def test_the_same_key_with_another_request_is_refused(client: httpx.Client) -> None:
    def ask(path: str, body: dict[str, Any], **more: str) -> httpx.Response:
        return client.post(f"{PRESS}/{path}", json=body, headers=named("other-1") | more)

    assert ask("predictions", ROW).status_code == 200
    others = [
        ask("predictions", {"instance": {"pressure": 10.5, "speed": 100}}),
        ask("predictions?version=1", ROW),
        ask("explanations", ROW),
        ask("explanations", ROW, Prefer="respond-async"),
    ]
    for reply in others:
        assert reply.status_code == 422
        assert reply.json()["type"] == "urn:ifonly:problem:idempotency-key-reused"
    assert ask("predictions", ROW).headers["idempotency-replayed"] == "true"


def test_two_at_once_are_answered_with_one_record(client: httpx.Client) -> None:
    headers = named("at-once") | {"X-Request-ID": "at-once"}

    def ask(_: int) -> Any:
        return client.post(f"{PRESS}/predictions", json=ROW, headers=headers).json()

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(16)))
    assert all(reply == replies[0] for reply in replies)
    assert records(client, "at-once") == 1


def test_a_job_is_made_once(client: httpx.Client) -> None:
    def ask() -> httpx.Response:
        content = json.dumps(ROW)
        headers = LINES | named("job-1")
        return client.post(f"{PRESS}/explanations/bulk", content=content, headers=headers)

    one, two = ask(), ask()
    assert one.status_code == two.status_code == 202
    assert one.json()["id"] == two.json()["id"]
    assert two.headers["location"] == one.headers["location"]


def test_a_review_is_given_once(client: httpx.Client, alarm: dict[str, Any]) -> None:
    explained = client.post(f"{MILLING}/explanations", json={"instance": alarm}).json()
    path = f"/api/v1/explanations/{explained['id']}/reviews"
    body = {"verdict": "comment", "comment": "seen"}
    one, two = (client.post(path, json=body, headers=named("review-1")) for _ in range(2))
    assert (one.status_code, two.status_code) == (201, 201)
    assert one.json() == two.json()
    assert len(client.get(path).json()["reviews"]) == 1


def test_a_refusal_uses_up_no_key(client: httpx.Client) -> None:
    wrong = {"instance": {"pressure": -1.0, "speed": 100}}
    headers = named("refused-1")
    assert client.post(f"{PRESS}/predictions", json=wrong, headers=headers).status_code == 422
    assert client.post(f"{PRESS}/predictions", json=ROW, headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
def test_a_key_that_is_none_is_refused(client: httpx.Client, key: str) -> None:
    reply = client.post(f"{PRESS}/predictions", json=ROW, headers=named(key))
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["parameter"] == "Idempotency-Key"
