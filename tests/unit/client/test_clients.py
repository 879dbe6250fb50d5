"""Both clients against a service of a few lines: what is sent, sent again, told and left."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

import ifonly
from ifonly.client import (
    Answered,
    AsyncClient,
    AsyncJob,
    Busy,
    Client,
    ClientError,
    Conflict,
    Erased,
    Forbidden,
    Invalid,
    Job,
    NotAnAnswer,
    NotFound,
    NotSent,
    Problem,
    Retries,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from ifonly.client.calls import answered_row
from ifonly.client.handles import ResultReader
from ifonly.service.wire import examples
from tests.unit.client.stand_in import asked, awaited, refusal, reply, waiting

ROOT = Path(__file__).resolve().parents[3]
ROW = examples.ROW
Made = Callable[..., Any]


@pytest.fixture(params=["Client", "AsyncClient"])
def client(request: pytest.FixtureRequest) -> Iterator[Made]:
    with asyncio.Runner() as runner:
        yield waiting if request.param == "Client" else partial(awaited, runner)


def explaining(request: httpx.Request) -> httpx.Response:
    """Explains whatever is asked; a torque of more than 100 is refused."""
    if asked(request)["instance"].get("torque", 0.0) > 100.0:
        return refusal(422)
    return httpx.Response(200, json=reply())


# --- one question ---------------------------------------------------------------------------------


def test_an_explanation_is_what_ifonly_explain_gives(client: Made) -> None:
    sent: list[httpx.Request] = []

    def service(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=reply())

    with client(service, key="ifo_1\n") as asking:
        found = asking.explain(
            "a/b c", ROW, version="2", target=(None, 0.5), language="ko", seed=None, proof=True
        )
    assert isinstance(found, ifonly.Explanation)
    told = examples.EXPLANATION.reply["counterfactuals"][0]
    assert (found.status, found.sentence) == ("optimal", examples.EXPLANATION.reply["text"]["ko"])
    assert found.changes[0] == ifonly.Change(
        "process_temperature",
        told["actions"][0]["from"],
        told["actions"][0]["to"],
        "K",
        tuple(told["actions"][0]["sufficient_range"]),
    )
    assert [change.follows for change in found.changes] == [False, False, True]
    assert (found.counterfactual, found.instance) == (told["instance"], ROW)
    assert found.reached is not None
    assert found.reached.scores == {"normal": told["prediction"]["probability"]}
    assert found.reply.as_mapping() == reply()  # type: ignore[union-attr]
    assert "<svg" in found._repr_html_()
    assert 'lang="ko"' in found._repr_html_()
    assert found.to_pandas()["feature"].tolist()[0] == "process_temperature"
    assert json.loads(json.dumps(found.to_dict()))["cost"] == told["cost"]
    (request,) = sent
    assert request.url == "http://there/api/v1/models/a%2Fb%20c/explanations?version=2&proof=true"
    assert request.headers["authorization"] == "Bearer ifo_1"
    assert asked(request) == {
        "instance": ROW, "target": {"score": {"max": 0.5}}, "languages": ["ko"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        pd.Series({"a": np.float64(1.5), "b": np.int64(2), "c": np.nan, "d": "L"}),
        {"a": np.float32(1.5), "b": np.uint8(2), "c": float("nan"), "d": np.str_("L")},
        {"a": np.array(1.5), "b": True + 1, "c": pd.NA, "d": "L"},
        np.array([(1.5, 2, np.nan, "L")], dtype=[(n, "O") for n in "abcd"])[0],
    ],
)
def test_rows_of_any_library_are_sent_as_json(client: Made, row: Any) -> None:
    sent: list[Any] = []

    def service(request: httpx.Request) -> httpx.Response:
        sent.append(asked(request)["instance"])
        return httpx.Response(200, json=reply())

    client(service).explain("m", row)
    assert sent == [{"a": 1.5, "b": 2, "c": None, "d": "L"}]
    assert [type(value) for value in sent[0].values()] == [float, int, type(None), str]


@pytest.mark.parametrize("row", [np.array([1.0, 2.0]), "text", 7, [1.0], {"a": float("inf")},
                                 {"a": object()}, pd.DataFrame({"a": [1]}), None])  # fmt: skip
def test_what_is_no_row_is_not_sent(client: Made, row: Any) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        raise AssertionError("asked")

    with pytest.raises(NotSent):
        client(service).explain("m", row)


def test_a_question_that_is_sent_again_is_the_same_question(client: Made) -> None:
    sent: list[httpx.Request] = []

    def service(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        match len(sent):
            case 1:
                raise httpx.ConnectError("refused")
            case 2:
                raise httpx.RemoteProtocolError("broken off")
            case 3:
                return httpx.Response(502, html="<p>bad gateway")
            case 4 | 5:
                return refusal(429, "too-often", Retry_After="0")
        return httpx.Response(200, json=reply())

    asking = client(service)
    assert asking.explain("m", ROW).status == "optimal"
    assert len(sent) == 6
    assert len({request.headers["idempotency-key"] for request in sent}) == 1
    assert len({request.content for request in sent}) == 1
    asking.explain("m", ROW)
    assert sent[6].headers["idempotency-key"] != sent[0].headers["idempotency-key"]


def test_who_never_answers_is_told_as_such(client: Made) -> None:
    tried = itertools.count()

    def service(request: httpx.Request) -> httpx.Response:
        next(tried)
        raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable, match="http://there was tried 7 times: refused"):
        client(service).models()
    assert next(tried) == 7


def test_time_that_has_run_out_is_not_spent_again(client: Made) -> None:
    tried = itertools.count()

    def service(request: httpx.Request) -> httpx.Response:
        next(tried)
        assert request.extensions["timeout"]["read"] == 2.0 + 2 * 1.5
        raise httpx.ReadTimeout("slow")

    with pytest.raises(TimedOut):
        client(service, timeout=2.0).explain("m", ROW, deadline_ms=1_500)
    assert next(tried) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Invalid), (401, Unauthenticated), (403, Forbidden), (404, NotFound), (409, Conflict),
     (410, Erased), (413, Invalid), (422, Invalid), (500, Problem), (502, Problem), (503, Busy)],
)  # fmt: skip
def test_refusals_are_exceptions_of_their_kind(
    client: Made, status: int, kind: type[Problem]
) -> None:
    with pytest.raises(kind, match="because") as caught:
        client(lambda request: refusal(status)).explain("m", ROW)
    error: Problem = caught.value
    assert (error.status, error.kind, error.title) == (status, "invalid-instance", "Not so")
    assert (error.detail, error.instance, error.request_id) == ("because", "/api", "r1")
    assert error.errors[0].pointer == "/instance/torque"


def test_a_page_in_place_of_an_answer_is_none(client: Made) -> None:
    with pytest.raises(NotAnAnswer, match="<title>Sign in to the network"):
        client(lambda _: httpx.Response(200, html="<title>Sign in to the network")).models()
    packed = {"Content-Encoding": "gzip"}
    with pytest.raises(NotAnAnswer, match="not packed as it says"):
        client(lambda _: httpx.Response(200, headers=packed, stream=Broken(b"{}", 2))).models()
    # Not followed, so the key goes nowhere else.
    elsewhere = httpx.Response(302, headers={"Location": "http://elsewhere/"})
    with pytest.raises(Problem, match="302"):
        client(lambda _: elsewhere, key="k").models()


def test_a_key_is_shown_to_the_service_alone(client: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def service(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json={"models": [], "refused": []})

    tokens = iter(["t1", "t2"])
    asking = client(service, key=lambda: next(tokens))
    asking.models(), asking.models()
    monkeypatch.setenv("IFONLY_KEY", "from-outside")
    client(service).models()
    client(service, key="").models()
    assert seen == ["Bearer t1", "Bearer t2", "Bearer from-outside", None]
    for plain in (Client("http://x/", key="secret"), AsyncClient("http://x/", key="secret")):
        assert repr(plain).endswith("Client(http://x)")
    for broken in ("a\nb", "schlüssel"):
        with pytest.raises(ClientError, match="no key has") as caught:
            client(service, key=broken).models()
        assert broken not in str(caught.value)


def test_a_service_below_a_path_is_asked_there(client: Made) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        assert request.url == "http://there/below/api/v1/models"
        return httpx.Response(200, json={"models": [], "refused": []})

    assert client(service, url="http://there/below/").models() == []


# --- many rows ------------------------------------------------------------------------------------


def many(asking: Any, rows: Any, **options: Any) -> list[Answered]:
    return list(asking.explain_many("m", rows, **options))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_row_that_is_refused_has_its_error_at_its_place(client: Made, ordered: bool) -> None:
    table = pd.DataFrame([ROW] * 50)
    table.loc[20, "torque"] = 1e9
    table.loc[30, "torque"] = np.inf
    found = many(client(explaining), table, ordered=ordered)
    if ordered:
        assert [each.row for each in found] == [*range(50)]
    by_row = {each.row: each for each in found}
    assert len(by_row) == 50
    assert {row for row, each in by_row.items() if not each.ok} == {20, 30}
    assert isinstance(by_row[20].error, Invalid)
    assert isinstance(by_row[30].error, NotSent)
    assert by_row[20].instance["torque"] == 1e9
    assert by_row[7].unwrap().status == "optimal"
    with pytest.raises(Invalid):
        by_row[20].unwrap()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (partial(refusal, 401), Unauthenticated),
        (partial(refusal, 403), Forbidden),
        (partial(refusal, 404, "unknown-model"), NotFound),
        (partial(refusal, 429, Retry_After="1000"), Busy),
    ],
)
def test_what_is_wrong_with_all_rows_is_raised(
    client: Made, error: Callable[[], httpx.Response], kind: type[ClientError]
) -> None:
    tried = itertools.count()

    def service(request: httpx.Request) -> httpx.Response:
        next(tried)
        return error()

    with pytest.raises(kind):
        many(client(service), [ROW] * 1_000, concurrency=2)
    assert next(tried) < 20  # the others were not asked about


def test_an_infinite_source_is_read_only_as_far_as_answers_are_taken(client: Made) -> None:
    read, asked_for = itertools.count(), itertools.count()

    def rows() -> Iterator[dict[str, Any]]:
        while True:
            next(read)
            yield ROW

    def service(request: httpx.Request) -> httpx.Response:
        next(asked_for)
        return httpx.Response(200, json=reply())

    found = client(service).explain_many("m", rows(), concurrency=3)
    assert [each.row for each in itertools.islice(found, 10)] == [*range(10)]
    found.close()
    assert 10 <= next(read) <= 10 + 2 * 3 + 2
    assert next(asked_for) <= 10 + 2 * 3 + 2


def test_a_source_that_breaks_is_told_after_the_answers_to_what_came(client: Made) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from [ROW] * 3
        raise OSError("the file is gone")

    for options in ({}, {"rows_per_job": 2}):
        found = client(Jobs().answer).explain_many("m", rows(), **options)
        assert [next(found).row for _ in range(3)] == [0, 1, 2]
        with pytest.raises(OSError, match="the file is gone"):
            next(found)


def test_no_more_requests_than_wanted_are_under_way(client: Made) -> None:
    now, most, lock = 0, 0, threading.Lock()

    def begun(request: httpx.Request) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)

    def service(request: httpx.Request) -> httpx.Response:
        nonlocal now
        begun(request)
        threading.Event().wait(0.001)
        with lock:
            now -= 1
        return httpx.Response(200, json=reply())

    assert len(many(client(service), [ROW] * 30, concurrency=3)) == 30
    assert most <= 3


@pytest.mark.parametrize("rows", [ROW, "text", 7, np.array([[1.0]])])
def test_what_are_no_rows_is_not_sent(client: Made, rows: Any) -> None:
    with pytest.raises(NotSent):
        client(explaining).submit("m", rows)
    if isinstance(rows, np.ndarray):  # rows, none of which has names
        assert [type(each.error) for each in many(client(explaining), rows)] == [NotSent]
        return
    with pytest.raises(NotSent):
        many(client(explaining), rows)


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"rows_per_job": 0}])
def test_nothing_at_a_time_is_refused(client: Made, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is 0, and has to be 1 at least"):
        many(client(explaining), [ROW], **options)


def test_no_rows_have_no_answers(client: Made) -> None:
    assert many(client(explaining), []) == []
    assert many(client(explaining), pd.DataFrame(columns=["a"]), rows_per_job=3) == []


# --- jobs -----------------------------------------------------------------------------------------


class Jobs:
    """Jobs that are done when they are looked at for the second time."""

    def __init__(self, **answers: Callable[[httpx.Request], httpx.Response]) -> None:
        self.lines: list[list[str]] = []
        self.looked: Counter[str] = Counter()
        self.cancelled: list[str] = []
        self.keys: list[str] = []
        self.answers = answers

    def answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.split("/")[-1]
        what = {"DELETE": "cancel", "POST": "submit"}.get(request.method, name)
        what = what if what in ("cancel", "submit", "result") else "look"
        if what == "submit" and name == "explanations":
            return explaining(request)
        if what in self.answers:
            return self.answers[what](request)
        found: httpx.Response = getattr(self, what)(request)
        return found

    def submit(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == "application/jsonl"
        self.keys.append(request.headers["idempotency-key"])
        self.lines.append(request.content.decode().split("\n"))
        return httpx.Response(202, json=self.told(len(self.lines) - 1, "queued"))

    def told(self, number: int, state: str) -> dict[str, Any]:
        rows = len(self.lines[number]) if self.lines else 0
        here = f"/api/v1/jobs/{number}"
        links = {"self": here, "events": here, "result": here}
        done = rows if state == "done" else 0
        counts = {"rows": rows, "answered": done, "refused": 0}
        named = {"id": str(number), "state": state, "model": "m", "version": "1"}
        return {**named, **counts, "created": "", "links": links}

    def look(self, request: httpx.Request) -> httpx.Response:
        identity = request.url.path.split("/")[-1]
        self.looked[identity] += 1
        state = "done" if self.looked[identity] > 1 else "running"
        return httpx.Response(200, json=self.told(int(identity), state))

    def cancel(self, request: httpx.Request) -> httpx.Response:
        identity = request.url.path.split("/")[-1]
        self.cancelled.append(identity)
        return httpx.Response(200, json=self.told(int(identity), "cancelled"))

    def result(self, request: httpx.Request) -> httpx.Response:
        lines = self.lines[int(request.url.path.split("/")[-2])]
        return httpx.Response(200, content="".join(map(self.line, itertools.count(), lines)))

    def line(self, number: int, line: str) -> str:
        wrong = json.loads(line)["instance"]["torque"] > 100.0
        said = {"problem": refusal(422).json()} if wrong else {"explanation": reply()}
        return json.dumps({"row": number, **said}) + "\n"


def test_a_job_is_submitted_waited_for_and_read(client: Made) -> None:
    jobs = Jobs()
    asking = client(jobs.answer)
    job = asking.submit("m", [ROW, {**ROW, "torque": 1e9}, ROW], semantics="independent")
    assert (job.id, job.state, job.is_over) == ("0", "queued", False)
    job.wait()
    assert (job.state, job.told.answered) == ("done", 3)
    found = list(job.results())
    assert [(each.row, each.ok) for each in found] == [(0, True), (1, False), (2, True)]
    assert found[1].instance["torque"] == 1e9
    assert json.loads(jobs.lines[0][0])["semantics"] == "independent"
    later = list(asking.job("0").results())  # by somebody who does not know what was asked
    assert [(each.row, each.ok, each.instance) for each in later] == [
        (0, True, {}), (1, False, {}), (2, True, {}),
    ]  # fmt: skip


def test_many_rows_go_by_jobs_that_are_read_in_order(client: Made) -> None:
    jobs = Jobs()
    rows = [{**ROW, "torque": 50.0 + i} for i in range(10)]
    rows[0] = {**ROW, "torque": float("inf")}  # cannot even be sent
    rows[4] = {**ROW, "torque": 1e9}
    rows[9] = {**ROW, "torque": object()}
    found = many(client(jobs.answer), iter(rows), rows_per_job=4)
    assert [each.row for each in found] == [*range(10)]
    assert [each.row for each in found if not each.ok] == [0, 4, 9]
    assert [each.instance["torque"] for each in found] == [row["torque"] for row in rows]
    assert [len(lines) for lines in jobs.lines] == [3, 4, 1]
    assert len({*jobs.keys}) == 3
    assert jobs.cancelled == []


def test_rows_none_of_which_can_be_sent_need_no_job(client: Made) -> None:
    jobs = Jobs()
    found = many(client(jobs.answer), [{"a": float("inf")}] * 3, rows_per_job=2)
    assert [type(each.error) for each in found] == [NotSent] * 3
    assert jobs.lines == []


def test_who_leaves_the_loop_leaves_no_job_running(client: Made) -> None:
    jobs = Jobs()
    found = client(jobs.answer).explain_many("m", itertools.repeat(ROW), rows_per_job=3)
    assert next(found).ok
    found.close()
    # The first was over when it was read; the one behind it was waiting.
    assert jobs.cancelled == ["1"]


def test_a_block_that_ends_by_an_error_leaves_no_job_running(client: Made) -> None:
    jobs = Jobs()
    asking = client(jobs.answer)
    with pytest.raises(KeyError), asking.submit("m", [ROW]):
        raise KeyError("mine")
    assert jobs.cancelled == ["0"]
    with asking.submit("m", [ROW]) as job:
        job.wait()
    with asking.submit("m", [ROW]):
        pass  # to be read later
    assert jobs.cancelled == ["0"]


def test_a_job_that_cannot_be_cancelled_is_named(client: Made) -> None:
    jobs = Jobs(cancel=lambda request: refusal(500))
    with pytest.raises(KeyError) as caught, client(jobs.answer).submit("m", [ROW]):
        raise KeyError("mine")
    (note,) = caught.value.__notes__
    assert "<Job 0: queued" in note
    assert "may go on: 500" in note


def test_a_job_of_which_nobody_has_heard_is_found_by_its_key(client: Made) -> None:
    jobs = Jobs()

    def lost(request: httpx.Request) -> httpx.Response:
        jobs.submit(request)
        raise httpx.ReadError("broken off")

    jobs.answers["submit"] = lost
    with pytest.raises(Unreachable) as caught:
        client(jobs.answer).submit("m", [ROW])
    assert len({*jobs.keys}) == 1
    assert len(jobs.keys) == 7
    assert f"submit(…, key={jobs.keys[0]!r})" in caught.value.__notes__[0]
    del jobs.answers["submit"]
    client(jobs.answer).submit("m", [ROW], key=jobs.keys[0])
    assert jobs.keys[-1] == jobs.keys[0]


def test_a_job_that_somebody_else_cancelled_is_told(client: Made) -> None:
    def half(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=jobs.line(0, json.dumps({"instance": ROW})))

    jobs = Jobs(result=half)
    found = client(jobs.answer).explain_many("m", [ROW] * 3, rows_per_job=3)
    assert next(found).row == 0
    with pytest.raises(NotAnAnswer, match="has answered 1 of 3 rows"):
        next(found)


def test_waiting_no_longer_than_wanted_leaves_the_job_alone(client: Made) -> None:
    jobs = Jobs()
    with pytest.raises(TimeoutError, match="<Job 0: queued, 0 of 1 rows> goes on"):
        client(jobs.answer).submit("m", [ROW]).wait(timeout=0)
    assert jobs.cancelled == []


def test_a_result_that_is_not_there_yet_is_a_conflict(client: Made) -> None:
    jobs = Jobs(result=lambda request: refusal(409, "job-not-finished"))
    with pytest.raises(Conflict):
        list(client(jobs.answer).submit("m", [ROW]).results())


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of which only so many bytes come."""

    def __init__(self, body: bytes, size: int) -> None:
        self.body, self.size = body, size

    def __iter__(self) -> Iterator[bytes]:
        for first in range(0, min(self.size, len(self.body)), 701):
            yield self.body[first : min(first + 701, self.size)]
        if self.size < len(self.body):
            raise httpx.RemoteProtocolError("incomplete chunked read")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def test_a_result_that_breaks_off_goes_on_where_it_was(client: Made) -> None:
    text = {"en": "one\u2028line\x85of it", "ko": "한 줄"}
    lines = [json.dumps({"row": i, "explanation": reply(text=text)}, ensure_ascii=False) + "\n"
             for i in range(5)]  # fmt: skip
    body = "".join(lines).encode()
    tried: list[int] = []

    def result(request: httpx.Request) -> httpx.Response:
        tried.append(len(tried))
        if len(tried) == 2:
            raise httpx.ConnectError("being started")
        return httpx.Response(200, stream=Broken(body, len(tried) * len(body) // 5))

    jobs = Jobs(result=result)
    job = client(jobs.answer, retries=Retries(times=2, first_seconds=0.0)).submit("m", [ROW] * 5)
    found = list(job.results())
    assert [each.row for each in found] == [0, 1, 2, 3, 4]
    assert found[3].unwrap().sentence == text["en"]
    assert len(tried) == 5  # never more than two at a time were lost


def test_lines_are_read_however_they_are_cut() -> None:
    lines = [json.dumps({"row": i, "explanation": reply()}).encode() + b"\n" for i in range(3)]
    body = b"".join(lines)
    for size in (1, 7, len(lines[0]), len(body)):
        reader = ResultReader([])
        pieces = [body[i : i + size] for i in range(0, len(body), size)]
        assert [a.row for piece in pieces for a in reader.read(piece)] == [0, 1, 2]


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b'{"row": "x"}', b'{"row": 0, "explanation": {}}', b"\xff",
             b'{"row": 0, "explanation": {"text": 3}}', b'{"row": -1}', b'{"row": 0, "problem": 7}']
)  # fmt: skip
def test_a_line_that_is_none_is_told(line: bytes) -> None:
    with pytest.raises(NotAnAnswer):
        answered_row(line, [])


