"""When a request is sent again."""

from __future__ import annotations

import math

import httpx
import pytest

from ifonly.client.errors import Busy, Failed, NotAnAnswer, TimedOut, Unreachable
from ifonly.client.retrying import Outcome, Retries, Tries, error_of, retry_after
from tests.unit.client.stand_in import refusal

NOON, LATER = "Mon, 30 Nov 2026 12:00:00 GMT", "Mon, 30 Nov 2026 12:00:09 GMT"
REFUSED = httpx.ConnectError("refused")
PAGE = httpx.Response(502, html="<h1>Bad gateway</h1>", request=httpx.Request("GET", "http://t/a"))


def pauses(outcome: Outcome, chance: float, **retries: float) -> list[float]:
    """All that one request that always ends so waits."""
    tries, found = Tries(Retries(**retries), lambda: chance), []  # type: ignore[arg-type]
    while (seconds := tries.pause_after(outcome)) is not None:
        found.append(seconds)
        assert len(found) < 10_000
    assert tries.made == len(found) + 1
    return found


@pytest.mark.parametrize("outcome", [REFUSED, httpx.ReadError("gone"), PAGE])
def test_what_was_lost_is_tried_again_each_time_about_twice_as_late(outcome: Outcome) -> None:
    assert pauses(outcome, 1.0, times=5, most_seconds=3.0) == [0.25, 0.5, 1.0, 2.0, 3.0]
    assert pauses(outcome, 0.0, times=5, most_seconds=3.0) == [0.125, 0.25, 0.5, 1.0, 1.5]
    assert pauses(outcome, 0.5, times=0) == []


@pytest.mark.parametrize(
    "outcome",
    [
        httpx.ReadTimeout("slow"),  # that was the time to wait
        httpx.PoolTimeout("full"),
        httpx.UnsupportedProtocol("ftp"),
        httpx.Response(200, json={}),
        refusal(422),
        refusal(500, "internal-error"),
        refusal(502, "predictor-disagrees"),
        refusal(503, "model-out-of-service"),  # waiting does not help, or it would say so
        refusal(503, Retry_After="soon"),
    ],
)
def test_what_another_try_would_not_change_stands(outcome: Outcome) -> None:
    assert pauses(outcome, 0.5) == []


@pytest.mark.parametrize("status", [429, 503])
def test_as_long_as_the_service_says_and_a_little_longer(status: int) -> None:
    told = refusal(status, "too-often", Retry_After="2")
    found = pauses(told, 0.5, patience_seconds=11.0)
    assert len(found) == 5  # 10 s of pauses that were asked for
    assert all(seconds > 2.0 for seconds in found)
    assert pauses(told, 0.0, patience_seconds=1.0) == []
    # However often it is refused, nothing overflows.
    assert len(pauses(refusal(status, Retry_After="0.5"), 1.0)) == 0
    assert len(pauses(refusal(status, Retry_After="1"), 1.0, patience_seconds=5_000.0)) == 5_000


def test_what_goes_on_is_lost_for_the_first_time() -> None:
    tries = Tries(Retries(times=1), lambda: 1.0)
    assert tries.pause_after(REFUSED) == 0.25
    tries.went_on()
    assert tries.pause_after(REFUSED) == 0.25
    assert tries.pause_after(REFUSED) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "-7"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "9" * 400}, math.inf),
        ({"Retry-After": LATER, "Date": NOON}, 9.0),
        ({"Retry-After": NOON, "Date": LATER}, 0.0),
        ({"Retry-After": LATER}, None),
    ],
)  # fmt: skip
def test_how_long_is_read_as_seconds_or_as_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(httpx.Response(503, headers=headers)) == seconds


def test_what_is_told_of_nobody_and_of_somebody_else() -> None:
    tries = Tries(Retries(), made=3)
    lost = tries.failure(REFUSED, "http://there")
    assert isinstance(lost, Unreachable)
    assert isinstance(lost, ConnectionError)
    assert str(lost) == "http://there was tried 3 times: refused"
    slow = tries.failure(httpx.ReadTimeout(""), "http://there")
    assert isinstance(slow, TimedOut)
    assert isinstance(slow, TimeoutError)
    page = error_of(PAGE)
    assert isinstance(page, Failed)
    assert (page.type, page.status, page.instance) == ("about:blank", 502, "/a")
    assert "it begins '<h1>Bad gateway" in page.detail
    odd = error_of(httpx.Response(599, request=httpx.Request("GET", "http://t/")))
    assert "it is empty" in str(odd)
    busy = error_of(refusal(503, "overloaded", Retry_After="4"))
    assert isinstance(busy, Busy)
    assert (busy.kind, busy.retry_after, busy.errors[0].unit) == ("overloaded", 4.0, "Nm")
    assert "torque is 1e9 Nm" in str(busy)
    broken = httpx.Response(
        422,
        content=b"{",
        headers={"Content-Type": "application/problem+json"},
        request=httpx.Request("GET", "http://t/"),
    )
    assert isinstance(error_of(broken), NotAnAnswer)


@pytest.mark.parametrize("body", [{}, {"title": "Mine", "status": None, "detail": None},
                                  {"title": "Mine", "status": 200, "more": [1]}])  # fmt: skip
def test_a_problem_of_somebody_else_may_leave_out_what_it_likes(body: dict[str, object]) -> None:
    """RFC 9457 has no member that must be there."""
    sent = httpx.Request("GET", "http://there/a")
    kind = {"Content-Type": "application/problem+json"}
    error = error_of(httpx.Response(503, json=body, headers=kind, request=sent))
    assert isinstance(error, Busy)
    assert (error.status, error.type, error.instance) == (503, "about:blank", "/a")
    assert error.title == body.get("title", "Service Unavailable")
    assert error.errors == []
