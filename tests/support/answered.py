"""Real answers of served models: request, reply and folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.search.engine import Engine
from ifonly.models.repository import load_folder
from ifonly.service.ask import read_request
from ifonly.service.ask.budget import Stopwatch
from ifonly.service.ask.explain import Explanation, explain
from ifonly.service.ask.write_reply import ReplyWriter
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models
from ifonly.service.wire import requests as wire

MILLING = shipped_models() / "milling-machine" / "1"
Json = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    folder: Path
    request: Json
    reply: Json


@cache
def served(folder: Path) -> ServedModel:
    return prepare(load_folder(folder))


def example(name: str, folder: Path = MILLING) -> Json:
    """A shipped instance, by its id."""
    (found,) = (e.instance for e in served(folder).deployed.examples if e.id == name)
    return dict(found)


def asked(model: ServedModel, body: Mapping[str, Any]) -> Explanation:
    """One question through the same functions as the service."""
    question = read_request.question(wire.ExplanationRequest.model_validate(body), model)
    return explain(model, question, Deadline.never())


def answered(folder: Path, body: Json) -> Answered:
    model = served(folder)
    reply = ReplyWriter(model).explanation(asked(model, body), 1_000, Stopwatch(None).times())
    return Answered(folder, body, reply.model_dump(by_alias=True, mode="json"))


def with_engine(model: ServedModel, engine: Engine) -> ServedModel:
    """The same model, asked by another engine."""
    from dataclasses import replace

    chosen: Any = engine
    return replace(model, own_engine=chosen)