def test_what_was_erased_is_an_error_at_its_place() -> None:
    found = answered_row(b'{"row": 4, "erased": true, "audit": {}}', [])
    assert found.row == 4
    assert isinstance(found.error, Erased)


# --- what is broken off ---------------------------------------------------------------------------


def test_an_interrupted_wait_names_its_job() -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    jobs = Jobs(look=interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        waiting(jobs.answer).submit("m", [ROW]).wait()
    assert "client.job('0').cancel()" in caught.value.__notes__[0]
    assert jobs.cancelled == []
    with pytest.raises(KeyboardInterrupt) as caught, waiting(jobs.answer).submit("m", [ROW]) as job:
        job.wait()
    assert not hasattr(caught.value, "__notes__")
    assert jobs.cancelled == ["1"]
    with pytest.raises(KeyboardInterrupt) as caught:
        many(waiting(jobs.answer), [ROW] * 4, rows_per_job=2)
    assert not hasattr(caught.value, "__notes__")
    assert sorted(jobs.cancelled) == ["1", "2", "3"]


def test_a_job_whose_service_is_gone_is_named(client: Made) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    jobs = Jobs(look=gone)
    with pytest.raises(Unreachable) as caught:
        client(jobs.answer).submit("m", [ROW]).wait()
    assert "client.job('0').cancel()" in caught.value.__notes__[0]


def test_an_interrupted_submission_names_its_key() -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        jobs.keys.append(request.headers["idempotency-key"])
        raise KeyboardInterrupt

    jobs = Jobs(submit=interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        waiting(jobs.answer).submit("m", [ROW])
    assert repr(jobs.keys[0]) in caught.value.__notes__[0]


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_part_whose_submission_was_broken_off_is_found_and_cancelled(
    client: Made, is_lost: bool
) -> None:
    jobs = Jobs()
    stopped = KeyboardInterrupt if client is waiting else asyncio.CancelledError

    def second_is_broken_off(request: httpx.Request) -> httpx.Response:
        told = jobs.submit(request)
        if len(jobs.keys) == 2:
            raise stopped
        return refusal(500) if is_lost and len(jobs.keys) == 3 else told

    jobs.answers["submit"] = second_is_broken_off
    with pytest.raises(stopped) as caught:
        many(client(jobs.answer), [ROW] * 4, rows_per_job=2)
    assert jobs.keys[1] == jobs.keys[2]
    if is_lost:
        assert jobs.cancelled == ["0"]
        assert repr(jobs.keys[1]) in caught.value.__notes__[0]
    else:
        assert sorted(jobs.cancelled) == ["0", "2"]  # by the same key the second, to a service


async def cancelled_while(made: Any) -> BaseException:
    """A task that is cancelled once it waits."""
    task = asyncio.ensure_future(made)
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return caught.value


class Hanging(httpx.AsyncBaseTransport):
    """Never answers, but what is allowed."""

    def __init__(self, jobs: Jobs, *answered: str) -> None:
        self.jobs, self.answered, self.under_way = jobs, answered, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method in self.answered:
            return self.jobs.answer(request)
        self.under_way += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        raise AssertionError("goes on")


def test_a_task_that_is_cancelled_asks_nothing_more() -> None:
    async def left() -> None:
        there = Hanging(Jobs())
        client = AsyncClient("http://there", transport=there)
        rows = [ROW] * 100

        async def all_of_it() -> None:
            async for _ in client.explain_many("m", rows, concurrency=5):
                raise AssertionError("answered")

        task = asyncio.ensure_future(all_of_it())
        while there.under_way < 5:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert there.under_way == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(left())


def test_a_task_that_is_cancelled_leaves_no_job_or_names_it() -> None:
    async def left() -> None:
        jobs = Jobs()
        client = AsyncClient("http://there", transport=Hanging(jobs, "POST", "DELETE"))
        job = await client.submit("m", [ROW])
        error = await cancelled_while(job.wait())
        assert "client.job('0').cancel()" in error.__notes__[0]
        assert jobs.cancelled == []

        async def in_a_block() -> None:
            async with await client.submit("m", [ROW]) as job:
                await job.wait()

        await cancelled_while(in_a_block())
        assert jobs.cancelled == ["1"]

        async def many_rows() -> None:
            async for _ in client.explain_many("m", [ROW] * 4, rows_per_job=2):
                raise AssertionError("answered")

        await cancelled_while(many_rows())
        assert sorted(jobs.cancelled) == ["1", "2", "3"]
        nobody = AsyncClient("http://there", transport=Hanging(jobs))
        error = await cancelled_while(nobody.submit("m", [ROW]))
        assert "the job may have begun" in error.__notes__[0]

    asyncio.run(left())


def test_answers_come_while_the_next_row_is_waited_for() -> None:
    async def first() -> None:
        come = asyncio.Event()

        async def rows() -> AsyncIterator[dict[str, Any]]:
            yield ROW
            await come.wait()
            yield ROW

        client = AsyncClient("http://there", transport=httpx.MockTransport(explaining))
        found = client.explain_many("m", rows())
        assert (await anext(found)).row == 0
        come.set()
        assert [each.row async for each in found] == [1]

    asyncio.run(first())


# --- both alike -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (Job, AsyncJob)])
def test_both_clients_can_the_same(one: type, other: type) -> None:
    def public(of: type) -> dict[str, list[str]]:
        return {
            name: [*inspect.signature(method).parameters]
            for name, method in vars(of).items()
            if not name.startswith("_")
        }

    assert public(one) == public(other)


def test_importing_it_imports_nothing_that_searches_or_scores() -> None:
    heavy = {
        "fastapi", "highspy", "lark", "numpy", "onnx", "onnxruntime", "pandas", "scipy",
        "sqlalchemy", "tqdm",
    }  # fmt: skip
    code = (
        "import sys; import ifonly; first = len(sys.modules); ifonly.Client; import ifonly.client;"
        "from ifonly.client.reading import lenient; from ifonly.service.wire import replies;"
        "lenient(replies.ExplanationReply); print(sorted({m.split('.')[0] for m in sys.modules}));"
        "print(sum(m.startswith('ifonly') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    loaded, ours = done.stdout.splitlines()
    assert not heavy & {*json.loads(loaded.replace("'", '"'))}
    assert int(ours) < 50


def test_no_pause_outlasts_whoever_has_left() -> None:
    """Threads that wait to ask again end with the loop that they work for."""

    def service(request: httpx.Request) -> httpx.Response:
        if asked(request)["instance"]["torque"] == 0.0:
            return httpx.Response(200, json=reply())
        return refusal(429, Retry_After="100")

    rows = [{**ROW, "torque": float(i)} for i in range(5)]
    found = waiting(service, retries=Retries()).explain_many("m", rows)
    assert next(found).ok
    found.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ifonly-client")]
