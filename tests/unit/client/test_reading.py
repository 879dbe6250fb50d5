"""Replies of services that are older or newer than the client."""

from __future__ import annotations

import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from ifonly.client.answers import explanation
from ifonly.client.errors import NotAnAnswer, Problem, problem
from ifonly.client.reading import lenient, read_bytes
from ifonly.client.retrying import error_of
from ifonly.explainers.terms import Status
from ifonly.service.wire import causal, examples, inspection, jobs, models, replies, report, trail
from ifonly.service.wire.base import Wire
from ifonly.service.wire.problem import ProblemDetails

EXCHANGES = [
    (replies.ExplanationReply, examples.EXPLANATION),
    (replies.PredictionsReply, examples.PREDICTIONS),
    (replies.WhatIfReply, examples.WHAT_IF),
    (ProblemDetails, examples.PROBLEM),
]


def written(reply: dict[str, Any]) -> bytes:
    return json.dumps(reply).encode()


@pytest.mark.parametrize(("kind", "exchange"), EXCHANGES)
def test_what_came_is_read_by_the_wires_own_types_and_written_as_it_came(
    kind: type[Wire], exchange: examples.ExampleExchange
) -> None:
    found = read_bytes(kind, written(exchange.reply), "here")
    assert isinstance(found, kind)
    assert found.as_mapping() == exchange.reply
    again = pickle.loads(pickle.dumps(found))
    assert again == found == copy.deepcopy(found)
    assert again.as_mapping() == exchange.reply


def test_what_a_newer_service_says_besides_is_kept() -> None:
    newer = copy.deepcopy(examples.EXPLANATION.reply)
    newer["status"], newer["mood"] = "optimal_enough", {"a": [1]}
    newer["counterfactuals"][0]["confirmation"]["by"] = "oracle"
    newer["counterfactuals"][0]["colour"] = "red"
    with pytest.raises(ValidationError):  # what the service itself would say
        replies.ExplanationReply.model_validate_json(written(newer))
    found = read_bytes(replies.ExplanationReply, written(newer), "here")
    assert (found.status, found.model_extra) == ("optimal_enough", {"mood": {"a": [1]}})
    assert found.counterfactuals[0].model_extra == {"colour": "red"}
    assert found.as_mapping() == newer
    assert explanation(found, {}, "en").status == "optimal_enough"


def test_what_an_older_service_does_not_say_is_none() -> None:
    older = copy.deepcopy(examples.EXPLANATION.reply)
    for gone in ("confirmation", "doubts", "assumptions", "semantics"):
        del older[gone]
    for gone in ("gap", "enumerated_changes", "confirmation"):
        del older["counterfactuals"][0][gone]
    found = read_bytes(replies.ExplanationReply, written(older), "here")
    told: list[Any] = [found.doubts, found.counterfactuals[0].gap]
    assert told == [None, None]
    assert found.confirmation.by == "copy"
    assert found.as_mapping() == older
    assert explanation(found, {"torque": 1.0}, "en").confirmed_by == "onnx"


def test_words_that_are_known_are_what_they_are_here() -> None:
    found = read_bytes(replies.ExplanationReply, written(examples.EXPLANATION.reply), "here")
    assert type(found.status) is Status
    torque = found.counterfactuals[0].actions[0]
    assert isinstance(torque.from_, float)
    assert (torque.from_, torque.to) == (
        examples.EXPLANATION.reply["counterfactuals"][0]["actions"][0]["from"],
        examples.EXPLANATION.reply["counterfactuals"][0]["actions"][0]["to"],
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"predictions": 3}', b"\xff"])
def test_what_is_no_reply_is_told_with_how_it_begins(body: bytes) -> None:
    with pytest.raises(NotAnAnswer, match="http://there sent no PredictionsReply"):
        read_bytes(replies.PredictionsReply, body, "http://there")


def test_every_reply_of_the_wire_can_be_read_leniently() -> None:
    kinds = [
        kind
        for module in (causal, inspection, jobs, models, replies, report, trail)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Wire) and "Request" not in kind.__name__
    ]
    assert len(kinds) > 60
    for kind in kinds:
        read_leniently = lenient(kind)
        assert issubclass(read_leniently, kind)
        assert not any(field.is_required() for field in read_leniently.model_fields.values())


def test_threads_read_by_the_same_type() -> None:
    kinds = [vars(report)[name] for name in ("Outcomes", "Verdicts", "ReportReply")] * 20
    with ThreadPoolExecutor(8) as pool:
        assert len({*pool.map(lenient, kinds)}) == 3


def test_a_problem_is_pickled_whole() -> None:
    error = error_of(
        httpx.Response(
            422,
            json=examples.PROBLEM.reply,
            headers={"Content-Type": "application/problem+json", "Retry-After": "3"},
            request=httpx.Request("GET", "http://there/"),
        )
    )
    assert isinstance(error, Problem)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.retry_after) == (str(error), 3.0)
    assert again.details.as_mapping() == examples.PROBLEM.reply
    assert problem(again.details).errors == again.errors
