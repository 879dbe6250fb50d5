"""The API without HTTP: the same body in, the same reply out. For the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.common import common_remedies
from ifonly.service.ask.reasons import reasons
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import Settings
from ifonly.service.wire import common, requests, validation
from ifonly.service.wire.reasons import ReasonsRequest

Body = Mapping[str, Any]
Reply = dict[str, Any]


def predict(model: ServedModel, body: Body) -> Reply:
    """As ``POST models/{m}/predictions``.

    Raises
    ------
    InvalidRequest, Refusal
        As there.
    """
    return answering.predictions(
        model, validation.read(requests.PredictionsRequest, body)
    ).as_mapping()


def what_if(model: ServedModel, body: Body) -> Reply:
    """As ``POST models/{m}/what-if``.

    Raises
    ------
    InvalidRequest, Refusal
        As there.
    """
    return answering.what_if_reply(
        model, validation.read(requests.WhatIfRequest, body)
    ).as_mapping()


def explain(model: ServedModel, body: Body, settings: Settings) -> Reply:
    """As ``POST models/{m}/explanations``.

    Raises
    ------
    InvalidRequest, Refusal
        As there.
    """
    # The same reading as over HTTP: a command must not accept what the API refuses.
    request = validation.read(requests.ExplanationRequest, body)
    return answering.explanation(
        model, request, Budget.of(request.deadline_ms, settings)
    ).as_mapping()


def read_common(body: Body) -> common.CommonRequest:
    """The body of ``POST models/{m}/common-remedies``.

    Raises
    ------
    InvalidRequest
        As there.
    """
    return validation.read(common.CommonRequest, body)


def common_of(model: ServedModel, request: common.CommonRequest, settings: Settings) -> Reply:
    """As ``POST models/{m}/common-remedies``, of rows that are at hand.

    Raises
    ------
    InvalidRequest
        As there.
    """
    return common_remedies(model, request, Budget.of(request.deadline_ms, settings)).as_mapping()


def reasons_of(model: ServedModel, body: Body, settings: Settings) -> Reply:
    """As ``POST models/{m}/reasons``, of a row that is at hand.

    Raises
    ------
    InvalidRequest
        As there.
    """
    request = validation.read(ReasonsRequest, body)
    return reasons(model, request, Budget.of(request.deadline_ms, settings)).as_mapping()
