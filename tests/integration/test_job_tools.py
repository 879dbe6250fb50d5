"""Jobs and tables by the command line and from Python."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifonly.client import AsyncClient, Client, NotSent, Problem
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.shop import Shop
from tests.integration.test_jobs_api import PRESS, ROW, ended, lines, submit

CALM = {"torque": 40.0, "rotational_speed": 1500, "tool_wear": 20}


def test_the_command_lists_shows_cancels_and_reads(press: Path, shop: Shop) -> None:
    run: Callable[..., Any] = shop.command
    data = Path(os.environ["IFONLY_DATA"])
    question = ROW | {"target": {"score": {"max": 50.0}}}
    with (
        serving(Settings(models=press, data=data, job_threads=1)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        done = ended(client, submit(client, PRESS, lines({"id": "A", **question}, {"id": "B"})))
    with (
        serving(Settings(models=press, data=data, job_threads=0)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        left = submit(client, PRESS, lines(question))
    listed = json.loads(run("jobs", "list", "--json").out)
    assert [job["id"] for job in listed] == [left["id"], done["id"]]
    assert done["id"][:8] in run("jobs", "list", "--state", "done").out
    assert "2 refused" in (found := run("jobs", "show", done["id"]).out), found
    assert run("jobs", "results", left["id"]).code == 1
    assert "cancelled" in run("jobs", "cancel", left["id"]).out
    assert json.loads(run("jobs", "show", left["id"], "--json").out)["state"] == "cancelled"
    assert "0 of 1 answered" in run("jobs", "show", left["id"]).out
    rows = [json.loads(line) for line in run("jobs", "results", done["id"]).out.splitlines()]
    assert [row["id"] for row in rows] == ["A", "B"]
    file = data / "answers.parquet"
    assert run("jobs", "results", done["id"], "--out", str(file), "--first", "1").code == 0
    assert [row["id"] for row in pq.read_table(file).to_pylist()] == ["B"]
    assert [each.name for each in data.glob(".answers*")] == []
    assert run("jobs", "results", done["id"], "--out", str(data / "no" / "such")).code == 1
    assert run("jobs", "show", "nothing").code == 1


@pytest.mark.parametrize("make", ["arrow", "pandas"])
def test_a_table_comes_back_as_a_table(
    service_url: str, alarm: dict[str, Any], make: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifonly.client.tables.PART_ROWS", 3)
    rows = [alarm | CALM] * 5 + [alarm]
    frame = pd.DataFrame(rows).assign(machine=[f"m{k}" for k in range(6)])
    frame.loc[1, "torque"] = 1e9
    table = frame if make == "pandas" else pa.Table.from_pandas(frame)
    with Client(service_url) as client:
        found = client.explain_table("milling-machine", table, id="machine", language="ko")
        with pytest.raises(NotSent, match="no column 'x'"):
            client.explain_table("milling-machine", table, id="x")
        with pytest.raises(NotSent, match="a list came"):
            client.explain_table("milling-machine", rows)
        with pytest.raises(Problem, match="torque is no column"):
            client.explain_table("milling-machine", frame.drop(columns=["torque"]))
        empty = client.explain_table("milling-machine", frame.head(0))
    told = found.to_pylist()
    assert [row["row"] for row in told] == list(range(6))
    assert [row["id"] for row in told] == [f"m{k}" for k in range(6)]
    assert [row["status"] for row in told] == [
        "already_target", "invalid", *["already_target"] * 3, "optimal",
    ]  # fmt: skip
    assert told[1]["problem"]["field"] == "torque"
    assert "토크" in told[5]["sentence_ko"]
    assert empty.num_rows == 0


def test_jobs_are_found_again_and_rows_by_their_ids(
    service_url: str, alarm: dict[str, Any]
) -> None:
    with httpx.Client(base_url=service_url, timeout=300, trust_env=False) as plain:
        path = "/api/v1/models/milling-machine/explanations"
        job = submit(plain, path, lines({"id": "A", "instance": alarm}, {"id": "B"}))
        ended(plain, job)
    with Client(service_url) as client:
        found = next(each for each in client.jobs(state="done") if each.id == job["id"])
        assert [each.id for each in found.results()] == ["A", "B"]
        assert found.told.statuses == {"optimal": 1}

    async def listed() -> list[str]:
        async with AsyncClient(service_url) as client:
            table = pa.Table.from_pylist([alarm])
            answers = await client.explain_table("milling-machine", table)
            assert answers.column("status").to_pylist() == ["optimal"]
            return [each.id async for each in client.jobs(limit=1)]

    assert job["id"] in asyncio.run(listed())
