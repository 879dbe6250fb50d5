from __future__ import annotations

import json
import logging
import socket
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ifonly.explainers.wording import LANGUAGES
from ifonly.models.schema import Category, Feature, Kind
from ifonly.service import logs
from ifonly.service.ask.read_request import place
from ifonly.service.ask.write_parts import delta
from ifonly.service.doors.cli.option_values import read_target
from ifonly.service.doors.cli.rendering import prediction
from ifonly.service.doors.cli.serve import listen, url_of
from ifonly.service.settings import Settings, shipped_models
from ifonly.service.words.assumptions import (
    NOTHING_FOLLOWS,
    PREDICTION_IS_EXACT,
    SMALLEST_BY_POLICY,
)

TORQUE = Feature("torque", Kind.CONTINUOUS, "Nm", 0.0, 100.0, Decimal("0.1"))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 6))
def test_a_delta_is_the_exact_decimal_difference(a: int, b: int, places: int) -> None:
    before, after = a / 10**places, b / 10**places
    exact = Decimal(b - a).scaleb(-places)
    assert Decimal(str(delta(TORQUE, before, after))) == exact


def test_a_delta_is_minus_7_5_and_not_nearly() -> None:
    assert delta(TORQUE, 60.7, 53.2) == -7.5
    assert repr(delta(TORQUE, 58.6, 48.9)) == "-9.7"
    assert repr(delta(TORQUE, 3.0, 5.0)) == "2"


def test_a_delta_needs_two_numbers() -> None:
    quality = Feature("quality", Kind.ORDINAL, categories=(Category("L"), Category("H")))
    assert delta(quality, 0.0, 1.0) is None
    assert delta(TORQUE, float("nan"), 1.0) is None


@pytest.mark.parametrize(
    ("key", "document", "path"),
    [
        ("target.class", {"target": {"class": "x"}}, ("target", "class")),
        ("target.class", {"target": {}}, ("target",)),
        ("c.freeze.1", {"c": {"freeze": ["a", "b"]}}, ("c", "freeze", 1)),
        ("c.ranges.a.b", {"c": {"ranges": {"a.b": [1, 2]}}}, ("c", "ranges", "a.b")),
        ("c.only.a.b.0", {"c": {"only": {"a": 1, "a.b": [1]}}}, ("c", "only", "a.b", 0)),
        ("c.freeze.7", {"c": {"freeze": ["a"]}}, ("c", "freeze")),
        ("elsewhere", {"c": 1}, ()),
    ],
)
def test_a_key_of_the_domain_is_found_in_the_request(
    key: str, document: Any, path: tuple[str | int, ...]
) -> None:
    assert place(key, document) == path


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("normal", {"class": "normal"}),
        ("normal>=0.6", {"class": "normal", "probability": {"min": 0.6}}),
        ("normal <= 6e-1", {"class": "normal", "probability": {"max": 0.6}}),
        ("score>=-3.5", {"score": {"min": -3.5}}),
        ("score<=30", {"score": {"max": 30.0}}),
        ("a>=b", {"class": "a>=b"}),
        ("정상>=0.9", {"class": "정상", "probability": {"min": 0.9}}),
        ('{"score": {"min": 1, "max": 2}}', {"score": {"min": 1, "max": 2}}),
    ],
)
def test_a_target_is_read_from_its_short_form(text: str, target: dict[str, Any]) -> None:
    assert read_target(text) == target


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"class": "failure", "probability": 0.93}, "failure (93.0 %)"),
        ({"class": "failure", "probability": 0.99999}, "failure (99.999 %)"),
        ({"class": "failure", "probability": 1.0}, "failure (100.0 %)"),
        ({"class": "f", "label": {"en": "bad"}, "probability": 1e-7}, "bad (< 0.001 %)"),
        ({"score": 12.25, "unit": "kN"}, "score 12.25 kN"),
        ({"class": "hot", "score": 12.25}, "hot (score 12.25)"),
    ],
)
def test_a_prediction_is_shown_without_claiming_certainty(said: dict[str, Any], text: str) -> None:
    assert prediction(said, "en") == text


