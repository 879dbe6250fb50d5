"""When we fail: the client learns nothing but where the log tells more."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from ifonly.service import logs
from ifonly.service.doors.http import problems
from ifonly.service.doors.http.limits import BodyLimit
from ifonly.service.doors.http.request_log import RequestLog

SECRET = 48.15162342


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/fails")
    async def fails() -> Response:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"torque {SECRET}") from error

    @app.get("/breaks-off")
    async def breaks_off() -> Response:
        async def half() -> Any:
            yield b"half"
            raise ValueError(SECRET)

        return StreamingResponse(half())

    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=10)
    app.add_middleware(RequestLog)
    return app


async def get(path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, headers={"X-Request-ID": "question-1"})


def test_a_failure_is_a_500_that_leaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ifonly"):
        response = asyncio.run(get("/fails"))
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "urn:ifonly:problem:internal-error"
    assert problem["request_id"] == "question-1"
    assert str(SECRET) not in response.text
    assert "ValueError" not in response.text


def test_a_failure_is_logged_with_its_place_and_without_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "ifonly"):
        asyncio.run(get("/fails"))
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "ValueError" in logged
    assert "test_failures.py" in logged
    assert "caused by KeyError" in logged
    assert str(SECRET) not in logged
    assert all(record.exc_info is None for record in caplog.records)


def test_an_answer_that_breaks_off_is_not_made_to_look_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "ifonly"), pytest.raises(ValueError):
        asyncio.run(get("/breaks-off"))
    assert "failed: ValueError" in caplog.text


def test_a_line_is_logged_for_each_request_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setFormatter(logs.formatter("json"))
    with caplog.at_level(logging.INFO, "ifonly"):
        asyncio.run(get("/nowhere?torque=48.1"))
    line = json.loads(caplog.text.strip().splitlines()[-1])
    assert line["request_id"] == "question-1"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/nowhere", 404)
    assert line["milliseconds"] >= 0
    assert "48.1" not in caplog.text
