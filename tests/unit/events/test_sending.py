"""How long is waited, who may be told, and how that is signed."""

from __future__ import annotations

import base64

import pytest

from ifonly.service.errors import SinkUnavailable
from ifonly.service.sending.http import retry_after
from ifonly.service.sending.sender import LONGEST_WAIT_SECONDS, wait_before
from ifonly.service.sending.webhooks import secrets_of, signature, why_not

ALLOWED = ("hooks.example", "*.mes.example", "http://plain.example:8080", "https://odd.example:444")


def test_each_wait_is_up_to_twice_the_one_before_and_no_shorter_than_asked() -> None:
    longest = [wait_before(k, None, lambda: 1.0) for k in range(1, 12)]
    assert longest[:4] == [1.0, 2.0, 4.0, 8.0]
    assert longest[-1] == LONGEST_WAIT_SECONDS == wait_before(10_000, None, lambda: 1.0)
    assert wait_before(3, None, lambda: 0.0) == 2.0  # half of it is by chance
    assert wait_before(1, 60.0, lambda: 1.0) == 60.0
    assert wait_before(9, 1.0, lambda: 1.0) == 256.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("999999999", 3_600.0),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("", None),
        ("9" * 400, None),
    ],
)
def test_what_a_receiver_asks_to_wait(said: str | None, seconds: float | None) -> None:
    assert retry_after(said, 1_445_412_480.0) == seconds


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/x?y=1",
        "https://HOOKS.example:443/",
        "https://a.mes.example",
        "http://plain.example:8080/x",
        "https://odd.example:444/",
    ],
)
def test_hosts_that_are_allowed_are_told(url: str) -> None:
    assert why_not(url, ALLOWED) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "https://hooks.example:444/",
        "https://hooks.example./",
        "https://mes.example/",
        "https://evil-mes.example/",
        "https://a.mes.example.evil.example/",
        "https://plain.example:8080/",
        "http://plain.example/",
        "https://odd.example/",
        "https://hooks.example\\@evil.example/",
        "https://evil.example\\.hooks.example/",
        "https://hooks.example@evil.example/",
        "https://user:password@hooks.example/",
        "https://@hooks.example/#part",
        "https://evil.example#@hooks.example/",
        "https://evil.example?@hooks.example/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https:hooks.example",
        "ftp://hooks.example/",
        "hooks.example",
        "",
        "https://hooks.example/" + "x" * 2_048,
    ],
)
def test_all_others_are_not(url: str) -> None:
    assert why_not(url, ALLOWED)


def test_without_hosts_nobody_is_told() -> None:
    assert "IFONLY_WEBHOOK_HOSTS" in (why_not("https://hooks.example/", ()) or "")


def test_the_signature_is_the_one_of_the_specification() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, the example of its libraries."""
    secrets = secrets_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    told = signature(
        secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_both_sign() -> None:
    both = " ".join(base64.b64encode(bytes([k]) * 32).decode() for k in (1, 2))
    first, second = signature(secrets_of(both), "id", 1, b"{}").split(" ")
    assert signature(secrets_of(both)[1:], "id", 1, b"{}") == second != first


@pytest.mark.parametrize("text", ["", "   ", "whsec_", "whsec_AAAA", "whsec_ä", "not base64!"])
def test_a_secret_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SinkUnavailable, match="IFONLY_WEBHOOK"):
        secrets_of(text)
