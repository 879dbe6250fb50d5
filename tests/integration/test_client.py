"""``ifonly.client`` against a running service, and what goes wrong between them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from ifonly.client import (
    AsyncClient,
    Client,
    Forbidden,
    Invalid,
    NotFound,
    NotSent,
    Retries,
    TimedOut,
    Unauthenticated,
)
from ifonly.service.access import Role
from ifonly.service.doors.cli.serve import listen
from ifonly.service.settings import Settings
from ifonly.service.store import keys
from ifonly.service.store.opened import opened_by
from tests.integration.conftest import free_port, serving
from tests.integration.test_faults import process, until

MODEL = "press"
ROW = {"pressure": 40.0, "speed": 1000}
WANTED = (0.0, 50.0)
"""What the default target of a regression is not: it has none."""


def client_of(url: str, **options: Any) -> Client:
    """Whatever proxy this machine has, it is not for us."""
    return Client(url, **{"transport": httpx.HTTPTransport(), "timeout": 300.0, **options})


@pytest.fixture(scope="module")
def url(press: Path) -> Iterator[str]:
    with serving(Settings(models=press, workers=2, max_waiting=64)) as found:
        yield found


@pytest.fixture
def asking(url: str) -> Iterator[Client]:
    with client_of(url) as client:
        yield client


def rows(count: int) -> pd.DataFrame:
    table = pd.DataFrame({"pressure": np.arange(count) % 150 / 2.0 + 20.0, "speed": 1000.0})
    table.loc[count // 2, "pressure"] = 1e9
    return table


def explanations(client: Client) -> int:
    return sum(1 for _ in client.events(kind="explanation", limit=500))


# --- what it can ----------------------------------------------------------------------------------


def test_everything_can_be_asked(asking: Client) -> None:
    assert [model.name for model in asking.models()] == [MODEL]
    assert [f.name for f in asking.model(MODEL, version="1").features] == ["pressure", "speed"]
    predicted = asking.predict(MODEL, rows(5).drop(index=2), attributes={"shift": "night"})
    assert len(predicted.predictions) == 4
    assert asking.predict(MODEL, pd.Series(ROW)).predictions[0].score == 91.0
    assert asking.what_if(MODEL, ROW, {"pressure": 20.0}).prediction.after.score == 51.0
    many = asking.common_remedies(MODEL, rows(5).drop(index=2), target=WANTED, max_levers=1)
    assert (many.rows, many.alarms, many.status) == (4, 4, "optimal")
    found = asking.explain(MODEL, ROW, target=WANTED, alternatives=2, language="ko")
    assert found.status == "optimal"
    assert found.reply is not None
    assert found.reply.audit is not None
    assert found.sentence == found.reply.text["ko"]
    assert found.confirmed_by == "onnx"
    identity = found.reply.id
    kept = asking.record(identity)
    assert kept.explanation.as_mapping() == found.reply.as_mapping()
    assert kept.request["instance"] == ROW
    assert asking.review(identity, "approve").verdict == "approve"
    assert asking.verify(identity).holds
    assert asking.replay(identity).same
    assert asking.event(identity, proof=True).proof is not None
    came = asking.tell_outcome(identity, "success", number=3.0, unit="min")
    assert asking.follow_up(identity).follow_up.outcome == came
    assert asking.tell_outcome(identity, takes_back=came.id).takes_back == came.id
    many_told = asking.tell_outcomes([{"result": "success", "explanation": "nothing"}])
    assert [each.row for each in many_told.refused] == [0]
    told = [event.kind for event in asking.events(about=identity)]
    assert told == ["outcome", "outcome", "review"]


def test_pages_of_the_trail_follow_each_other(asking: Client) -> None:
    for _ in range(3):
        asking.predict(MODEL, ROW)
    one_by_one = [event.id for event in asking.events(kind="prediction", limit=1)]
    assert one_by_one == [event.id for event in asking.events(kind="prediction")]
    assert len(one_by_one) >= 3


@pytest.mark.parametrize("options", [{}, {"ordered": False}, {"rows_per_job": 20}])
def test_a_wrong_row_in_the_middle_does_not_lose_the_others(
    asking: Client, options: dict[str, Any]
) -> None:
    table = rows(60)
    table.loc[7, "speed"] = np.inf
    found = list(asking.explain_many(MODEL, table, target=WANTED, **options))
    by_row = sorted(found, key=lambda each: each.row)
    assert [each.row for each in by_row] == [*range(60)]
    assert [each.row for each in by_row if not each.ok] == [7, 30]
    assert isinstance(by_row[7].error, NotSent)
    assert isinstance(by_row[30].error, Invalid)
    assert by_row[30].error.errors[0].pointer == "/instance/pressure"
    alone = asking.explain(MODEL, table.iloc[41], target=WANTED)
    assert by_row[41].unwrap().changes == alone.changes


def test_refusals_say_what_is_wrong(asking: Client) -> None:
    with pytest.raises(Invalid) as caught:
        asking.explain(MODEL, {**ROW, "pressure": 101.0}, target=WANTED)
    assert (caught.value.kind, caught.value.errors[0].unit) == ("invalid-instance", "bar")
    with pytest.raises(NotFound, match="nobody"):
        asking.predict("nobody", ROW)
    with pytest.raises(NotFound):
        asking.job("none")
    with pytest.raises(NotFound):
        list(asking.explain_many("nobody", [ROW] * 3))
    with pytest.raises(Invalid, match="nonsense is no query parameter"):
        list(asking.events(nonsense=1))


def test_keys_let_in_whom_they_may(press: Path, tmp_path: Path) -> None:
    settings = Settings(models=press, data=tmp_path)
    with opened_by(settings) as store:
        key, work = keys.create(Role.PIPELINE, "", None, "test")
        store.journal.append(work).result(30)
    with serving(settings, no_auth=False) as url:
        with client_of(url, key=key) as client:
            assert client.predict(MODEL, ROW).predictions
            with pytest.raises(Forbidden):
                list(client.events())
        with client_of(url, key="ifo_wrong") as client, pytest.raises(Unauthenticated):
            list(client.explain_many(MODEL, [ROW] * 3, target=WANTED))


# --- what goes wrong ------------------------------------------------------------------------------


def test_who_asks_too_often_waits_and_loses_no_row(press: Path) -> None:
    with serving(Settings(models=press, rate_per_second=40.0, rate_burst=5)) as url:
        with client_of(url, retries=Retries(first_seconds=0.01)) as client:
            found = list(client.explain_many(MODEL, [ROW] * 25, target=WANTED, concurrency=8))
        assert [each.row for each in found if each.ok] == [*range(25)]


def test_a_service_that_never_answers_is_given_up() -> None:
    with listen("127.0.0.1", 0) as silent, pytest.raises(TimedOut):
        client_of(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2).models()


@pytest.mark.long
@pytest.mark.slow
def test_a_service_that_is_killed_and_started_again_has_answered_each_row_once(
    press: Path, tmp_path: Path
) -> None:
    store, port = f"sqlite:///{tmp_path / 'store.sqlite3'}", str(free_port())
    patient = Retries(times=400, first_seconds=0.05, most_seconds=0.1)
    with ExitStack() as stack, ThreadPoolExecutor(1) as beside:
        first, base = stack.enter_context(process(press, store, port=port))

        def coming() -> Iterator[dict[str, Any]]:
            for i in range(150):
                if i == 60:
                    first.kill()
                    first.wait()
                    beside.submit(stack.enter_context, process(press, store, port=port))
                yield {**ROW, "pressure": 30.0 + i % 120 / 2.0}

        client = stack.enter_context(client_of(base, retries=patient))
        found = list(client.explain_many(MODEL, coming(), target=WANTED))
        assert [each.row for each in found if each.ok] == [*range(150)]
        # What was answered and did not arrive was asked again by the same name.
        assert explanations(client) == 150
        assert len({each.unwrap().reply.id for each in found}) == 150  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def idle(press: Path) -> Iterator[Client]:
    """Asks a service whose jobs wait for ever."""
    with serving(Settings(models=press, job_threads=0)) as url, client_of(url) as client:
        yield client


def url_of(client: Client) -> str:
    return repr(client).removeprefix("Client(").removesuffix(")")


def waiting(client: Client) -> list[str]:
    """Jobs that have not ended."""
    begun = (client.job(event.id) for event in client.events(kind="job", status="queued"))
    return [job.id for job in begun if not job.is_over]


INTERRUPTED = """
import signal, sys, httpx
from ifonly.client import Client
# A shell that starts the tests in its background has SIGINT ignored, in all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
client = Client(sys.argv[1], transport=httpx.HTTPTransport())
rows = ({"pressure": 40.0, "speed": 1000} for _ in range(10**6))
options = {"rows_per_job": 3} if sys.argv[2] == "jobs" else {}
print("begun", flush=True)
for answered in client.explain_many("press", rows, target=(0.0, 50.0), **options):
    pass