def test_every_assumption_is_said_in_every_language() -> None:
    for assumption in (NOTHING_FOLLOWS, SMALLEST_BY_POLICY, PREDICTION_IS_EXACT):
        assert set(assumption) == set(LANGUAGES)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IFONLY_PORT", "9000")
    monkeypatch.setenv("IFONLY_MODELS", "/srv/models")
    settings = Settings()
    assert settings.port == 9000
    assert settings.models == Path("/srv/models")
    assert Settings(port=1).port == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 70_000), ("workers", 0), ("max_deadline_ms", 60_001), ("log_format", "xml")],
)
def test_a_setting_out_of_bounds_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})


def test_the_shipped_models_are_where_the_package_is() -> None:
    assert (shipped_models() / "milling-machine" / "1" / "model.onnx").is_file()


def test_a_listener_is_known_for_tcp_so_that_replies_are_not_held_back() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_the_url_of_a_listener_on_every_address_is_one_that_can_be_asked() -> None:
    with listen("0.0.0.0", 0) as listener:
        assert url_of(listener).startswith("http://127.0.0.1:")


def test_where_an_error_came_from_is_told_without_its_message() -> None:
    try:
        raise ValueError("58.6 Nm")
    except ValueError as error:
        text = logs.where(error)
    assert "ValueError" in text
    assert "test_parts.py" in text
    assert "58.6" not in text


def test_a_json_log_line_carries_a_traceback_only_when_asked_to() -> None:
    record = logging.LogRecord("ifonly", logging.INFO, __file__, 1, "hello %s", ("you",), None)
    assert '"message": "hello you"' in logs.formatter("json").format(record)
    assert "traceback" not in logs.formatter("json").format(record)
    try:
        raise ValueError
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "traceback" in logs.formatter("json").format(record)


def test_a_line_carries_the_ids_of_its_span() -> None:
    record = logging.LogRecord("ifonly", logging.INFO, __file__, 1, "hello", (), None)
    with logs.of_request("ours"), logs.of_span("a" * 32, "b" * 16):
        told = json.loads(logs.formatter("json").format(record))
        plain = logs.formatter("plain").format(record)
    assert (told["trace_id"], told["span_id"]) == ("a" * 32, "b" * 16)
    assert f"[ours {'a' * 32}-{'b' * 16}] hello" in plain
    assert "trace_id" not in logs.formatter("json").format(record)


def test_the_servers_own_lines_which_have_the_query_are_not_written() -> None:
    """Also in a process that configures its lines after the server has."""
    access, root = logging.getLogger("uvicorn.access"), logging.getLogger()
    before = (root.handlers[:], root.level, access.propagate)
    try:
        logs.configure("plain", "INFO")
        assert not access.hasHandlers()  # what uvicorn asks
        assert logging.getLogger("uvicorn.error").hasHandlers()
    finally:
        root.handlers[:], root.level, access.propagate = before


@pytest.mark.parametrize(
    "sign", ["\n", "\r", "\x1b[2J", "\x9b2J", "\u2028", "\u202e", "\x00", "\x7f"]
)
def test_nothing_that_a_request_says_begins_a_line_or_moves_a_terminal(sign: str) -> None:
    forged = f"a{sign}2026-01-01 INFO ifonly [-] forged"
    record = logging.LogRecord("ifonly", logging.INFO, "", 0, "GET %s", (forged,), None)
    record.path = forged
    plain = logs.formatter("plain").format(record)
    assert all(line.isprintable() for line in plain.split("\n"))
    assert all(line.startswith("    | ") for line in plain.split("\n")[1:])
    told = logs.formatter("json").format(record)
    assert told.isprintable()
    assert json.loads(told)["path"] == forged
    assert "\n" not in logs.escaped(forged)