"""


@pytest.mark.parametrize("how", ["jobs", "requests"])
def test_an_interrupted_program_leaves_no_job_running(idle: Client, how: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED, url_of(idle), how]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        until(lambda: len(waiting(idle)) == 2 if how == "jobs" else explanations(idle) > 0)
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=300)
    assert program.returncode != 0
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert waiting(idle) == []


def test_a_cancelled_task_leaves_no_job_running(idle: Client) -> None:
    async def read() -> None:
        async with AsyncClient(url_of(idle), transport=httpx.AsyncHTTPTransport()) as client:
            async for _ in client.explain_many(MODEL, forever(), target=WANTED, rows_per_job=3):
                raise AssertionError("answered")

    async def forever() -> AsyncIterator[dict[str, Any]]:
        while True:
            yield ROW

    async def cancelled() -> None:
        task = asyncio.ensure_future(read())
        while len(await asyncio.to_thread(waiting, idle)) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert waiting(idle) == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("count", "options"), [(10_000, {"concurrency": 16}), (2_500, {"rows_per_job": 1_000})]
)
def test_thousands_of_rows(asking: Client, count: int, options: dict[str, Any]) -> None:
    found = asking.explain_many(MODEL, rows(count), target=WANTED, **options)
    told = [(each.row, each.ok) for each in found]
    assert told == [(row, row != count // 2) for row in range(count)]
